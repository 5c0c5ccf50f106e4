#include "tests/simulation/payment_gateway.h"

namespace recharge::simulation {

PaymentGateway::Trade PaymentGateway::trade(const OrderId& order) const {
  const auto found = trades_.find(order);
  return found == trades_.end() ? Trade::none : found->second.state;
}

const Payment* PaymentGateway::payment(const OrderId& order) const {
  const auto found = trades_.find(order);
  return found == trades_.end() ? nullptr : found->second.payment;
}

void PaymentGateway::start(const OrderId& order) {
  trades_.try_emplace(order, TradeRecord{Trade::waiting, nullptr});
}

bool PaymentGateway::close(const OrderId& order) {
  auto& record = trades_[order];
  if (record.state == Trade::paid) return false;
  record.state = Trade::closed;
  return true;
}

void PaymentGateway::take_payment(const OrderId& order, const Payment& payment) {
  auto& record = trades_[order];
  if (record.state != Trade::paid) record = {Trade::paid, &payment};
  paid_[payment.transaction_id] = payment.amount;
}

std::vector<OrderId> PaymentGateway::waiting() const {
  std::vector<OrderId> found;
  for (const auto& [order, record] : trades_) {
    if (record.state == Trade::waiting) found.push_back(order);
  }
  return found;
}

void PaymentGateway::check(const Refund& asked) {
  const auto paid = paid_.find(asked.transaction);
  if (paid == paid_.end()) {
    wrong_ = "it is to give back what was never paid";
    return;
  }
  std::int64_t sum = asked.amount;
  for (const auto& [number, refund] : refunds_) {
    if (refund.transaction == asked.transaction && refund.state != RefundState::failed) sum += refund.amount;
  }
  if (sum > paid->second) wrong_ = "it is to give back more than was paid";
  if (asked.total != paid->second) wrong_ = "the payment that it is to give back had another amount";
}

PaymentGateway::RefundState PaymentGateway::refund(const std::string& number, const Refund& asked,
                                                   Draws& draws, bool calm) {
  auto found = refunds_.find(number);
  if (found == refunds_.end() || found->second.state == RefundState::failed) {
    check(asked);
    const auto drawn = calm ? 9 : draws.below(10);
    const auto state = drawn < 2   ? RefundState::failed
                       : drawn < 5 ? RefundState::processing
                                   : RefundState::succeeded;
    found =
        refunds_.insert_or_assign(number, Refund{asked.transaction, asked.amount, asked.total, state}).first;
    return state;
  }
  auto& refund = found->second;
  if (refund.transaction != asked.transaction || refund.amount != asked.amount)
    wrong_ = "one number stands for two refunds";
  if (refund.state == RefundState::processing && (calm || draws.one_in(2)))
    refund.state = !calm && draws.one_in(4) ? RefundState::failed : RefundState::succeeded;
  return refund.state;
}

std::map<std::string, std::int64_t> PaymentGateway::given_back() const {
  std::map<std::string, std::int64_t> sums;
  for (const auto& [number, refund] : refunds_) {
    if (refund.state == RefundState::succeeded) sums[refund.transaction] += refund.amount;
  }
  return sums;
}

}  // namespace recharge::simulation
