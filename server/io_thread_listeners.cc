// The connections of an io thread that listen to live updates.
#include <algorithm>

#include "server/event_pages.h"
#include "server/io_thread.h"

namespace recharge {

void IoThread::deliver(LiveEvents events) {
  {
    const std::lock_guard lock(orders_mutex_);
    live_.insert(live_.end(), std::make_move_iterator(events.begin()), std::make_move_iterator(events.end()));
  }
  wake();
}

void IoThread::deliver_missed(std::uint64_t listener, bool complete, LiveEvents events) {
  {
    const std::lock_guard lock(orders_mutex_);
    missed_.push_back({listener, complete, std::move(events)});
  }
  wake();
}

bool IoThread::may_listen() const noexcept {
  return shared_.service.live_feed != nullptr &&
         shared_.listeners.load(std::memory_order_relaxed) < settings().events.max_listeners;
}

EventId IoThread::listen(const std::string& topic, Session& session) {
  shared_.listeners.fetch_add(1, std::memory_order_relaxed);
  metrics_.streams.add();
  listeners_[topic].push_back(&session);
  return shared_.service.live_feed->watch(index_, topic);
}

void IoThread::stop_listening(const std::string& topic, Session& session) noexcept {
  shared_.listeners.fetch_sub(1, std::memory_order_relaxed);
  metrics_.streams.subtract();
  shared_.service.live_feed->unwatch(index_, topic);
  const auto found = listeners_.find(topic);
  std::erase(found->second, &session);
  if (found->second.empty()) listeners_.erase(found);
  std::erase_if(catching_up_,
                [&](const auto& one) { return one.second.session == &session && one.second.topic == topic; });
}

bool IoThread::ask_for_missed(Session& session, const std::string& topic, const EventId& after,
                              const EventId& until) {
  EventPages* pages = shared_.service.event_pages;
  const std::uint64_t listener = ++last_listener_;
  if (pages == nullptr || !pages->ask({after, until, topic, index_, listener})) return false;
  catching_up_[listener] = {&session, topic};
  return true;
}

// A session may be dropped for being told, but none is deleted here.
void IoThread::tell_listeners(const LiveEvents& events) {
  for (const auto& event : events) {
    for (const std::string* topic : {&event->order, &event->account}) {
      const auto found = listeners_.find(*topic);
      if (found == listeners_.end()) continue;
      for (Session* session : found->second) session->tell(*topic, event);
    }
  }
}

}  // namespace recharge
