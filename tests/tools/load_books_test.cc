#include "tools/load_books.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tools/reply_value.h"

namespace recharge {
namespace {

constexpr std::string_view kId = "0190a1b2-c3d4-7e5f-8a6b-0123456789ab";

class LoadBooks : public testing::Test {
 protected:
  LoadBooks() : orders_(2, 2) {
    for (LoadOrder& order : orders_.all()) std::copy(kId.begin(), kId.end(), order.id.begin());
  }

  // What order 1 looks like to a server that says so.
  void look_up(LoadMix mix, const std::string& status, const std::string& transaction,
               const std::string& amount = "79.20", int http_status = 200) {
    body_ = "{\"code\":200,\"order\":{\"order_id\":\"" + std::string(kId) +
            "\",\"account\":\"13800000001\",\"amount\":" + amount + ",\"status\":\"" + status +
            "\",\"transaction_id\":" + transaction + "}}";
    ParsedReply reply;
    reply.state = ReplyState::complete;
    reply.status = http_status;
    reply.body = body_;
    check_order(mix, orders_, 1, orders_.all()[1], reply, check_);
  }
  std::string own_transaction() const { return "\"" + orders_.transaction_id(1) + "\""; }

  LoadOrders orders_;
  BooksCheck check_;
  std::string body_;
};

TEST_F(LoadBooks, AcceptAnAcknowledgedOrderThatIsRecharged) {
  orders_.all()[1].acknowledged = true;
  look_up(LoadMix::callback, "recharged", own_transaction());
  EXPECT_TRUE(check_.balanced());
  EXPECT_TRUE(orders_.all()[1].recharged);
  EXPECT_EQ(check_.credited_unacknowledged, 0U);
}

TEST_F(LoadBooks, NoticeALostAcknowledgement) {
  orders_.all()[1].acknowledged = true;
  look_up(LoadMix::callback, "pending", "null");
  EXPECT_FALSE(check_.balanced());
}

TEST_F(LoadBooks, NoticeAnotherTransaction) {
  orders_.all()[1].acknowledged = true;
  look_up(LoadMix::callback, "recharged", "\"load_other_1\"");
  EXPECT_FALSE(check_.balanced());
}

TEST_F(LoadBooks, NoticeAnotherAmount) {
  look_up(LoadMix::callback, "pending", "null", "79.21");
  EXPECT_FALSE(check_.balanced());
}

TEST_F(LoadBooks, NoticeAnOrderThatIsGone) {
  look_up(LoadMix::callback, "pending", "null", "79.20", 404);
  EXPECT_FALSE(check_.balanced());
}

TEST_F(LoadBooks, AllowACreditWhoseReplyWasLost) {
  look_up(LoadMix::callback, "recharged", own_transaction());
  EXPECT_TRUE(check_.balanced());
  EXPECT_EQ(check_.credited_unacknowledged, 1U);
}

TEST_F(LoadBooks, NoticeAForgedCredit) {
  look_up(LoadMix::forged, "recharged", own_transaction());
  EXPECT_FALSE(check_.balanced());
}

TEST_F(LoadBooks, NoticeAPlacedOrderThatIsNotPending) {
  look_up(LoadMix::place, "closed", "null");
  EXPECT_FALSE(check_.balanced());
}

TEST_F(LoadBooks, CompareBalancesWithTheOrdersRecharged) {
  orders_.all()[1].recharged = true;
  const std::int64_t amount = orders_.all()[1].amount;
  BooksCheck good, doubled, missing, unread;
  check_balances(orders_, {100, 200}, {100, 200 + amount}, good);
  EXPECT_TRUE(good.balanced());
  EXPECT_EQ(good.accounts, 2U);
  check_balances(orders_, {100, 200}, {100, 200 + 2 * amount}, doubled);
  EXPECT_EQ(doubled.disagreements, 1U);
  check_balances(orders_, {100, 200}, {100, 200}, missing);
  EXPECT_EQ(missing.disagreements, 1U);
  check_balances(orders_, {100, 200}, {BalanceWorkload::kUnread, 200 + amount}, unread);
  EXPECT_EQ(unread.disagreements, 1U);
}

TEST(ReplyValue, FindsStringsAndNumbersAtAnyDepth) {
  const std::string_view body = "{\"code\":200,\"order\":{\"status\" : \"pending\",\"amount\":50.00}}";
  EXPECT_EQ(reply_value(body, "status"), "pending");
  EXPECT_EQ(reply_value(body, "amount"), "50.00");
  EXPECT_EQ(reply_value(body, "code"), "200");
  EXPECT_EQ(reply_value(body, "missing"), "");
}

TEST(ReplyValue, IsNotMisledByNamesInsideStrings) {
  EXPECT_EQ(reply_value(R"({"subject":"\"status\":\"recharged\"","status":"pending"})", "status"), "pending");
  EXPECT_EQ(reply_value(R"({"x":"status","status":"pending"})", "status"), "pending");
  EXPECT_EQ(reply_value(R"({"order_status":"a","status":"b"})", "status"), "b");
}

TEST(ReplyValue, SurvivesCutReplies) {
  const std::string_view body = "{\"status\":\"pending\"";
  for (std::size_t cut = 0; cut < body.size(); ++cut)
    EXPECT_EQ(reply_value(body.substr(0, cut), "status"), "") << cut;
}

}  // namespace
}  // namespace recharge
