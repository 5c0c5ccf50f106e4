#include "server/settings_page.h"

#include <algorithm>
#include <map>
#include <sstream>

#include "server/json_text.h"
#include "server/settings_reader.h"

namespace recharge {
namespace {

constexpr std::string_view kRedacted = "<redacted>";
constexpr std::size_t kOriginColumn = 60;

std::string toml_text(std::string_view text) {
  std::string out;
  JsonText(out).text(text);  // the same escapes
  return out;
}
std::string number(std::int64_t value) { return std::to_string(value); }
std::string flag(bool value) { return value ? "true" : "false"; }
std::string money(Money amount) { return toml_text(to_text(amount)); }
std::string seconds(std::int64_t milliseconds) { return number(milliseconds / 1000); }
std::string size(std::uint64_t value) { return std::to_string(value); }

std::string policy(PaymentPolicy value) {
  return toml_text(value == PaymentPolicy::credit   ? "credit"
                   : value == PaymentPolicy::refund ? "refund"
                                                    : "review");
}

std::string list(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) out.append(out.size() > 1 ? ", " : "").append(toml_text(text));
  return out + "]";
}

std::string hosts(const std::vector<NotifyHost>& allowed) {
  std::vector<std::string> texts;
  for (const NotifyHost& host : allowed) texts.push_back(host.to_text());
  return list(texts);
}

std::string waits(const std::vector<std::int64_t>& waits_ms) {
  std::vector<std::string> texts;
  for (const std::int64_t ms : waits_ms) {
    texts.push_back(ms % 3'600'000 == 0 ? number(ms / 3'600'000) + "h"
                    : ms % 60'000 == 0  ? number(ms / 60'000) + "m"
                                        : seconds(ms) + "s");
  }
  return list(texts);
}

// What stands for a setting that nobody gave.
std::map<std::string, std::string> effective(const Settings& s) {
  std::map<std::string, std::string> values{
      {"server.listen", toml_text(s.server.listen.to_text())},
      {"server.threads", s.server.threads == 0 ? "\"one per core\"" : number(s.server.threads)},
      {"server.max_body_bytes", size(s.server.max_body_bytes)},
      {"server.max_header_bytes", size(s.server.max_header_bytes)},
      {"server.request_timeout_ms", number(s.server.request_timeout_ms)},
      {"server.idle_timeout_ms", number(s.server.idle_timeout_ms)},
      {"server.drain_timeout_ms", number(s.server.drain_timeout_ms)},
      {"server.drain_delay_ms", number(s.server.drain_delay_ms)},
      {"server.max_latency_ms", number(s.server.max_latency_ms)},
      {"server.pin_threads", flag(s.server.pin_threads)},
      {"server.max_connections", number(s.server.max_connections)},
      {"server.max_connections_per_address", number(s.server.max_connections_per_address)},
      {"server.proxy_protocol", flag(s.server.proxy_protocol)},
      {"store.kind", toml_text(s.store.kind)},
      {"store.data_dir", toml_text(s.store.data_dir.string())},
      {"store.journal_retention", toml_text("all")},
      {"store.segment_bytes", size(s.store.segment_bytes)},
      {"store.checkpoint_interval_ms", number(s.store.checkpoint_interval_ms)},
      {"store.checkpoint_bytes", size(s.store.checkpoint_bytes)},
      {"store.reserve_bytes", size(s.store.reserve_bytes)},
      {"store.scrub_interval_s", seconds(s.store.scrub_interval_ms)},
      {"store.scrub_bytes_per_second", size(s.store.scrub_bytes_per_second)},
      {"accounts.pattern", toml_text(s.account_pattern)},
      {"orders.currency", toml_text(s.orders.currency_code)},
      {"orders.max_amount", money(s.orders.max_amount)},
      {"orders.expire_after_s", seconds(s.orders.expire_after_ms)},
      {"orders.max_pending_per_account", number(s.orders.account_limits.max_pending)},
      {"orders.max_amount_per_account_per_day", money(s.orders.account_limits.max_amount_a_day)},
      {"orders.late_payment", policy(s.orders.policies.late)},
      {"orders.duplicate_payment", policy(s.orders.policies.duplicate)},
      {"orders.overpayment", policy(s.orders.policies.over)},
      {"orders.underpayment", policy(s.orders.policies.under)},
      {"orders.idempotency_retention_s", seconds(s.orders.idempotency_retention_ms)},
      {"callback.tolerance_s", seconds(s.callback.tolerance_ms)},
      {"callback.required_fields", list(s.callback.required_fields)},
      {"auth.mode", toml_text(s.auth.mode == AuthMode::jwt ? "jwt" : "off")},
      {"auth.allow_open", flag(s.auth.allow_open)},
      {"auth.allow_plain", flag(s.auth.allow_plain)},
      {"auth.issuer", toml_text(s.auth.issuer)},
      {"auth.audience", toml_text(s.auth.audience)},
      {"cashier.enabled", flag(s.cashier.enabled)},
      {"events.hold_mib", size(s.events.hold.bytes >> 20)},
      {"events.hold_hours", number(s.events.hold.age_ms / 3'600'000)},
      {"events.max_listeners", number(s.events.max_listeners)},
      {"fulfilment.kind", toml_text(to_text(s.fulfilment.kind))},
      {"fulfilment.deadline_ms", number(s.fulfilment.deadline_ms)},
      {"fulfilment.retry_first_ms", number(s.fulfilment.retry_first_ms)},
      {"fulfilment.retry_most_ms", number(s.fulfilment.retry_most_ms)},
      {"fulfilment.results_queue", toml_text(s.fulfilment.results_queue)},
      {"events.ping_ms", number(s.events.ping_ms)},
      {"webhook.allowed_hosts", hosts(s.notify.allowed_hosts)},
      {"webhook.notify_allow_private", flag(s.notify.allow_private)},
      {"webhook.notify_retries", waits(s.notify.retries_ms)},
      {"log.level", toml_text(s.log.level)},
      {"log.format", toml_text(s.log.format)},
      {"log.access", flag(s.log.access)},
      {"log.sample", number(s.log.sample)},
      {"rate_limit.enabled", flag(s.rate_limit.enabled)},
      {"rate_limit.burst_s", number(s.rate_limit.burst_s)},
      {"rate_limit.max_clients", number(s.rate_limit.max_clients)}};
  for (std::size_t i = 1; i < kLimitClasses; ++i) {
    const std::string name(kLimitClassNames[i]);
    values["rate_limit.address." + name] = number(s.rate_limit.address[i]);
    values["rate_limit.account." + name] = number(s.rate_limit.account[i]);
  }
  return values;
}

