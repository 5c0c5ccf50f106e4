// The suppliers that are asked to recharge what was paid, by the steps of core/recharge_steps.h. As the
// server does it: nothing for work that is not durable, one request id for each attempt, and again until an
// answer has ended it; or by events and results, where workers do it.
#include <algorithm>

#include "tests/simulation/history.h"

namespace recharge::simulation {
namespace {

using testing::text;

constexpr std::int64_t kDeadlineMs = testing::kExpireAfterMs;
constexpr std::array<std::string_view, 3> kSuppliers = {"acme", "best", "cheap"};  // in order of preference
constexpr std::string_view kWorkers = "amqp";
constexpr std::uint16_t kNeverBegun = 999;
constexpr std::string_view kInProcess = "in process at the supplier";
constexpr std::string_view kSilence = "no answer";

bool settles(SupplierAnswerKind answer) {
  return answer == SupplierAnswerKind::succeeded || answer == SupplierAnswerKind::failed ||
         answer == SupplierAnswerKind::rejected;
}

AttemptState state_of(SupplierAnswerKind answer) {
  return answer == SupplierAnswerKind::succeeded ? AttemptState::succeeded
         : answer == SupplierAnswerKind::failed  ? AttemptState::failed
                                                 : AttemptState::rejected;
}

std::string request_text(const OrderId& order_id, std::uint16_t number) {
  return std::string(request_id_of(order_id, number).view());
}

}  // namespace

// A recharge as it was read, of work that is durable.
struct History::Asked {
  GatewayWork work;
  Order order;
  std::vector<RechargeAttempt> attempts;
  std::vector<SupplierChoice> choices;
  bool is_past_deadline = false;

