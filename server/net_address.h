// Purpose: the address of a client, IPv4 and IPv6 in one form, and ranges of addresses.
// Lifetime: values. An IPv4 address that comes mapped into IPv6 is the IPv4 address.
// Source: RFC 4291, section 2.5.5.2; RFC 4632.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct sockaddr;

namespace recharge {

struct NetAddress {
  std::array<std::uint8_t, 16> bytes{};  // IPv4 as ::ffff:a.b.c.d

  bool is_v4() const noexcept;
  // What one subscriber has: an IPv4 address, or the first 64 bits of an IPv6 address.
  NetAddress subscriber() const noexcept;
  std::string to_text() const;
  friend bool operator==(const NetAddress&, const NetAddress&) noexcept = default;
};

std::optional<NetAddress> parse_net_address(std::string_view text) noexcept;
NetAddress v4_address(std::span<const std::uint8_t, 4> bytes) noexcept;
NetAddress v6_address(std::span<const std::uint8_t, 16> bytes) noexcept;
NetAddress net_address_of(const sockaddr& address) noexcept;  // all zero: of another family
NetAddress peer_address(int socket) noexcept;                 // likewise where there is no peer

class AddressRange {
 public:
  // An address, or ADDRESS/BITS.
  static std::optional<AddressRange> parse(std::string_view text) noexcept;
  bool contains(const NetAddress& address) const noexcept;

 private:
  NetAddress first_;
  unsigned bits_ = 128;  // of the form with 16 bytes
};

// Whether one of them contains it.
bool contains(std::span<const AddressRange> ranges, const NetAddress& address) noexcept;

}  // namespace recharge
