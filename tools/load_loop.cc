#include "tools/load_loop.h"

#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>

namespace recharge {
namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::int64_t kLongestWaitNs = 100'000'000;

// For an open loop beside the server, on the same processors: the first of many replies must not take the
// processor away from whoever is sending the rest. A client elsewhere would not, either.
void yield_to_server() noexcept {
  const sched_param none{};
  ::sched_setscheduler(0, SCHED_BATCH, &none);
}

}  // namespace

std::uint64_t monotonic_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kSecondNs + static_cast<std::uint64_t>(now.tv_nsec);
}

void LoopResult::merge(const LoopResult& other) noexcept {
  latency.merge(other.latency);
  for (std::size_t i = 0; i < kStatuses; ++i) replies_by_status[i] += other.replies_by_status[i];
  requests += other.requests;
  replies += other.replies;
  lost += other.lost;
  disconnects += other.disconnects;
  malformed += other.malformed;
  bytes_sent += other.bytes_sent;
  bytes_received += other.bytes_received;
  started_ns = started_ns == 0 ? other.started_ns : std::min(started_ns, other.started_ns);
  finished_ns = std::max(finished_ns, other.finished_ns);
  server_gone = server_gone || other.server_gone;
}

LoadLoop::LoadLoop(LoopSettings settings, Workload& workload)
    : settings_(std::move(settings)), workload_(workload), buffer_(kReadBytes) {
  ::prctl(PR_SET_TIMERSLACK, 1UL);  // an open loop's requests leave when they are due
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
}

LoadLoop::~LoadLoop() {
  for (const Connection& connection : connections_) {
    if (connection.fd >= 0) ::close(connection.fd);
  }
  if (epoll_ >= 0) ::close(epoll_);
}

std::optional<ToolError> LoadLoop::connect() {
  connections_.resize(settings_.connections);
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    connections_[i].requests.resize(settings_.pipeline);
    if (auto error = open_connection(i)) return error;
  }
  return std::nullopt;
}

std::optional<ToolError> LoadLoop::open_connection(std::size_t index) {
  Connection& connection = connections_[index];
  const auto fd = connect_to(settings_.endpoint);
  if (!fd) return fd.error();
  if (settings_.endpoint.tls) {
    auto tls = TlsChannel::open(settings_.endpoint.tls.get(), *fd, settings_.endpoint.host);
    if (!tls) {
      ::close(*fd);
      return tls.error();
    }
    connection.tls = *std::move(tls);
  }
  connection.fd = *fd;
  watch(index, EPOLL_CTL_ADD, EPOLLIN);
  ++alive_;
  return std::nullopt;
}

ssize_t LoadLoop::Connection::receive_bytes(char* to, std::size_t room) noexcept {
  return tls ? tls->receive(to, room) : ::recv(fd, to, room, 0);
}

ssize_t LoadLoop::Connection::send_bytes(std::string_view bytes) noexcept {
  return tls ? tls->send(bytes.data(), bytes.size()) : ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

void LoadLoop::watch(std::size_t index, int operation, std::uint32_t events) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.u64 = index;
  ::epoll_ctl(epoll_, operation, connections_[index].fd, &event);
}

std::uint64_t LoadLoop::due_ns(std::uint64_t request) const noexcept {
  return result_.started_ns + static_cast<std::uint64_t>(static_cast<double>(request) * 1e9 / settings_.rate);
}

bool LoadLoop::finished() const noexcept {
  if (alive_ == 0) return true;
  const bool out_of_time = stop_ns_ != 0 && now_ns_ >= stop_ns_;
  if (!used_up_ && !out_of_time) return false;
  const std::uint64_t last_progress =
      std::max({result_.finished_ns, result_.started_ns, out_of_time ? stop_ns_ : 0});
  return open_requests_ == 0 || now_ns_ > last_progress + kDrainTimeoutNs;
}

