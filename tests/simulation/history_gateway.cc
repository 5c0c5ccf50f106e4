// The gateway that is called: payments started at it, asked for and closed, and refunds carried out by it. As
// the server does it: nothing for work that is not durable, and again until an answer has ended it.
#include "tests/simulation/history.h"

namespace recharge::simulation {
namespace {

using testing::text;
using Trade = PaymentGateway::Trade;
using RefundState = PaymentGateway::RefundState;

constexpr unsigned kGroupsWaitedFor = 3;
constexpr unsigned kRounds = 40;  // until all work is ended, where no answer is lost

// Both are what the server makes a refund's number of.
std::string number_of(const GatewayWork& work) {
  return (work.order_id.is_nil() ? std::string() : work.order_id.to_text()) + "/" +
         std::string(work.refund_id.view());
}

}  // namespace

bool History::is_lost(Draws& draws, bool calm) {
  coverage_.count(Met::gateway_calls);
  const bool lost = !calm && draws.one_in(4);
  coverage_.count(Met::lost_calls, lost ? 1 : 0);
  if (lost) note("a call of the gateway is lost, or its answer");
  return lost;
}

// Of the outcome that was met last.
bool History::wait_until_durable() {
  for (unsigned i = 0; i < kGroupsWaitedFor && !server_->is_durable(executed_); ++i) {
    if (!server_->step()) return false;
  }
  return server_->is_durable(executed_);
}

void History::start_payment(Draws& draws) {
  const auto command = workload_.start(draws);
  execute(command);
  if (outcome_.code != OutcomeCode::payment_to_start || !wait_until_durable()) return;
  if (is_lost(draws, false)) return;
  workload_.gateway().start(command.order_id);
  if (is_lost(draws, false)) return;
  const Time until{workload_.now().ms + draws.up_to(testing::kExpireAfterMs)};
  execute(
      NotePaymentStart{command.order_id, command.method, text<PayText>("https://pay.example/1"), until, {}});
}

void History::pay_what_was_started(Draws& draws) {
  const auto* payment = workload_.pay_what_was_started(draws);
  if (payment == nullptr) return start_payment(draws);
  note("paid at the gateway: ", payment->transaction_id);
  if (!payment->unreported) redeliver(*payment, workload_.sending_time_s(draws));
}

void History::look_after_gateway(Draws& draws, bool calm) {
  for (unsigned thread = 0; thread < threads_; ++thread) {
    auto& group = server_->group(thread);
    if (!group.has_gateway_work()) continue;
    for (const auto& key : group.take_gateway_work()) known_work_.insert(key);
    group.release_books();
  }
  if (known_work_.empty()) return;
  const auto key =
      *std::next(known_work_.begin(), static_cast<std::ptrdiff_t>(draws.below(known_work_.size())));
  execute(ReadGatewayWork{key});
  if (!violation_.empty() || !wait_until_durable()) return;
  if (outcome_.code != OutcomeCode::found) {
    known_work_.erase(key);
    return;
  }
  const auto work = std::get<GatewayWorkAndOrder>(outcome_.shown).work;
  if (key.kind == GatewayWorkKind::recharge) return look_after_recharge(draws, calm);
  if (key.kind == GatewayWorkKind::payment) return look_after_payment(work, draws, calm);
  look_after_refund(work, draws, calm);
}

void History::look_after_payment(const GatewayWork& work, Draws& draws, bool calm) {
  const Order order = *std::get<GatewayWorkAndOrder>(outcome_.shown).order;
  const EndPayment end{order.id, work.key.method};
  if (order.is_paid_for()) return execute(end);
  if (is_lost(draws, calm)) return;
  auto& gateway = workload_.gateway();
  if (gateway.trade(order.id) == Trade::paid) {
    const auto& payment = *gateway.payment(order.id);
    note("the gateway says that it is paid: ", payment.transaction_id);
    coverage_.count(Met::found_asking, payment.unreported ? 1 : 0);
    execute(workload_.report_of_answer(order.id, payment));
    const bool told =
        outcome_.code == OutcomeCode::recharge_succeeded || outcome_.code == OutcomeCode::payment_held ||
        outcome_.code == OutcomeCode::already_processed || outcome_.code == OutcomeCode::kept_for_review;
    return told ? execute(end) : void();
  }
  if (awaits_payment(order.status)) {
    if (!work.pay_text.empty()) return;
    gateway.start(order.id);  // the same call again, under the same number
    if (is_lost(draws, calm)) return;
    return execute(NotePaymentStart{order.id,
                                    work.key.method,
                                    text<PayText>("https://pay.example/2"),
                                    Time{workload_.now().ms + 1000},
                                    {}});
  }
  gateway.close(order.id);
  if (!is_lost(draws, calm)) execute(end);
}

void History::look_after_refund(const GatewayWork& work, Draws& draws, bool calm) {
  if (is_lost(draws, calm)) return;
  const PaymentGateway::Refund asked{
      std::string(work.transaction_id.view()), work.amount.minor_units(), work.total.minor_units(), {}};
  const auto state = workload_.gateway().refund(number_of(work), asked, draws, calm);
  if (!workload_.gateway().wrong().empty()) return violate("the gateway: " + workload_.gateway().wrong());
  if (state == RefundState::processing || is_lost(draws, calm)) return;
  const bool succeeded = state == RefundState::succeeded;
  note(succeeded ? "the gateway gave back " : "the gateway did not give back ", number_of(work));
  if (work.key.kind == GatewayWorkKind::refund)
    return execute(SettleRefund{work.order_id, work.key.refund_id, succeeded});
  execute(SettleExceptionRefund{ExceptionId{work.key.id}, succeeded});
}

// Nothing is lost any more, and no order waits for its payment: whatever is open comes to an end.
void History::finish_gateway_work() {
  suppliers_.arrive();
  workload_.pass(testing::kExpireAfterMs + 1);
  for (unsigned round = 0; round == 0 || !known_work_.empty(); ++round) {
    if (round == kRounds) return violate("work at the gateway does not end");
    deliver_all_results();
    for (std::size_t left = known_work_.size() + 1; left > 0 && violation_.empty(); --left) {
      look_after_gateway(draws_, true);
      server_->step();
      deliver_replies();
    }
    if (!violation_.empty()) return;
  }
}

// Nothing is open, the gateway gave back what it was to give back and no more, and each payment that it has
// is credited or kept, reported or not.
void History::check_gateway() {
  auto given_back = workload_.gateway().given_back();
  std::set<std::pair<std::string, std::string>> accounted_for;
  for (unsigned shard = 0; shard < kShards; ++shard) {
    const auto& model = oracle_.model(shard);
    if (!model.works.empty()) return violate("work at the gateway is open in the end");
    for (const auto& [id, order] : model.orders) {
      accounted_for.insert({id.to_text(), order.transaction});
      if (order.by_call) given_back[order.transaction] -= order.refunded;
    }
    for (const auto& [key, payment] : model.payments) {
      if (!payment.kinds.empty()) accounted_for.insert(key);
      if (payment.returned) given_back[key.second] -= payment.amount;
    }
  }
  for (const auto& [transaction, difference] : given_back) {
    if (difference != 0)
      return violate("the gateway gave back " + std::to_string(difference) + " of " + transaction +
                     " too much");
  }
  for (const auto& payment : workload_.payments()) {
    if (payment.gateway != Gateway::called || !payment.unreported) continue;
    if (!accounted_for.contains({OrderId::parse(payment.order).value().to_text(), payment.transaction_id}))
      return violate("nobody knows of the payment " + payment.transaction_id);
  }
}

}  // namespace recharge::simulation
