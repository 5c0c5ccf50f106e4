// Purpose: what clients and gateways do: random requests over few accounts, orders and payments, so that they
// meet. Owner: one history. Lifetime: views in its commands live as long as it.
#pragma once

#include <deque>
#include <vector>

#include "tests/simulation/gateways.h"
#include "tests/storage/commands.h"

namespace recharge::simulation {

class Workload {
 public:
  explicit Workload(std::uint64_t seed);

  // Bodies are long, so that the journal fills its segments.
  bool has_long_remarks() const { return long_remarks_; }
  Time now() const { return commands_.now; }
  void pass(std::int64_t ms) { commands_.now.ms += ms; }

  // Anything but a callback.
  Command change(Draws& draws);
  Command read(Draws& draws);
  // A payment that was not reported yet.
  const Payment& payment(Draws& draws);
  // When a callback sent now says that it was sent.
  std::int64_t sending_time_s(Draws& draws) const;
  // As the server makes it of a verified callback. Keeps the body.
  ReportPayment report(const NativeCallback& callback, Callback sent);

  const std::deque<Payment>& payments() const { return payments_; }
  const std::deque<Callback>& sent() const { return sent_; }  // the verified ones

 private:
  struct Placed {
    OrderId id;
    std::int64_t amount = 0;
  };
  std::string account(Draws& draws) const;
  Command place(Draws& draws);
  const Placed& placed(Draws& draws) const;
  std::string reference(const OrderId& id, Draws& draws);

  testing::Commands commands_;
  PaymentPolicy late_policy_ = PaymentPolicy::review;
  bool long_remarks_ = false;
  std::vector<Placed> placed_;
  std::deque<Payment> payments_;
  std::deque<Callback> sent_;
  std::vector<ExceptionId> exceptions_;
};

}  // namespace recharge::simulation
