#include "server/live_feed.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "server/event_json.h"
#include "server/log.h"
#include "storage/thread_role.h"

namespace recharge {

std::string order_topic(const OrderId& id) { return "order " + id.to_text(); }
std::string account_topic(std::string_view account) { return "account " + std::string(account); }

LiveFeed::LiveFeed(EventJournal journal, unsigned threads, Deliver deliver)
    : journal_(std::move(journal)),
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
  const EventId place = latest_place(journal_);
  if (topics_.empty()) {
    begin_ = place;
    wake_.notify_one();
  }
  auto& counts = topics_[topic];
  counts.resize(threads_);
  ++counts[thread];
  return place;
}

void LiveFeed::unwatch(unsigned thread, const std::string& topic) {
  const std::lock_guard lock(mutex_);
  const auto found = topics_.find(topic);
  RECHARGE_STORAGE_INVARIANT(found != topics_.end() && found->second[thread] > 0);
  --found->second[thread];
  const auto& counts = found->second;
  if (std::all_of(counts.begin(), counts.end(), [](unsigned n) { return n == 0; })) topics_.erase(found);
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
  EventReader reader(journal_);
  EventId begin;
  {
    const std::lock_guard lock(mutex_);
    begin = begin_;
  }
  const auto sound = reader.seek(begin);
  failed_ = false;
  if (!sound) log_error("live updates stop: " + sound.error().to_text());
  for (;;) {
    while (sound && !failed_ && take_batch(reader) == kMaxBatch) {
    }
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, std::chrono::milliseconds(kPollMs), [this] { return stopping_; });
    if (stopping_) return false;
    if (topics_.empty()) return true;
  }
}

// How many events were read.
std::size_t LiveFeed::take_batch(EventReader& reader) {
  std::size_t count = 0;
  for (; count < kMaxBatch; ++count) {
    auto next = reader.next();
    if (!next) {
      log_error("live updates stop: " + next.error().to_text());
      failed_ = true;
      break;
    }
    if (*next == nullptr) break;
    const Event& event = **next;
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
  }
  for (unsigned i = 0; i < threads_; ++i) {
    if (!batches_[i].empty()) deliver_(i, std::exchange(batches_[i], {}));
  }
  return count;
}

}  // namespace recharge
