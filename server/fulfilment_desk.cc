#include "server/fulfilment_desk.h"

#include <algorithm>
#include <optional>

#include "server/log.h"

namespace recharge {
namespace {

using Kind = SupplierAnswer::Kind;

constexpr std::int64_t kWithoutSupplierMs = 60'000;
constexpr unsigned kMostDoublings = 20;
constexpr std::string_view kWorkers = "amqp";  // the name of all of them as a supplier

bool is_refused_by_machine(OutcomeCode code) noexcept { return code >= OutcomeCode::overloaded; }

std::string text_of(const SupplierName& name) { return std::string(name.view()); }

}  // namespace

struct FulfilmentDesk::Supplier {
  SupplierName name;
  std::unique_ptr<SupplierCalls> calls;
  SupplierBreaker breaker;
  std::size_t index = 0;  // in the settings
};

struct FulfilmentDesk::Job {
  enum class Step { idle, reading, beginning, calling, noting, ending, giving_up };

  FulfilmentDesk* desk = nullptr;
  OrderId order_id;
  Operation operation;
  GatewayWork work;
  Order order;
  std::vector<RechargeAttempt> attempts;
  Step step = Step::idle;
  unsigned tries = 0;  // put off so often since something was settled
  // The attempt that was begun here and of which no byte has left. Every other open one may have been done.
  std::uint16_t unsent = 0;
  std::multimap<std::int64_t, Job*>::iterator due;  // while idle

