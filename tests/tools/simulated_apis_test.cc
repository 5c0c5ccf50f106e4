// The simulated gateways against the product's own calls, callbacks and bill readers: both sides speak the
// same protocol, and each refuses what is not signed as it has to be.
#include "tools/simulated_apis.h"

#include <gtest/gtest.h>
#include <sodium.h>

#include "core/alipay_callback.h"
#include "core/alipay_calls.h"
#include "core/standard_callback.h"
#include "core/stripe_callback.h"
#include "core/stripe_calls.h"
#include "core/wechat_callback.h"
#include "core/wechat_calls.h"
#include "tests/storage/temp_folder.h"
#include "tools/bill_file.h"
#include "tools/storm_plan.h"

namespace recharge {
namespace {

using State = QueryAnswer::State;
using Answered = CallAnswer::Kind;

constexpr Time kNow{1'770'000'000'000};
constexpr std::string_view kNonce = "0123456789abcdef0123456789abcdef";
const std::string kUrl = "http://gateways";

Secret secret(std::string_view text) { return std::move(Secret::from_text(text).value()); }

class SimulatedApisTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ASSERT_GE(sodium_init(), 0);
    folder_ = new testing::TempFolder();
    accounts_ = new SimulatedAccounts(SimulatedAccounts::open(folder_->at("keys")).value());
  }
  static void TearDownTestSuite() {
    delete accounts_;
    delete folder_;
  }