  const RechargeAttempt& latest() const { return attempts.back(); }
  Suppliers::Request request() const {
    return {order.id, latest().number, std::string(latest().supplier.view()), order.amount.minor_units()};
  }
};

void History::supplier_event(Draws& draws) {
  const auto order_id = workload_.any_order(draws);
  if (order_id.is_nil()) return client_event(draws);
  switch (draws.below(12)) {
    case 0:
    case 1:
      return deliver_result(draws);
    case 2: {
      const auto arrived = suppliers_.arrive();
      note("requests arrive late: ", std::to_string(arrived));
      return coverage_.count(Met::late_arrivals, arrived);
    }
    case 3: {  // whoever asks twice, or for what is long over
      // What workers refused is never asked of them again: they have one attempt.
      const bool of_workers = workload_.fulfilment() == Fulfilment::amqp;
      const auto name = of_workers ? kWorkers : kSuppliers[draws.below(3)];
      const auto number = static_cast<std::uint16_t>(1 + (of_workers ? 0 : draws.below(3)));
      return execute(BeginAttempt{order_id, number, text<SupplierName>(name)});
    }
    case 4:
      return execute(FailRecharge{order_id});
    default:
      return look_after_gateway(draws, false);
  }
}

// For a while, those that did not answer are left alone.
std::vector<SupplierChoice> History::choices(Draws& draws, bool calm) {
  if (workload_.fulfilment() == Fulfilment::amqp) return {{text<SupplierName>(kWorkers)}};
  std::vector<SupplierChoice> choices;
  for (const auto name : kSuppliers) choices.push_back({text<SupplierName>(name), !calm && draws.one_in(5)});
  return choices;
}

void History::look_after_recharge(Draws& draws, bool calm) {
  const auto& shown = std::get<GatewayWorkAndOrder>(outcome_.shown);
  Asked asked{shown.work, *shown.order, shown.attempts, choices(draws, calm)};
  asked.is_past_deadline = workload_.now().ms - asked.work.started_at.ms >= kDeadlineMs;
  if (asked.work.failed) return look_after_given_up(asked);
  if (!asked.attempts.empty() && asked.latest().is_open()) return go_on_with(asked, draws, calm);
  begin_attempt(asked, draws, calm);
}

// Its refund goes on as others do; where the gateway refused it, an operator tries another.
void History::look_after_given_up(const Asked& asked) {
  const auto& refunds = oracle_.order(asked.order.id)->refunds;
  const bool all_refused = std::all_of(refunds.begin(), refunds.end(), [](const auto& refund) {
    return refund.second.second == RefundStatus::failed;
  });
  if (!all_refused) return;
  coverage_.count(Met::refused_again);
  execute(
      RequestRefund{asked.order.id, text<RefundId>("again-" + std::to_string(refunds.size())), std::nullopt});
}

void History::begin_attempt(Asked& asked, Draws& draws, bool calm) {
  const auto next = next_supplier(asked.choices, asked.attempts, asked.is_past_deadline);
  if (next.kind == NextSupplier::Kind::wait) return;
  if (next.kind == NextSupplier::Kind::give_up) {
    coverage_.count(Met::past_deadlines, asked.is_past_deadline ? 1 : 0);
    return execute(FailRecharge{asked.order.id});
  }
  const auto number = static_cast<std::uint16_t>(asked.work.attempts + 1);
  execute(BeginAttempt{asked.order.id, number, asked.choices[next.index].name});
  if (outcome_.code != OutcomeCode::attempt_begun) return;
  asked.attempts.push_back(std::get<GatewayWorkAndOrder>(outcome_.shown).attempts.back());
  if (!wait_until_durable()) return;
  coverage_.count(Met::other_suppliers, number > 1 ? 1 : 0);
  if (workload_.fulfilment() == Fulfilment::amqp) return ask_workers(asked, draws, calm);
  unsent_[asked.order.id] = number;
  if (calm || !draws.one_in(8)) ask(asked, true, draws, calm);
}

void History::go_on_with(Asked& asked, Draws& draws, bool calm) {
  const auto& attempt = asked.latest();
  if (workload_.fulfilment() == Fulfilment::amqp) {
    if (!calm && draws.one_in(2)) return;  // a worker may report yet
    execute(NoteAttempt{asked.order.id, attempt.number, text<AttemptReason>("no worker has reported")});
    return outcome_.code == OutcomeCode::attempt_noted && wait_until_durable()
               ? ask_workers(asked, draws, calm)
               : void();
  }
  const auto unsent = unsent_.find(asked.order.id);
  const bool nothing_left = unsent != unsent_.end() && unsent->second == attempt.number;
  switch (step_of_open(nothing_left, asked.is_past_deadline)) {
    case OpenAttemptStep::end_as_not_sent:
      return end_attempt(asked.order.id, attempt.number, AttemptState::not_sent);
    case OpenAttemptStep::ask:
      return ask(asked, true, draws, calm);
    case OpenAttemptStep::query:
      return ask(asked, false, draws, calm);
  }
}

// `itself`: the request, and no query for it.
void History::ask(Asked& asked, bool itself, Draws& draws, bool calm) {
  const auto& attempt = asked.latest();
  const auto answer = answer_to(asked, itself, draws, calm);
  if (!violation_.empty()) return;
  if (!calm && draws.one_in(12)) {
    coverage_.count(Met::ends_after_calls);
    note("the end, before anything of the call is recorded");
    throw Ended{draws.one_in(3) ? End::kill : End::power_loss};
  }
  const auto unsent = unsent_.find(asked.order.id);
  const bool nothing_left = unsent != unsent_.end() && unsent->second == attempt.number;
  if (itself && answer != SupplierAnswerKind::not_sent) unsent_.erase(asked.order.id);
  coverage_.count(Met::found_querying, !itself && answer == SupplierAnswerKind::succeeded ? 1 : 0);
  const auto next = step_after(answer, itself, nothing_left,
                               has_other_choice(asked.choices, asked.attempts, attempt.supplier));
  if (next.kind == AnswerStep::Kind::end) return end_attempt(asked.order.id, attempt.number, next.state);
  if (next.kind == AnswerStep::Kind::ask) return ask(asked, true, draws, calm);
  const auto why = answer == SupplierAnswerKind::processing ? kInProcess : kSilence;
  if (why == kInProcess && attempt.reason.view() == kInProcess) return;
  execute(NoteAttempt{asked.order.id, attempt.number, text<AttemptReason>(why)});
}

SupplierAnswerKind History::answer_to(const Asked& asked, bool itself, Draws& draws, bool calm) {
  const auto& attempt = asked.latest();
  const auto id = request_text(asked.order.id, attempt.number);
  const auto fate = calm ? 99 : draws.below(16);
  coverage_.count(Met::supplier_calls);
  if (fate < 2) {
    coverage_.count(Met::never_sent);
    note("no connection for ", id);
    return SupplierAnswerKind::not_sent;
  }
  if (fate < 5) {
    coverage_.count(Met::lost_supplier_calls);
    note("a call of a supplier is lost, or late: ", id);
    if (itself && fate < 4) suppliers_.send(id, asked.request());
    return SupplierAnswerKind::unknown;
  }
  const auto supplier = std::string(attempt.supplier.view());
  const auto answer =
      itself ? suppliers_.ask(id, asked.request(), draws, calm) : suppliers_.query(id, supplier, draws, calm);
  if (!suppliers_.wrong().empty()) violate("suppliers: " + suppliers_.wrong());
  if (fate >= 9) return answer;
  coverage_.count(Met::lost_supplier_calls);
  note("the answer of a supplier is lost, or late: ", id);
  if (settles(answer) && fate < 7)
    results_.push_back({asked.order.id, attempt.number, state_of(answer), text<TransactionId>("ref"), {}});
  return SupplierAnswerKind::unknown;
}

// Their results come in by a queue, whenever they do.
void History::ask_workers(const Asked& asked, Draws& draws, bool calm) {
  const auto number = asked.latest().number;
  const auto id = request_text(asked.order.id, number);
  coverage_.count(Met::supplier_calls);
  if (!calm && draws.one_in(4)) {
    coverage_.count(Met::lost_supplier_calls);
    return suppliers_.send(id, asked.request());
  }
  const auto answer = suppliers_.ask(id, asked.request(), draws, calm);
  if (!suppliers_.wrong().empty()) return violate("workers: " + suppliers_.wrong());
  if (settles(answer))
    results_.push_back({asked.order.id, number, state_of(answer), text<TransactionId>("ref"), {}});
}

void History::end_attempt(const OrderId& order_id, std::uint16_t number, AttemptState state) {
  EndAttempt end{order_id, number, state, {}, {}};
  if (state == AttemptState::succeeded) end.reference = text<TransactionId>("ref");
  execute(end);
  if (outcome_.code == OutcomeCode::attempt_ended || outcome_.code == OutcomeCode::recharge_succeeded)
    ++coverage_.attempts[static_cast<std::size_t>(state)];
}

// It is acknowledged when it is durable, and may come again even then.
void History::deliver_result(Draws& draws) {
  if (results_.empty() || draws.one_in(8))
    return end_attempt(workload_.any_order(draws), kNeverBegun, AttemptState::failed);
  const auto at = static_cast<std::ptrdiff_t>(draws.below(results_.size()));
  const EndAttempt result = results_[static_cast<std::size_t>(at)];
  coverage_.count(Met::late_results);
  note("a result comes late");
  execute(result);
  const bool recorded =
      outcome_.code != OutcomeCode::overloaded && outcome_.code != OutcomeCode::storage_full;
  if (recorded && wait_until_durable() && draws.one_in(2)) results_.erase(results_.begin() + at);
}

void History::deliver_all_results() {
  for (const auto& result : std::exchange(results_, {})) {
    if (violation_.empty()) execute(result);
  }
}

// What suppliers have in their books and what is in ours: nothing was done twice, or done and given back; and
// whatever one was asked for is an attempt of ours, with the end that it had there.
void History::check_suppliers(bool in_the_end) {
  using State = Suppliers::State;
  std::map<OrderId, unsigned> done;
  for (const auto& [id, request] : suppliers_.requests()) {
    const auto* order = oracle_.order(request.order);
    if (order == nullptr || request.number > order->attempts.size())
      return violate(request.supplier + " was asked for " + id + ", of which nothing is known");
    const auto& attempt = order->attempts[request.number - 1];
    const bool same = request_text(request.order, request.number) == id &&
                      attempt.supplier.view() == request.supplier && request.amount == order->amount;
    if (!same) return violate(id + " is another request at " + request.supplier);
    const bool may_be_done = request.state != State::failed && request.state != State::rejected;
    if (!attempt.is_open() && may_be_done != (attempt.state == AttemptState::succeeded))
      return violate(id + " has another end at " + request.supplier);
    if (may_be_done && (order->given_up || order->status == OrderStatus::refunded))
      return violate("order " + request.order.to_text() + " goes back to its payer, and " + id +
                     " may be done");
    if (request.state == State::done && ++done[request.order] > 1)
      return violate("order " + request.order.to_text() + " was recharged twice");
  }
  for (unsigned shard = 0; shard < kShards; ++shard) {
    for (const auto& [id, order] : oracle_.model(shard).orders) {
      if (!order.by_supplier) continue;
      if ((order.status == OrderStatus::recharged) && !done.contains(id))
        return violate("order " + id.to_text() + " is recharged, and no supplier did it");
      if (in_the_end && order.status != OrderStatus::recharged && order.status != OrderStatus::refunded)
        return violate("order " + id.to_text() + " is neither recharged nor refunded in the end");
    }
  }
}

}  // namespace recharge::simulation
