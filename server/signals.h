// Purpose: what the main thread waits for: signals of the operating system, and a fatal failure of the store.
// Owner: the main thread, which blocks the signals before any other thread starts.
#pragma once

#include <atomic>
#include <mutex>
#include <string>

namespace recharge {

class Signals {
 public:
  enum class Event { stop, reload, fatal, none };

  Signals();  // blocks SIGTERM, SIGINT, SIGHUP for all threads started after, and ignores SIGPIPE
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  Event wait(int at_most_ms);  // none: the time passed; -1: no limit
  // Within the time: nothing where it passed.
  bool fatal_within(int milliseconds);
  void report_fatal(const std::string& what) noexcept;  // any thread
  std::string fatal_reason() const;

 private:
  int signal_fd_;
  int fatal_fd_;
  mutable std::mutex mutex_;
  std::string reason_;
};

}  // namespace recharge
