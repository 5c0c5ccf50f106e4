#include "server/inherited_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include <array>

namespace recharge {

ListenAddress bound_address(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  std::array<char, INET6_ADDRSTRLEN> text{};
  ListenAddress found;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("getsockname failed");
  }
  if (address.ss_family == AF_INET6) {
    const auto& six = reinterpret_cast<const sockaddr_in6&>(address);
    found.host = inet_ntop(AF_INET6, &six.sin6_addr, text.data(), text.size());
    found.port = ntohs(six.sin6_port);
  } else {
    const auto& four = reinterpret_cast<const sockaddr_in&>(address);
    found.host = inet_ntop(AF_INET, &four.sin_addr, text.data(), text.size());
    found.port = ntohs(four.sin_port);
  }
  return found;
}

std::optional<InheritedSocket> take_inherited_socket() {
  const int count = ::sd_listen_fds(1);
  if (count <= 0) return std::nullopt;
  const int fd = SD_LISTEN_FDS_START;
  if (count > 1) throw SettingsError("systemd handed over more than one socket");
  const bool internet =
      ::sd_is_socket(fd, AF_INET, SOCK_STREAM, 1) > 0 || ::sd_is_socket(fd, AF_INET6, SOCK_STREAM, 1) > 0;
  if (!internet) throw SettingsError("systemd handed over what is no listening socket of TCP");
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  return InheritedSocket{fd, bound_address(fd)};
}

}  // namespace recharge
