// Purpose: a server for tests that answers every request on 127.0.0.1 the way a test wants: in pieces, late,
// on
//   connections that end. Owner: the test; its threads end with it.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

namespace recharge {

struct ServerScript {
  bool byte_by_byte = false;
  int end_connection_after = 0;  // replies; 0: never
  bool announce_end = false;     // with "Connection: close"
  int stop_listening_after = 0;  // replies of all connections; 0: never
  std::chrono::milliseconds first_reply_after{0};
  std::string reply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
};

class ScriptedServer {
 public:
  explicit ScriptedServer(ServerScript script) : script_(std::move(script)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 64) != 0)
      return;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    accepting_ = std::thread([this] { accept_all(); });
  }
  ~ScriptedServer() {
    stopping_ = true;
    if (accepting_.joinable()) accepting_.join();
    for (std::thread& thread : serving_) thread.join();
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  bool wait_readable(int fd) const {
    pollfd waiting{fd, POLLIN, 0};
    return ::poll(&waiting, 1, 10) > 0;
  }
  void accept_all() {
    while (!stopping_) {
      if (!wait_readable(listener_)) continue;
      const int fd = ::accept(listener_, nullptr, nullptr);
      if (fd >= 0) serving_.emplace_back([this, fd] { serve(fd); });
    }
    ::close(listener_);
  }
  void serve(int fd) {
    std::string input;
    int replies = 0;
    bool open = true;
    while (open && !stopping_) {
      if (!wait_readable(fd)) continue;
      char buffer[4096];
      const ssize_t count = ::recv(fd, buffer, sizeof buffer, 0);
      if (count <= 0) break;
      input.append(buffer, static_cast<std::size_t>(count));
      std::size_t end = 0;
      while (open && (end = input.find("\r\n\r\n")) != std::string::npos) {
        input.erase(0, end + 4);
        open = answer(fd, ++replies);
      }
    }
    ::close(fd);
  }
  // False where the connection ends behind this reply.
  bool answer(int fd, int replies) {
    if (all_replies_ == 0) std::this_thread::sleep_for(script_.first_reply_after);
    const bool last = replies == script_.end_connection_after;
    std::string reply = script_.reply;
    if (last && script_.announce_end) reply.insert(reply.find("\r\n") + 2, "Connection: close\r\n");
    const std::size_t step = script_.byte_by_byte ? 1 : reply.size();
    for (std::size_t at = 0; at < reply.size(); at += step) {
      ::send(fd, reply.data() + at, step, MSG_NOSIGNAL);
      if (script_.byte_by_byte) std::this_thread::yield();
    }
    if (++all_replies_ == script_.stop_listening_after) stopping_ = true;
    return !last;
  }

  ServerScript script_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int> all_replies_{0};
  std::thread accepting_;
  std::vector<std::thread> serving_;
};

}  // namespace recharge
