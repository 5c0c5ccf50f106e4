// Purpose: what gateways send and answer, signed as they sign it: notifications of payments, and faults of
// them. Owner: one thread. Lifetime: values; accounts outlive the calls. Source: as in core/*_callback.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/money.h"
#include "core/time.h"
#include "core/uuid.h"
#include "tools/simulated_accounts.h"

namespace recharge {

enum class SimulatedGateway : std::uint8_t { alipay, wechat, stripe, standard };
constexpr std::size_t kSimulatedGateways = 4;
std::string_view to_text(SimulatedGateway gateway) noexcept;
std::optional<SimulatedGateway> parse_simulated_gateway(std::string_view name) noexcept;

struct PaidTrade {
  OrderId order_id;
  std::string transaction_id;
  Money amount;
  Time paid_at;
};

// What a gateway tells of a refund that it carried out.
struct RefundTold {
  std::string number;  // the merchant's
  Money amount;
  Money refunded;  // of the payment, so far
};

// How one sending differs from a good one. The server has to refuse every other, but for the last.
enum class SendingFault : std::uint8_t {
  none,
  forged,     // signed by somebody else
  tampered,   // one byte was changed after it was signed
  expired,    // signed too long ago; Alipay signs no time
  wrong_app,  // of another account, well signed; Standard Webhooks names none
  probe,      // whether signatures are checked, of WeChat Pay alone
  refund      // of half of it: to be acknowledged, and to change nothing; Standard Webhooks has none
};
constexpr std::size_t kSendingFaults = 7;
std::string_view to_text(SendingFault fault) noexcept;
bool has_fault(SimulatedGateway gateway, SendingFault fault) noexcept;

struct CallbackMessage {
  std::vector<std::string> headers;
  std::string body;
};

// nonce: 16 or more hex digits, another for each sending. REQUIRES: has_fault().
CallbackMessage payment_message(SimulatedGateway gateway, const SimulatedAccounts& accounts,
                                const PaidTrade& trade, SendingFault fault, Time now,
                                const std::string& nonce);
// REQUIRES: has_fault(gateway, SendingFault::refund).
CallbackMessage refund_message(SimulatedGateway gateway, const SimulatedAccounts& accounts,
                               const PaidTrade& trade, const RefundTold& refund, Time now,
                               const std::string& nonce);
// Whether this is how the gateway wants to be told that it need not send again.
bool is_acknowledged(SimulatedGateway gateway, int status, std::string_view body) noexcept;

// When a notification that nobody acknowledged is sent again, after the first and after each repeat.
std::vector<std::int64_t> retry_delays_s(SimulatedGateway gateway);

// The headers by which WeChat Pay vouches for a body, and base64 of what it seals.
std::vector<std::string> wechat_headers(const SimulatedAccounts& accounts, const RsaPrivateKey& key,
                                        const std::string& body, Time at, const std::string& nonce);

}  // namespace recharge
