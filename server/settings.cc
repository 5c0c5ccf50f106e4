#include "server/settings.h"

#include <arpa/inet.h>
#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <fstream>

#include "core/currency.h"
#include "server/gateway_settings.h"
#include "server/settings_reader.h"

extern char** environ;

namespace recharge {
namespace {

constexpr std::int64_t kMaxTimeoutMs = 3'600'000;
constexpr std::int64_t kMaxThreads = 64;  // a shard is never split
constexpr std::string_view kNotInThisBuild = "not in this build";

// "all", or a number with the unit of an age or of a size.
std::optional<RetentionLimits> parse_retention(std::string_view text) {
  if (text == "all") return RetentionLimits{};
  constexpr std::int64_t kHourMs = 3'600'000;
  constexpr std::int64_t kMost = 100'000;
  std::int64_t number = 0;
  const auto [unit_at, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || number < 1 || number > kMost) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<std::size_t>(unit_at - text.data()));
  if (unit == "h") return RetentionLimits{number * kHourMs, {}};
  if (unit == "d") return RetentionLimits{number * 24 * kHourMs, {}};
  if (unit == "MiB") return RetentionLimits{{}, static_cast<std::uint64_t>(number) << 20};
  if (unit == "GiB") return RetentionLimits{{}, static_cast<std::uint64_t>(number) << 30};
  return std::nullopt;
}

void choose(SettingsReader& reader, const std::string& path, std::string& value,
            std::initializer_list<std::string_view> allowed) {
  if (auto text = reader.text(path)) value = *text;
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return;
  std::string list;
  for (std::string_view word : allowed) list.append(list.empty() ? "" : ", ").append(word);
  reader.refuse(path, "must be one of " + list);
}

template <class T>
void take(SettingsReader& reader, const std::string& path, T& value, std::int64_t least, std::int64_t most) {
  if (auto number = reader.integer(path, least, most)) value = static_cast<T>(*number);
}

void read_server(SettingsReader& reader, ServerSettings& server) {
  if (auto text = reader.text("server.listen")) {
    auto listen = parse_listen(*text);
    if (!listen) reader.refuse("server.listen", "must be HOST:PORT with a numeric address");
    server.listen = *listen;
  }
  take(reader, "server.threads", server.threads, 1, kMaxThreads);
  take(reader, "server.max_body_bytes", server.max_body_bytes, 1024, 16 << 20);
  take(reader, "server.max_header_bytes", server.max_header_bytes, 1024, 1 << 20);
  take(reader, "server.request_timeout_ms", server.request_timeout_ms, 100, kMaxTimeoutMs);
  take(reader, "server.idle_timeout_ms", server.idle_timeout_ms, 100, kMaxTimeoutMs);
  take(reader, "server.drain_timeout_ms", server.drain_timeout_ms, 100, kMaxTimeoutMs);
  take(reader, "server.drain_delay_ms", server.drain_delay_ms, 0, kMaxTimeoutMs);
  take(reader, "server.max_latency_ms", server.max_latency_ms, 0, kMaxTimeoutMs);
  take(reader, "server.max_connections", server.max_connections, 1, 1'000'000);
  take(reader, "server.max_connections_per_address", server.max_connections_per_address, 0, 1'000'000);
  server.trusted_proxies = reader.ranges("server.trusted_proxies");
  if (auto on = reader.boolean("server.pin_threads")) server.pin_threads = *on;
  if (auto on = reader.boolean("server.proxy_protocol")) server.proxy_protocol = *on;
  if (server.proxy_protocol && server.trusted_proxies.empty()) {
    reader.refuse("server.proxy_protocol", "needs server.trusted_proxies");
  }
}

void read_store(SettingsReader& reader, StoreSettings& store) {
  if (auto kind = reader.text("store.kind")) store.kind = *kind;
  if (store.kind == "postgres") reader.refuse("store.kind", "postgres: " + std::string(kNotInThisBuild));
  if (store.kind != "lmdb") reader.refuse("store.kind", "must be lmdb");
  if (auto dir = reader.text("store.data_dir")) {
    if (dir->empty()) reader.refuse("store.data_dir", "must not be empty");
    store.data_dir = *dir;
  }
  if (auto text = reader.text("store.journal_retention")) {
    const auto limits = parse_retention(*text);
    if (!limits) {
      reader.refuse(
          "store.journal_retention",
          "must be \"all\", an age such as \"90d\" or \"36h\", or a size such as \"20GiB\" or \"500MiB\"");
    }
    store.journal_retention = *limits;
  }
  take(reader, "store.segment_bytes", store.segment_bytes, 8 << 20, std::int64_t{4} << 30);
  take(reader, "store.checkpoint_interval_ms", store.checkpoint_interval_ms, 100, kMaxTimeoutMs);
  take(reader, "store.reserve_bytes", store.reserve_bytes, 0, 511 << 20);
  take(reader, "store.checkpoint_bytes", store.checkpoint_bytes, 1 << 20, std::int64_t{16} << 30);
  if (auto seconds = reader.integer("store.scrub_interval_s", 1, 365 * 86'400LL))
    store.scrub_interval_ms = *seconds * 1000;
  take(reader, "store.scrub_bytes_per_second", store.scrub_bytes_per_second, 1 << 20, std::int64_t{16} << 30);
}

PaymentPolicy read_policy(SettingsReader& reader, const char* path) {
  std::string policy = "review";
  choose(reader, path, policy, {"review", "credit", "refund"});
  return policy == "credit"   ? PaymentPolicy::credit
         : policy == "refund" ? PaymentPolicy::refund
                              : PaymentPolicy::review;
}

void read_orders(SettingsReader& reader, OrderSettings& orders) {
  if (auto code = reader.text("orders.currency")) orders.currency_code = *code;
  const auto currency = currency_from_code(orders.currency_code);
  if (!currency)
    reader.refuse("orders.currency", "must be an ISO 4217 code of a currency with two fraction digits");
  orders.currency = *currency;
  if (auto amount = reader.text("orders.max_amount")) {
    const auto money = parse_money(*amount);
    if (!money || !money->is_positive() || *money > kMaxBalance) {
      reader.refuse("orders.max_amount", "must be an amount such as \"1000000.00\"");
    }
    orders.max_amount = *money;
  }
  take(reader, "orders.max_pending_per_account", orders.account_limits.max_pending, 0,
       AccountLimits::kMaxExamined);
  if (auto amount = reader.text("orders.max_amount_per_account_per_day")) {
    const auto money = parse_money(*amount);
    if (!money || money->is_negative()) {
      reader.refuse("orders.max_amount_per_account_per_day", "must be an amount such as \"5000.00\"");
    }
    orders.account_limits.max_amount_a_day = *money;
  }
  if (auto seconds = reader.integer("orders.expire_after_s", 1, 10 * 365 * 86'400LL)) {
    orders.expire_after_ms = *seconds * 1000;
  }
  orders.policies.late = read_policy(reader, "orders.late_payment");
  orders.policies.duplicate = read_policy(reader, "orders.duplicate_payment");
  orders.policies.over = read_policy(reader, "orders.overpayment");
  orders.policies.under = read_policy(reader, "orders.underpayment");
  if (auto seconds = reader.integer("orders.idempotency_retention_s", 86'400, 10 * 365 * 86'400LL)) {
    orders.idempotency_retention_ms = *seconds * 1000;
  }
}

void read_callback(SettingsReader& reader, CallbackSettings& callback) {
  callback.secrets = reader.secrets("callback.secrets");
  SecretSource single;
  if (auto text = reader.text("callback.secret")) {
    if (text->empty()) reader.refuse("callback.secret", "a secret must not be empty");
    single.text = SecretText(*text);
  }
  if (auto file = reader.text("callback.secret_file")) {
    if (file->empty()) reader.refuse("callback.secret_file", "must not be empty");
    if (!single.text.empty()) reader.refuse("callback.secret_file", "give either secret or secret_file");
    single.file = reader.file_path(*file);
  }
  if (!single.text.empty() || !single.file.empty()) {
    single.id = "default";
    callback.secrets.push_back(std::move(single));
  }
  callback.allow_from = reader.ranges("callback.allow_from");
  if (auto seconds = reader.integer("callback.tolerance_s", 0, 365 * 86'400LL))
    callback.tolerance_ms = *seconds * 1000;
  if (auto fields = reader.texts("callback.required_fields")) callback.required_fields = *fields;
  for (const std::string& field : callback.required_fields) {
    if (field.empty()) reader.refuse("callback.required_fields", "a field's name must not be empty");
  }
}

void read_admin(SettingsReader& reader, AdminSettings& admin) {
  if (auto text = reader.text("admin.listen")) {
    admin.listen = parse_listen(*text);
    if (!admin.listen) reader.refuse("admin.listen", "must be HOST:PORT with a numeric address");
  }
  if (auto dir = reader.text("admin.backup_dir")) {
    if (dir->empty()) reader.refuse("admin.backup_dir", "must not be empty");
    admin.backup_dir = *dir;
  }
}

void read_rest(SettingsReader& reader, Settings& settings) {
  if (auto pattern = reader.text("accounts.pattern")) settings.account_pattern = *pattern;
  if (const RE2 compiled(settings.account_pattern, RE2::Quiet); !compiled.ok()) {
    reader.refuse("accounts.pattern", compiled.error());
  }
  settings.auth = read_auth(reader);
  read_admin(reader, settings.admin);
  choose(reader, "log.level", settings.log.level, kLogLevels);
  choose(reader, "log.format", settings.log.format, {"auto", "text", "json"});
  if (auto access = reader.boolean("log.access")) settings.log.access = *access;
  take(reader, "log.sample", settings.log.sample, 1, 1'000'000);
  if (auto on = reader.boolean("cashier.enabled")) settings.cashier.enabled = *on;
  settings.tls = read_tls(reader);
  settings.rate_limit = read_rate_limit(reader);
  settings.events = read_events(reader);
  settings.webhooks = read_webhooks(reader);
  settings.notify = read_notify(reader);
  settings.amqp = read_amqp(reader);
  if (auto file = reader.text("gateway_calls.ca_file")) {
    settings.gateway_ca_file = reader.file_path(*file);
    if (!std::ifstream(settings.gateway_ca_file))
      reader.refuse("gateway_calls.ca_file", settings.gateway_ca_file.string() + ": cannot be read");
  }
  settings.fulfilment = read_fulfilment(reader);
  if (settings.fulfilment.kind == Fulfilment::amqp && !settings.amqp)
    reader.refuse("fulfilment.kind", "amqp needs [amqp]");
  for (const std::string& name : reader.names_in("gateway"))
    settings.gateways.push_back(read_gateway(reader, name));
}

// What may be listened on without TLS.
void check_listen(const SettingsReader& reader, const Settings& settings, const std::string& path,
                  const ListenAddress& listen) {
  const AuthSettings& auth = settings.auth;
  if (listen.is_loopback()) return;
  if (auth.mode == AuthMode::off && !auth.allow_open) {
    reader.refuse(path,
                  "without authentication only loopback is listened on, unless auth.allow_open is true");
  }
  if (auth.mode == AuthMode::jwt && !auth.allow_plain && !settings.tls.enabled()) {
    reader.refuse(path,
                  "tokens would be sent in the clear: beyond loopback without tls only where "
                  "auth.allow_plain is true");
  }
}

void check_rules(const SettingsReader& reader, Settings& settings) {
  const bool loopback = settings.server.listen.is_loopback();
  check_listen(reader, settings, "server.listen", settings.server.listen);
  if (!reader.has("rate_limit.enabled")) settings.rate_limit.enabled = !loopback;
  if (const auto& admin = settings.admin.listen) {
    check_listen(reader, settings, "admin.listen", *admin);
    if (admin->port != 0 && admin->to_text() == settings.server.listen.to_text()) {
      reader.refuse("admin.listen", "is server.listen already");
    }
  }
  const auto is_simulated = [](const GatewaySettings& gateway) {
    return gateway.kind == GatewayKind::simulated;
  };
  const auto simulated = std::find_if(settings.gateways.begin(), settings.gateways.end(), is_simulated);
  if (simulated != settings.gateways.end() && settings.gateways.size() > 1) {
    reader.refuse("gateway.simulated", "the simulated gateway is there only while no other is configured");
  }
  if (settings.gateways.empty()) {
    GatewaySettings gateway;
    gateway.name = kSimulatedGatewayName;
    settings.gateways.push_back(std::move(gateway));
  }
  for (const GatewaySettings& gateway : settings.gateways) {
    const bool yuan_only = gateway.kind == GatewayKind::alipay || gateway.kind == GatewayKind::wechat;
    if (yuan_only && settings.orders.currency_code != "CNY")
      reader.refuse("gateway." + gateway.name, "pays in CNY, and orders.currency is another");
  }
  const GatewaySettings* stands = settings.simulated();
  if (stands != nullptr && !loopback && !stands->allow_simulated) {
    reader.refuse(
        "gateway.simulated",
        "the simulated gateway answers on loopback only, unless gateway.simulated.allow_simulated is true");
  }
}

toml::table parse_file(const std::filesystem::path& file) {
  try {
    return toml::parse_file(file.string());
  } catch (const toml::parse_error& error) {
    const auto at = error.source().begin;
    const std::string where = at ? ":" + std::to_string(at.line) + ":" + std::to_string(at.column) : "";
    throw SettingsError(file.string() + where + ": " + std::string(error.description()));
  }
}

}  // namespace

bool ListenAddress::is_loopback() const noexcept {
  in6_addr six{};
  if (inet_pton(AF_INET6, host.c_str(), &six) == 1) return IN6_IS_ADDR_LOOPBACK(&six);
  return host.starts_with("127.");
}

std::string ListenAddress::to_text() const {
  const bool six = host.find(':') != std::string::npos;
  return (six ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::optional<ListenAddress> parse_listen(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) return std::nullopt;
  ListenAddress address;
  const std::string_view digits = text.substr(colon + 1);
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), address.port);
  if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) return std::nullopt;
  address.host = text.substr(0, colon);
  if (address.host == "localhost") address.host = "127.0.0.1";
  unsigned char bytes[16];
  if (address.host.starts_with('[') && address.host.ends_with(']')) {
    address.host = address.host.substr(1, address.host.size() - 2);
    if (inet_pton(AF_INET6, address.host.c_str(), bytes) != 1) return std::nullopt;
  } else if (inet_pton(AF_INET, address.host.c_str(), bytes) != 1) {
    return std::nullopt;
  }
  return address;
}

const GatewaySettings* Settings::gateway(std::string_view name) const noexcept {
  for (const GatewaySettings& gateway : gateways) {
    if (gateway.name == name) return &gateway;
  }
  return nullptr;
}

const GatewaySettings* Settings::simulated() const noexcept {
  const GatewaySettings* found = gateway(kSimulatedGatewayName);
  return found != nullptr && found->kind == GatewayKind::simulated ? found : nullptr;
}

bool Settings::needs_generated_secret() const noexcept {
  return callback.secrets.empty() && simulated() != nullptr;
}

bool Settings::takes_native() const noexcept { return !callback.secrets.empty() || needs_generated_secret(); }

OrderPolicy::OrderPolicy(const Settings& settings)
    : max_amount(settings.orders.max_amount),
      expire_after_ms(settings.orders.expire_after_ms),
      policies(settings.orders.policies),
      account_limits(settings.orders.account_limits),
      fulfilment(settings.fulfilment.kind),
      tolerance_ms(settings.callback.tolerance_ms),
      required_fields(settings.callback.required_fields) {}

Environment process_environment() {
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos)
      environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

SettingsReader open_settings(const FlagSettings& flags, const Environment& environment) {
  toml::table document;
  if (flags.config) document = parse_file(*flags.config);
  return {std::move(document), flags.config ? flags.config->string() : "", environment};
}

Settings load_settings(const FlagSettings& flags, const Environment& environment) {
  SettingsReader reader = open_settings(flags, environment);
  return read_settings(reader, flags);
}

Settings read_settings(SettingsReader& reader, const FlagSettings& flags) {
  Settings settings;
  read_server(reader, settings.server);
  read_store(reader, settings.store);
  read_orders(reader, settings.orders);
  read_callback(reader, settings.callback);
  read_rest(reader, settings);
  reader.refuse_unknown();
  if (flags.listen) settings.server.listen = *flags.listen;
  if (flags.data_dir) settings.store.data_dir = *flags.data_dir;
  if (flags.threads) settings.server.threads = *flags.threads;
  check_rules(reader, settings);
  return settings;
}

}  // namespace recharge
