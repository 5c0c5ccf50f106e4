#include "server/gateway_desk.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "server/key_rings.h"
#include "server/log.h"
#include "server/payment_report.h"
#include "server/query_times.h"

namespace recharge {
namespace {

using Kind = CallAnswer::Kind;

constexpr std::array<std::int64_t, 6> kRetriesMs = {3'000, 15'000, 60'000, 300'000, 900'000, 3'600'000};
constexpr std::int64_t kWithoutCallerMs = 300'000;

bool is_refused_by_machine(OutcomeCode code) noexcept { return code >= OutcomeCode::overloaded; }

RefundStart refund_of(const GatewayWork& work) {
  return {work.order_id, work.transaction_id.view(), work.refund_id, work.amount, work.total};
}

}  // namespace

struct GatewayDesk::Job {
  enum class Step { idle, reading, calling, noting, reporting, ending };

  GatewayDesk* desk = nullptr;
  GatewayWorkKey key;
  Operation operation;
  GatewayWork work;
  std::optional<Order> order;
  Step step = Step::idle;
  unsigned tries = 0;                               // put off so often
  bool called = false;                              // a refund: it may have reached the gateway
  bool refused = false;                             // a refund: for good, which is still to be confirmed
  bool stuck = false;                               // its gateway is not called from here
  bool once_more = false;                           // hurried while it was under way
  std::multimap<std::int64_t, Job*>::iterator due;  // while idle

