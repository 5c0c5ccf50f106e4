#include "server/webhook_settings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>

#include "core/event.h"
#include "server/settings_reader.h"
#include "storage/subscriber_cursors.h"

namespace recharge {
namespace {

// A whole number of seconds, minutes or hours, a day at the most.
std::optional<std::int64_t> parse_wait(std::string_view text) {
  std::int64_t number = 0;
  const auto [unit, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || unit + 1 != text.data() + text.size()) return std::nullopt;
  const std::int64_t unit_ms = *unit == 's' ? 1000 : *unit == 'm' ? 60'000 : *unit == 'h' ? 3'600'000 : 0;
  if (unit_ms == 0 || number < 1 || number > 86'400'000 / unit_ms) return std::nullopt;
  return number * unit_ms;
}

// What stands beside the sections of endpoints (notify_settings.h).
constexpr std::array<std::string_view, 5> kNoEndpoints = {"ca_file", "allowed_hosts", "notify_secret_file",
                                                          "notify_allow_private", "notify_retries"};

}  // namespace

std::optional<std::vector<std::int64_t>> read_retries(SettingsReader& reader, const std::string& path) {
  const auto retries = reader.texts(path);
  if (!retries) return std::nullopt;
  std::vector<std::int64_t> waits_ms;
  for (const std::string& text : *retries) {
    const auto wait_ms = parse_wait(text);
    if (!wait_ms) reader.refuse(path, "must be times such as \"5s\", \"30m\" or \"2h\"");
    waits_ms.push_back(*wait_ms);
  }
  return waits_ms;
}

std::filesystem::path read_webhook_ca(SettingsReader& reader) {
  const auto file = reader.text("webhook.ca_file");
  if (!file) return {};
  std::filesystem::path path = reader.file_path(*file);
  if (!std::ifstream(path)) reader.refuse("webhook.ca_file", path.string() + ": cannot be read");
  return path;
}

std::vector<WebhookSettings> read_webhooks(SettingsReader& reader) {
  std::vector<WebhookSettings> webhooks;
  for (const std::string& name : reader.names_in("webhook")) {
    if (std::find(kNoEndpoints.begin(), kNoEndpoints.end(), name) != kNoEndpoints.end()) continue;
    const std::string path = "webhook." + name;
    WebhookSettings webhook;
    webhook.name = name;
    webhook.ca_file = read_webhook_ca(reader);
    if (name == "amqp") reader.refuse(path, "is the name of the broker");
    if (!SubscriberCursors::is_name(name) || name.size() > 32)
      reader.refuse(path, "a name is 1 to 32 of a-z, 0-9, _ and -");
    if (auto url = reader.text(path + ".url")) webhook.url = *url;
    if (!webhook.url.starts_with("https://") && !webhook.url.starts_with("http://"))
      reader.refuse(path + ".url", "must be an http or https URL");
    if (webhook.url.find_first_of(" \t\r\n#") != std::string::npos)
      reader.refuse(path + ".url", "must have no spaces and no fragment");
    auto secret = reader.file(path + ".secret_file");
    if (!secret) reader.refuse(path, "secret_file is missing");
    webhook.secret = std::move(*secret);
    if (auto events = reader.texts(path + ".events")) webhook.events = *events;
    for (const std::string& type : webhook.events) {
      if (!parse_event_type(type)) reader.refuse(path + ".events", "no type of events: " + type);
    }
    if (auto seconds = reader.integer(path + ".timeout_s", 1, 60)) webhook.timeout_ms = *seconds * 1000;
    if (auto many = reader.integer(path + ".concurrency", 1, 64))
      webhook.concurrency = static_cast<unsigned>(*many);
    if (auto retries = read_retries(reader, path + ".retries")) webhook.retries_ms = std::move(*retries);
    if (auto on = reader.boolean(path + ".allow_private")) webhook.allow_private = *on;
    webhooks.push_back(std::move(webhook));
  }
  return webhooks;
}

}  // namespace recharge
