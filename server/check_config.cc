#include "server/check_config.h"

#include <time.h>

#include <cstdio>

#include "server/exit_code.h"
#include "server/key_rings.h"
#include "server/log.h"
#include "server/settings_page.h"
#include "server/tls_context.h"
#include "server/token_keys.h"
#include "server/webhook_signer.h"

namespace recharge {

int check_config(const CommandLine& line) {
  const Environment environment = process_environment();
  if (line.show) std::fputs(settings_page(line.flags, environment).c_str(), stdout);
  const Settings settings = load_settings(line.flags, environment);
  load_token_keys(settings.auth);
  for (const WebhookSettings& webhook : settings.webhooks) WebhookSigner{webhook.secret};
  if (!settings.notify.allowed_hosts.empty()) WebhookSigner{settings.notify.secret};
  if (const auto tls = load_tls(settings.tls)) {
    const std::string complaint = tls->complaint(::time(nullptr));
    if (!complaint.empty()) std::fprintf(stderr, "recharged: warning: %s\n", log_safe(complaint).c_str());
  }
  if (!settings.needs_generated_secret()) load_key_rings(settings);  // else it is made at the start
  return kExitClean;
}

}  // namespace recharge
