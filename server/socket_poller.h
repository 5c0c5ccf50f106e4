// Purpose: which connections of an io thread have become readable or writable: an epoll of the thread's own,
// in which each socket is registered once, edge-triggered (epoll(7)). Asio's reactor would receive a second
// time, in vain, for each request, and tells nobody that a short read has emptied the socket. Owner: an io
// thread, whose io_context watches this epoll as one descriptor and so wakes for it. Lifetime: of the io
// thread. A socket leaves by being closed.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>

#include "server/async.h"

namespace recharge {

class Session;

class SocketPoller {
 public:
  // Of a poll, which is a batch: a short one is published soon, and the journal's group waits for it.
  static constexpr std::size_t kMaxEvents = 20;

  // Throws std::runtime_error where there is no descriptor left.
  explicit SocketPoller(boost::asio::io_context& io);

  // False: the kernel's limit of watched descriptors is reached. The session is told its events until it
  // closes fd.
  [[nodiscard]] bool add(int fd, Session& session) noexcept;

  // From here on the next event ends the io_context's sleep.
  void arm();
  void close();  // the io_context is waited for no longer

  // Hands every event that is there to its session, kMaxEvents at most. True: there may be more.
  bool poll() noexcept;

 private:
  Descriptor epoll_;
  bool armed_ = false;
  std::array<epoll_event, kMaxEvents> events_;
};

}  // namespace recharge
