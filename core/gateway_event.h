// Purpose: what a gateway's notification says once it was verified, in one form for every gateway, or why it
// was refused. Lifetime: views of the message and of the adapter that read it, until it reads the next one.
// Units: Money in minor units; Time in milliseconds.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/currency.h"
#include "core/error.h"
#include "core/json_object.h"
#include "core/money.h"
#include "core/order.h"
#include "core/time.h"

namespace recharge {

// A notification as it was received.
struct GatewayMessage {
  std::string_view header_lines;  // "Name: value" CRLF …
  std::string_view body;
};

struct GatewayEvent {
  enum class Kind : std::uint8_t {
    payment_succeeded,
    payment_failed,
    refund,  // of a payment, in full or in part: never a credit
    unused   // verified, and nothing that concerns an order
  };
  Kind kind = Kind::unused;
  std::string_view order_id;        // 1 to 64 printable ASCII characters; set with a payment
  std::string_view transaction_id;  // the gateway's; set with a success
  Money amount;                     // more than zero with a success
  Currency currency;                // set with a success
  std::optional<Time> sent_at;      // signed time of this sending, checked already
  std::optional<Time> paid_at;
  std::string_view key_id;  // which key verified it, at most 32 bytes
};

enum class GatewayRefusal : std::uint8_t {
  no_signature,       // absent, incomplete, or there twice
  signature_probe,    // the gateway tests whether signatures are checked
  stale,              // outside the tolerance; every sending is signed anew, so that a retry heals it
  unknown_key,        // signed by a key that is not configured
  invalid_signature,  // also where a form cannot be read, or read in two ways
  undecryptable,      // verified, but sealed under another key, or altered
  malformed,          // verified, but not of the form that the gateway documents
  wrong_account,      // verified, but of another app, merchant, seller or mode
  wrong_currency,     // verified, but paid in another currency than that of the books
};
// The name that logs, replies and metrics show.
std::string_view to_text(GatewayRefusal refusal) noexcept;
// Whether the signature was good: then a refusal is an alarm, and no forgery.
bool is_verified(GatewayRefusal refusal) noexcept;

using GatewayResult = boost::system::result<GatewayEvent, GatewayRefusal>;

constexpr std::size_t kMaxEvidenceHeaders = 8;

// Verifies and reads the notifications of one gateway account. A pure function of the message and the time;
// what it holds are keys, identity and scratch. Owner: one thread.
class GatewayAdapter {
 public:
  virtual ~GatewayAdapter() = default;
  virtual GatewayResult read(const GatewayMessage& message, Time now) = 0;
  virtual SignatureScheme scheme() const noexcept = 0;
  // The headers without which the body proves nothing, at most kMaxEvidenceHeaders.
  virtual std::span<const std::string_view> evidence_headers() const noexcept = 0;
};

// Both ways, of gateways that sign the time of each sending.
constexpr std::int64_t kGatewayToleranceSeconds = 300;

// --- what the adapters share -----------------------------------------------------------------------------

// Digits alone, 1 to 12 of them.
std::optional<std::int64_t> read_unix_seconds(std::string_view text) noexcept;
// How far apart, in whole seconds.
std::int64_t seconds_between(std::int64_t sent_s, Time now) noexcept;
// 1 to 64 printable ASCII characters.
bool is_order_reference(std::string_view text) noexcept;
// An integer of minor units, more than zero and no more than a balance holds. None: anything else.
std::optional<Money> read_minor_units(const JsonObject& object, std::string_view name) noexcept;
// The text of a member that is a string; else empty.
std::string_view read_text(const JsonObject& object, std::string_view name) noexcept;
// An ISO 4217 code in upper or lower case.
std::optional<Currency> read_currency(std::string_view code) noexcept;

}  // namespace recharge
