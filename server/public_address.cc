#include "server/public_address.h"

#include <netinet/in.h>

#include <cstdint>
#include <cstring>

namespace recharge {
namespace {

struct Range4 {
  std::uint32_t network;
  unsigned bits;
};
constexpr Range4 kNotPublic[] = {{0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},
                                 {0xa9fe0000, 16}, {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24},
                                 {0xc0586300, 24}, {0xc0a80000, 16}, {0xc6120000, 15}, {0xc6336400, 24},
                                 {0xcb007100, 24}, {0xe0000000, 4},  {0xf0000000, 4}};

bool is_public(std::uint32_t address) noexcept {
  for (const Range4& range : kNotPublic) {
    if ((address ^ range.network) >> (32 - range.bits) == 0) return false;
  }
  return true;
}

std::uint32_t four_at(const std::uint8_t* bytes) noexcept {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 |
         bytes[3];
}

// Global unicast is 2000::/3; in it are addresses that stand for others, and documentation.
bool is_public(const std::uint8_t (&six)[16]) noexcept {
  constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  constexpr std::uint8_t kTranslated[12] = {0, 0x64, 0xff, 0x9b};
  if (std::memcmp(six, kMapped, sizeof kMapped) == 0 ||
      std::memcmp(six, kTranslated, sizeof kTranslated) == 0)
    return is_public(four_at(six + 12));
  if ((six[0] & 0xe0) != 0x20) return false;
  if (six[0] == 0x20 && six[1] == 0x02) return is_public(four_at(six + 2));  // 6to4
  if (six[0] == 0x20 && six[1] == 0x01 && six[2] < 2) return false;          // protocol assignments, Teredo
  return !(six[0] == 0x20 && six[1] == 0x01 && six[2] == 0x0d && six[3] == 0xb8);
}

}  // namespace

bool is_public_address(const sockaddr& address) noexcept {
  if (address.sa_family == AF_INET) {
    sockaddr_in four;
    std::memcpy(&four, &address, sizeof four);
    return is_public(ntohl(four.sin_addr.s_addr));
  }
  if (address.sa_family != AF_INET6) return false;
  sockaddr_in6 six;
  std::memcpy(&six, &address, sizeof six);
  return is_public(six.sin6_addr.s6_addr);
}

}  // namespace recharge
