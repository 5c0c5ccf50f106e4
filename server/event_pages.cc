#include "server/event_pages.h"

#include "server/event_json.h"
#include "server/log.h"
#include "server/spare_time.h"
#include "storage/thread_role.h"

namespace recharge {

EventPages::EventPages(EventJournal journal, std::uint64_t segment_bytes, Deliver deliver)
    : journal_(std::move(journal)),
      segment_bytes_(segment_bytes),
      deliver_(std::move(deliver)),
      thread_(&EventPages::run, this) {}

EventPages::~EventPages() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

bool EventPages::ask(const EventQuestion& question) { return wait_in_line(question); }
bool EventPages::ask(MissedQuestion question) { return wait_in_line(std::move(question)); }

bool EventPages::wait_in_line(Question question) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() == kMaxWaiting) return false;
    waiting_.push_back(std::move(question));
  }
  wake_.notify_one();
  return true;
}

void EventPages::run() {
  begin_thread("event-pages", Urgency::background);
  SpareTime spare;
  for (;;) {
    Question question;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      question = std::move(waiting_.front());
      waiting_.pop_front();
    }
    std::visit([this](const auto& asked) { answer(asked); }, question);
    if (const auto rest = spare.rest(); rest.count() > 0) {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, rest, [this] { return stopping_; });
    }
  }
}

void EventPages::answer(const MissedQuestion& question) const {
  LiveEvents events;
  const bool complete = read_missed(question, events);
  if (!complete) events.clear();
  deliver_.missed(question.thread, question.listener, complete, std::move(events));
}

// False: it missed too much, or what it missed is not kept any more.
bool EventPages::read_missed(const MissedQuestion& question, LiveEvents& events) const {
  if (bytes_behind(journal_, question.after, segment_bytes_) > kMaxMissedBytes) return false;
  EventReader reader(journal_);
  if (auto sought = reader.seek(question.after); !sought) return false;
  for (;;) {
    auto event = reader.next();
    if (!event) return false;
    if (*event == nullptr || (*event)->id > question.until) return true;
    const bool by_order = (*event)->order && order_topic((*event)->order->id) == question.topic;
    if (!by_order && account_topic((*event)->account.view()) != question.topic) continue;
    if (events.size() == kMaxStreamQueue) return false;
    events.push_back(std::make_shared<LiveEvent>(LiveEvent{(*event)->id, {}, {}, event_json(**event)}));
  }
}

// `after` came from outside: what does not lead to a group is the client's fault, not damage.
void EventPages::refuse(const StorageError& error, Operation& operation) const {
  if (error.is(Errc::not_found)) {
    operation.later_status = 410;
  } else if (error.is(Errc::out_of_range) || error.is(Errc::damaged)) {
    operation.later_status = 400;
  } else {
    log_error("events cannot be read: " + error.to_text());
    operation.later_status = 500;
  }
}

void EventPages::answer(const EventQuestion& question) const {
  read_page(question, *question.operation);
  deliver_.page(question.thread, *question.operation);
}

void EventPages::read_page(const EventQuestion& question, Operation& operation) const {
  operation.later_body.clear();
  operation.later_status = 200;
  EventReader reader(journal_);
  EventId last = question.latest ? latest_place(journal_) : question.after;
  if (auto sought = reader.seek(last); !sought) return refuse(sought.error(), operation);
  JsonText json(operation.later_body);
  json.begin_object().name("code").integer(200).name("data").begin_array();
  bool more = false;
  for (unsigned count = 0; count <= question.limit; ++count) {
    auto event = question.latest ? StorageResult<const Event*>(nullptr) : reader.next();
    if (!event) {  // behind a sound beginning it is the journal's
      log_error("events cannot be read: " + event.error().to_text());
      operation.later_status = event.error().is(Errc::not_found) ? 410 : 500;
      return;
    }
    if (*event == nullptr) break;
    more = count == question.limit;
    if (more) break;
    write_event(json, **event);
    last = (*event)->id;
  }
  json.end_array().name("has_more").boolean(more);
  json.name("next_after").text_or_null(last.is_nil() ? std::string() : last.to_text()).end_object();
}

}  // namespace recharge
