// Purpose: what clients and gateways do: random requests over few accounts, orders and payments, so that they
// meet. Owner: one history. Lifetime: views in its commands live as long as it.
#pragma once

#include <deque>
#include <vector>

#include "tests/simulation/gateways.h"
#include "tests/simulation/payment_gateway.h"
#include "tests/storage/commands.h"

namespace recharge::simulation {

class Workload {
 public:
  explicit Workload(std::uint64_t seed);

  // Bodies are long, so that the journal fills its segments.
  bool has_long_remarks() const { return long_remarks_; }
  Time now() const { return commands_.now; }
  void pass(std::int64_t ms) { commands_.now.ms += ms; }

  // Anything but a callback, and but what follows from a gateway's answer.
  Command change(Draws& draws);
  StartPayment start(Draws& draws);
  Command read(Draws& draws);
  // A payment that was not reported yet.
  const Payment& payment(Draws& draws);
  // A payment of what was started at the gateway that is called; none waits for one: nothing.
  const Payment* pay_what_was_started(Draws& draws);
  // For an order that never was: it is kept, and fills the journal.
  Payment filler();
  // When a callback sent now says that it was sent.
  std::int64_t sending_time_s(Draws& draws) const;
  // As the server makes it of a verified callback. Keeps the body.
  ReportPayment report(const NativeCallback& callback, Callback sent);
  // As the server makes it of the gateway's answer to a question.
  ReportPayment report_of_answer(const OrderId& order, const Payment& payment);
  PaymentGateway& gateway() { return gateway_; }
  // Who recharges the orders that are paid in this history.
  Fulfilment fulfilment() const { return fulfilment_; }
  bool has_suppliers() const { return fulfilment_ != Fulfilment::wallet; }
  // One that was placed; none was: nil.
  OrderId any_order(Draws& draws) const { return placed_.empty() ? OrderId() : placed(draws).id; }

  const std::deque<Payment>& payments() const { return payments_; }
  const std::deque<Callback>& sent() const { return sent_; }  // the verified ones

 private:
  struct Placed {
    OrderId id;
    std::int64_t amount = 0;
    bool at_called = false;  // placed for the gateway that is called
  };
  std::string account(Draws& draws) const;
  Command place(Draws& draws);
  const Placed& placed(Draws& draws) const;
  std::string reference(const OrderId& id, Draws& draws);
  void pay_at_called(const Placed& order, Payment& payment, Draws& draws) const;
  void complete(ReportPayment& report);

  testing::Commands commands_;
  PaymentPolicies policies_;
  AccountLimits limits_;
  bool long_remarks_ = false;
  Fulfilment fulfilment_ = Fulfilment::wallet;
  std::vector<Placed> placed_;
  std::deque<Payment> payments_;
  std::deque<Callback> sent_;
  std::vector<ExceptionId> exceptions_;
  PaymentGateway gateway_;
  unsigned fillers_ = 0;
};

}  // namespace recharge::simulation
