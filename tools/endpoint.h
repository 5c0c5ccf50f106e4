// Purpose: where the load goes: the address behind an http or https URL, resolved once. Lifetime: a value.
#pragma once

#include <sys/socket.h>

#include <memory>
#include <string>

#include "tools/tls_channel.h"

namespace recharge {

struct Endpoint {
  sockaddr_storage address{};
  socklen_t address_size = 0;
  std::string host_header;  // "127.0.0.1:8080"
  std::string host;
  std::shared_ptr<ssl_ctx_st> tls;  // null: http
};

// "http://HOST[:PORT][/]", or https; anything else is ExitCode::usage; a name that does not resolve
// unreachable.
ToolResult<Endpoint> resolve_endpoint(const std::string& url);

// A connected, non-blocking socket without Nagle's delay; ExitCode::unreachable with the reason otherwise.
constexpr int kConnectTimeoutMs = 3'000;
ToolResult<int> connect_to(const Endpoint& endpoint);

}  // namespace recharge
