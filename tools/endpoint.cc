#include "tools/endpoint.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace recharge {
namespace {

struct HostAndPort {
  std::string host;
  std::string port;
};

ToolResult<HostAndPort> split(std::string_view authority, const std::string& url) {
  const ToolError wrong{ExitCode::usage, "the load needs http://HOST:PORT or https://HOST:PORT, not " + url};
  HostAndPort parts;
  const std::size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (bracket == std::string_view::npos) return wrong;
  const std::size_t colon = authority.find(':', bracket);
  parts.host = std::string(authority.substr(0, colon));
  if (bracket != 0) parts.host = parts.host.substr(1, bracket - 1);
  if (colon != std::string_view::npos) parts.port = std::string(authority.substr(colon + 1));
  const bool digits = (colon == std::string_view::npos || !parts.port.empty()) &&
                      parts.port.find_first_not_of("0123456789") == std::string::npos;
  if (parts.host.empty() || !digits || parts.port.size() > 5) return wrong;
  return parts;
}

ToolError connect_error(const Endpoint& endpoint) {
  return {ExitCode::unreachable, "cannot connect to " + endpoint.host_header + ": " + std::strerror(errno)};
}

}  // namespace

ToolResult<Endpoint> resolve_endpoint(const std::string& url) {
  std::string_view rest(url);
  const bool encrypted = rest.starts_with("https://");
  rest.remove_prefix(encrypted ? 8 : rest.starts_with("http://") ? 7 : rest.size());
  while (rest.ends_with('/')) rest.remove_suffix(1);
  auto parts = split(rest, url);
  if (!parts) return parts.error();
  if (parts->port.empty()) parts->port = encrypted ? "443" : "80";

  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(parts->host.c_str(), parts->port.c_str(), &hints, &found); error != 0) {
    return ToolError{ExitCode::unreachable, "cannot resolve " + parts->host + ": " + ::gai_strerror(error)};
  }
  Endpoint endpoint;
  std::memcpy(&endpoint.address, found->ai_addr, found->ai_addrlen);
  endpoint.address_size = found->ai_addrlen;
  endpoint.host_header = std::string(rest);
  endpoint.host = std::move(parts->host);
  ::freeaddrinfo(found);
  if (encrypted) {
    auto context = make_tls_context();
    if (!context) return context.error();
    endpoint.tls = *std::move(context);
  }
  return endpoint;
}

ToolResult<int> connect_to(const Endpoint& endpoint) {
  const int fd = ::socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return connect_error(endpoint);
  timeval timeout{};
  timeout.tv_sec = kConnectTimeoutMs / 1000;
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);  // bounds connect()
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&endpoint.address), endpoint.address_size) != 0) {
    const ToolError error = connect_error(endpoint);
    ::close(fd);
    return error;
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  return fd;
}

}  // namespace recharge