std::int64_t LoadLoop::wait_ns() const noexcept {
  std::int64_t wait = kLongestWaitNs;
  const auto until = [this, &wait](std::uint64_t time_ns) {
    wait = std::min(wait, time_ns <= now_ns_ ? 0 : static_cast<std::int64_t>(time_ns - now_ns_));
  };
  if (stop_ns_ != 0 && now_ns_ < stop_ns_) until(stop_ns_);
  if (settings_.rate > 0 && !used_up_ && !free_.empty() && (stop_ns_ == 0 || now_ns_ < stop_ns_)) {
    until(due_ns(result_.requests));
  }
  return wait;
}

LoopResult LoadLoop::run() {
  if (settings_.rate > 0) yield_to_server();
  now_ns_ = result_.started_ns = monotonic_ns();
  if (settings_.duration_ns != 0) stop_ns_ = now_ns_ + settings_.duration_ns;
  for (std::size_t slot = 0; slot < settings_.pipeline; ++slot) {
    for (std::size_t i = 0; i < connections_.size(); ++i) free_.push_back(i);
  }
  if (settings_.rate == 0) {
    free_.clear();
    for (std::size_t i = 0; i < connections_.size(); ++i) fill(i);
  }
  std::array<epoll_event, kEventsPerWait> events{};
  while (!finished()) {
    if (settings_.rate > 0) send_due();
    const std::int64_t wait = wait_ns();
    const timespec timeout{wait / static_cast<std::int64_t>(kSecondNs),
                           wait % static_cast<std::int64_t>(kSecondNs)};
    const int count = ::epoll_pwait2(epoll_, events.data(), kEventsPerWait, &timeout, nullptr);
    now_ns_ = monotonic_ns();
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      handle(static_cast<std::size_t>(event.data.u64), event.events);
    }
  }
  result_.lost += open_requests_;
  if (result_.finished_ns == 0) result_.finished_ns = now_ns_;
  return result_;
}

void LoadLoop::handle(std::size_t index, std::uint32_t events) {
  if (connections_[index].fd < 0) return;
  if ((events & EPOLLOUT) != 0) flush(index);
  if (connections_[index].fd >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) receive(index);
}

void LoadLoop::receive(std::size_t index) {
  Connection& connection = connections_[index];
  bool keep_alive = true;
  bool more = true;
  while (more) {
    const ssize_t count = connection.receive_bytes(buffer_.data(), buffer_.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) break;
    if (count <= 0) return end_connection(index, false);
    more = connection.tls != nullptr || static_cast<std::size_t>(count) == buffer_.size();
    result_.bytes_received += static_cast<std::uint64_t>(count);
    now_ns_ = monotonic_ns();
    const std::string_view fresh(buffer_.data(), static_cast<std::size_t>(count));
    std::size_t consumed = 0;
    bool readable = true;
    if (connection.partial.empty()) {
      readable = take_replies(connection, fresh, consumed, keep_alive);
      connection.partial.assign(fresh.substr(consumed));
    } else {
      connection.partial.append(fresh);
      readable = take_replies(connection, connection.partial, consumed, keep_alive);
      connection.partial.erase(0, consumed);
    }
    if (!readable) {
      ++result_.malformed;
      return end_connection(index, false);
    }
    if (!keep_alive) return end_connection(index, true);
  }
  if (settings_.rate == 0) fill(index);
}

// False where the bytes are no reply, or one that nobody asked for.
bool LoadLoop::take_replies(Connection& connection, std::string_view bytes, std::size_t& consumed,
                            bool& keep_alive) {
  while (keep_alive && consumed < bytes.size()) {
    const ParsedReply reply = parse_reply(bytes.substr(consumed));
    if (reply.state == ReplyState::need_more) return true;
    if (reply.state == ReplyState::malformed || connection.open == 0) return false;
    consumed += reply.consumed;
    keep_alive = reply.keep_alive;
    const OpenRequest request = connection.requests[connection.first];
    connection.first = (connection.first + 1) % settings_.pipeline;
    --connection.open;
    --open_requests_;
    ++result_.replies;
    ++result_.replies_by_status[static_cast<std::size_t>(reply.status)];
    result_.latency.record(now_ns_ - std::min(now_ns_, request.start_ns));
    result_.finished_ns = now_ns_;
    if (settings_.rate > 0) free_.push_back(static_cast<std::size_t>(&connection - connections_.data()));
    workload_.on_reply(request.token, reply);
  }
  return true;
}

