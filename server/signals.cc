#include "server/signals.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <stdexcept>

namespace recharge {

Signals::Signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  signal_fd_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  fatal_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (signal_fd_ < 0 || fatal_fd_ < 0) throw std::runtime_error("no descriptors for signals");
}

Signals::~Signals() {
  ::close(signal_fd_);
  ::close(fatal_fd_);
}

Signals::Event Signals::wait(int at_most_ms) {
  while (true) {
    std::array<pollfd, 2> watched{{{signal_fd_, POLLIN, 0}, {fatal_fd_, POLLIN, 0}}};
    const int ready = ::poll(watched.data(), watched.size(), at_most_ms);
    if (ready == 0) return Event::none;
    if (ready < 0) continue;
    if ((watched[1].revents & POLLIN) != 0) return Event::fatal;
    signalfd_siginfo info{};
    if (::read(signal_fd_, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) continue;
    return info.ssi_signo == SIGHUP ? Event::reload : Event::stop;
  }
}

bool Signals::fatal_within(int milliseconds) {
  pollfd watched{fatal_fd_, POLLIN, 0};
  return ::poll(&watched, 1, milliseconds) > 0;
}

void Signals::report_fatal(const std::string& what) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (reason_.empty()) reason_ = what;
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t ignored = ::write(fatal_fd_, &one, sizeof one);
}

std::string Signals::fatal_reason() const {
  const std::lock_guard lock(mutex_);
  return reason_;
}

}  // namespace recharge
