#include "tools/request_bytes.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tools/load_workloads.h"

namespace recharge {
namespace {

TEST(RequestBytes, WritesAPost) {
  std::string out;
  RequestBytes("127.0.0.1:8080", "").append_post(out, "/api/pay", "{\"a\":1}");
  EXPECT_EQ(out, "POST /api/pay HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Length: 7\r\n\r\n{\"a\":1}");
}

TEST(RequestBytes, WritesAGetBehindWhatIsThere) {
  std::string out = "before";
  RequestBytes("h", "").append_get(out, "/livez");
  EXPECT_EQ(out, "beforeGET /livez HTTP/1.1\r\nHost: h\r\n\r\n");
}

TEST(RequestBytes, SendsTheToken) {
  std::string out;
  RequestBytes("h", "secret-token").append_get(out, "/livez");
  EXPECT_NE(out.find("\r\nAuthorization: Bearer secret-token\r\n"), std::string::npos);
}

ParsedReply answered(int status, std::string_view body) {
  ParsedReply reply;
  reply.state = ReplyState::complete;
  reply.status = status;
  reply.body = body;
  return reply;
}

constexpr std::string_view kId = "0190a1b2-c3d4-7e5f-8a6b-0123456789ab";

std::string placed_reply() {
  return "{\"code\":200,\"order_id\":\"" + std::string(kId) + "\",\"status\":\"pending\"}";
}

TEST(PlaceWorkload, CoversItsShareOnceAndKeepsTheIds) {
  LoadOrders orders(5, 2);
  const RequestBytes requests("h", "");
  PlaceWorkload workload(orders, {1, 2}, requests, false);
  std::uint32_t token = 0;
  std::string_view bytes;
  ASSERT_TRUE(workload.next(token, bytes));
  EXPECT_EQ(token, 1U);
  EXPECT_TRUE(bytes.ends_with("{\"account\":\"13800000001\",\"amount\":79.20}")) << bytes;
  workload.on_reply(token, answered(200, placed_reply()));
  ASSERT_TRUE(workload.next(token, bytes));
  EXPECT_EQ(token, 3U);
  workload.on_reply(token, answered(400, "no"));
  EXPECT_FALSE(workload.next(token, bytes));
  EXPECT_EQ(orders.all()[1].order_id(), kId);
  EXPECT_FALSE(orders.all()[3].placed());
  EXPECT_EQ(workload.first_unexpected(), "400 no");
}

TEST(PlaceWorkload, PlacesAgainWhatAnOverloadedServerRefused) {
  LoadOrders orders(1, 1);
  const RequestBytes requests("h", "");
  PlaceWorkload workload(orders, {}, requests, true);
  std::uint32_t token = 7;
  std::string_view bytes;
  ASSERT_TRUE(workload.next(token, bytes));
  EXPECT_FALSE(workload.next(token, bytes));
  workload.on_reply(0, answered(503, ""));
  ASSERT_TRUE(workload.next(token, bytes));
  EXPECT_EQ(token, 0U);
  EXPECT_EQ(workload.first_unexpected(), "");
}

TEST(PreparedCallbacks, LeavesOutOrdersThatWereNotPlacedAndMarksWhatIsSent) {
  LoadOrders orders(3, 3);
  std::copy(kId.begin(), kId.end(), orders.all()[2].id.begin());
  auto signer = CallbackSigner::from_text("k");
  ASSERT_TRUE(signer);
  const RequestBytes requests("h", "");
  const PreparedCallbacks prepared(orders, {},
                                   native_callbacks(orders, requests, *signer, 1'700'000'000, ""));
  ASSERT_EQ(prepared.size(), 1U);
  EXPECT_EQ(prepared.token(0), 2U);
  EXPECT_TRUE(prepared.request(0).starts_with("POST /api/payment_callback HTTP/1.1\r\n"));
  EXPECT_TRUE(prepared.body(0).starts_with("{\"order_id\":\"0190a1b2-"));

  const AckLog no_log;
  CallbackWorkload workload(orders, prepared, 3, 200, no_log);
  std::uint32_t token = 0;
  std::string_view bytes;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(workload.next(token, bytes));
  EXPECT_FALSE(workload.next(token, bytes));
  EXPECT_TRUE(orders.all()[2].sent);
  EXPECT_FALSE(orders.all()[2].acknowledged);
  workload.on_reply(2, answered(503, ""));
  EXPECT_FALSE(orders.all()[2].acknowledged);
  workload.on_reply(2, answered(200, ""));
  EXPECT_TRUE(orders.all()[2].acknowledged);
  EXPECT_FALSE(orders.all()[0].sent);
}

}  // namespace
}  // namespace recharge
