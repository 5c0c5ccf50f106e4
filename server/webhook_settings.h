// Purpose: the endpoints that are told of events. Lifetime: as Settings. Units: in the names.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/secret_source.h"

namespace recharge {

class SettingsReader;

inline const std::vector<std::int64_t> kWebhookRetriesMs = {5'000,      300'000,    1'800'000, 7'200'000,
                                                            18'000'000, 36'000'000, 23'100'000};

struct WebhookSettings {
  std::string name;
  std::string subscriber;  // empty: "webhook-" and the name
  std::string url;         // http or https
  SecretSource secret;     // lines of whsec_… (v1) and whsk_… (v1a); several while they are exchanged
  std::vector<std::string> events;  // types; empty: all
  std::int64_t timeout_ms = 10'000;
  unsigned concurrency = 8;
  // After each failed attempt, how long until the next; after the last of them an event is given up.
  std::vector<std::int64_t> retries_ms = kWebhookRetriesMs;
  std::filesystem::path ca_file;  // PEM: whom to believe instead of the system's authorities; empty: those
  bool allow_private = false;     // loopback, private and link-local addresses, too
  // Set: events go to their order's own address instead, where it is one that this endpoint takes.
  std::function<bool(std::string_view url)> takes_url = {};
};

std::vector<WebhookSettings> read_webhooks(SettingsReader& reader);
// webhook.ca_file, of all endpoints and hosts; empty: nobody gave one.
std::filesystem::path read_webhook_ca(SettingsReader& reader);
// Times such as "5s", "30m" or "2h"; none: nobody gave any.
std::optional<std::vector<std::int64_t>> read_retries(SettingsReader& reader, const std::string& path);

}  // namespace recharge
