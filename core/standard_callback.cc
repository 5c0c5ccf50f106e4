#include "core/standard_callback.h"

#include <array>

#include "core/header_lines.h"
#include "core/names.h"

namespace recharge {
namespace {

using Kind = GatewayEvent::Kind;

constexpr std::array<std::string_view, 3> kHeaders = {"webhook-id", "webhook-timestamp", "webhook-signature"};
static_assert(kHeaders.size() <= kMaxEvidenceHeaders);

}  // namespace

StandardCallbacks::StandardCallbacks(const StandardAccount& account)
    : currency_(account.currency), verifier_(account.ring) {}

std::span<const std::string_view> StandardCallbacks::evidence_headers() const noexcept { return kHeaders; }

GatewayResult StandardCallbacks::read(const GatewayMessage& message, Time now) {
  std::array<HeaderValue, kHeaders.size()> headers;
  find_headers(message.header_lines, kHeaders, headers);
  const std::string_view id = single(headers[0]);
  const std::string_view timestamp = single(headers[1]);
  const std::string_view signatures = single(headers[2]);
  const auto sent_s = read_unix_seconds(timestamp);
  if (id.empty() || !sent_s || signatures.empty()) return GatewayRefusal::no_signature;
  if (seconds_between(*sent_s, now) > kGatewayToleranceSeconds) return GatewayRefusal::stale;
  const auto key_id = verifier_.verify_standard(id, timestamp, message.body, signatures);
  if (!key_id) return GatewayRefusal::invalid_signature;
  GatewayEvent event;
  event.key_id = *key_id;
  event.sent_at = from_unix_seconds(*sent_s);
  event.transaction_id = id;
  return read_body(message.body, event);
}

GatewayResult StandardCallbacks::read_body(std::string_view body, GatewayEvent event) {
  const auto message = message_.read_copy(body, Nested::allow);
  if (!message) return GatewayRefusal::malformed;
  const std::string_view type = read_text(*message, "type");
  if (type.empty()) return GatewayRefusal::malformed;
  const bool success = type == "payment.succeeded";
  if (!success && type != "payment.failed") return event;
  const auto data = message->object("data");
  if (!data) return GatewayRefusal::malformed;
  event.order_id = read_text(*data, "order_id");
  if (const JsonMember* id = data->find("transaction_id"); id != nullptr && id->type != JsonType::null)
    event.transaction_id = id->type == JsonType::string ? id->text : std::string_view();
  if (!is_order_reference(event.order_id) || !make_transaction_id(event.transaction_id))
    return GatewayRefusal::malformed;
  event.kind = success ? Kind::payment_succeeded : Kind::payment_failed;
  if (!success) return event;
  const auto currency = read_currency(read_text(*data, "currency"));
  if (!currency || *currency != currency_) return GatewayRefusal::wrong_currency;
  const auto amount = read_minor_units(*data, "amount");
  if (!amount) return GatewayRefusal::malformed;
  if (const JsonMember* paid_at = data->find("paid_at");
      paid_at != nullptr && paid_at->type != JsonType::null) {
    const auto time = parse_rfc3339(paid_at->type == JsonType::string ? paid_at->text : std::string_view());
    if (!time) return GatewayRefusal::malformed;
    event.paid_at = *time;
  }
  event.amount = *amount;
  event.currency = *currency;
  return event;
}

}  // namespace recharge
