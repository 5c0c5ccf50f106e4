#include "tools/tls_channel.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>

#include <cerrno>
#include <utility>

namespace recharge {
namespace {

std::string ca_file;

std::string last_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "the connection ended" : reason;
}

bool name_peer(SSL* ssl, const std::string& host) {
  unsigned char bytes[sizeof(in6_addr)];
  if (inet_pton(AF_INET, host.c_str(), bytes) == 1 || inet_pton(AF_INET6, host.c_str(), bytes) == 1) {
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1;
  }
  // What SSL_set_tlsext_host_name is, without its old cast.
  return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                  const_cast<char*>(host.c_str())) == 1 &&
         SSL_set1_host(ssl, host.c_str()) == 1;
}

}  // namespace

void trust_ca_file(std::string file) { ca_file = std::move(file); }
const std::string& trusted_ca_file() noexcept { return ca_file; }

ToolResult<std::shared_ptr<ssl_ctx_st>> make_tls_context() {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (!context) return ToolError{ExitCode::failure, "TLS: " + last_reason()};
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  const int loaded = ca_file.empty() ? SSL_CTX_set_default_verify_paths(context.get())
                                     : SSL_CTX_load_verify_file(context.get(), ca_file.c_str());
  if (loaded != 1) return ToolError{ExitCode::usage, "--ca-file " + ca_file + ": " + last_reason()};
  return context;
}

void TlsChannel::Free::operator()(ssl_st* ssl) const noexcept { SSL_free(ssl); }

ToolResult<std::unique_ptr<TlsChannel>> TlsChannel::open(ssl_ctx_st* context, int fd,
                                                         const std::string& host) {
  std::unique_ptr<TlsChannel> channel(new TlsChannel(SSL_new(context)));
  SSL* ssl = channel->ssl_.get();
  const auto failed = [&host](const std::string& why) {
    return ToolError{ExitCode::unreachable, "no TLS with " + host + ": " + why};
  };
  if (ssl == nullptr || SSL_set_fd(ssl, fd) != 1 || !name_peer(ssl, host)) return failed(last_reason());
  while (true) {
    ERR_clear_error();
    const int result = SSL_connect(ssl);
    if (result == 1) return channel;
    const int error = SSL_get_error(ssl, result);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
      const long verdict = SSL_get_verify_result(ssl);
      return failed(verdict == X509_V_OK ? last_reason() : X509_verify_cert_error_string(verdict));
    }
    pollfd watched{fd, static_cast<short>(error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT), 0};
    if (::poll(&watched, 1, kHandshakeTimeoutMs) <= 0) return failed("no answer in time");
  }
}

ssize_t TlsChannel::explain(int result) noexcept {
  const int error = SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_ZERO_RETURN) return 0;
  errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
  return -1;
}

ssize_t TlsChannel::receive(char* to, std::size_t room) noexcept {
  ERR_clear_error();
  std::size_t count = 0;
  const int result = SSL_read_ex(ssl_.get(), to, room, &count);
  return result == 1 ? static_cast<ssize_t>(count) : explain(result);
}

ssize_t TlsChannel::send(const char* from, std::size_t size) noexcept {
  ERR_clear_error();
  std::size_t count = 0;
  const int result = SSL_write_ex(ssl_.get(), from, size, &count);
  return result == 1 ? static_cast<ssize_t>(count) : explain(result);
}

}  // namespace recharge
