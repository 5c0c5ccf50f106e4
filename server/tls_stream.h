// Purpose: the encryption of one connection, over its non-blocking socket. Owner: the connection, on its io
// thread; it is told when the socket may have more. Errors: of the peer's, as Status; after one, nothing more
// can be sent. The handshake is a part of the first reads.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

struct ssl_st;

namespace recharge {

class TlsContext;

class TlsStream {
 public:
  enum class Status {
    ok,            // so many bytes
    again,         // the socket has no more, or takes no more
    ended,         // the peer sends no more
    failed,        // no more can be read or sent
    plain_request  // the peer speaks HTTP without TLS
  };
  struct Result {
    Status status;
    std::size_t bytes = 0;
    bool emptied = false;  // the socket; the next event tells of more
  };

  // fd: the connection's socket. early: what was received of the stream already.
  TlsStream(const TlsContext& context, int fd, std::string_view early);

  Result read(char* to, std::size_t room) noexcept;
  Result write(const char* from, std::size_t size) noexcept;
  void say_goodbye() noexcept;  // close_notify, as far as the socket takes it

  bool is_open() const noexcept;  // the handshake is over
  bool was_resumed() const noexcept;
  bool wants_to_write() const noexcept { return wants_to_write_; }  // to go on with a read
  bool has_client_certificate() const noexcept;                     // one that was verified

 private:
  friend struct TlsSocket;
  struct Free {
    void operator()(ssl_st* ssl) const noexcept;
  };
  Result explain(int result) noexcept;

  const int fd_;
  std::string early_;
  bool emptied_ = false;
  bool wants_to_write_ = false;
  bool failed_ = false;
  std::unique_ptr<ssl_st, Free> ssl_;
};

}  // namespace recharge
