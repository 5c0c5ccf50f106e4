#include "server/audit.h"

#include "server/client_address.h"
#include "server/handler.h"
#include "server/log.h"

namespace recharge {

bool RefusalLines::take(std::string_view gateway) {
  if (left_ > 0) {
    --left_;
    return true;
  }
  const auto at = counted_.find(gateway);
  ++(at != counted_.end() ? at->second : counted_.emplace(gateway, 0).first->second);
  return false;
}

void RefusalLines::next_second() {
  for (const auto& [gateway, count] : counted_)
    log_audit("signatures_refused", {{"gateway", gateway}, {"count", std::to_string(count)}});
  counted_.clear();
  left_ = kEachSecond;
}

void audit_refused_signature(HandlerContext& context, const Request& request, std::string_view gateway) {
  if (!context.refusal_lines.take(gateway)) return;
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
