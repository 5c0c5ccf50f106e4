// Purpose: to which hosts an order's own address (notify_url) may point, and how it is told. Each host that
// is allowed is a subscriber of its own, so that none waits for another. Lifetime: as Settings. Units: in the
// names.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "server/webhook_settings.h"

namespace recharge {

struct NotifyHost {
  std::string host;        // lower case, or an address of IPv4
  std::uint16_t port = 0;  // 0: the scheme's own

  std::string to_text() const;  // HOST or HOST:PORT
};

struct NotifySettings {
  static constexpr std::size_t kMaxHosts = 16;  // each reads the journal by itself
  static constexpr std::size_t kMaxHostBytes = 100;

  std::vector<NotifyHost> allowed_hosts;  // empty: no order has an address of its own
  SecretSource secret;                    // as of a webhook; there wherever a host is
  std::filesystem::path ca_file;          // as of a webhook
  bool allow_private = false;             // http, and addresses that are loopback, private or link-local, too
  std::vector<std::int64_t> retries_ms = kWebhookRetriesMs;
};

NotifySettings read_notify(SettingsReader& reader);

// One for each host, named "notify@HOST".
std::vector<WebhookSettings> endpoints_of(const NotifySettings& settings);

struct NotifyUrlCheck {
  const NotifyHost* host = nullptr;  // null: refused
  std::string_view fault;            // why; empty: it is not
};

// A URL is taken where nothing can be made of it but an address at a host that is allowed.
NotifyUrlCheck check_notify_url(std::string_view url, const NotifySettings& settings);

}  // namespace recharge
