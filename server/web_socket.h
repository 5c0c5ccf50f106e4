// Purpose: the WebSocket of one connection, between the bytes that its Session receives and sends, and
// messages: Boost.Beast's, kept to one translation unit. No compression. Owner: a Session, on its io thread.
// Lifetime: of the session's stream; what Beast still has under way ends by itself. Units: bytes. Errors:
// what breaks the protocol ends it, with the close code that RFC 6455, 7.4.1, has for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "server/async.h"

namespace recharge {

constexpr std::size_t kMaxWebSocketMessage = 4096;  // of a client; 1009 beyond

// Whose bytes they are.
class WebSocketOwner {
 public:
  // So many were received and are handed over; zero: there are none yet, receive() will be called.
  virtual std::size_t take_received_bytes(char* to, std::size_t room) noexcept = 0;
  virtual void send_bytes(std::string_view bytes) = 0;
  // There is a message(), or has_ended().
  virtual void look_at_web_socket() noexcept = 0;

 protected:
  ~WebSocketOwner() = default;
};

class WebSocket {
 public:
  enum class Close : std::uint16_t { going_away = 1001, no_text = 1003, policy = 1008, try_later = 1013 };

  // headers: of the request, with its request line and the empty one. Null where they ask for no WebSocket of
  // version 13; else `response` takes the bytes of the answer, with `request_id` and, where a subprotocol was
  // chosen, that one in it.
  static std::unique_ptr<WebSocket> accept(const Executor& executor, WebSocketOwner& owner,
                                           std::string_view headers, std::string_view request_id,
                                           std::string_view subprotocol, std::string& response);
  ~WebSocket();

  void next();     // reads up to the next message. REQUIRES: the one before was dealt with
  void receive();  // bytes were received
  bool has_message() const noexcept;
  std::string_view message() const noexcept;  // until next()
  bool is_text() const noexcept;
  bool has_ended() const noexcept;  // by the client, or by what it did
  void send(std::string_view text);
  void ping();
  void close(Close code, std::string_view reason);  // nothing is sent after it

 private:
  class Impl;
  explicit WebSocket(std::shared_ptr<Impl> impl) noexcept;
  std::shared_ptr<Impl> impl_;
};

}  // namespace recharge
