#include "server/client_address.h"

#include <algorithm>
#include <cstring>

namespace recharge {
namespace {

constexpr std::string_view kProxySignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t kProxyFixedBytes = 16;

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// An address, perhaps with a port behind it; IPv6 perhaps in brackets.
std::optional<NetAddress> parse_hop(std::string_view text) noexcept {
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    return end == text.npos ? std::nullopt : parse_net_address(text.substr(1, end - 1));
  }
  if (std::count(text.begin(), text.end(), ':') == 1) text = text.substr(0, text.find(':'));
  return parse_net_address(text);
}

std::span<const std::uint8_t> octets(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

NetAddress client_address(const NetAddress& peer, std::span<const AddressRange> trusted,
                          std::span<const std::string_view> values) noexcept {
  NetAddress client = peer;
  if (!contains(trusted, peer)) return client;
  for (std::size_t i = values.size(); i-- > 0;) {
    std::string_view rest = values[i];
    while (!rest.empty()) {
      const std::size_t comma = rest.rfind(',');
      const std::string_view hop = trimmed(comma == rest.npos ? rest : rest.substr(comma + 1));
      rest = comma == rest.npos ? std::string_view() : rest.substr(0, comma);
      const auto address = parse_hop(hop);
      if (!address) return client;  // whoever wrote it is the last that is known
      client = *address;
      if (!contains(trusted, client)) return client;
    }
  }
  return client;
}

ProxyHeader read_proxy_header(std::string_view bytes) noexcept {
  ProxyHeader header;
  const std::size_t known = std::min(bytes.size(), kProxySignature.size());
  if (bytes.substr(0, known) != kProxySignature.substr(0, known)) return header;
  if (bytes.size() < kProxyFixedBytes) {
    header.status = ProxyHeader::Status::need_more;
    return header;
  }
  const auto at = octets(bytes);
  const std::uint8_t version = at[12] >> 4;
  const std::uint8_t command = at[12] & 15;
  const std::size_t length = static_cast<std::size_t>(at[14]) << 8 | at[15];
  if (version != 2 || command > 1 || kProxyFixedBytes + length > kMaxProxyHeaderBytes) return header;
  if (bytes.size() < kProxyFixedBytes + length) {
    header.status = ProxyHeader::Status::need_more;
    return header;
  }
  const auto body = at.subspan(kProxyFixedBytes, length);
  constexpr std::uint8_t kTcpOver4 = 0x11;
  constexpr std::uint8_t kTcpOver6 = 0x21;
  const bool relayed = command == 1;
  if (relayed && at[13] == kTcpOver4) {
    if (length < 12) return header;
    header.source = v4_address(body.first<4>());
    header.has_source = true;
  } else if (relayed && at[13] == kTcpOver6) {
    if (length < 36) return header;
    header.source = v6_address(body.first<16>());
    header.has_source = true;
  }
  header.status = ProxyHeader::Status::complete;
  header.bytes = kProxyFixedBytes + length;
  return header;
}

}  // namespace recharge
