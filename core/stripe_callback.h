// Purpose: Stripe's webhook events: verified by the header Stripe-Signature, and read. The order travels in
// metadata.order_id of the payment intent, whose id is the transaction. Source: docs.stripe.com/webhooks;
// stricter than the SDK: a time in the future is refused beyond the tolerance, too. Owner: one thread.
#pragma once

#include <string>
#include <vector>

#include "core/gateway_event.h"
#include "core/hmac_sha256_key.h"
#include "core/key_ring.h"

namespace recharge {

struct StripeAccount {
  bool livemode = false;
  Currency currency;                    // of the books
  std::vector<CallbackSecret> secrets;  // whsec_…: the whole text is the key; several while they are rolled
};

class StripeCallbacks final : public GatewayAdapter {
 public:
  static constexpr std::size_t kMaxSignatures = 16;  // v1 in one header

  explicit StripeCallbacks(const StripeAccount& account);

  GatewayResult read(const GatewayMessage& message, Time now) override;
  SignatureScheme scheme() const noexcept override { return SignatureScheme::stripe; }
  std::span<const std::string_view> evidence_headers() const noexcept override;

 private:
  struct Key {
    std::string id;
    HmacSha256Key hmac;
  };

  GatewayResult verify(const GatewayMessage& message, Time now);
  GatewayResult read_event(std::string_view body, GatewayEvent event);
  GatewayResult read_intent(const JsonObject& intent, GatewayEvent event);

  bool livemode_;
  Currency currency_;
  std::vector<Key> keys_;
  JsonReader event_;
};

}  // namespace recharge
