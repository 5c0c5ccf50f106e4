#include "server/audit.h"

#include "server/client_address.h"
#include "server/log.h"

namespace recharge {

void audit_refused_signature(const HandlerContext& context, const Request& request,
                             std::string_view gateway) {
  const NetAddress client = client_address(context.client, context.trusted_proxies, request.forwarded_for());
  log_audit("signature_refused",
            {{"gateway", gateway}, {"client", client.to_text()}, {"request_id", context.request_id}});
}

void audit_operator(const HandlerContext& context, std::string_view action, std::string_view on) {
  log_audit("operator", {{"action", action},
                         {"on", on},
                         {"subject", context.token_subject},
                         {"client", context.client.to_text()},
                         {"request_id", context.request_id}});
}

void audit_process(std::string_view action) { log_audit("operator", {{"action", action}}); }

}  // namespace recharge
