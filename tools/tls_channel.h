// Purpose: the encryption of the load's connections, and whose certificates every verb believes. Owner: one
// thread for each channel; the context is shared. Errors: ToolError where the peer is not believed or speaks
// no TLS; later ones as recv(2) and send(2) tell them.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>

#include "tools/tool_error.h"

struct ssl_st;
struct ssl_ctx_st;

namespace recharge {

// A file of certificates in PEM; empty: those of the system. Set before any verb runs.
void trust_ca_file(std::string file);
const std::string& trusted_ca_file() noexcept;

ToolResult<std::shared_ptr<ssl_ctx_st>> make_tls_context();

class TlsChannel {
 public:
  static constexpr int kHandshakeTimeoutMs = 3'000;  // for each step of the peer

  // fd: connected, non-blocking, and stays the caller's. Comes back when the handshake is over.
  static ToolResult<std::unique_ptr<TlsChannel>> open(ssl_ctx_st* context, int fd, const std::string& host);

  ssize_t receive(char* to, std::size_t room) noexcept;  // -1 with EAGAIN: nothing more for now
  ssize_t send(const char* from, std::size_t size) noexcept;

 private:
  struct Free {
    void operator()(ssl_st* ssl) const noexcept;
  };
  explicit TlsChannel(ssl_st* ssl) noexcept : ssl_(ssl) {}
  ssize_t explain(int result) noexcept;
  std::unique_ptr<ssl_st, Free> ssl_;
};

}  // namespace recharge