// Whether a key's value is one that nobody may see: the secret itself, not the file that it is in.
bool is_secret(std::string_view key) noexcept {
  return key == "secret" || key == "password" || key == "token" || key == "key" || key.ends_with("_secret") ||
         key.ends_with("_password") || key.ends_with("_token");
}

// Name and password of a URL.
std::string without_user(std::string text) {
  const std::size_t scheme = text.find("://");
  if (scheme == std::string::npos) return text;
  const std::size_t from = scheme + 3;
  const std::size_t end = std::min(text.find('/', from), text.size());
  const std::size_t at = text.rfind('@', end);
  if (at == std::string::npos || at < from) return text;
  return text.replace(from, at - from, kRedacted);
}

std::string shown(std::string_view key, const toml::node& node) {
  if (is_secret(key)) return toml_text(kRedacted);
  if (const auto* text = node.as_string()) return toml_text(without_user(text->get()));
  std::ostringstream out;
  if (const auto* array = node.as_array()) {
    out << '[';
    for (std::size_t i = 0; i < array->size(); ++i) out << (i > 0 ? ", " : "") << shown({}, *array->get(i));
    out << ']';
  } else if (const auto* table = node.as_table()) {
    out << '{';
    bool first = true;
    for (const auto& [name, value] : *table) {
      out << (first ? "" : ", ") << name.str() << " = " << shown(name.str(), value);
      first = false;
    }
    out << '}';
  } else {
    node.visit([&out](const auto& value) {
      if constexpr (toml::is_value<decltype(value)>) out << value;
    });
  }
  return out.str();
}

std::string_view last_part(std::string_view path) noexcept { return path.substr(path.rfind('.') + 1); }

std::string flag_of(const FlagSettings& flags, std::string_view path) {
  if (path == "server.listen" && flags.listen) return "--listen";
  if (path == "server.threads" && flags.threads) return "--threads";
  if (path == "store.data_dir" && flags.data_dir) return "--data-dir";
  return {};
}

}  // namespace

std::string settings_page(const FlagSettings& flags, const Environment& environment) {
  SettingsReader reader = open_settings(flags, environment);
  const std::map<std::string, std::string> values = effective(read_settings(reader, flags));
  std::string page;
  for (const SettingsReader::Given& given : reader.asked_for()) {
    const auto value = values.find(given.path);
    std::string origin = flag_of(flags, given.path);
    if (origin.empty()) origin = given.origin;
    std::string line;
    if (given.node == nullptr && value == values.end()) {
      line = "# " + given.path;
      origin = "not set";
    } else {
      const bool own_words =
          given.node != nullptr && (value == values.end() || given.path == "store.journal_retention");
      line = given.path + " = " + (own_words ? shown(last_part(given.path), *given.node) : value->second);
    }
    if (line.size() < kOriginColumn) line.resize(kOriginColumn, ' ');
    page += line + "  # " + origin + "\n";
  }
  return page;
}

}  // namespace recharge