// Takes the next request from the workload; false where there is none.
bool LoadLoop::submit(Connection& connection, std::uint64_t start_ns, bool at_once) {
  std::uint32_t token = 0;
  std::string_view bytes;
  if (!workload_.next(token, bytes)) {
    used_up_ = true;
    return false;
  }
  used_up_ = false;
  connection.requests[(connection.first + connection.open) % settings_.pipeline] = {token, start_ns};
  ++connection.open;
  ++open_requests_;
  ++result_.requests;
  if (at_once && connection.unsent.empty()) {
    const ssize_t count = connection.send_bytes(bytes);
    const std::size_t sent = count < 0 ? 0 : static_cast<std::size_t>(count);
    result_.bytes_sent += sent;
    bytes.remove_prefix(sent);
  }
  connection.unsent.append(bytes);  // a connection that has failed is noticed when it is read
  return true;
}

void LoadLoop::fill(std::size_t index) {
  Connection& connection = connections_[index];
  if (connection.fd < 0 || (stop_ns_ != 0 && now_ns_ >= stop_ns_)) return;
  const bool single = settings_.pipeline == 1;
  while (connection.open < settings_.pipeline && submit(connection, now_ns_, single)) {
  }
  flush(index);
}

void LoadLoop::send_due() {
  while (!free_.empty() && (stop_ns_ == 0 || now_ns_ < stop_ns_)) {
    const std::uint64_t due = due_ns(result_.requests);
    if (due > now_ns_) return;
    const std::size_t index = free_.front();
    Connection& connection = connections_[index];
    free_.pop_front();
    if (connection.fd < 0 || connection.open == settings_.pipeline) continue;
    if (!submit(connection, due, true)) {
      free_.push_front(index);
      return;
    }
    flush(index);
  }
}

void LoadLoop::flush(std::size_t index) {
  Connection& connection = connections_[index];
  while (connection.unsent_offset < connection.unsent.size()) {
    const std::string_view rest = std::string_view(connection.unsent).substr(connection.unsent_offset);
    const ssize_t count = connection.send_bytes(rest);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) break;
    connection.unsent_offset += static_cast<std::size_t>(count);
    result_.bytes_sent += static_cast<std::uint64_t>(count);
  }
  const bool left = connection.unsent_offset < connection.unsent.size();
  if (!left) {
    connection.unsent.clear();
    connection.unsent_offset = 0;
  }
  if (left != connection.wants_write) {
    connection.wants_write = left;
    watch(index, EPOLL_CTL_MOD, left ? EPOLLIN | EPOLLOUT : EPOLLIN);
  }
}

void LoadLoop::end_connection(std::size_t index, bool asked_for) {
  Connection& connection = connections_[index];
  ::close(connection.fd);
  result_.lost += connection.open;
  open_requests_ -= connection.open;
  if (!asked_for) ++result_.disconnects;
  connection = Connection{};
  connection.requests.resize(settings_.pipeline);
  --alive_;
  if (result_.disconnects < kMaxDisconnects && !(used_up_ && open_requests_ == 0)) {
    if (!open_connection(index)) {
      for (std::size_t i = 0; i < settings_.pipeline; ++i) free_.push_back(index);
      if (settings_.rate == 0) {
        free_.clear();
        fill(index);
      }
      return;
    }
  }
  if (alive_ == 0 && !used_up_) result_.server_gone = true;
}

}  // namespace recharge
