// Purpose: payments reported by Standard Webhooks: {type, timestamp, data: {order_id, amount, currency,
// transaction_id?, paid_at?}}, the amount an integer of minor units. Source: Standard Webhooks 1.0.0, which
// has no payments of its own: the types are ours. Owner: one thread.
#pragma once

#include "core/gateway_event.h"
#include "core/key_ring.h"
#include "core/signature_verifier.h"

namespace recharge {

struct StandardAccount {
  Currency currency;  // of the books
  KeyRing ring;       // whsec_… and whpk_…
};

class StandardCallbacks final : public GatewayAdapter {
 public:
  explicit StandardCallbacks(const StandardAccount& account);

  GatewayResult read(const GatewayMessage& message, Time now) override;
  SignatureScheme scheme() const noexcept override { return SignatureScheme::standard_webhooks; }
  std::span<const std::string_view> evidence_headers() const noexcept override;

 private:
  GatewayResult read_body(std::string_view body, GatewayEvent event);

  Currency currency_;
  SignatureVerifier verifier_;
  JsonReader message_;
};

}  // namespace recharge