  bool awaits_payment() const noexcept { return order && recharge::awaits_payment(order->status); }
};

GatewayDesk::GatewayDesk(HandlerContext& context, HttpClient& client, Post post)
    : context_(context), client_(client), post_(std::move(post)) {}

GatewayDesk::~GatewayDesk() = default;

PaymentStart GatewayDesk::payment_of(const Order& order) {
  PaymentStart payment;
  payment.order_id = order.id;
  payment.amount = order.amount;
  payment.subject = order.subject.view();
  payment.expires_at = order.expires_at;
  return payment;
}

void GatewayDesk::take_over(const KeyRings& keys) {
  if (calls_.empty()) retired_.clear();
  for (auto& [name, caller] : std::exchange(callers_, {})) retired_.push_back(std::move(caller));
  for (const GatewayKeys& gateway : keys.gateways) {
    if (!gateway.calls) continue;
    GatewayName name;
    assign_checked(name, gateway.gateway);
    callers_.emplace_back(name, make_caller(*gateway.calls));
  }
}

GatewayCaller* GatewayDesk::caller(const GatewayName& gateway) noexcept {
  for (const auto& [name, caller] : callers_) {
    if (name == gateway) return caller.get();
  }
  return nullptr;
}

const GatewayName* GatewayDesk::only_gateway() const noexcept {
  return callers_.size() == 1 ? &callers_.front().first : nullptr;
}

std::int64_t GatewayDesk::now_ms() const noexcept { return context_.engine.now(context_.thread).ms; }

// --- what is due -----------------------------------------------------------------------------------------

void GatewayDesk::tick() {
  if (draining_ || due_.empty()) return;
  const std::int64_t now = now_ms();
  while (!due_.empty() && due_.begin()->first <= now && active_ < kMaxActive) begin(*due_.begin()->second);
}

// What was open at the start is asked for at once.
void GatewayDesk::note(const GatewayWorkKey& key, bool at_start) {
  auto& job = jobs_[key];
  if (job) {
    job->once_more = true;
    return;
  }
  job = std::make_unique<Job>();
  job->desk = this;
  job->key = key;
  job->called = at_start;
  job->operation.context = job.get();
  job->operation.complete = &GatewayDesk::on_complete;
  const bool payment = key.kind == GatewayWorkKind::payment;
  job->due = due_.emplace(now_ms() + (payment && !at_start ? kAskedAtMs.front() : 0), job.get());
}

void GatewayDesk::begin(Job& job) {
  due_.erase(job.due);
  ++active_;
  job.once_more = false;
  job.operation.command.emplace<ReadGatewayWork>().key = job.key;
  job.step = Job::Step::reading;
  submit(job);
}

void GatewayDesk::submit(Job& job) { context_.engine.submit(context_.thread, job.operation); }

void GatewayDesk::put_off(Job& job, std::int64_t delay_ms) {
  --active_;
  job.step = Job::Step::idle;
  if (job.once_more) delay_ms = 0;
  job.due = due_.emplace(now_ms() + delay_ms, &job);
}

// A payment that is waited for has its own times; everything else is tried again, more and more rarely.
void GatewayDesk::put_off(Job& job) {
  if (job.key.kind == GatewayWorkKind::payment && job.awaits_payment()) {
    return put_off(job, next_query(job.work.started_at, job.order->expires_at, now()).ms - now_ms());
  }
  const std::size_t tries = std::min<std::size_t>(job.tries++, kRetriesMs.size() - 1);
  put_off(job, kRetriesMs[tries]);
}

void GatewayDesk::finish(Job& job) {
  --active_;
  note_stuck(job, false);
  if (job.once_more) {  // begun anew while this one was ended
    job.step = Job::Step::idle;
    job.tries = 0;
    job.called = job.refused = false;
    job.due = due_.emplace(now_ms(), &job);
    return;
  }
  const GatewayWorkKey key = job.key;
  jobs_.erase(key);
}

void GatewayDesk::hurry(const OrderId& order_id) {
  for (const auto kind : {GatewayWorkKind::payment, GatewayWorkKind::refund}) {
    GatewayWorkKey from;
    from.kind = kind;
    from.id = order_id.bytes;
    for (auto at = jobs_.lower_bound(from);
         at != jobs_.end() && at->first.kind == kind && at->first.id == order_id.bytes; ++at) {
      Job& job = *at->second;
      job.once_more = true;
      if (job.step != Job::Step::idle) continue;
      due_.erase(job.due);
      job.due = due_.emplace(now_ms(), &job);
    }
  }
}

void GatewayDesk::on_complete(Operation& operation) noexcept {
  Job& job = *static_cast<Job*>(operation.context);
  job.desk->step(job);
}

void GatewayDesk::step(Job& job) {
  const OutcomeCode code = job.operation.outcome.code;
  if (is_refused_by_machine(code)) return put_off(job);
  switch (job.step) {
    case Job::Step::reading:
      if (code == OutcomeCode::payment_ended) return finish(job);
      return on_read(job);
    case Job::Step::noting:
      return put_off(job, 0);
    case Job::Step::reporting:
      if (code == OutcomeCode::recharge_succeeded || code == OutcomeCode::payment_held ||
          code == OutcomeCode::already_processed || code == OutcomeCode::kept_for_review) {
        return end_payment(job);
      }
      return put_off(job);
    case Job::Step::ending:
      if (code == OutcomeCode::balance_limit) return put_off(job);
      return finish(job);
    case Job::Step::idle:
    case Job::Step::calling:
      break;
  }
  std::terminate();
}

void GatewayDesk::on_read(Job& job) {
  const auto& shown = std::get<GatewayWorkAndOrder>(job.operation.outcome.shown);
  job.work = shown.work;
  job.order = shown.order;
  const bool payment = job.key.kind == GatewayWorkKind::payment;
  if (payment && (!job.order || job.order->is_paid_for())) return end_payment(job);
  GatewayCaller* gateway = caller(job.work.gateway);
  if (gateway == nullptr) return do_without_calls(job);
  note_stuck(job, false);
  if (payment) return look_after_payment(job, *gateway);
  look_after_refund(job, *gateway);
}

// Nothing is called there. A refund that was asked for since the start has never been sent, so that it ends
// as failed, and its money is back. What an earlier process may have sent stays open, and is seen as stuck.
void GatewayDesk::do_without_calls(Job& job) {
  const bool refund = job.key.kind != GatewayWorkKind::payment;
  const std::string name(job.work.gateway.view());
  if (refund && !job.called) {
    log_warning("a refund failed: gateway " + name +
                " is not called from here; refund there, or set its keys");
    return settle(job, false);
  }
  note_stuck(job, true);
  log_warning("gateway " + name + " is not called from here, and has an open " +
              (refund ? "refund" : "payment"));
  put_off(job, kWithoutCallerMs);
}

void GatewayDesk::note_stuck(Job& job, bool stuck) {
  if (job.stuck == stuck) return;
  job.stuck = stuck;
  if (stuck) {
    context_.metrics.gateway_work_stuck.add();
  } else {
    context_.metrics.gateway_work_stuck.subtract();
  }
}

// --- payments --------------------------------------------------------------------------------------------

void GatewayDesk::look_after_payment(Job& job, GatewayCaller& caller) {
  if (!caller.can_name(job.work)) return name_payment(job, caller);
  job.step = Job::Step::calling;
  call(job.work.gateway, GatewayCall::query, caller.query(job.work, now()),
       [this, &job, &caller](const GatewayReply& reply) { return on_query(job, caller, reply); });
}

// The answer to its start was lost. The same call again, under the same number, has the same answer.
void GatewayDesk::name_payment(Job& job, GatewayCaller& caller) {
  job.step = Job::Step::calling;
  call(job.work.gateway, GatewayCall::start, caller.start(payment_of(*job.order), job.key.method, now()),
       [this, &job, &caller](const GatewayReply& reply) {
         const auto answer = caller.read_start(reply, job.order->id, job.key.method, now());
         on_named(job, caller, answer);
         return answer.kind;
       });
}

void GatewayDesk::on_named(Job& job, const GatewayCaller& caller, const GatewayCaller::Started& answer) {
  if (answer.kind == Kind::refused && !may_pass(answer.reason)) return end_payment(job);
  NotePaymentStart command;
  command.order_id = job.order->id;
  command.method = job.key.method;
  if (answer.kind != Kind::done || !command.pay_text.assign(answer.pay_text)) return put_off(job);
  command.pay_text_until = caller.shown_until(job.key.method, now(), job.order->expires_at);
  command.gateway_id = answer.transaction_id;
  job.operation.command = command;
  job.step = Job::Step::noting;
  submit(job);
}

CallAnswer::Kind GatewayDesk::on_query(Job& job, GatewayCaller& caller, const GatewayReply& reply) {
  const QueryAnswer answer = caller.read_query(reply, job.order->id, now());
  if (answer.state == QueryAnswer::State::paid && answer.kind == Kind::done) {
    report(job, caller, answer, reply);
  } else {
    on_unpaid(job, caller, answer);
  }
  return answer.kind;
}

void GatewayDesk::on_unpaid(Job& job, GatewayCaller& caller, const QueryAnswer& answer) {
  if (answer.kind != Kind::done) return put_off(job);
  using State = QueryAnswer::State;
  if (answer.state == State::refunded && job.awaits_payment()) {
    log_warning("order " + job.order->id.to_text() +
                ": its gateway says that its payment was refunded, and nothing was credited");
  }
  if (job.awaits_payment()) return put_off(job);
  const bool is_over = now() > job.order->expires_at;
  if (answer.state == State::waiting) return close_payment(job, caller);
  // A code that nobody has opened yet can still be paid until its time is over.
  if (answer.state == State::not_found && !is_over)
    return put_off(job, job.order->expires_at.ms + kAfterExpiryMs - now_ms());
  end_payment(job);
}

void GatewayDesk::report(Job& job, const GatewayCaller& caller, const QueryAnswer& answer,
                         const GatewayReply& reply) {
  fill_report(job.operation, *job.order, caller, answer, reply);
  std::get<ReportPayment>(job.operation.command).gateway = job.work.gateway;
  job.step = Job::Step::reporting;
  submit(job);
}

void GatewayDesk::fill_report(Operation& operation, const Order& order, const GatewayCaller& caller,
                              const QueryAnswer& answer, const GatewayReply& reply) const {
  ReportPayment& report =
      begin_report(order.id.to_text(), answer.transaction_id.view(), kQueryKey, context_, operation);
  report.gateway = order.gateway;
  report.scheme = caller.scheme();
  report.amount = answer.amount;
  report.paid_at = answer.paid_at;
  operation.evidence = reply.body;
  operation.evidence_headers.clear();
  attach_evidence(operation);
}

// It was asked for just before: it is not paid.
void GatewayDesk::close_payment(Job& job, GatewayCaller& caller) {
  job.step = Job::Step::calling;
  call(job.work.gateway, GatewayCall::close, caller.close(job.work, now()),
       [this, &job, &caller](const GatewayReply& reply) {
         const CallAnswer answer = caller.read_close(reply, job.order->id, now());
         // Refused: it may have been paid meanwhile, which the next query tells.
         answer.kind == Kind::done ? end_payment(job) : put_off(job);
         return answer.kind;
       });
}

void GatewayDesk::end_payment(Job& job) {
  EndPayment& command = job.operation.command.emplace<EndPayment>();
  command.order_id = OrderId{job.key.id};
  command.method = job.key.method;
  job.step = Job::Step::ending;
  submit(job);
}

// --- refunds ---------------------------------------------------------------------------------------------

// What may have reached the gateway is asked for before it is sent again.
void GatewayDesk::look_after_refund(Job& job, GatewayCaller& caller) {
  if (job.called) return query_refund(job, caller);
  call_refund(job, caller);
}

void GatewayDesk::call_refund(Job& job, GatewayCaller& caller) {
  job.called = true;
  job.step = Job::Step::calling;
  call(job.work.gateway, GatewayCall::refund, caller.refund(refund_of(job.work), now()),
       [this, &job, &caller](const GatewayReply& reply) {
         const RefundAnswer answer = caller.read_refund(reply, refund_of(job.work), now());
         on_refund(job, answer, false);
         return answer.kind;
       });
}

void GatewayDesk::query_refund(Job& job, GatewayCaller& caller) {
  job.step = Job::Step::calling;
  call(job.work.gateway, GatewayCall::query_refund, caller.query_refund(refund_of(job.work), now()),
       [this, &job, &caller](const GatewayReply& reply) {
         const RefundAnswer answer = caller.read_query_refund(reply, refund_of(job.work), now());
         const bool none = answer.kind == Kind::done && answer.state == RefundAnswer::State::not_found;
         if (none && !job.refused) {
           call_refund(job, caller);
         } else {
           on_refund(job, answer, true);
         }
         return answer.kind;
       });
}

void GatewayDesk::on_refund(Job& job, const RefundAnswer& answer, bool asked) {
  using State = RefundAnswer::State;
  if (answer.kind == Kind::done) {
    if (answer.state == State::succeeded) return settle(job, true);
    // Not there although it was refused for good: nothing of it can come any more.
    if (answer.state == State::failed || (answer.state == State::not_found && asked))
      return settle(job, false);
    return put_off(job);
  }
  if (answer.kind == Kind::refused) {
    log_warning("gateway " + std::string(job.work.gateway.view()) + " refused a refund: " + answer.reason);
    job.refused = job.refused || (!asked && !may_pass(answer.reason));
  }
  put_off(job);
}

void GatewayDesk::settle(Job& job, bool succeeded) {
  if (job.key.kind == GatewayWorkKind::refund) {
    job.operation.command = SettleRefund{OrderId{job.key.id}, job.key.refund_id, succeeded};
  } else {
    job.operation.command = SettleExceptionRefund{ExceptionId{job.key.id}, succeeded};
  }
  job.step = Job::Step::ending;
  submit(job);
}

// --- calls -----------------------------------------------------------------------------------------------

// An answer that never came, or a call that could not be sent, has the status 0, which proves nothing.
void GatewayDesk::call(const GatewayName& gateway, GatewayCall kind, GatewayRequest request, Read read) {
  const std::uint64_t number = ++last_number_;
  calls_.emplace(number, Call{std::move(read), &counters(gateway, kind)});
  context_.metrics.gateway_calls_under_way.add();
  HttpCall sent{std::move(request.method), std::move(request.url), std::move(request.headers),
                std::move(request.body)};
  const bool taken = client_.submit(std::move(sent), [this, number](HttpAnswer&& answer) {
    post_([this, number, answer = std::move(answer)]() mutable { on_answer(number, std::move(answer)); });
  });
  if (!taken) post_([this, number] { on_answer(number, HttpAnswer()); });
}

void GatewayDesk::on_answer(std::uint64_t number, HttpAnswer&& answer) {
  auto node = calls_.extract(number);
  if (node.empty()) return;  // given up
  context_.metrics.gateway_calls_under_way.subtract();
  // Who drains takes no more work up: what the answer says will be asked for at the next start.
  if (payments_.erase(number) == 0 && draining_) return;
  const bool answered = answer.kind == HttpAnswer::Kind::answered;
  if (!answered) log_warning("a call to a gateway failed: " + answer.error);
  const Call& call = node.mapped();
  const Kind read = call.read({answer.status, std::move(answer.header_lines), std::move(answer.body)});
  const GatewayCallResult result = !answered               ? GatewayCallResult::no_answer
                                   : read == Kind::done    ? GatewayCallResult::done
                                   : read == Kind::refused ? GatewayCallResult::refused
                                                           : GatewayCallResult::unknown;
  call.counters->count(result, static_cast<std::uint64_t>(answer.took.count()) * 1000);
}

ThreadMetrics::GatewayCallCounters& GatewayDesk::counters(const GatewayName& gateway, GatewayCall kind) {
  const auto& gates = context_.gates;
  const auto at =
      std::find_if(gates.begin(), gates.end(), [&](const auto& g) { return g.gateway == gateway; });
  const std::size_t gate =
      std::min<std::size_t>(static_cast<std::size_t>(at - gates.begin()), kMaxGateways - 1);
  return context_.metrics.gateway_calls[gate][static_cast<std::size_t>(kind)];
}

void GatewayDesk::give_up() {
  for (const auto& [number, operation] : std::exchange(payments_, {})) {
    calls_.erase(number);
    context_.metrics.gateway_calls_under_way.subtract();
    complete_payment(*operation, OutcomeCode::draining);
  }
}

}  // namespace recharge
