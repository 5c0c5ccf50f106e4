// Who the client is: only what trusted proxies say counts.
#include "server/client_address.h"

#include <gtest/gtest.h>

#include <random>

namespace recharge {
namespace {

NetAddress address(std::string_view text) { return parse_net_address(text).value(); }

std::vector<AddressRange> ranges(std::initializer_list<std::string_view> texts) {
  std::vector<AddressRange> found;
  for (const std::string_view text : texts) found.push_back(AddressRange::parse(text).value());
  return found;
}

const std::vector<AddressRange> kProxies = ranges({"10.0.0.0/8", "fd00::/8", "192.0.2.7"});

NetAddress client(std::string_view peer, std::initializer_list<std::string_view> headers) {
  return client_address(address(peer), kProxies, std::span(headers.begin(), headers.size()));
}

TEST(ClientAddress, IsTheRightmostThatIsNoTrustedProxy) {
  const NetAddress right = address("198.51.100.9");
  EXPECT_EQ(client("10.0.0.1", {"198.51.100.9"}), right);
  EXPECT_EQ(client("10.0.0.1", {"1.1.1.1, 198.51.100.9"}), right);
  EXPECT_EQ(client("10.0.0.1", {"1.1.1.1,198.51.100.9,\t10.2.3.4 , 192.0.2.7"}), right);
  EXPECT_EQ(client("fd00::1", {"1.1.1.1", "198.51.100.9", "10.2.3.4"}), right);
  EXPECT_EQ(client("10.0.0.1", {"198.51.100.9:4711"}), right);
  EXPECT_EQ(client("10.0.0.1", {"::ffff:198.51.100.9"}), right);
  EXPECT_EQ(client("10.0.0.1", {"[2001:db8::1]:4711"}), address("2001:db8::1"));
  EXPECT_EQ(client("10.0.0.1", {"2001:db8::1"}), address("2001:db8::1"));
}

TEST(ClientAddress, OfAStrangerItIsTheStranger) {
  EXPECT_EQ(client("198.51.100.9", {"1.1.1.1"}), address("198.51.100.9"));
  EXPECT_EQ(client("198.51.100.9", {}), address("198.51.100.9"));
  EXPECT_EQ(client("192.0.2.8", {"10.0.0.1"}), address("192.0.2.8"));
}

TEST(ClientAddress, WhatCannotBeReadEndsTheSearch) {
  EXPECT_EQ(client("10.0.0.1", {}), address("10.0.0.1"));
  EXPECT_EQ(client("10.0.0.1", {""}), address("10.0.0.1"));
  EXPECT_EQ(client("10.0.0.1", {"1.1.1.1, unknown"}), address("10.0.0.1"));
  EXPECT_EQ(client("10.0.0.1", {"1.1.1.1, nonsense, 10.0.0.2"}), address("10.0.0.2"));
  EXPECT_EQ(client("10.0.0.1", {"1.1.1.1,"}), address("10.0.0.1"));
  EXPECT_EQ(client("10.0.0.1", {"1.1.1.1, 010.0.0.1"}), address("10.0.0.1"));
  EXPECT_EQ(client("10.0.0.1", {"10.0.0.2, 10.0.0.3"}), address("10.0.0.2"));
}

// Ten thousand lies to the left of what the proxy wrote change nothing.
TEST(ClientAddress, LiesToTheLeftChangeNothing) {
  std::mt19937 random(11);
  const std::string_view pieces[] = {
      "1.1.1.1", "10.0.0.1",  "192.0.2.7", "",      "unknown", "::1", "999.1.1.1", "\"", ",",
      ", ,",     "127.0.0.1", "fd00::1",   "a:b:c", "[",       "]",   "[::1]:1",   "0",  "198.51.100.10"};
  for (int i = 0; i < 10'000; ++i) {
    std::string lies;
    for (unsigned n = random() % 8; n > 0; --n)
      lies.append(pieces[random() % std::size(pieces)]).append(", ");
    const std::string line = lies + "198.51.100.9";
    const bool two_lines = random() % 2 == 0;
    const NetAddress found =
        two_lines ? client("10.0.0.1", {lies, "198.51.100.9, 10.9.9.9"}) : client("10.0.0.1", {line});
    ASSERT_EQ(found, address("198.51.100.9")) << line;
  }
}

TEST(AddressRange, HoldsWhatItSays) {
  const auto holds = [](std::string_view range, std::string_view text) {
    return AddressRange::parse(range).value().contains(address(text));
  };
  EXPECT_TRUE(holds("192.0.2.0/24", "192.0.2.255") && holds("0.0.0.0/0", "8.8.8.8") &&
              holds("10.0.0.0/9", "10.127.0.0"));
  EXPECT_FALSE(holds("192.0.2.0/24", "192.0.3.0") || holds("10.0.0.0/9", "10.128.0.0") ||
               holds("192.0.2.1", "192.0.2.2"));
  EXPECT_TRUE(holds("2001:db8::/33", "2001:db8:7fff::1") && holds("::1", "::1") && holds("::/0", "2001::"));
  EXPECT_FALSE(holds("2001:db8::/33", "2001:db8:8000::1") || holds("::/0", "8.8.8.8") ||
               holds("0.0.0.0/0", "::1"));
  EXPECT_TRUE(holds("192.0.2.0/24", "::ffff:192.0.2.1"));
  for (const char* bad :
       {"", "a", "1.2.3", "1.2.3.4/33", "1.2.3.4/", "1.2.3.4/-1", "1.2.3.4/8x", "::/129", "1.2.3.4/ 8"}) {
    EXPECT_FALSE(AddressRange::parse(bad)) << bad;
  }
}

std::string proxy_header(unsigned char version_and_command, unsigned char family, const std::string& body) {
  std::string text("\r\n\r\n\0\r\nQUIT\n", 12);
  text += static_cast<char>(version_and_command);
  text += static_cast<char>(family);
  text += static_cast<char>(body.size() >> 8);
  text += static_cast<char>(body.size() & 255);
  return text + body;
}

TEST(ProxyHeader, GivesTheSource) {
  const std::string four("\xC6\x33\x64\x09\x7F\0\0\1\x12\x34\x00\x50", 12);
  std::string bytes = proxy_header(0x21, 0x11, four);
  auto header = read_proxy_header(bytes + "GET /");
  ASSERT_EQ(header.status, ProxyHeader::Status::complete);
  EXPECT_EQ(header.bytes, bytes.size());
  EXPECT_TRUE(header.has_source);
  EXPECT_EQ(header.source, address("198.51.100.9"));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(read_proxy_header(bytes.substr(0, size)).status, ProxyHeader::Status::need_more) << size;
  }
  std::string six = "\x20\x01\x0d\xb8";
  six.resize(36, '\0');
  bytes = proxy_header(0x21, 0x21, six + std::string(20, 'T'));
  header = read_proxy_header(bytes);
  EXPECT_EQ(header.bytes, 16U + 36 + 20);
  EXPECT_EQ(header.source, address("2001:db8::"));
  for (const auto& own : {proxy_header(0x20, 0, ""), proxy_header(0x20, 0x11, four),
                          proxy_header(0x21, 0, ""), proxy_header(0x21, 0x31, std::string(216, '/'))}) {
    EXPECT_EQ(read_proxy_header(own).status, ProxyHeader::Status::complete);
    EXPECT_FALSE(read_proxy_header(own).has_source);
  }
}

TEST(ProxyHeader, RefusesWhatIsNone) {
  const std::string four("\xC6\x33\x64\x09\x7F\0\0\1\x12\x34\x00\x50", 12);
  for (const auto& bad : {proxy_header(0x11, 0x11, four), proxy_header(0x22, 0x11, four),
                          proxy_header(0x21, 0x11, "short"), proxy_header(0x21, 0x21, four),
                          proxy_header(0x21, 0x11, std::string(2000, 'x')), std::string("GET / HTTP/1.1"),
                          std::string("PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n"), std::string("\r\n\r\nX")}) {
    EXPECT_EQ(read_proxy_header(bad).status, ProxyHeader::Status::malformed) << bad;
  }
}

}  // namespace
}  // namespace recharge
