#include "server/notify_settings.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/notify_url.h"
#include "server/settings_reader.h"
#include "storage/subscriber_cursors.h"

namespace recharge {
namespace {

static_assert(NotifySettings::kMaxHostBytes + 8 <= SubscriberCursors::kMaxNameBytes);
constexpr std::string_view kHttps = "https://";
constexpr std::string_view kHttp = "http://";
constexpr std::string_view kNeverInUrls = "\"<>\\^`{|}";

// Letters, digits, dots and hyphens: nothing that two readers of a URL could see differently.
bool is_host(std::string_view text) noexcept {
  return !text.empty() && text.front() != '.' && text.front() != '-' &&
         text.find("..") == std::string_view::npos && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
         });
}

std::string lower(std::string_view text) {
  std::string made(text);
  for (char& c : made) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return made;
}

// HOST or HOST:PORT.
std::optional<NotifyHost> parse_host(std::string_view text) {
  if (text.size() > NotifySettings::kMaxHostBytes) return std::nullopt;
  NotifyHost made;
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos) {
    const std::string_view digits = text.substr(colon + 1);
    const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), made.port);
    if (failure != std::errc{} || end != digits.data() + digits.size() || made.port == 0) return std::nullopt;
    text = text.substr(0, colon);
  }
  made.host = lower(text);
  if (!is_host(made.host)) return std::nullopt;
  return made;
}

// A name of a subscriber has no dot and no colon, and a host no underscore.
std::string subscriber_of(const NotifyHost& host) {
  std::string name = "notify-" + host.host;
  std::replace(name.begin(), name.end(), '.', '_');
  return host.port == 0 ? name : name + "__" + std::to_string(host.port);
}

}  // namespace

std::string NotifyHost::to_text() const { return port == 0 ? host : host + ":" + std::to_string(port); }

NotifySettings read_notify(SettingsReader& reader) {
  NotifySettings notify;
  const std::string hosts_path = "webhook.allowed_hosts";
  for (const std::string& text : reader.texts(hosts_path).value_or(std::vector<std::string>())) {
    const auto host = parse_host(text);
    if (!host) reader.refuse(hosts_path, text + " is not a host or HOST:PORT, without a scheme and a path");
    const bool again =
        std::any_of(notify.allowed_hosts.begin(), notify.allowed_hosts.end(),
                    [&](const NotifyHost& other) { return other.to_text() == host->to_text(); });
    if (again) reader.refuse(hosts_path, text + " is there twice");
    notify.allowed_hosts.push_back(*host);
  }
  if (notify.allowed_hosts.size() > NotifySettings::kMaxHosts)
    reader.refuse(hosts_path, "more than " + std::to_string(NotifySettings::kMaxHosts) + " hosts");
  auto secret = reader.file("webhook.notify_secret_file");
  if (!secret && !notify.allowed_hosts.empty())
    reader.refuse(hosts_path, "needs webhook.notify_secret_file: nothing is sent unsigned");
  if (secret) notify.secret = std::move(*secret);
  notify.ca_file = read_webhook_ca(reader);
  if (auto on = reader.boolean("webhook.notify_allow_private")) notify.allow_private = *on;
  if (auto retries = read_retries(reader, "webhook.notify_retries")) notify.retries_ms = std::move(*retries);
  return notify;
}

std::vector<WebhookSettings> endpoints_of(const NotifySettings& settings) {
  std::vector<WebhookSettings> endpoints;
  for (const NotifyHost& host : settings.allowed_hosts) {
    WebhookSettings endpoint;
    endpoint.name = "notify@" + host.to_text();
    endpoint.subscriber = subscriber_of(host);
    endpoint.secret = settings.secret;
    endpoint.retries_ms = settings.retries_ms;
    endpoint.ca_file = settings.ca_file;
    endpoint.allow_private = settings.allow_private;
    endpoint.takes_url = [settings, name = host.to_text()](std::string_view url) {
      const NotifyHost* found = check_notify_url(url, settings).host;
      return found != nullptr && found->to_text() == name;
    };
    endpoints.push_back(std::move(endpoint));
  }
  return endpoints;
}

NotifyUrlCheck check_notify_url(std::string_view url, const NotifySettings& settings) {
  if (settings.allowed_hosts.empty()) return {nullptr, "not taken here: webhook.allowed_hosts names no host"};
  if (url.empty() || url.size() > NotifyUrl::kCapacity) return {nullptr, "must have 1 to 512 bytes"};
  for (const char c : url) {
    if (c <= ' ' || c > '~' || kNeverInUrls.find(c) != std::string_view::npos)
      return {nullptr, "has a character that must be encoded"};
  }
  if (url.find('#') != std::string_view::npos) return {nullptr, "must have no fragment"};
  const bool plain = url.starts_with(kHttp);
  if (plain && !settings.allow_private) return {nullptr, "must be an https URL"};
  if (!plain && !url.starts_with(kHttps)) return {nullptr, "must be an https URL"};
  url.remove_prefix(plain ? kHttp.size() : kHttps.size());
  const std::string_view authority = url.substr(0, url.find_first_of("/?"));
  if (authority.find('@') != std::string_view::npos) return {nullptr, "must name no user"};
  const auto host = parse_host(authority);
  const std::uint16_t own_port = plain ? 80 : 443;
  const auto port_of = [own_port](const NotifyHost& one) { return one.port == 0 ? own_port : one.port; };
  for (const NotifyHost& allowed : settings.allowed_hosts) {
    if (host && allowed.host == host->host && port_of(allowed) == port_of(*host)) return {&allowed, {}};
  }
  return {nullptr, "its host is not on webhook.allowed_hosts"};
}

}  // namespace recharge
