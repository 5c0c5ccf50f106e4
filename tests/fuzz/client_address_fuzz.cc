// Who the client is: a stranger is itself, whatever it writes; behind a trusted proxy the right-most address
// wins over everything to its left; and a PROXY header never reaches beyond its bytes.
#include "server/client_address.h"
#include "tests/fuzz/fuzz_input.h"

namespace recharge {

void fuzz(FuzzBytes bytes) {
  static const std::vector<AddressRange> trusted = {AddressRange::parse("10.0.0.0/8").value(),
                                                    AddressRange::parse("fd00::/8").value()};
  static const NetAddress proxy = parse_net_address("10.0.0.1").value();
  static const NetAddress stranger = parse_net_address("192.0.2.1").value();
  const std::string_view text = text_of(bytes);
  const std::array<std::string_view, 2> lines = {text, text.substr(text.size() / 2)};
  RECHARGE_CHECK(client_address(stranger, trusted, lines) == stranger);
  const NetAddress found = client_address(proxy, trusted, lines);
  if (!contains(trusted, found)) RECHARGE_CHECK(client_address(found, trusted, lines) == found);
  const std::string written = std::string(text) + ", 192.0.2.1";
  RECHARGE_CHECK(client_address(proxy, trusted, std::array<std::string_view, 1>{written}) == stranger);
  static_cast<void>(AddressRange::parse(text));

  const ProxyHeader header = read_proxy_header(text);
  if (header.status != ProxyHeader::Status::complete) return;
  RECHARGE_CHECK(header.bytes <= text.size() && header.bytes <= kMaxProxyHeaderBytes);
  for (std::size_t size = 0; size < header.bytes; ++size) {
    RECHARGE_CHECK(read_proxy_header(text.substr(0, size)).status == ProxyHeader::Status::need_more);
  }
}

}  // namespace recharge
