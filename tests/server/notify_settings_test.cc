#include "server/notify_settings.h"

#include <gtest/gtest.h>

namespace recharge {
namespace {

NotifySettings settings(bool allow_private = false) {
  NotifySettings made;
  made.allowed_hosts = {{"shop.example", 0}, {"shop.example", 8443}, {"127.0.0.1", 8080}};
  made.allow_private = allow_private;
  return made;
}

std::string verdict(std::string_view url, const NotifySettings& on = settings()) {
  const auto checked = check_notify_url(url, on);
  EXPECT_NE(checked.host == nullptr, checked.fault.empty()) << url;
  return checked.host != nullptr ? checked.host->to_text() : std::string(checked.fault);
}

TEST(NotifyUrlCheck, TakesAddressesAtAllowedHostsAlone) {
  const std::string encoded = "has a character that must be encoded";
  const std::string stranger = "its host is not on webhook.allowed_hosts";
  const std::string https = "must be an https URL";
  const std::pair<std::string, std::string> rows[] = {
      {"https://shop.example", "shop.example"},
      {"https://shop.example/", "shop.example"},
      {"https://SHOP.example/told", "shop.example"},
      {"https://shop.example:443/told?a=b&c=%23", "shop.example"},
      {"https://shop.example?x=1", "shop.example"},
      {"https://shop.example:8443/told", "shop.example:8443"},
      {"https://127.0.0.1:8080/", "127.0.0.1:8080"},
      {"https://shop.example/@", "shop.example"},
      {"https://shop.example:8444/told", stranger},
      {"https://shop.example:80/told", stranger},
      {"https://shop.example:/told", stranger},
      {"https://shop.example:0/told", stranger},
      {"https://shop.example:65536/told", stranger},
      {"https://shop.example:44x/told", stranger},
      {"https://shop.example:8443:8443/", stranger},
      {"https://127.0.0.1/", stranger},
      {"https://2130706433:8080/", stranger},
      {"https://[::1]:8080/", stranger},
      {"https://other.example/", stranger},
      {"https://shop.example.other.example/", stranger},
      {"https://shop.example./", stranger},
      {"https://.shop.example/", stranger},
      {"https://%73hop.example/", stranger},
      {"https:///told", stranger},
      {"https://", stranger},
      {"https://shop.example@other.example/", "must name no user"},
      {"https://user:word@shop.example/", "must name no user"},
      {"https://shop.example#@other.example/", "must have no fragment"},
      {"https://shop.example/told#part", "must have no fragment"},
      {"https://shop.example\\@other.example/", encoded},
      {"https://shop.example/a b", encoded},
      {"https://shop.example/a\r\nX: y", encoded},
      {"https://shop.example/\xc3\xa9", encoded},
      {std::string("https://shop.example/\0x", 23), encoded},
      {"http://shop.example/", https},
      {"HTTPS://shop.example/", https},
      {"ftp://shop.example/", https},
      {"file:///etc/passwd", https},
      {"//shop.example/", https},
      {"shop.example", https},
      {"", "must have 1 to 512 bytes"},
      {"https://shop.example/" + std::string(491, 'x'), "shop.example"},
      {"https://shop.example/" + std::string(492, 'x'), "must have 1 to 512 bytes"},
  };
  for (const auto& [url, expected] : rows) EXPECT_EQ(verdict(url), expected) << url;
}

TEST(NotifyUrlCheck, TakesHttpWherePrivateAddressesAreAllowed) {
  EXPECT_EQ(verdict("http://127.0.0.1:8080/told"), "must be an https URL");
  EXPECT_EQ(verdict("http://127.0.0.1:8080/told", settings(true)), "127.0.0.1:8080");
  EXPECT_EQ(verdict("http://shop.example:80/told", settings(true)), "shop.example");
  EXPECT_EQ(verdict("http://shop.example:443/told", settings(true)),
            "its host is not on webhook.allowed_hosts");
}

TEST(NotifyUrlCheck, TakesNoneWhereNoHostIsAllowed) {
  EXPECT_EQ(verdict("https://shop.example/", NotifySettings()),
            "not taken here: webhook.allowed_hosts names no host");
}

TEST(NotifyEndpoints, AreOneForEachHostAndTakeItsAddressesAlone) {
  const auto endpoints = endpoints_of(settings());
  ASSERT_EQ(endpoints.size(), 3U);
  EXPECT_EQ(endpoints[1].name, "notify@shop.example:8443");
  EXPECT_EQ(endpoints[0].subscriber, "notify-shop_example");
  EXPECT_EQ(endpoints[1].subscriber, "notify-shop_example__8443");
  EXPECT_EQ(endpoints[2].subscriber, "notify-127_0_0_1__8080");
  const std::string_view urls[] = {"https://shop.example/a", "https://shop.example:8443/a",
                                   "https://127.0.0.1:8080/a"};
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) EXPECT_EQ(endpoints[i].takes_url(urls[j]), i == j) << i << j;
  }
}

}  // namespace
}  // namespace recharge
