// Purpose: tells io threads what happens to the orders and accounts that their connections listen to: one
// thread reads the durable journal while anybody listens, and hands each io thread what concerns it. It reads
// the groups that were noted (ChangeWatch), and all of them from where somebody began to listen until no
// change is under way any more that was not looked at. Owner: watch() and unwatch() on any io thread; the
// rest: the main thread. Lifetime: longer than the io threads' connections, within its sources. Errors: where
// the journal cannot be read, the listeners are told nothing more, and the log says why.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "storage/change_watch.h"
#include "storage/event_reader.h"

namespace recharge {

// What is listened to: "order ID" or "account A".
std::string order_topic(const OrderId& id);
std::string account_topic(std::string_view account);

struct LiveEvent {
  EventId id;
  std::string order;    // its topic; empty: none
  std::string account;  // likewise
  std::string json;
};
using LiveEvents = std::vector<std::shared_ptr<const LiveEvent>>;

class LiveFeed {
 public:
  static constexpr std::size_t kMaxBatch = 256;
  static constexpr std::int64_t kPollMs = 4;  // how often the durable end is looked at
  using Deliver = std::function<void(unsigned thread, LiveEvents events)>;
  struct Sources {
    EventJournal journal;
    ChangeWatch* changes = nullptr;
    std::function<std::function<bool()>()> fence;  // ShardedEngine::fence
  };

  LiveFeed(Sources sources, unsigned threads, Deliver deliver);
  ~LiveFeed();

  // From now on the thread is told of this topic: of everything behind the place that is the answer, and
  // perhaps of something before it.
  EventId watch(unsigned thread, const std::string& topic);
  void unwatch(unsigned thread, const std::string& topic);

 private:
  void run();
  bool follow();  // until nobody listens; false: to stop
  // What is read is handed over later.
  StorageResult<void> read_on(EventReader& reader, const EventId& new_from);
  StorageResult<void> read_all(EventReader& reader);
  StorageResult<void> read_noted(EventReader& reader, const EventId& before);
  void add(const Event& event);
  void hand_over();

  const Sources sources_;
  const unsigned threads_;
  const Deliver deliver_;

  // Of the feed's thread.
  std::vector<LiveEvents> batches_;  // by io thread
  std::size_t batched_ = 0;          // events looked at since they were handed over
  std::vector<EventId> notes_;
  EventId told_;                   // what is before it was told, or is nobody's; nil: nothing yet
  bool reads_all_ = false;         // else: what was noted
  std::function<bool()> settled_;  // what reads_all_ waits for

  std::mutex mutex_;  // of what follows; held for a look-up
  std::condition_variable wake_;
  std::unordered_map<std::string, std::vector<unsigned>> topics_;  // listeners by io thread
  EventId new_from_;  // where the first began of those who are new; nil: nobody is
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace recharge
