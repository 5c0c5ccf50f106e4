#include "server/socket_poller.h"

#include <stdexcept>

#include "server/session.h"

namespace recharge {
namespace {

int open_epoll() {
  const int fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) throw std::runtime_error("epoll_create1: no descriptors left");
  return fd;
}

}  // namespace

SocketPoller::SocketPoller(boost::asio::io_context& io) : epoll_(io.get_executor(), open_epoll()) {}

bool SocketPoller::add(int fd, Session& session) noexcept {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &session;
  return ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, fd, &event) == 0;
}

// Asio asks the kernel anew when a wait begins: what is ready by then is not missed.
void SocketPoller::arm() {
  if (armed_) return;
  armed_ = true;
  epoll_.async_wait(Descriptor::wait_read, [this](boost::system::error_code) { armed_ = false; });
}

void SocketPoller::close() {
  boost::system::error_code ignored;
  epoll_.close(ignored);
}

// A session's turn may end that session, and no other: the events behind it stay good.
bool SocketPoller::poll() noexcept {
  const int count = ::epoll_wait(epoll_.native_handle(), events_.data(), kMaxEvents, 0);
  for (int i = 0; i < count; ++i) {
    static_cast<Session*>(events_[static_cast<std::size_t>(i)].data.ptr)
        ->on_events(events_[static_cast<std::size_t>(i)].events);
  }
  return count == static_cast<int>(kMaxEvents);
}

}  // namespace recharge
