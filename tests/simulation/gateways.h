// Purpose: both ends of the gateways' callbacks: what senders sign, honest and forging ones, and the check of
// what arrives, with the verifier and the parser of core. Owner: one thread. Lifetime: views of a body are
// valid as long as the body.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "core/hmac_sha256_key.h"
#include "core/json_object.h"
#include "core/names.h"
#include "core/native_callback.h"
#include "core/signature_verifier.h"
#include "tests/simulation/draws.h"

namespace recharge::simulation {

// The native endpoint's, one with a path of its own, and one that is called, too: payments are started at it
// and asked for, and refunds carried out.
enum class Gateway : std::uint8_t { native = 0, other = 1, called = 2 };
constexpr std::size_t kGateways = 3;
std::string_view name_of(Gateway gateway) noexcept;

// What a gateway has to report. It may be sent many times, signed anew or not.
struct Payment {
  Gateway gateway = Gateway::native;
  std::string order;  // the id, in one of its forms, or anything else
  std::string transaction_id;
  std::int64_t amount = 0;  // minor units
  bool success = true;
  std::optional<std::int64_t> paid_at_s;
  std::string remark;       // a member that nobody knows, kept as evidence; empty: none
  bool unreported = false;  // no callback is ever sent: whoever wants to know has to ask
};

struct Callback {
  Gateway gateway = Gateway::native;
  std::string body;
};

class Gateways {
 public:
  Gateways();
  Gateways(const Gateways&) = delete;
  Gateways& operator=(const Gateways&) = delete;

  Callback sign(const Payment& payment, std::int64_t sent_at_s);
  // Without the gateway's secret: altered, with another's signature, or with none that fits.
  Callback forge(const Payment& payment, std::int64_t sent_at_s, Draws& draws);
  // What was reported, if its signature holds. A body of senders here is always well formed.
  std::optional<NativeCallback> verify(const Callback& callback);

 private:
  std::string body_of(const Payment& payment, std::int64_t sent_at_s, HmacSha256Key& key);

  std::array<HmacSha256Key, kGateways> keys_;
  HmacSha256Key forgers_key_;
  std::array<SignatureVerifier, kGateways> verifiers_;
  JsonReader reader_;
  std::string canonical_;
};

}  // namespace recharge::simulation
