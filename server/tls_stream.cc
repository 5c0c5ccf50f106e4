#include "server/tls_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <new>

#include "server/tls_context.h"

namespace recharge {

// OpenSSL's own socket BIO cannot tell that a short read has emptied the socket, nor begin with bytes that
// are there already.
struct TlsSocket {
  static int read(BIO* bio, char* to, std::size_t room, std::size_t* count) {
    auto& stream = *static_cast<TlsStream*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    if (!stream.early_.empty()) {
      *count = std::min(room, stream.early_.size());
      std::memcpy(to, stream.early_.data(), *count);
      stream.early_.erase(0, *count);
      return 1;
    }
    const ssize_t received = ::recv(stream.fd_, to, room, MSG_DONTWAIT);
    if (received > 0) {
      *count = static_cast<std::size_t>(received);
      stream.emptied_ = *count < room;
      return 1;
    }
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) {
      stream.emptied_ = errno == EAGAIN;
      BIO_set_retry_read(bio);
    }
    if (received == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return 0;
  }

  static int write(BIO* bio, const char* from, std::size_t size, std::size_t* count) {
    auto& stream = *static_cast<TlsStream*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    const ssize_t sent = ::send(stream.fd_, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      *count = static_cast<std::size_t>(sent);
      return 1;
    }
    if (errno == EAGAIN || errno == EINTR) BIO_set_retry_write(bio);
    return 0;
  }

  static long control(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_FLUSH) return 1;
    if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
    return 0;
  }

  static const BIO_METHOD* method() {
    static const BIO_METHOD* const made = [] {
      BIO_METHOD* own = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");
      if (own == nullptr) throw std::bad_alloc();
      BIO_meth_set_read_ex(own, &TlsSocket::read);
      BIO_meth_set_write_ex(own, &TlsSocket::write);
      BIO_meth_set_ctrl(own, &TlsSocket::control);
      return own;
    }();
    return made;
  }
};

void TlsStream::Free::operator()(ssl_st* ssl) const noexcept { SSL_free(ssl); }

TlsStream::TlsStream(const TlsContext& context, int fd, std::string_view early)
    : fd_(fd), early_(early), ssl_(SSL_new(context.get())) {
  BIO* bio = ssl_ == nullptr ? nullptr : BIO_new(TlsSocket::method());
  if (bio == nullptr) throw std::bad_alloc();
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_accept_state(ssl_.get());
}

TlsStream::Result TlsStream::explain(int result) noexcept {
  const int error = SSL_get_error(ssl_.get(), result);
  wants_to_write_ = error == SSL_ERROR_WANT_WRITE;
  if (error == SSL_ERROR_WANT_READ || wants_to_write_) return {Status::again, 0, emptied_};
  if (error == SSL_ERROR_ZERO_RETURN) return {Status::ended};
  const unsigned long code = ERR_peek_error();
  failed_ = true;
  const bool plain = ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST;
  ERR_clear_error();
  return {plain ? Status::plain_request : Status::failed};
}

TlsStream::Result TlsStream::read(char* to, std::size_t room) noexcept {
  if (failed_) return {Status::failed};
  ERR_clear_error();  // others leave theirs, which would count as ours
  std::size_t count = 0;
  const int result = SSL_read_ex(ssl_.get(), to, room, &count);
  if (result != 1) return explain(result);
  wants_to_write_ = false;
  return {Status::ok, count, emptied_ && SSL_has_pending(ssl_.get()) == 0};
}

TlsStream::Result TlsStream::write(const char* from, std::size_t size) noexcept {
  if (failed_) return {Status::failed};
  ERR_clear_error();
  std::size_t count = 0;
  const int result = SSL_write_ex(ssl_.get(), from, size, &count);
  if (result == 1) return {Status::ok, count};
  Result why = explain(result);
  wants_to_write_ = false;  // that of a read
  return why;
}

void TlsStream::say_goodbye() noexcept {
  if (failed_ || !is_open()) return;
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

bool TlsStream::is_open() const noexcept { return SSL_is_init_finished(ssl_.get()) == 1; }
bool TlsStream::was_resumed() const noexcept { return SSL_session_reused(ssl_.get()) == 1; }

bool TlsStream::has_client_certificate() const noexcept {
  return SSL_get0_peer_certificate(ssl_.get()) != nullptr && SSL_get_verify_result(ssl_.get()) == X509_V_OK;
}

}  // namespace recharge
