// Purpose: what is said to a supplier and what its answers mean: functions from values to requests, and from
// replies to answers. All calls of an attempt carry its request id, as member of the body and as webhook-id;
// both sides sign by Standard Webhooks, and an answer without a signature that fits proves nothing, whatever
// its status. Owner: one thread. Lifetime: until the next reload. Errors: AnswerKind::unknown, with why.
// Source: Standard Webhooks 1.0.0 for signatures; the messages are ours: README.md, "Let somebody else
// recharge".
#pragma once

#include <memory>
#include <string>

#include "core/json_object.h"
#include "core/recharge_attempt.h"
#include "core/recharge_steps.h"
#include "core/signature_verifier.h"
#include "server/fulfilment_settings.h"
#include "server/http_client.h"
#include "server/webhook_signer.h"

namespace recharge {

// The secrets of one supplier, read from its file; several while they are exchanged.
struct SupplierKeys {
  std::string name;
  std::shared_ptr<const WebhookSigner> signer;
  KeyRing ring;
};
SupplierKeys load_supplier_keys(const SupplierSettings& supplier);  // throws SettingsError

struct SupplierAnswer {
  using Kind = SupplierAnswerKind;  // as in kSupplierAnswers of the metrics
  Kind kind = Kind::unknown;
  TransactionId reference;
  AttemptReason reason;
};

class SupplierCalls {
 public:
  static constexpr std::size_t kMaxAnswerBytes = 16 << 10;
  static constexpr std::int64_t kToleranceMs = 300'000;  // between the clocks

  SupplierCalls(const SupplierSettings& settings, const SupplierKeys& keys)
      : settings_(settings), signer_(keys.signer), verifier_(keys.ring) {}

  const SupplierSettings& settings() const noexcept { return settings_; }

  // The same body on each repeat.
  HttpCall ask(const Order& order, const RechargeAttempt& attempt, Time now) const;
  HttpCall query(const SupplierRequestId& request_id, Time now) const;
  SupplierAnswer read(const HttpAnswer& answer, const SupplierRequestId& request_id, Time now);

 private:
  HttpCall signed_call(std::string method, std::string url, const SupplierRequestId& request_id,
                       std::string body, Time now) const;
  SupplierAnswer read_body(std::string_view body, const SupplierRequestId& request_id);

  SupplierSettings settings_;
  std::shared_ptr<const WebhookSigner> signer_;
  SignatureVerifier verifier_;
  JsonReader json_;
};

}  // namespace recharge
