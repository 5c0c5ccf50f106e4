// Purpose: tells io threads what happens to the orders and accounts that their connections listen to: one
// thread follows the durable journal while anybody listens, and hands each io thread what concerns it. Owner:
// watch() and unwatch() on any io thread; the rest: the main thread. Lifetime: longer than the io threads'
// connections. Errors: where the journal cannot be read, the listeners are told nothing more, and the log
// says why.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

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

  LiveFeed(EventJournal journal, unsigned threads, Deliver deliver);
  ~LiveFeed();

  // From now on the thread is told of this topic: of everything behind the place that is the answer, and
  // perhaps of something before it.
  EventId watch(unsigned thread, const std::string& topic);
  void unwatch(unsigned thread, const std::string& topic);

 private:
  void run();
  bool follow();  // until nobody listens; false: to stop
  std::size_t take_batch(EventReader& reader);

  const EventJournal journal_;
  const unsigned threads_;
  const Deliver deliver_;
  std::vector<LiveEvents> batches_;  // of the feed's thread, by io thread
  bool failed_ = false;              // likewise: there is nothing more to read

  std::mutex mutex_;  // of what follows; held for a look-up
  std::condition_variable wake_;
  std::unordered_map<std::string, std::vector<unsigned>> topics_;  // listeners by io thread
  EventId begin_;                                                  // where the first listener began
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace recharge
