#include "server/web_socket.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace recharge {
namespace {

constexpr std::string_view kHeaders =
    "GET /api/ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
constexpr std::string_view kMaskedHello("\x81\x85\0\0\0\0Hello", 11);

class Owner final : public WebSocketOwner {
 public:
  std::size_t take_received_bytes(char* to, std::size_t room) noexcept override {
    const std::size_t count = std::min(room, received.size());
    received.copy(to, count);
    received.erase(0, count);
    return count;
  }
  void send_bytes(std::string_view bytes) override { sent.append(bytes); }
  void look_at_web_socket() noexcept override { ++looks; }

  std::string received;
  std::string sent;
  int looks = 0;
};

class WebSockets : public testing::Test {
 protected:
  std::unique_ptr<WebSocket> accept() {
    std::string response;
    auto made = WebSocket::accept(io.get_executor(), owner, kHeaders, "request-1", "", response);
    EXPECT_TRUE(response.starts_with("HTTP/1.1 101 ")) << response;
    return made;
  }
  // What is under way keeps its memory, and the io_context at work.
  bool is_anything_under_way() {
    io.restart();
    io.poll();
    return !io.stopped();
  }

  boost::asio::io_context io;
  Owner owner;
};

TEST_F(WebSockets, AMessageIsThereOnceItsBytesWereReceived) {
  const auto socket = accept();
  socket->next();
  EXPECT_TRUE(is_anything_under_way());
  EXPECT_FALSE(socket->has_message());
  owner.received = kMaskedHello;
  socket->receive();
  EXPECT_FALSE(is_anything_under_way());
  ASSERT_TRUE(socket->has_message());
  EXPECT_EQ(socket->message(), "Hello");
  EXPECT_EQ(owner.looks, 1);
}

// It goes with its session, whatever it was doing: a listener that has gone takes no memory.
TEST_F(WebSockets, NothingIsLeftOfOneThatGoesWhileItReads) {
  auto socket = accept();
  socket->next();
  EXPECT_TRUE(is_anything_under_way());
  socket = nullptr;
  EXPECT_FALSE(is_anything_under_way());
}

TEST_F(WebSockets, NothingIsLeftOfOneThatGoesAsSoonAsItIsClosed) {
  for (const bool reads : {false, true}) {
    auto socket = accept();
    if (reads) socket->next();
    socket->close(WebSocket::Close::going_away, "draining");
    EXPECT_TRUE(owner.sent.ends_with("draining"));
    socket = nullptr;
    EXPECT_FALSE(is_anything_under_way()) << reads;
  }
}

TEST_F(WebSockets, NothingIsLeftOfOneThatGoesWhileItWaitsForTheClientsClose) {
  auto socket = accept();
  socket->close(WebSocket::Close::policy, "slow");
  EXPECT_TRUE(is_anything_under_way());
  socket = nullptr;
  EXPECT_FALSE(is_anything_under_way());
}

}  // namespace
}  // namespace recharge
