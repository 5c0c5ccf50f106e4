// Purpose: everything that an operator can set, with its default.
// Lifetime: made once at start, immutable after; a reload makes another one, of which only secrets and the
// log level are taken over. Units: in the names. Errors: SettingsError, at start-up and in a reload only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/command.h"
#include "server/amqp_settings.h"
#include "server/auth_settings.h"
#include "server/event_settings.h"
#include "server/fulfilment_settings.h"
#include "server/limit_settings.h"
#include "server/net_address.h"
#include "server/notify_settings.h"
#include "server/secret_source.h"
#include "server/tls_settings.h"
#include "server/webhook_settings.h"
#include "storage/retention_limits.h"

namespace recharge {

// Says where, as file:line:column or the variable's name, and what is wrong.
class SettingsError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct ListenAddress {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;  // 0: any free one
  bool is_loopback() const noexcept;
  std::string to_text() const;  // IPv6 in brackets
};
// HOST:PORT with a numeric address, [IPv6]:PORT, or localhost. None: not of that form.
std::optional<ListenAddress> parse_listen(std::string_view text);

struct ServerSettings {
  ListenAddress listen;
  unsigned threads = 0;  // 0: one per core
  std::size_t max_body_bytes = 65536;
  std::size_t max_header_bytes = 16384;
  std::int64_t request_timeout_ms = 10'000;
  std::int64_t idle_timeout_ms = 75'000;
  std::int64_t drain_timeout_ms = 10'000;
  std::int64_t drain_delay_ms = 0;  // /readyz says 503, and requests are taken still
  std::int64_t max_latency_ms =
      4'500;  // beyond it callbacks are refused, from half of it on others; 0: never
  unsigned max_connections = 10'000;
  unsigned max_connections_per_address = 0;  // zero: no limit
  std::vector<AddressRange> trusted_proxies;
  bool pin_threads = true;      // where each has a core of its own
  bool proxy_protocol = false;  // trusted proxies begin each connection with its header, version 2
};

struct StoreSettings {
  std::string kind = "lmdb";
  std::filesystem::path data_dir = "data";
  RetentionLimits journal_retention;
  std::uint64_t segment_bytes = 64 << 20;
  std::int64_t checkpoint_interval_ms = 5'000;
  std::uint64_t checkpoint_bytes = 128 << 20;
  std::uint64_t reserve_bytes = 128 << 20;  // of memory for changed records, touched from the start
  std::int64_t scrub_interval_ms = 86'400'000;
  std::uint64_t scrub_bytes_per_second = 16 << 20;
};

struct OrderSettings {
  std::string currency_code = "CNY";
  Currency currency;
  Money max_amount = Money::from_minor_units(100'000'000);
  std::int64_t expire_after_ms = 1'800'000;
  PaymentPolicies policies;
  std::int64_t idempotency_retention_ms = 86'400'000;
  AccountLimits account_limits;
};

struct CallbackSettings {
  std::vector<SecretSource> secrets;
  std::vector<AddressRange> allow_from;  // empty: from anywhere
  std::int64_t tolerance_ms = 300'000;   // zero: the timestamp is not compared
  std::vector<std::string> required_fields = {"order_id", "transaction_id", "amount", "status", "timestamp"};
};

struct LogSettings {
  std::string level = "info";   // trace, debug, info, warn, error
  std::string format = "auto";  // text, json; auto: text on a terminal
  bool access = false;          // a line for each request
  std::int64_t sample = 1;      // of those that went well, one in so many
};

inline const std::initializer_list<std::string_view> kLogLevels = {"trace", "debug", "info", "warn", "error"};

struct AdminSettings {
  std::optional<ListenAddress> listen;  // of operators; none: they are not listened to
  std::filesystem::path backup_dir;     // empty: no backups are made from here
};

// The page for payers, /pay/{order_id}.
struct CashierSettings {
  bool enabled = true;
};

enum class GatewayKind : std::uint8_t { simulated, native, alipay, wechat, stripe, standard };
std::string_view to_text(GatewayKind kind) noexcept;

// Which members count depends on the kind; files of keys are read when keys are loaded, and at each reload.
struct GatewaySettings {
  std::string name;
  GatewayKind kind = GatewayKind::simulated;
  double success_rate = 1.0;
  bool auto_callback = false;
  bool allow_simulated = false;
  std::vector<SecretSource> secrets;      // native, stripe, standard: of callbacks; wechat: APIv3 keys
  std::string app_id;                     // alipay; wechat: appid
  std::string seller_id;                  // alipay
  std::string mchid;                      // wechat
  std::string serial_no;                  // wechat: of our certificate
  bool livemode = false;                  // stripe
  SecretSource private_key;               // alipay, wechat: ours; stripe: the secret key of its API
  std::vector<SecretSource> public_keys;  // alipay, wechat: the gateway's own
  std::string notify_url;
  std::string base_url;
  std::vector<AddressRange> allow_from;  // its callbacks; empty: from anywhere
};

// Of the callbacks at /api/payment_callback.
constexpr std::string_view kNativeGatewayName = kNativeGateway;
constexpr std::string_view kSimulatedGatewayName = kSimulatedGateway;

struct Settings {
  ServerSettings server;
  TlsSettings tls;
  StoreSettings store;
  std::string account_pattern = "^1[3-9][0-9]{9}$";
  OrderSettings orders;
  AuthSettings auth;
  RateLimitSettings rate_limit;
  CallbackSettings callback;
  LogSettings log;
  AdminSettings admin;
  CashierSettings cashier;
  EventSettings events;
  std::vector<WebhookSettings> webhooks;
  NotifySettings notify;
  std::optional<AmqpSettings> amqp;
  FulfilmentSettings fulfilment;
  std::vector<GatewaySettings> gateways;
  std::filesystem::path gateway_ca_file;  // whom to believe when gateways are called; empty: the system's

  const GatewaySettings* gateway(std::string_view name) const noexcept;
  const GatewaySettings* simulated() const noexcept;
  bool takes_native() const noexcept;  // callbacks at /api/payment_callback can be verified
  bool needs_generated_secret()
      const noexcept;  // neither a callback secret nor a gateway but the simulated one
};

// What a reload changes in the way that commands are made. The rest of the settings needs a start.
struct OrderPolicy {
  explicit OrderPolicy(const Settings& settings);
  Money max_amount;
  std::int64_t expire_after_ms;
  PaymentPolicies policies;
  AccountLimits account_limits;
  Fulfilment fulfilment;  // the same at every reload
  std::int64_t tolerance_ms;
  std::vector<std::string> required_fields;
};

// What the command line says; it wins over everything else.
struct FlagSettings {
  std::optional<std::filesystem::path> config;
  std::optional<ListenAddress> listen;
  std::optional<std::filesystem::path> data_dir;
  std::optional<unsigned> threads;
};

using Environment = std::map<std::string, std::string>;
Environment process_environment();

// Flag over environment over file over default; then the rules that hold between settings.
// Throws SettingsError.
Settings load_settings(const FlagSettings& flags, const Environment& environment);

}  // namespace recharge
