#include "server/send_batch.h"

#include <liburing.h>
#include <sys/socket.h>

#include <utility>

namespace recharge {

void SendBatch::Close::operator()(io_uring* ring) const noexcept {
  ::io_uring_queue_exit(ring);
  delete ring;
}

SendBatch::SendBatch() {
  auto ring = std::make_unique<io_uring>();
  if (::io_uring_queue_init(kMaxSends, ring.get(), IORING_SETUP_SUBMIT_ALL) == 0) ring_.reset(ring.release());
}

SendBatch::~SendBatch() = default;

void SendBatch::add(int fd, std::string_view bytes, std::ptrdiff_t& result) noexcept {
  result = kUnsent;
  io_uring_sqe* entry = ring_ ? ::io_uring_get_sqe(ring_.get()) : nullptr;
  if (entry == nullptr) return;
  ::io_uring_prep_send(entry, fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::io_uring_sqe_set_data(entry, &result);
  ++added_;
}

// No send waits: its result is there when the call returns. It is waited for all the same, because what the
// kernel may still read must not change. What a failed call has left in the ring is never taken: it is
// closed.
void SendBatch::submit() noexcept {
  unsigned left = std::exchange(added_, 0);
  while (left > 0) {
    const int taken = ::io_uring_submit_and_wait(ring_.get(), left);
    if (taken == -EINTR) continue;
    if (taken <= 0) return ring_.reset();
    take_results(static_cast<unsigned>(taken));
    left -= static_cast<unsigned>(taken);
  }
}

void SendBatch::take_results(unsigned count) noexcept {
  while (count > 0) {
    io_uring_cqe* done = nullptr;
    if (::io_uring_wait_cqe(ring_.get(), &done) != 0) continue;
    *static_cast<std::ptrdiff_t*>(::io_uring_cqe_get_data(done)) = done->res;
    ::io_uring_cqe_seen(ring_.get(), done);
    --count;
  }
}

}  // namespace recharge
