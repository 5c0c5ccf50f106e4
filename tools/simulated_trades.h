// Purpose: what the simulated gateways know: trades that a merchant has started or a payer has paid, and
// their refunds. Owner: whoever holds the lock of the gateways. Lifetime: as long as the simulator.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
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
  bool silent = false;        // no callback of its payment is sent
  bool acknowledged = false;  // one was, and nobody need send it again

  Money refunded() const noexcept;
  PaidTrade paid() const { return {order_id, transaction_id, amount, paid_at}; }
};

// What was paid and refunded, as the gateway's bill has it.
std::vector<BillRow> bill_of(const std::deque<SimulatedTrade>& trades, SimulatedGateway gateway,
                             const BillPeriod& period);

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

  // Told of each refund once, when it is carried out.
  using OnRefunded = std::function<void(const SimulatedTrade& trade, const SimulatedRefund& refund)>;
  void tell_refunds_to(OnRefunded on_refunded) { on_refunded_ = std::move(on_refunded); }

  const std::deque<SimulatedTrade>& all() const noexcept { return trades_; }
  std::vector<BillRow> bill(SimulatedGateway gateway, const BillPeriod& period) const {
    return bill_of(trades_, gateway, period);
  }

 private:
  std::deque<SimulatedTrade> trades_;
  OnRefunded on_refunded_;
};

}  // namespace recharge
