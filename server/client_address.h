// Purpose: who the client behind proxies is. Only what a trusted proxy says counts: of X-Forwarded-For the
// right-most address that is no trusted proxy itself; whatever stands to the left of it, anybody may have
// written. Pure functions. Source: RFC 7239 on the header's risks; the PROXY protocol, version 2.
#pragma once

#include <span>
#include <string_view>

#include "server/net_address.h"

namespace recharge {

// values: of each X-Forwarded-For header, in their order. The peer where it is not trusted or says nothing.
NetAddress client_address(const NetAddress& peer, std::span<const AddressRange> trusted,
                          std::span<const std::string_view> values) noexcept;

struct ProxyHeader {
  enum class Status { need_more, complete, malformed };
  Status status = Status::malformed;
  std::size_t bytes = 0;    // of the whole header, where it is complete
  bool has_source = false;  // not for a proxy's own health check, or another family
  NetAddress source;
};
constexpr std::size_t kMaxProxyHeaderBytes = 1024;

// The header of version 2 that a connection begins with.
ProxyHeader read_proxy_header(std::string_view bytes) noexcept;

}  // namespace recharge
