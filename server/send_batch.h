// Purpose: sends what many connections are to be sent by one system call. A client on the same machine is
// woken by each send(2), and takes the processor from the sender for that one reply; within one call all are
// sent before its turn comes. Owner: one io thread. Lifetime: of the thread; what was added stays as it is
// until submit() returns. Errors: a connection's own are its result; where the system does not offer
// io_uring, or fails, nothing more is taken, and the caller sends by itself. Source: io_uring(7),
// io_uring_enter(2).
#pragma once

#include <cstddef>
#include <limits>
#include <memory>
#include <string_view>

struct io_uring;

namespace recharge {

class SendBatch {
 public:
  static constexpr unsigned kMaxSends = 128;
  static constexpr std::ptrdiff_t kUnsent = std::numeric_limits<std::ptrdiff_t>::min();

  SendBatch();
  ~SendBatch();
  SendBatch(const SendBatch&) = delete;
  SendBatch& operator=(const SendBatch&) = delete;

  bool is_open() const noexcept { return ring_ != nullptr; }

  // To be sent as by send(2), without waiting. result, which lives until submit() returns, becomes the number
  // of bytes or the negative errno; kUnsent where nothing was tried. REQUIRES: fewer than kMaxSends wait.
  void add(int fd, std::string_view bytes, std::ptrdiff_t& result) noexcept;

  void submit() noexcept;

 private:
  struct Close {
    void operator()(io_uring* ring) const noexcept;
  };

  void take_results(unsigned count) noexcept;

  std::unique_ptr<io_uring, Close> ring_;
  unsigned added_ = 0;
};

}  // namespace recharge
