// Purpose: what the simulated gateways know: trades that a merchant has started or a payer has paid, and
// their refunds. Owner: whoever holds the lock of the gateways. Lifetime: as long as the simulator.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "core/bill.h"
#include "tools/gateway_messages.h"

namespace recharge {

struct SimulatedRefund {
  std::string number;  // the merchant's
  Money amount;
  Time at;
};

struct SimulatedTrade {
  enum class State : std::uint8_t { waiting, paid, closed };
  SimulatedGateway gateway = SimulatedGateway::alipay;
  OrderId order_id;
  std::string transaction_id;  // the gateway's; of a Stripe intent from the start
  Money amount;
  std::string subject;
  State state = State::waiting;
  Time created_at;
  Time paid_at;
  std::vector<SimulatedRefund> refunds;

  Money refunded() const noexcept;
  PaidTrade paid() const { return {order_id, transaction_id, amount, paid_at}; }
};

class SimulatedTrades {
 public:
  // Null: there is none. Pointers stay valid.
  SimulatedTrade* find(SimulatedGateway gateway, const OrderId& order_id) noexcept;
  SimulatedTrade* find_transaction(std::string_view transaction_id) noexcept;
  SimulatedTrade& start(SimulatedGateway gateway, const OrderId& order_id, Money amount, Time now);
  // False where it waits for no payment.
  bool pay(SimulatedTrade& trade, Time now);
  // Null where it exceeds the rest. The same number again: the same refund.
  const SimulatedRefund* refund(SimulatedTrade& trade, std::string_view number, Money amount, Time now);
  static const SimulatedRefund* find_refund(const SimulatedTrade& trade, std::string_view number) noexcept;

  const std::deque<SimulatedTrade>& all() const noexcept { return trades_; }
  std::vector<BillRow> bill(SimulatedGateway gateway, const BillPeriod& period) const;

 private:
  std::deque<SimulatedTrade> trades_;
};

}  // namespace recharge
