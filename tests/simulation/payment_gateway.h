// Purpose: a gateway that is called, as it is outside of the process: what was started, paid, closed and
// given back there stays, whatever became of its callers and its answers. A payment has the number of its
// order, a refund one that its caller makes; under one number a refund is carried out once. Owner: one
// history. Lifetime: payments outlive it. Errors: wrong() says what no honest caller would have asked for.
// Units: minor units.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/order.h"
#include "tests/simulation/gateways.h"

namespace recharge::simulation {

class PaymentGateway {
 public:
  enum class Trade { none, waiting, paid, closed };
  Trade trade(const OrderId& order) const;
  // What it was paid by; null: it is not paid.
  const Payment* payment(const OrderId& order) const;
  void start(const OrderId& order);  // again: nothing more
  bool close(const OrderId& order);  // false: it is paid
  // Somebody has paid, at what was started or elsewhere at this gateway.
  void take_payment(const OrderId& order, const Payment& payment);
  std::vector<OrderId> waiting() const;

  enum class RefundState { processing, succeeded, failed };
  struct Refund {
    std::string transaction;
    std::int64_t amount = 0;
    std::int64_t total = 0;  // of the payment, as its caller knows it
    RefundState state = RefundState::processing;
  };
  // Carries it out, or goes on with it; one that failed is tried anew. `calm`: nothing fails from now on.
  RefundState refund(const std::string& number, const Refund& asked, Draws& draws, bool calm);
  // What was given back of each payment.
  std::map<std::string, std::int64_t> given_back() const;

  const std::string& wrong() const { return wrong_; }

 private:
  struct TradeRecord {
    Trade state = Trade::none;
    const Payment* payment = nullptr;
  };
  void check(const Refund& asked);

  std::map<OrderId, TradeRecord> trades_;
  std::map<std::string, std::int64_t> paid_;  // by transaction
  std::map<std::string, Refund> refunds_;     // by number
  std::string wrong_;
};

}  // namespace recharge::simulation
