#include "server/gateway_desk.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "core/digest.h"
#include "server/key_rings.h"
#include "server/log.h"

namespace recharge {
namespace {

using Kind = CallAnswer::Kind;

constexpr std::array<std::int64_t, 4> kAskedAtMs = {5'000, 15'000, 60'000, 300'000};
constexpr std::int64_t kAskedEveryMs = 300'000;
constexpr std::array<std::int64_t, 6> kRetriesMs = {3'000, 15'000, 60'000, 300'000, 900'000, 3'600'000};
constexpr std::int64_t kAfterExpiryMs = 1'000;
constexpr std::int64_t kWithoutCallerMs = 300'000;
constexpr std::string_view kQueryKey = "query";

bool is_refused_by_machine(OutcomeCode code) noexcept { return code >= OutcomeCode::overloaded; }

PaymentStart payment_of(const Order& order) {
  PaymentStart payment;
  payment.order_id = order.id;
  payment.amount = order.amount;
  payment.subject = order.subject.view();
  payment.expires_at = order.expires_at;
  return payment;
}

RefundStart refund_of(const GatewayWork& work) {
  return {work.order_id, work.transaction_id.view(), work.refund_id, work.amount, work.total};
}

template <class Text>
void set(Text& text, std::string_view value) {
  if (!text.assign(value)) std::terminate();
}

GatewayRequest traced(GatewayRequest request, const PaymentDetails& caused_by) {
  if (!caused_by.traceparent.empty()) request.headers.emplace_back("traceparent", caused_by.traceparent);
  return request;
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
  bool once_more = false;                           // hurried while it was under way
  std::multimap<std::int64_t, Job*>::iterator due;  // while idle

  bool awaits_payment() const noexcept { return order && recharge::awaits_payment(order->status); }
};

GatewayDesk::GatewayDesk(HandlerContext& context, HttpClient& client, Post post)
    : context_(context), client_(client), post_(std::move(post)) {}

GatewayDesk::~GatewayDesk() = default;

void GatewayDesk::take_over(const KeyRings& keys) {
  if (calls_.empty()) retired_.clear();
  for (auto& [name, caller] : std::exchange(callers_, {})) retired_.push_back(std::move(caller));
  for (const GatewayKeys& gateway : keys.gateways) {
    if (!gateway.calls) continue;
    GatewayName name;
    set(name, gateway.gateway);
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
    const std::int64_t age = now_ms() - job.work.started_at.ms;
    const auto* next = std::find_if(kAskedAtMs.begin(), kAskedAtMs.end(), [&](auto at) { return at > age; });
    std::int64_t delay = next == kAskedAtMs.end() ? kAskedEveryMs - age % kAskedEveryMs : *next - age;
    delay = std::min(delay, job.order->expires_at.ms + kAfterExpiryMs - now_ms());
    return put_off(job, std::max<std::int64_t>(delay, kAfterExpiryMs));
  }
  const std::size_t tries = std::min<std::size_t>(job.tries++, kRetriesMs.size() - 1);
  put_off(job, kRetriesMs[tries]);
}

void GatewayDesk::finish(Job& job) {
  --active_;
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
  GatewayCaller* gateway = caller(job.work.gateway);
  if (gateway == nullptr) {
    log_warning("gateway " + std::string(job.work.gateway.view()) +
                " is not configured, and has an open payment or refund");
    return put_off(job, kWithoutCallerMs);
  }
  if (job.key.kind == GatewayWorkKind::payment) return look_after_payment(job, *gateway);
  look_after_refund(job, *gateway);
}

// --- payments --------------------------------------------------------------------------------------------

void GatewayDesk::look_after_payment(Job& job, GatewayCaller& caller) {
  if (!job.order || job.order->is_paid_for()) return end_payment(job);
  if (!caller.can_name(job.work)) return name_payment(job, caller);
  job.step = Job::Step::calling;
  call(caller.query(job.work, now()),
       [this, &job, &caller](const GatewayReply& reply) { on_query(job, caller, reply); });
}

// The answer to its start was lost. The same call again, under the same number, has the same answer.
void GatewayDesk::name_payment(Job& job, GatewayCaller& caller) {
  job.step = Job::Step::calling;
  call(caller.start(payment_of(*job.order), job.key.method, now()),
       [this, &job, &caller](const GatewayReply& reply) {
         const auto answer = caller.read_start(reply, job.order->id, job.key.method, now());
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
       });
}

void GatewayDesk::on_query(Job& job, GatewayCaller& caller, const GatewayReply& reply) {
  const QueryAnswer answer = caller.read_query(reply, job.order->id, now());
  if (answer.kind != Kind::done) return put_off(job);
  using State = QueryAnswer::State;
  if (answer.state == State::paid) return report(job, caller, answer, reply);
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
  ReportPayment& command = job.operation.command.emplace<ReportPayment>();
  command.order_id = job.order->id;
  set(command.reference, job.order->id.to_text());
  command.gateway = job.work.gateway;
  command.transaction_id = answer.transaction_id;
  command.amount = answer.amount;
  command.paid_at = answer.paid_at;
  command.policies = context_.policy.policies;
  command.fulfilment = context_.policy.fulfilment;
  command.currency = context_.settings.orders.currency;
  command.scheme = caller.scheme();
  set(command.key_id, kQueryKey);
  command.exception_id = context_.engine.fresh_exception_id(context_.thread, job.order->id.shard());
  job.operation.evidence = reply.body;
  job.operation.evidence_headers.clear();
  command.evidence = job.operation.evidence;
  command.evidence_digest = digest_of(job.operation.evidence);
  job.step = Job::Step::reporting;
  submit(job);
}

// It was asked for just before: it is not paid.
void GatewayDesk::close_payment(Job& job, GatewayCaller& caller) {
  job.step = Job::Step::calling;
  call(caller.close(job.work, now()), [this, &job, &caller](const GatewayReply& reply) {
    const CallAnswer answer = caller.read_close(reply, job.order->id, now());
    if (answer.kind == Kind::done) return end_payment(job);
    put_off(job);  // refused: it may have been paid meanwhile, which the next query tells
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
  call(caller.refund(refund_of(job.work), now()), [this, &job, &caller](const GatewayReply& reply) {
    on_refund(job, caller.read_refund(reply, refund_of(job.work), now()), false);
  });
}

void GatewayDesk::query_refund(Job& job, GatewayCaller& caller) {
  job.step = Job::Step::calling;
  call(caller.query_refund(refund_of(job.work), now()), [this, &job, &caller](const GatewayReply& reply) {
    const RefundAnswer answer = caller.read_query_refund(reply, refund_of(job.work), now());
    const bool none = answer.kind == Kind::done && answer.state == RefundAnswer::State::not_found;
    if (none && !job.refused) return call_refund(job, caller);
    on_refund(job, answer, true);
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
void GatewayDesk::call(GatewayRequest request, Read read) {
  const std::uint64_t number = ++last_number_;
  calls_.emplace(number, std::move(read));
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
  // Who drains takes no more work up: what the answer says will be asked for at the next start.
  if (payments_.erase(number) == 0 && draining_) return;
  if (answer.kind != HttpAnswer::Kind::answered) log_warning("a call to a gateway failed: " + answer.error);
  node.mapped()(GatewayReply{answer.status, std::move(answer.header_lines), std::move(answer.body)});
}

void GatewayDesk::give_up() {
  for (const auto& [number, operation] : std::exchange(payments_, {})) {
    calls_.erase(number);
    complete_payment(*operation, OutcomeCode::draining);
  }
}

// --- payments of requests --------------------------------------------------------------------------------

bool GatewayDesk::pursue_payment(Operation& operation) {
  if (!operation.payment) return false;
  PaymentDetails& details = *operation.payment;
  if (std::holds_alternative<ReadOrder>(operation.command)) {
    if (operation.outcome.code != OutcomeCode::found) return false;
    const Order order = std::get<Order>(operation.outcome.shown);
    GatewayCaller* gateway = caller(order.gateway);
    details.problem = order.gateway.empty() ? "gateway: must be named"
                      : gateway == nullptr  ? "gateway: its payments are not started here"
                                            : "";
    if (gateway != nullptr && !details.method) details.method = gateway->usual_method();
    if (gateway != nullptr && !gateway->offers(*details.method))
      details.problem = "method: not of this gateway";
    if (!details.problem.empty()) return false;
    const Account only = std::get<ReadOrder>(operation.command).only_account;
    operation.command = StartPayment{order.id, order.gateway, *details.method, only};
    context_.engine.submit(context_.thread, operation);
    return true;
  }
  if (operation.outcome.code != OutcomeCode::payment_to_start) return false;
  begin_payment(operation);
  return true;
}

void GatewayDesk::begin_payment(Operation& operation) {
  const auto shown = std::get<GatewayWorkAndOrder>(operation.outcome.shown);
  GatewayCaller* gateway = caller(shown.work.gateway);
  if (gateway == nullptr) return complete_payment(operation, OutcomeCode::gateway_unavailable);
  PaymentStart payment = payment_of(*shown.order);
  payment.return_url = operation.payment->return_url;
  payment.client_ip = operation.payment->client_ip;
  const PayMethod method = shown.work.key.method;
  if (auto page = gateway->page(payment, method, shown.work.started_at)) {
    operation.payment->page = std::move(*page);
    return complete_payment(operation, OutcomeCode::payment_started);
  }
  const Order order = *shown.order;
  call(traced(gateway->start(payment, method, now()), *operation.payment),
       [this, gateway, order, method, &operation](const GatewayReply& reply) {
         const auto answer = gateway->read_start(reply, order.id, method, now());
         if (answer.kind == Kind::refused) {
           log_warning("gateway " + std::string(order.gateway.view()) +
                       " refused to start a payment: " + answer.reason);
           hurry(order.id);  // it may be because it is paid already
           return complete_payment(operation, OutcomeCode::payment_refused);
         }
         NotePaymentStart command;
         command.order_id = order.id;
         command.method = method;
         if (answer.kind != Kind::done || !command.pay_text.assign(answer.pay_text)) {
           log_warning("gateway " + std::string(order.gateway.view()) + " did not start a payment: " +
                       (answer.reason.empty() ? "its answer is too long" : answer.reason));
           return complete_payment(operation, OutcomeCode::gateway_unavailable);
         }
         command.pay_text_until = gateway->shown_until(method, now(), order.expires_at);
         command.gateway_id = answer.transaction_id;
         operation.command = command;
         context_.engine.submit(context_.thread, operation);
       });
  payments_.emplace(last_number_, &operation);
}

void GatewayDesk::complete_payment(Operation& operation, OutcomeCode code) {
  operation.outcome.code = code;
  operation.complete(operation);
}

}  // namespace recharge
