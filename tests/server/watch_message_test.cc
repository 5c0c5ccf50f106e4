#include "server/watch_message.h"

#include <gtest/gtest.h>

namespace recharge {
namespace {

struct OriginCase {
  const char* name;
  const char* lines;
  bool same;
};

constexpr OriginCase kOrigins[] = {
    {"NoBrowser", "Host: pay.example\r\n", true},
    {"ThisHost", "Host: pay.example\r\nOrigin: https://pay.example\r\n", true},
    {"ThisHostAndPort", "Host: pay.example:8080\r\nOrigin: http://PAY.example:8080\r\n", true},
    {"AnotherPort", "Host: pay.example\r\nOrigin: https://pay.example:8443\r\n", false},
    {"AnotherHost", "Host: pay.example\r\nOrigin: https://pay.example.evil.example\r\n", false},
    {"Suffix", "Host: pay.example\r\nOrigin: https://evilpay.example\r\n", false},
    {"Null", "Host: pay.example\r\nOrigin: null\r\n", false},
    {"NoScheme", "Host: pay.example\r\nOrigin: pay.example\r\n", false},
    {"Twice", "Host: pay.example\r\nOrigin: https://pay.example\r\nOrigin: https://pay.example\r\n", false},
    {"Empty", "Host: pay.example\r\nOrigin:\r\n", false},
};

TEST(WatchMessage, OnlyPagesOfThisHostMayAskWithoutAToken) {
  for (const OriginCase& one : kOrigins) EXPECT_EQ(is_same_origin(one.lines), one.same) << one.name;
}

TEST(WatchMessage, ATokenIsASubprotocolBesideOurs) {
  constexpr std::string_view kBoth = "Sec-WebSocket-Protocol: recharge ,\tbearer.a.b-c.d\r\n";
  EXPECT_EQ(token_of_protocols(kBoth), "a.b-c.d");
  EXPECT_TRUE(offers_protocol(kBoth));
  EXPECT_EQ(token_of_protocols("Sec-WebSocket-Protocol: bearer., rechargeable\r\n"), "");
  EXPECT_FALSE(offers_protocol("Sec-WebSocket-Protocol: bearer.x, rechargeable\r\n"));
  EXPECT_EQ(token_of_protocols("Sec-WebSocket-Protocol-X: bearer.x\r\nHost: h\r\n"), "");
  EXPECT_FALSE(offers_protocol(""));
}

TEST(WatchMessage, WhatItIsAboutStandsInEachReply) {
  WatchMessage message;
  message.account = "a\"b";
  const std::string target = watch_target(message);
  EXPECT_EQ(target, R"("account":"a\"b")");
  EXPECT_EQ(note_message("resumed", target), R"({"type":"resumed","account":"a\"b"})");
  EXPECT_EQ(event_message(target, R"({"id":1})"), R"({"type":"event","account":"a\"b","event":{"id":1}})");
  EXPECT_EQ(snapshot_message(target, R"({"orders":[]})"),
            R"({"type":"snapshot","account":"a\"b","orders":[]})");
  Reply reply;
  reply.fail(404, "order_not_found", "Order not found");
  EXPECT_EQ(error_message({}, reply),
            R"({"type":"error","code":404,"msg":"Order not found","error":"order_not_found"})");
}

TEST(WatchMessage, AQuerySubscribesToOneThing) {
  Reply reply;
  const auto order = read_watch_query("last_event_id=evt_1&order_id=x", reply);
  ASSERT_TRUE(order);
  EXPECT_EQ(order->order_id, "x");
  EXPECT_EQ(order->last_event_id, "evt_1");
  EXPECT_FALSE(read_watch_query("", reply));
  EXPECT_FALSE(read_watch_query("unknown=1", reply));
  EXPECT_TRUE(reply.error.empty());
  for (const char* query :
       {"order_id=x&account=y", "last_event_id=x", "order_id=x&order_id=y", "account=%x"}) {
    reply.clear();
    EXPECT_FALSE(read_watch_query(query, reply)) << query;
    EXPECT_EQ(reply.error, "invalid_request") << query;
  }
}

}  // namespace
}  // namespace recharge