  const RechargeAttempt* open_attempt() const noexcept {
    return attempts.empty() || !attempts.back().is_open() ? nullptr : &attempts.back();
  }
};

struct FulfilmentDesk::Reported {
  FulfilmentDesk* desk = nullptr;
  std::uint64_t number = 0;
  Operation operation;
  std::function<void(bool)> settled;
};

FulfilmentDesk::FulfilmentDesk(HandlerContext& context, HttpClient* client, Post post)
    : context_(context), client_(client), post_(std::move(post)) {
  if (context_.settings.fulfilment.kind == Fulfilment::amqp) {
    auto& made =
        suppliers_.emplace_back(std::make_unique<Supplier>(Supplier{{}, nullptr, SupplierBreaker(1, 0)}));
    if (!made->name.assign(kWorkers)) std::terminate();
    return;
  }
  for (const SupplierSettings& settings : context_.settings.fulfilment.suppliers) {
    auto& made = suppliers_.emplace_back(std::make_unique<Supplier>(
        Supplier{{}, nullptr, SupplierBreaker(settings.breaker_failures, settings.breaker_pause_ms)}));
    if (!made->name.assign(settings.name)) std::terminate();
    made->index = suppliers_.size() - 1;
  }
}

FulfilmentDesk::~FulfilmentDesk() = default;

void FulfilmentDesk::take_over(const std::vector<SupplierKeys>& keys) {
  for (const SupplierSettings& settings : context_.settings.fulfilment.suppliers) {
    const auto own =
        std::find_if(keys.begin(), keys.end(), [&](const auto& k) { return k.name == settings.name; });
    if (own == keys.end()) continue;
    for (const auto& one : suppliers_) {
      if (one->name.view() == settings.name) one->calls = std::make_unique<SupplierCalls>(settings, *own);
    }
  }
}

FulfilmentDesk::Supplier* FulfilmentDesk::supplier(const SupplierName& name) noexcept {
  for (const auto& one : suppliers_) {
    if (one->name == name) return one.get();
  }
  return nullptr;
}

// --- what is due -----------------------------------------------------------------------------------------

// Its changes are this desk's own: who has a job goes on with it.
void FulfilmentDesk::note(const GatewayWorkKey& key) {
  const OrderId order_id{key.id};
  auto& job = jobs_[order_id];
  if (job) return;
  job = std::make_unique<Job>();
  job->desk = this;
  job->order_id = order_id;
  job->operation.context = job.get();
  job->operation.complete = &FulfilmentDesk::on_complete;
  job->due = due_.emplace(now_ms(), job.get());
}

void FulfilmentDesk::tick() {
  if (draining_ || due_.empty()) return;
  const std::int64_t now = now_ms();
  while (!due_.empty() && due_.begin()->first <= now && active_ < kMaxActive) begin(*due_.begin()->second);
}

void FulfilmentDesk::begin(Job& job) {
  due_.erase(job.due);
  ++active_;
  job.operation.command.emplace<ReadGatewayWork>().key = GatewayWorkKey::of_recharge(job.order_id);
  job.step = Job::Step::reading;
  submit(job);
}

void FulfilmentDesk::submit(Job& job) { context_.engine.submit(context_.thread, job.operation); }

void FulfilmentDesk::put_off(Job& job, std::int64_t delay_ms) {
  --active_;
  job.step = Job::Step::idle;
  job.due = due_.emplace(now_ms() + delay_ms, &job);
}

// Spread by a tenth, so that what failed at once is not tried again at once.
void FulfilmentDesk::put_off(Job& job) {
  const FulfilmentSettings& settings = context_.settings.fulfilment;
  const std::int64_t grown = settings.retry_first_ms << std::min(job.tries++, kMostDoublings);
  const std::int64_t delay = std::min(grown, settings.retry_most_ms);
  put_off(job, delay + delay * (job.order_id.bytes.back() % 16) / 160);
}

void FulfilmentDesk::finish(Job& job) {
  --active_;
  const OrderId order_id = job.order_id;
  jobs_.erase(order_id);
}

void FulfilmentDesk::on_complete(Operation& operation) noexcept {
  Job& job = *static_cast<Job*>(operation.context);
  job.desk->step(job);
}

void FulfilmentDesk::step(Job& job) {
  const OutcomeCode code = job.operation.outcome.code;
  if (is_refused_by_machine(code)) return put_off(job);
  switch (job.step) {
    case Job::Step::reading:
      if (code == OutcomeCode::payment_ended) return finish(job);
      return on_read(job);
    case Job::Step::beginning: {
      if (code != OutcomeCode::attempt_begun) return put_off(job);
      // As it stands in the journal: each repeat has the same bytes.
      const RechargeAttempt attempt =
          std::get<GatewayWorkAndOrder>(job.operation.outcome.shown).attempts.back();
      job.unsent = attempt.number;
      job.attempts.push_back(attempt);
      if (draining_) return put_off(job);
      if (client_ == nullptr) return wait_for_workers(job, attempt);  // an event asks them
      return ask(job, *supplier(attempt.supplier));
    }
    case Job::Step::noting:
      return put_off(job);
    case Job::Step::ending:
      if (code == OutcomeCode::balance_limit) return put_off(job);
      job.tries = 0;
      return put_off(job, 0);  // read again: it goes on, or is over
    case Job::Step::giving_up:
      if (code == OutcomeCode::recharge_failed || code == OutcomeCode::refund_settled) return finish(job);
      return put_off(job);
    case Job::Step::idle:
    case Job::Step::calling:
      break;
  }
  std::terminate();
}

void FulfilmentDesk::on_read(Job& job) {
  auto& shown = std::get<GatewayWorkAndOrder>(job.operation.outcome.shown);
  job.work = shown.work;
  job.attempts = std::move(shown.attempts);
  if (!shown.order || job.work.failed) return finish(job);  // its refund goes on without this desk
  job.order = *shown.order;
  if (job.order.fulfilment != context_.settings.fulfilment.kind) {
    log_warning("order " + job.order_id.to_text() + " waits for fulfilment.kind = \"" +
                std::string(to_text(job.order.fulfilment)) + "\"");
    return put_off(job, kWithoutSupplierMs);
  }
  if (const RechargeAttempt* open = job.open_attempt()) return go_on(job, *open);
  choose(job);
}

// --- attempts --------------------------------------------------------------------------------------------

void FulfilmentDesk::go_on(Job& job, const RechargeAttempt& attempt) {
  Supplier* of = supplier(attempt.supplier);
  if (of == nullptr) {
    log_warning("supplier " + text_of(attempt.supplier) +
                " is not configured, and may have recharged order " + job.order_id.to_text());
    return put_off(job, kWithoutSupplierMs);
  }
  if (client_ == nullptr) return wait_for_workers(job, attempt);
  const auto next = step_of_open(job.unsent == attempt.number, is_past_deadline(job));
  if (next == OpenAttemptStep::end_as_not_sent) {
    SupplierAnswer late{Kind::not_sent, {}, attempt.reason};
    return end_attempt(job, AttemptState::not_sent, late);
  }
  if (!of->breaker.admits(now_ms())) {
    return put_off(job, std::max<std::int64_t>(of->breaker.next_ms() - now_ms(), 1));
  }
  next == OpenAttemptStep::ask ? ask(job, *of) : query(job, *of);
}

// They were asked by an event, and may have done it. Where none reports, they are asked again.
void FulfilmentDesk::wait_for_workers(Job& job, const RechargeAttempt& attempt) {
  const std::int64_t asked_ms = std::max(attempt.begun_at, attempt.noted_at).ms;
  const std::int64_t again_ms = asked_ms + context_.settings.fulfilment.retry_most_ms;
  if (now_ms() < again_ms) return put_off(job, again_ms - now_ms());
  AttemptReason reason;
  static_cast<void>(reason.assign("no worker has reported"));
  note_attempt(job, reason);
}

void FulfilmentDesk::take_result(const RechargeResult& result, std::function<void(bool)> settled) {
  if (draining_) return settled(false);
  auto reported = std::make_unique<Reported>();
  reported->desk = this;
  reported->number = ++last_number_;
  reported->settled = std::move(settled);
  EndAttempt& command = reported->operation.command.emplace<EndAttempt>();
  command.order_id = result.request.order_id;
  command.number = result.request.number;
  command.state = result.state;
  command.reference = result.reference;
  command.reason = result.reason;
  reported->operation.context = reported.get();
  reported->operation.complete = &FulfilmentDesk::on_recorded;
  Operation& operation = reported->operation;
  reported_.emplace(reported->number, std::move(reported));
  context_.engine.submit(context_.thread, operation);
}

// Durable, or found to change nothing: a repeat, one that came late, or one of an order that is not here.
void FulfilmentDesk::on_recorded(Operation& operation) noexcept {
  Reported& reported = *static_cast<Reported*>(operation.context);
  FulfilmentDesk& desk = *reported.desk;
  const auto node = desk.reported_.extract(reported.number);
  const OutcomeCode code = operation.outcome.code;
  const OrderId order_id = std::get<EndAttempt>(operation.command).order_id;
  reported.settled(!is_refused_by_machine(code) && code != OutcomeCode::balance_limit);
  if (code == OutcomeCode::attempt_ended || code == OutcomeCode::recharge_succeeded)
    return desk.hurry(order_id);
  if (code == OutcomeCode::already_processed) return;
  log_warning("a worker reported a recharge that is not awaited, of order " + order_id.to_text());
}

void FulfilmentDesk::hurry(const OrderId& order_id) {
  const auto found = jobs_.find(order_id);
  if (found == jobs_.end() || found->second->step != Job::Step::idle) return;
  Job& job = *found->second;
  due_.erase(job.due);
  job.due = due_.emplace(now_ms(), &job);
}

bool FulfilmentDesk::is_past_deadline(const Job& job) const noexcept {
  return now_ms() - job.work.started_at.ms >= context_.settings.fulfilment.deadline_ms;
}

std::vector<SupplierChoice> FulfilmentDesk::choices() const {
  std::vector<SupplierChoice> choices;
  for (const auto& one : suppliers_) choices.push_back({one->name, !one->breaker.would_admit(now_ms())});
  return choices;
}

void FulfilmentDesk::choose(Job& job) {
  const std::int64_t now = now_ms();
  const NextSupplier next = next_supplier(choices(), job.attempts, is_past_deadline(job));
  if (next.kind == NextSupplier::Kind::give_up) return give_up(job);
  if (next.kind == NextSupplier::Kind::wait) {
    std::int64_t next_ms = job.work.started_at.ms + context_.settings.fulfilment.deadline_ms;
    for (const auto& one : suppliers_) {
      if (!has_refused(one->name, job.attempts)) next_ms = std::min(next_ms, one->breaker.next_ms());
    }
    return put_off(job, std::max<std::int64_t>(next_ms - now, 1));
  }
  Supplier& chosen = *suppliers_[next.index];
  static_cast<void>(chosen.breaker.admits(now));
  BeginAttempt& command = job.operation.command.emplace<BeginAttempt>();
  command.order_id = job.order_id;
  command.number = static_cast<std::uint16_t>(job.work.attempts + 1);
  command.supplier = chosen.name;
  job.step = Job::Step::beginning;
  submit(job);
}

void FulfilmentDesk::ask(Job& job, Supplier& of) {
  job.step = Job::Step::calling;
  const SupplierRequestId id = request_id_of(job.order_id, job.attempts.back().number);
  call(of.calls->ask(job.order, job.attempts.back(), Time{now_ms()}),
       [this, &job, &of, id](HttpAnswer&& answer) {
         on_answer(job, of.calls->read(answer, id, Time{now_ms()}), true);
       });
}

void FulfilmentDesk::query(Job& job, Supplier& of) {
  job.step = Job::Step::calling;
  const SupplierRequestId id = request_id_of(job.order_id, job.attempts.back().number);
  call(of.calls->query(id, Time{now_ms()}), [this, &job, &of, id](HttpAnswer&& answer) {
    on_answer(job, of.calls->read(answer, id, Time{now_ms()}), false);
  });
}

void FulfilmentDesk::on_answer(Job& job, const SupplierAnswer& answer, bool asked) {
  const RechargeAttempt& attempt = job.attempts.back();
  Supplier& of = *supplier(attempt.supplier);
  const bool nothing_left = job.unsent == attempt.number;
  if (asked && answer.kind != Kind::not_sent) job.unsent = 0;
  if (answer.kind == Kind::not_sent || answer.kind == Kind::unknown) {
    of.breaker.fail(now_ms());
  } else {
    of.breaker.succeed();
  }
  context_.metrics.supplier_answers[of.index][static_cast<std::size_t>(answer.kind)].add();
  Counter& left_alone = context_.metrics.supplier_left_alone[of.index];
  if (of.breaker.is_open() != (left_alone.get() > 0))
    of.breaker.is_open() ? left_alone.add() : left_alone.subtract();
  const bool other = has_other_choice(choices(), job.attempts, attempt.supplier);
  const AnswerStep next = step_after(answer.kind, asked, nothing_left, other);
  if (next.kind == AnswerStep::Kind::end) return end_attempt(job, next.state, answer);
  if (next.kind == AnswerStep::Kind::ask) return ask(job, of);
  if (answer.kind != Kind::processing) return note_attempt(job, answer.reason);
  AttemptReason reason;
  static_cast<void>(reason.assign("in process at the supplier"));
  if (attempt.reason == reason) return put_off(job);
  note_attempt(job, reason);
}

void FulfilmentDesk::end_attempt(Job& job, AttemptState state, const SupplierAnswer& answer) {
  EndAttempt& command = job.operation.command.emplace<EndAttempt>();
  command.order_id = job.order_id;
  command.number = job.attempts.back().number;
  command.state = state;
  command.reference = answer.reference;
  command.reason = answer.reason;
  job.step = Job::Step::ending;
  submit(job);
}

void FulfilmentDesk::note_attempt(Job& job, const AttemptReason& reason) {
  NoteAttempt& command = job.operation.command.emplace<NoteAttempt>();
  command.order_id = job.order_id;
  command.number = job.attempts.back().number;
  command.reason = reason;
  job.step = Job::Step::noting;
  submit(job);
}

void FulfilmentDesk::give_up(Job& job) {
  job.operation.command = FailRecharge{job.order_id};
  job.step = Job::Step::giving_up;
  submit(job);
}

void FulfilmentDesk::call(HttpCall call, Read read) {
  const std::uint64_t number = ++last_number_;
  calls_.emplace(number, std::move(read));
  const auto hand_over = [this, number](HttpAnswer&& answer) {
    post_([this, number, answer = std::move(answer)]() mutable {
      auto node = calls_.extract(number);
      // Who drains takes no more work up: what the answer says will be asked for at the next start.
      if (!node.empty() && !draining_) node.mapped()(std::move(answer));
    });
  };
  if (!client_->submit(std::move(call), hand_over)) {
    HttpAnswer none;
    none.error = "too many calls";
    hand_over(std::move(none));
  }
}

}  // namespace recharge