  GatewayReply ask(const GatewayRequest& request) {
    ApiRequest asked;
    asked.method = request.method;
    asked.target = request.url.substr(kUrl.size());
    for (const auto& [name, value] : request.headers) asked.header_lines += name + ": " + value + "\r\n";
    asked.body = request.body;
    const ApiReply reply = apis_.answer(asked, kNow);
    GatewayReply answer;
    answer.status = reply.status;
    for (const std::string& header : reply.headers) answer.header_lines += header + "\r\n";
    answer.body = reply.body;
    return answer;
  }
  ApiReply visit(const std::string& method, const std::string& target) {
    return apis_.answer({method, target, "", ""}, kNow);
  }
  void pay(std::string_view gateway) {
    ASSERT_EQ(visit("POST", "/cashier/" + std::string(gateway) + "/" + order_.to_text()).status, 200U);
    ASSERT_EQ(told_.size(), 1U);
    visit("POST", "/cashier/" + std::string(gateway) + "/" + order_.to_text());
    ASSERT_EQ(told_.size(), 1U) << "paid twice";
  }
  RefundStart refund_start(const std::string& transaction, std::int64_t amount) const {
    RefundStart refund;
    refund.order_id = order_;
    refund.transaction_id = transaction;
    EXPECT_TRUE(refund.refund_id.assign("r1"));
    refund.amount = Money::from_minor_units(amount);
    refund.total = amount_;
    return refund;
  }
  // What the gateway's bill says, read as reconcile reads it.
  std::vector<BillRow> rows_of(const std::string& bill, BillFormat format, const std::string& sha1 = "") {
    const std::string path = folder_->at("bill");
    testing::write_bytes(path, bill);
    std::vector<BillRow> rows;
    const auto read = read_bill_file({path, format, *currency_from_code("CNY"), sha1},
                                     [&](const BillRow& row, std::uint64_t) -> ToolResult<void> {
                                       rows.push_back(row);
                                       return {};
                                     },
                                     {});
    EXPECT_TRUE(read.has_value()) << read.error().message;
    return rows;
  }
  void expect_bill(const std::vector<BillRow>& rows, const std::string& transaction) {
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0].kind, BillRow::Kind::payment);
    EXPECT_EQ(rows[0].transaction_id.view(), transaction);
    EXPECT_EQ(OrderId::parse(rows[0].order.view()).value(), order_);
    EXPECT_EQ(rows[0].amount, amount_);
    EXPECT_EQ(rows[1].kind, BillRow::Kind::refund);
    EXPECT_EQ(rows[1].refund.view(), refund_number(order_, refund_start("", 0).refund_id));
    EXPECT_EQ(rows[1].amount.minor_units(), 2000);
  }

  PaymentStart payment() const {
    return {order_, amount_, "Top-up", Time{kNow.ms + 60'000}, "", "192.0.2.1"};
  }

  static testing::TempFolder* folder_;
  static SimulatedAccounts* accounts_;
  OrderId order_ = OrderId::make(kNow, 3, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  Money amount_ = Money::from_minor_units(5000);
  SimulatedTrades trades_;
  std::vector<PaidTrade> told_;
  SimulatedApis apis_{*accounts_, trades_, kUrl,
                      [this](const SimulatedTrade& trade) { told_.push_back(trade.paid()); }};
};
testing::TempFolder* SimulatedApisTest::folder_ = nullptr;
SimulatedAccounts* SimulatedApisTest::accounts_ = nullptr;

TEST_F(SimulatedApisTest, AlipayFromTheCodeToTheBill) {
  const AlipayCaller caller{accounts_->app_id,           accounts_->seller_id,
                            kUrl + "/alipay/gateway.do", "",
                            accounts_->merchant,         {accounts_->alipay.public_key()}};
  AlipayCalls calls(caller);
  EXPECT_EQ(calls.read_query(ask(calls.query(order_, kNow)), order_).state, State::not_found);
  const auto started = calls.read_precreate(ask(calls.precreate(payment(), kNow)), order_);
  ASSERT_EQ(started.kind, Answered::done) << started.reason;
  EXPECT_EQ(started.pay_text, kUrl + "/cashier/alipay/" + order_.to_text());
  EXPECT_EQ(visit("GET", calls.pay_page(payment(), kNow).substr(kUrl.size())).status, 302U);
  EXPECT_EQ(calls.read_query(ask(calls.query(order_, kNow)), order_).state, State::waiting);
  pay("alipay");
  const auto paid = calls.read_query(ask(calls.query(order_, kNow)), order_);
  EXPECT_EQ(paid.state, State::paid);
  EXPECT_EQ(paid.amount, amount_);
  EXPECT_EQ(paid.transaction_id.view(), told_[0].transaction_id);
  EXPECT_EQ(calls.read_close(ask(calls.close(order_, kNow)), order_).kind, Answered::refused);
  const auto refund = refund_start(told_[0].transaction_id, 2000);
  EXPECT_EQ(calls.read_query_refund(ask(calls.query_refund(refund, kNow)), refund).state,
            RefundAnswer::State::not_found);
  EXPECT_EQ(calls.read_refund(ask(calls.refund(refund, kNow)), refund).state, RefundAnswer::State::succeeded);
  EXPECT_EQ(calls.read_refund(ask(calls.refund(refund, kNow)), refund).kind, Answered::unknown)
      << "moved twice";
  EXPECT_EQ(calls.read_query_refund(ask(calls.query_refund(refund, kNow)), refund).state,
            RefundAnswer::State::succeeded);
  const auto too_much = refund_start("", 3001);
  EXPECT_EQ(calls.read_refund(ask(calls.refund(too_much, kNow)), too_much).kind, Answered::refused);
  expect_bill(rows_of(visit("GET", "/alipay/bill?bill_date=2026-02-02").body, BillFormat::alipay),
              told_[0].transaction_id);

  AlipayCaller other = caller;
  other.key = accounts_->stranger;
  EXPECT_NE(AlipayCalls(other).read_query(ask(AlipayCalls(other).query(order_, kNow)), order_).kind,
            Answered::done);
}

TEST_F(SimulatedApisTest, WechatFromTheCodeToTheBill) {
  const WechatCaller caller{accounts_->mchid,
                            accounts_->appid,
                            accounts_->serial_no,
                            kUrl + "/wechat",
                            "https://shop/callbacks",
                            accounts_->merchant,
                            {{accounts_->wechat_key_id, accounts_->wechat.public_key()}}};
  WechatCalls calls(caller);
  EXPECT_EQ(calls.read_query(ask(calls.query(order_, kNow, kNonce)), order_, kNow).state, State::not_found);
  const auto started =
      calls.read_start(ask(calls.start(payment(), PayMethod::qr, kNow, kNonce)), PayMethod::qr, "", kNow);
  ASSERT_EQ(started.kind, Answered::done) << started.reason;
  const auto h5 = calls.read_start(ask(calls.start(payment(), PayMethod::h5, kNow, kNonce)), PayMethod::h5,
                                   "https://shop/back", kNow);
  EXPECT_EQ(h5.kind, Answered::done) << h5.reason;
  EXPECT_EQ(calls.read_query(ask(calls.query(order_, kNow, kNonce)), order_, kNow).state, State::waiting);
  pay("wechat");
  const auto paid = calls.read_query(ask(calls.query(order_, kNow, kNonce)), order_, kNow);
  EXPECT_EQ(paid.state, State::paid);
  EXPECT_EQ(paid.transaction_id.view(), told_[0].transaction_id);
  EXPECT_EQ(calls.read_close(ask(calls.close(order_, kNow, kNonce)), kNow).kind, Answered::refused);
  const auto refund = refund_start(told_[0].transaction_id, 2000);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(calls.read_refund(ask(calls.refund(refund, kNow, kNonce)), refund, kNow).state,
              RefundAnswer::State::succeeded);
  }
  EXPECT_EQ(calls.read_refund(ask(calls.query_refund(refund, kNow, kNonce)), refund, kNow).state,
            RefundAnswer::State::succeeded);

  const auto sign = [&](const std::string& path) {  // as any other request of the merchant
    const std::string text =
        "GET\n" + path + "\n" + std::to_string(kNow.ms / 1000) + "\n" + std::string(kNonce) + "\n\n";
    return "Authorization: WECHATPAY2-SHA256-RSA2048 mchid=\"" + accounts_->mchid + "\",nonce_str=\"" +
           std::string(kNonce) + "\",timestamp=\"" + std::to_string(kNow.ms / 1000) + "\",serial_no=\"" +
           accounts_->serial_no + "\",signature=\"" + accounts_->merchant.sign(text).value() + "\"\r\n";
  };
  const auto get = [&](const std::string& path) {
    return apis_.answer({"GET", "/wechat" + path, sign(path), ""}, kNow).body;
  };
  const std::string address = get("/v3/bill/tradebill?bill_date=2026-02-02&bill_type=ALL");
  const std::string mark = "\"hash_value\":\"";
  const std::string sha1 = address.substr(address.find(mark) + mark.size(), 40);
  expect_bill(rows_of(get("/v3/bill/download?bill_date=2026-02-02&bill_type=ALL"), BillFormat::wechat, sha1),
              told_[0].transaction_id);

  WechatCaller other = caller;
  other.key = accounts_->stranger;
  const auto refused =
      WechatCalls(other).read_query(ask(WechatCalls(other).query(order_, kNow, kNonce)), order_, kNow);
  EXPECT_EQ(refused.reason, "SIGN_ERROR");
}

TEST_F(SimulatedApisTest, StripeFromTheIntentToTheBill) {
  const auto made = [&](const std::string& key) {
    return StripeCalls({kUrl + "/stripe", secret(key), false, *currency_from_code("CNY")});
  };
  StripeCalls calls = made(accounts_->stripe_key);
  const auto started = calls.read_start(ask(calls.start(payment())), order_);
  ASSERT_EQ(started.kind, Answered::done) << started.reason;
  EXPECT_EQ(calls.read_start(ask(calls.start(payment())), order_).transaction_id, started.transaction_id);
  const std::string intent(started.transaction_id.view());
  EXPECT_EQ(calls.read_query(ask(calls.query(intent)), order_).state, State::waiting);
  EXPECT_EQ(calls.read_query(ask(calls.query("pi_none")), order_).state, State::not_found);
  pay("stripe");
  EXPECT_EQ(calls.read_query(ask(calls.query(intent)), order_).state, State::paid);
  EXPECT_EQ(told_[0].transaction_id, intent);
  EXPECT_EQ(calls.read_query(ask(calls.cancel(intent)), order_).kind, Answered::refused);
  const auto refund = refund_start(intent, 2000);
  EXPECT_EQ(calls.read_query_refund(ask(calls.query_refund(refund)), refund).state,
            RefundAnswer::State::not_found);
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(calls.read_refund(ask(calls.refund(refund)), refund).state, RefundAnswer::State::succeeded);
  EXPECT_EQ(calls.read_query_refund(ask(calls.query_refund(refund)), refund).state,
            RefundAnswer::State::succeeded);
  GatewayRequest list = calls.query(intent);
  list.url = kUrl + "/stripe/v1/balance_transactions?created%5Bgte%5D=1769999999&created%5Blt%5D=1770000001";
  expect_bill(rows_of(ask(list).body, BillFormat::stripe), intent);
  StripeCalls stranger = made("sk_test_stranger");
  EXPECT_EQ(stranger.read_query(ask(stranger.query(intent)), order_).kind, Answered::refused);
}

// Every good message is a payment to the product's own adapter, every refund is one, and every fault is
// refused.
TEST_F(SimulatedApisTest, CallbacksAreTakenAndFaultsRefused) {
  const Currency cny = *currency_from_code("CNY");
  AlipayCallbacks alipay({accounts_->app_id, accounts_->seller_id, {accounts_->alipay.public_key()}});
  WechatAccount wechat_account{
      accounts_->mchid, accounts_->appid, {{accounts_->wechat_key_id, accounts_->wechat.public_key()}}, {}};
  wechat_account.api_v3_keys.push_back(secret(accounts_->api_v3_key));
  WechatCallbacks wechat(wechat_account);
  StripeAccount stripe_account;
  stripe_account.currency = cny;
  stripe_account.secrets.push_back({"1", secret(accounts_->stripe_webhook)});
  StripeCallbacks stripe(stripe_account);
  std::vector<CallbackSecret> secrets;
  secrets.push_back({"1", secret(accounts_->standard_webhook)});
  StandardCallbacks standard({cny, KeyRing::make(std::move(secrets)).value()});
  const std::array<GatewayAdapter*, kSimulatedGateways> adapters = {&alipay, &wechat, &stripe, &standard};
  const PaidTrade trade{order_, "4200012345", amount_, kNow};
  unsigned faults = 0;
  for (std::size_t g = 0; g < kSimulatedGateways; ++g) {
    const auto gateway = static_cast<SimulatedGateway>(g);
    for (std::size_t f = 0; f < kSendingFaults; ++f) {
      const auto fault = static_cast<SendingFault>(f);
      if (!has_fault(gateway, fault)) continue;
      const auto message = payment_message(gateway, *accounts_, trade, fault, kNow, std::string(kNonce));
      std::string lines;
      for (const auto& header : message.headers) lines += header + "\r\n";
      const auto result = adapters[g]->read({lines, message.body}, kNow);
      const std::string what = std::string(to_text(gateway)) + " " + std::string(to_text(fault));
      if (fault == SendingFault::refund) {
        ASSERT_TRUE(result.has_value()) << what << ": " << to_text(result.error());
        EXPECT_EQ(result->kind, GatewayEvent::Kind::refund) << what;
        continue;
      }
      if (fault != SendingFault::none) {
        ++faults;
        EXPECT_FALSE(result.has_value()) << what;
        continue;
      }
      ASSERT_TRUE(result.has_value()) << what << ": " << to_text(result.error());
      EXPECT_EQ(result->kind, GatewayEvent::Kind::payment_succeeded) << what;
      EXPECT_EQ(OrderId::parse(result->order_id).value(), order_) << what;
      EXPECT_EQ(result->transaction_id, trade.transaction_id) << what;
      EXPECT_EQ(result->amount, amount_) << what;
    }
  }
  EXPECT_EQ(faults, 3U + 5U + 4U + 3U);
}

TEST(StormPlan, IsTheSameForASeedAndHasEveryKind) {
  const StormPlan plan = make_storm_plan(7, 2000, 10, true);
  const StormPlan again = make_storm_plan(7, 2000, 10, true);
  ASSERT_EQ(plan.sendings.size(), again.sendings.size());
  std::array<unsigned, kSendingFaults> faults{};
  for (std::size_t i = 0; i < plan.sendings.size(); ++i) {
    EXPECT_EQ(plan.sendings[i].at_ms, again.sendings[i].at_ms);
    EXPECT_EQ(plan.sendings[i].trade, again.sendings[i].trade);
    ++faults[static_cast<std::size_t>(plan.sendings[i].fault)];
  }
  for (std::size_t i = 0; i < kSendingFaults; ++i) EXPECT_GT(faults[i], 20U) << i;
  std::array<unsigned, 6> kinds{};
  for (const PlannedTrade& trade : plan.trades) ++kinds[static_cast<std::size_t>(trade.kind)];
  for (const unsigned count : kinds) EXPECT_GT(count, 10U);
  EXPECT_NE(plan.sendings[0].at_ms, make_storm_plan(8, 2000, 10, true).sendings[0].at_ms);
}

}  // namespace
}  // namespace recharge
