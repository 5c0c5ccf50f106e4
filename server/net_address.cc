#include "server/net_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace recharge {
namespace {

constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned kV4Offset = 96;

}  // namespace

bool NetAddress::is_v4() const noexcept { return std::equal(kMapped.begin(), kMapped.end(), bytes.begin()); }

NetAddress NetAddress::subscriber() const noexcept {
  NetAddress prefix = *this;
  if (!is_v4()) std::fill(prefix.bytes.begin() + 8, prefix.bytes.end(), std::uint8_t{0});
  return prefix;
}

std::string NetAddress::to_text() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool four = is_v4();
  const void* from = bytes.data() + (four ? kMapped.size() : 0);
  if (inet_ntop(four ? AF_INET : AF_INET6, from, text.data(), text.size()) == nullptr) return {};
  return text.data();
}

NetAddress v4_address(std::span<const std::uint8_t, 4> bytes) noexcept {
  NetAddress address;
  std::copy(kMapped.begin(), kMapped.end(), address.bytes.begin());
  std::copy(bytes.begin(), bytes.end(), address.bytes.begin() + kMapped.size());
  return address;
}

NetAddress v6_address(std::span<const std::uint8_t, 16> bytes) noexcept {
  NetAddress address;
  std::copy(bytes.begin(), bytes.end(), address.bytes.begin());
  return address;
}

std::optional<NetAddress> parse_net_address(std::string_view text) noexcept {
  std::array<char, INET6_ADDRSTRLEN + 1> copy{};
  if (text.size() >= copy.size()) return std::nullopt;
  std::copy(text.begin(), text.end(), copy.begin());
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(AF_INET, copy.data(), bytes.data()) == 1) {
    return v4_address(std::span(bytes).first<4>());
  }
  if (inet_pton(AF_INET6, copy.data(), bytes.data()) == 1) return v6_address(bytes);
  return std::nullopt;
}

NetAddress net_address_of(const sockaddr& address) noexcept {
  if (address.sa_family == AF_INET) {
    sockaddr_in four{};
    std::memcpy(&four, &address, sizeof four);
    std::array<std::uint8_t, 4> bytes;
    std::memcpy(bytes.data(), &four.sin_addr, bytes.size());
    return v4_address(bytes);
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 six{};
    std::memcpy(&six, &address, sizeof six);
    return v6_address(std::span<const std::uint8_t, 16>(six.sin6_addr.s6_addr));
  }
  return {};
}

NetAddress peer_address(int socket) noexcept {
  union {
    sockaddr plain;
    sockaddr_storage storage;
  } address{};
  socklen_t size = sizeof address;
  if (::getpeername(socket, &address.plain, &size) != 0) return {};
  return net_address_of(address.plain);
}

std::optional<AddressRange> AddressRange::parse(std::string_view text) noexcept {
  const std::size_t slash = text.find('/');
  const auto address = parse_net_address(text.substr(0, slash));
  if (!address) return std::nullopt;
  const bool four = text.substr(0, slash).find(':') == text.npos;
  AddressRange range;
  range.first_ = *address;
  if (slash == text.npos) return range;
  const std::string_view digits = text.substr(slash + 1);
  unsigned bits = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) return std::nullopt;
  if (bits > (four ? 32U : 128U)) return std::nullopt;
  range.bits_ = four ? kV4Offset + bits : bits;
  return range;
}

bool AddressRange::contains(const NetAddress& address) const noexcept {
  // A range of IPv6 holds no IPv4 address, although the mapped form would lie in ::/0.
  if (address.is_v4() != first_.is_v4()) return false;
  const unsigned whole = bits_ / 8;
  if (!std::equal(first_.bytes.begin(), first_.bytes.begin() + whole, address.bytes.begin())) return false;
  if (bits_ % 8 == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff00U >> (bits_ % 8));
  return (first_.bytes[whole] & mask) == (address.bytes[whole] & mask);
}

bool contains(std::span<const AddressRange> ranges, const NetAddress& address) noexcept {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const AddressRange& range) { return range.contains(address); });
}

}  // namespace recharge
