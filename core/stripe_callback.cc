#include "core/stripe_callback.h"

#include <array>

#include "core/header_lines.h"
#include "core/names.h"
#include "core/signature_match.h"

namespace recharge {
namespace {

using Kind = GatewayEvent::Kind;

constexpr std::array<std::string_view, 1> kHeaders = {"Stripe-Signature"};
static_assert(kHeaders.size() <= kMaxEvidenceHeaders);

// t=SECONDS,v1=HEX,…
struct SignatureHeader {
  std::string_view time;
  std::array<Hmac, StripeCallbacks::kMaxSignatures> hmacs;
  std::size_t count = 0;

  // False where it says two times, or more signatures than allowed.
  bool parse(std::string_view text) noexcept {
    std::size_t entries = 0;
    while (!text.empty()) {
      const std::size_t comma = text.find(',');
      const std::string_view item = text.substr(0, comma);
      text = comma == text.npos ? std::string_view() : text.substr(comma + 1);
      const std::size_t equals = item.find('=');
      if (equals == item.npos) continue;
      const std::string_view scheme = item.substr(0, equals);
      const std::string_view value = item.substr(equals + 1);
      if (scheme == "t") {
        if (!time.empty()) return false;
        time = value;
      } else if (scheme == "v1") {
        if (++entries > hmacs.size()) return false;
        if (decode_lower_hex(value, hmacs[count])) ++count;
      }
    }
    return true;
  }
};

// What the event is about.
std::optional<JsonObject> object_of(const JsonObject& event) noexcept {
  const auto data = event.object("data");
  return data ? data->object("object") : std::nullopt;
}

// None without metadata; empty where they have none.
std::optional<std::string_view> order_id_of(const JsonObject& object) noexcept {
  const auto metadata = object.object("metadata");
  if (!metadata) return std::nullopt;
  return read_text(*metadata, "order_id");
}

}  // namespace

StripeCallbacks::StripeCallbacks(const StripeAccount& account)
    : livemode_(account.livemode), currency_(account.currency) {
  for (const CallbackSecret& secret : account.secrets)
    keys_.push_back({secret.id, HmacSha256Key(secret.secret)});
}

std::span<const std::string_view> StripeCallbacks::evidence_headers() const noexcept { return kHeaders; }

GatewayResult StripeCallbacks::read(const GatewayMessage& message, Time now) {
  const GatewayResult verified = verify(message, now);
  return verified ? read_event(message.body, *verified) : verified;
}

GatewayResult StripeCallbacks::verify(const GatewayMessage& message, Time now) {
  SignatureHeader header;
  if (!header.parse(single_header(message.header_lines, kHeaders[0]))) return GatewayRefusal::no_signature;
  const auto sent_s = read_unix_seconds(header.time);
  if (!sent_s || header.count == 0) return GatewayRefusal::no_signature;
  if (seconds_between(*sent_s, now) > kGatewayToleranceSeconds) return GatewayRefusal::stale;
  FirstMatch match;
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    const Hmac hmac = keys_[i].hmac.sign({header.time, ".", message.body});
    for (std::size_t s = 0; s < header.count; ++s) match.note(i, equal(hmac, header.hmacs[s]));
  }
  if (match.place() == 0) return GatewayRefusal::invalid_signature;
  GatewayEvent event;
  event.key_id = keys_[match.place() - 1].id;
  event.sent_at = from_unix_seconds(*sent_s);
  return event;
}

GatewayResult StripeCallbacks::read_event(std::string_view body, GatewayEvent event) {
  const auto message = event_.read_copy(body, Nested::allow);
  if (!message || read_text(*message, "object") != "event") return GatewayRefusal::malformed;
  const JsonMember* livemode = message->find("livemode");
  const JsonType mode = livemode_ ? JsonType::boolean_true : JsonType::boolean_false;
  if (livemode == nullptr || livemode->type != mode) return GatewayRefusal::wrong_account;
  const std::string_view type = read_text(*message, "type");
  if (type == "charge.refunded") {
    event.kind = Kind::refund;
    // A charge carries the metadata of its intent; without it nobody asks sooner.
    const auto charge = object_of(*message);
    event.order_id = charge ? order_id_of(*charge).value_or("") : "";
    return event;
  }
  if (type != "payment_intent.succeeded" && type != "payment_intent.payment_failed") return event;
  const JsonMember* created = message->find("created");
  const auto created_s = created == nullptr ? std::nullopt : read_unix_seconds(created->text);
  const auto intent = object_of(*message);
  if (!created_s || !intent || read_text(*intent, "object") != "payment_intent")
    return GatewayRefusal::malformed;
  event.kind = type == "payment_intent.succeeded" ? Kind::payment_succeeded : Kind::payment_failed;
  if (event.kind == Kind::payment_succeeded) event.paid_at = from_unix_seconds(*created_s);
  return read_intent(*intent, event);
}

GatewayResult StripeCallbacks::read_intent(const JsonObject& intent, GatewayEvent event) {
  const auto order_id = order_id_of(intent);
  if (!order_id) return GatewayRefusal::malformed;
  event.order_id = *order_id;
  if (event.order_id.empty()) {  // a payment that something else on the same account asked for
    event.kind = Kind::unused;
    return event;
  }
  event.transaction_id = read_text(intent, "id");
  if (!is_order_reference(event.order_id) || !make_transaction_id(event.transaction_id))
    return GatewayRefusal::malformed;
  if (event.kind != Kind::payment_succeeded) return event;
  if (read_text(intent, "status") != "succeeded") return GatewayRefusal::malformed;
  const auto currency = read_currency(read_text(intent, "currency"));
  if (!currency || *currency != currency_) return GatewayRefusal::wrong_currency;
  const auto amount = read_minor_units(intent, "amount_received");
  if (!amount) return GatewayRefusal::malformed;
  event.amount = *amount;
  event.currency = *currency;
  return event;
}

}  // namespace recharge
