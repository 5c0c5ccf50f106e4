// Purpose: answers GET /api/events: reads the journal, which may wait for a disk, on a thread of its own, so
// that no io thread does. Owner: ask() on any io thread; the rest: the main thread. Lifetime: longer than the
// io threads, for each question is answered. Errors: stand in the answer.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <variant>

#include "server/operation.h"
#include "server/stream.h"
#include "storage/event_reader.h"

namespace recharge {

struct EventQuestion {
  EventId after;        // nil: from the oldest that is kept
  bool latest = false;  // only where the stream is now
  unsigned limit = 20;
  unsigned thread = 0;  // who asks
  Operation* operation = nullptr;
};

// What a listener that came back has missed.
struct MissedQuestion {
  EventId after;  // that it has seen
  EventId until;  // from which on it is told anyway
  std::string topic;
  unsigned thread = 0;
  std::uint64_t listener = 0;
};

class EventPages {
 public:
  static constexpr std::size_t kMaxWaiting = 256;
  static constexpr std::uint64_t kMaxMissedBytes = 64 << 20;  // of the journal are looked through
  // Answered questions go back to their io thread this way.
  struct Deliver {
    std::function<void(unsigned thread, Operation& operation)> page;
    // complete: false where it missed more than is read for it.
    std::function<void(unsigned thread, std::uint64_t listener, bool complete, LiveEvents events)> missed;
  };

  EventPages(EventJournal journal, std::uint64_t segment_bytes, Deliver deliver);
  ~EventPages();  // answers what waits

  // False: too many wait already.
  [[nodiscard]] bool ask(const EventQuestion& question);
  [[nodiscard]] bool ask(MissedQuestion question);

 private:
  using Question = std::variant<EventQuestion, MissedQuestion>;
  bool wait_in_line(Question question);
  void run();
  void answer(const EventQuestion& question) const;
  void answer(const MissedQuestion& question) const;
  bool read_missed(const MissedQuestion& question, LiveEvents& events) const;
  void read_page(const EventQuestion& question, Operation& operation) const;
  void refuse(const StorageError& error, Operation& operation) const;

  const EventJournal journal_;
  const std::uint64_t segment_bytes_;
  const Deliver deliver_;
  std::mutex mutex_;  // of what follows
  std::condition_variable wake_;
  std::deque<Question> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace recharge
