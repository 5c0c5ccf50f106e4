// Purpose: whether an address is one of the public network: what a URL from outside may be made to reach.
// Lifetime: a call. Source: RFC 6890 and the IANA registries of special-purpose addresses; RFC 6052 for
// addresses of IPv4 inside of IPv6.
#pragma once

#include <sys/socket.h>

namespace recharge {

// False for loopback, private, link-local, shared, multicast, reserved and unspecified addresses, and for
// every family but IPv4 and IPv6.
bool is_public_address(const sockaddr& address) noexcept;

}  // namespace recharge
