// Purpose: a server over a fake engine on a free loopback port, and a client that speaks in raw bytes.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>

#include "server/http_server.h"
#include "tests/server/fake_engine.h"

namespace recharge {

constexpr const char* kTestSecret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

inline Settings test_settings() {
  Settings settings = load_settings({}, {{"RECHARGED_CALLBACK__SECRET", kTestSecret}});
  settings.server.listen.port = 0;
  return settings;
}

class TestServer {
 public:
  explicit TestServer(Settings given = test_settings(), FakeEngine::Answer answer = &FakeEngine::canned)
      : settings(std::move(given)), engine(std::move(answer)) {
    server = std::make_unique<HttpServer>(
        settings, engine, service,
        Reloaded{load_key_rings(settings), OrderPolicy(settings), make_access_rules(settings)});
    service.is_ready = [this] { return !server->is_draining(); };
    server->start();
  }
  ~TestServer() { engine.release(); }

  Settings settings;
  FakeEngine engine;
  ServiceState service;
  std::unique_ptr<HttpServer> server;
};

class RawClient {
 public:
  explicit RawClient(const TestServer& server, int receive_buffer = 0)
      : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server.server->address().port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const void* plain = &address;
    connected_ = ::connect(fd_, static_cast<const sockaddr*>(plain), sizeof address) == 0;
  }
  ~RawClient() { close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return connected_; }
  void send(const std::string& bytes) {
    sent_all_ = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0;
  }
  void end_sending() { ::shutdown(fd_, SHUT_WR); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  // Until so many replies are complete, the end, or the time is over.
  std::string read_replies(std::size_t count, int at_most_ms = 5000) {
    while (complete_replies() < count && read_some(at_most_ms)) {
    }
    return std::exchange(received_, std::string());
  }
  std::string read_to_end(int at_most_ms = 5000) {
    while (read_some(at_most_ms)) {
    }
    return std::exchange(received_, std::string());
  }
  bool ended() const { return ended_; }
  bool was_reset() const { return reset_; }

 private:
  bool read_some(int at_most_ms) {
    pollfd watched{fd_, POLLIN, 0};
    if (::poll(&watched, 1, at_most_ms) <= 0) return false;
    char bytes[65536];
    const ssize_t count = ::recv(fd_, bytes, sizeof bytes, 0);
    if (count > 0) received_.append(bytes, static_cast<std::size_t>(count));
    if (count == 0) ended_ = true;
    if (count < 0) reset_ = true;
    return count > 0;
  }
  std::size_t complete_replies() const {
    std::size_t count = 0;
    std::size_t at = 0;
    while (true) {
      const std::size_t end = received_.find("\r\n\r\n", at);
      if (end == std::string::npos) return count;
      const std::size_t length = received_.find("Content-Length: ", at);
      const std::size_t body = length < end ? std::stoul(received_.substr(length + 16)) : 0;
      at = end + 4 + body;
      if (at > received_.size()) return count;
      ++count;
    }
  }

  int fd_;
  bool connected_ = false;
  bool sent_all_ = false;
  bool ended_ = false;
  bool reset_ = false;
  std::string received_;
};

}  // namespace recharge
