#include "server/live_feed.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "server/event_json.h"
#include "server/log.h"
#include "storage/thread_role.h"

namespace recharge {

namespace {

constexpr std::string_view kOfOrder = "order ";
constexpr std::string_view kOfAccount = "account ";

// Calls `change` with the order or the account.
template <class Change>
void with_subject(std::string_view topic, Change change) {
  if (topic.starts_with(kOfOrder)) {
    const auto id = OrderId::parse(topic.substr(kOfOrder.size()));
    RECHARGE_STORAGE_INVARIANT(id.has_value());
    return change(*id);
  }
  Account account;
  RECHARGE_STORAGE_INVARIANT(account.assign(topic.substr(kOfAccount.size())));
  change(account);
}

}  // namespace

std::string order_topic(const OrderId& id) { return std::string(kOfOrder) + id.to_text(); }
std::string account_topic(std::string_view account) { return std::string(kOfAccount).append(account); }

LiveFeed::LiveFeed(Sources sources, unsigned threads, Deliver deliver)
    : sources_(std::move(sources)),
      threads_(threads),
      deliver_(std::move(deliver)),
      batches_(threads),
      thread_(&LiveFeed::run, this) {}

LiveFeed::~LiveFeed() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

EventId LiveFeed::watch(unsigned thread, const std::string& topic) {
  const std::lock_guard lock(mutex_);
  with_subject(topic, [this](const auto& subject) { sources_.changes->listen(subject); });
  const EventId place = latest_place(sources_.journal);
  if (topics_.empty()) wake_.notify_one();
  if (new_from_.is_nil()) new_from_ = place;
  auto& counts = topics_[topic];
  counts.resize(threads_);
  ++counts[thread];
  return place;
}

void LiveFeed::unwatch(unsigned thread, const std::string& topic) {
  const std::lock_guard lock(mutex_);
  with_subject(topic, [this](const auto& subject) { sources_.changes->stop_listening(subject); });
  const auto found = topics_.find(topic);
  RECHARGE_STORAGE_INVARIANT(found != topics_.end() && found->second[thread] > 0);
  --found->second[thread];
  const auto& counts = found->second;
  if (std::all_of(counts.begin(), counts.end(), [](unsigned n) { return n == 0; })) topics_.erase(found);
  if (topics_.empty()) new_from_ = {};
}

void LiveFeed::run() {
  begin_thread("live-events", Urgency::awaited);
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !topics_.empty(); });
      if (stopping_) return;
    }
    if (!follow()) return;
  }
}

bool LiveFeed::follow() {
  EventReader reader(sources_.journal);
  reads_all_ = false;
  told_ = {};
  bool failed = false;
  for (;;) {
    EventId new_from;
    {
      const std::lock_guard lock(mutex_);
      new_from = std::exchange(new_from_, {});
    }
    if (!failed) {
      const auto read = read_on(reader, new_from);
      hand_over();
      failed = !read;
      if (failed) log_error("live updates stop: " + read.error().to_text());
    }
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, std::chrono::milliseconds(kPollMs), [this] { return stopping_; });
    if (stopping_) return false;
    if (topics_.empty()) return true;
  }
}

// Who is new is told everything from where it began, for what was executed before was not looked at for it;
// the others drop what they have had.
StorageResult<void> LiveFeed::read_on(EventReader& reader, const EventId& new_from) {
  if (!new_from.is_nil()) {
    if (told_.is_nil()) told_ = new_from;
    if (!reads_all_) {
      if (auto noted = read_noted(reader, new_from); !noted) return noted.error();
    }
    if (!reads_all_) {
      if (auto sought = reader.seek(new_from); !sought) return sought.error();
      reads_all_ = true;
    }
    settled_ = sources_.fence();
  }
  if (told_.is_nil()) return {};  // who was new has gone
  if (!reads_all_) return read_noted(reader, {});
  const bool settled = settled_();  // before reading: then all that it waited for is read
  if (auto read = read_all(reader); !read || !settled) return read;
  told_ = reader.resume_point();
  reads_all_ = false;
  return {};
}

StorageResult<void> LiveFeed::read_all(EventReader& reader) {
  for (;;) {
    auto event = reader.next();
    if (!event) return event.error();
    if (*event == nullptr) return {};
    add(**event);
  }
}

// before: what is from there on is read otherwise; nil: nothing is.
StorageResult<void> LiveFeed::read_noted(EventReader& reader, const EventId& before) {
  const bool complete = sources_.changes->take_notes(notes_);
  for (const EventId& place : notes_) {
    if (place < told_) continue;
    if (!before.is_nil() && place >= before) return {};  // what could not be noted is behind it
    if (auto sought = reader.seek_group(place); !sought) return sought.error();
    for (;;) {
      auto event = reader.next_of_group();
      if (!event) return event.error();
      if (*event == nullptr) break;
      add(**event);
    }
    told_ = reader.resume_point();
  }
  if (complete) return {};
  if (auto sought = reader.seek(told_); !sought) return sought.error();
  settled_ = [] { return true; };
  reads_all_ = true;
  return {};
}

void LiveFeed::add(const Event& event) {
  LiveEvent live;
  live.id = event.id;
  if (event.order) live.order = order_topic(event.order->id);
  if (!event.account.empty()) live.account = account_topic(event.account.view());
  std::vector<unsigned> told(threads_);
  {
    const std::lock_guard lock(mutex_);
    for (const std::string* topic : {&live.order, &live.account}) {
      const auto found = topics_.find(*topic);
      if (found == topics_.end()) continue;
      for (unsigned i = 0; i < threads_; ++i) told[i] += found->second[i];
    }
  }
  std::shared_ptr<LiveEvent> shared;
  for (unsigned i = 0; i < threads_; ++i) {
    if (told[i] == 0) continue;
    if (!shared) {
      live.json = event_json(event);
      shared = std::make_shared<LiveEvent>(std::move(live));
    }
    batches_[i].push_back(shared);
  }
  if (++batched_ >= kMaxBatch) hand_over();
}

void LiveFeed::hand_over() {
  batched_ = 0;
  for (unsigned i = 0; i < threads_; ++i) {
    if (!batches_[i].empty()) deliver_(i, std::exchange(batches_[i], {}));
  }
}

}  // namespace recharge
