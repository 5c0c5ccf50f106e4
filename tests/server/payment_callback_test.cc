#include <gtest/gtest.h>

#include "core/canonical_text.h"
#include "core/sign_callback.h"
#include "server/handler.h"
#include "tests/server/test_server.h"

namespace recharge {
namespace {

constexpr const char* kBody =
    R"({"order_id":"0190a1b2-c3d4-7e5f-8a6b-0123456789ab","transaction_id":"txn_1","amount":50.0,)"
    R"("status":"success","timestamp":1700000000)";

class PaymentCallback : public testing::Test {
 protected:
  std::string sign(const std::string& open_body) {
    std::string scratch, canonical;
    std::string_view bad;
    JsonReader reader;
    const std::string body = open_body + "}";
    const auto object = reader.read_copy(body, Nested::refuse);
    if (!object || !append_canonical_text(*object, canonical, bad))
      return open_body + R"(,"signature":"00"})";
    return open_body + R"(,"signature":")" + *sign_fields(*Secret::from_text(kTestSecret), canonical) + "\"}";
  }
  // Status of the immediate reply; zero: a command was made.
  unsigned take(const std::string& body) {
    padded_ = body + std::string(kJsonPadding, ' ');
    request_.method = Method::post;
    request_.body = std::string_view(padded_).substr(0, body.size());
    reply_.clear();
    const Step step = payment_callback(request_, {}, context_, operation_, reply_);
    return step == Step::submit ? 0 : reply_.status;
  }
  const ReportPayment& report() const { return std::get<ReportPayment>(operation_.command); }

  Settings settings_ = test_settings();
  RE2 pattern_{settings_.account_pattern};
  FakeEngine engine_;
  ThreadMetrics metrics_;
  ServiceState service_;
  HandlerContext context_{
      settings_,    pattern_,        engine_, 0, metrics_, service_, make_gates(load_key_rings(settings_)),
      JsonReader(), RandomSource(1), {}};
  std::string padded_;
  Request request_;
  Operation operation_;
  Reply reply_;
};

TEST_F(PaymentCallback, TakesTheVectorOfTheFieldSignature) {
  ASSERT_EQ(take(std::string(kBody) +
                 R"(,"signature":"d1c0200a9fc35939076256325c66e69ee85d2d33d10ef72991af97449c64c527"})"),
            0U);
  EXPECT_EQ(report().reference.view(), "0190a1b2-c3d4-7e5f-8a6b-0123456789ab");
  EXPECT_FALSE(report().order_id.is_nil());
  EXPECT_EQ(report().exception_id.shard(), 0xab % 64);
  EXPECT_EQ(report().amount, Money::from_minor_units(5000));
  EXPECT_EQ(report().gateway.view(), "native");
  EXPECT_EQ(report().key_id.view(), "default");
  EXPECT_EQ(report().sent_at, Time{1'700'000'000'000});
  EXPECT_EQ(report().scheme, SignatureScheme::fields);
  EXPECT_EQ(report().evidence, request_.body);
}

struct Row {
  const char* name;
  std::string body;
  unsigned status;
  const char* error;
};

TEST_F(PaymentCallback, RefusesInTheOrderOfItsChecks) {
  const std::string body = kBody;
  const std::string without_amount =
      R"({"order_id":"x","transaction_id":"t","status":"success","timestamp":1700000000)";
  const Row rows[] = {
      {"no JSON", "nonsense", 400, "invalid_request"},
      {"empty", "", 400, "invalid_request"},
      {"duplicate name", R"({"a":1,"\u0061":2})", 400, "invalid_request"},
      {"nested, unsigned", R"({"a":{}})", 400, "invalid_request"},
      {"no signature", body + "}", 403, "invalid_signature"},
      {"wrong signature", body + R"(,"signature":"00"})", 403, "invalid_signature"},
      {"upper-case signature",
       body + R"(,"signature":"D1C0200A9FC35939076256325C66E69EE85D2D33D10EF72991AF97449C64C527"})", 403,
       "invalid_signature"},
      {"signature as a number", body + R"(,"signature":5})", 400, "invalid_request"},
      {"ampersand in a value", body + R"(,"x":"a&b","signature":"00"})", 400, "invalid_request"},
      {"equals in a name", body + R"(,"a=b":"x","signature":"00"})", 400, "invalid_request"},
      {"unsigned and without fields", "{}", 403, "invalid_signature"},
      {"field missing", sign(without_amount), 400, "invalid_request"},
      {"field empty", sign(without_amount + R"(,"amount":"")"), 400, "invalid_request"},
      {"amount with three digits", sign(without_amount + R"(,"amount":1.000)"), 400, "invalid_amount"},
      {"amount as a truth", sign(without_amount + R"(,"amount":true)"), 400, "invalid_amount"},
      {"timestamp as a text",
       sign(R"({"order_id":"x","transaction_id":"t","amount":1,"status":"success","timestamp":"1700000000")"),
       400, "invalid_request"},
      {"status",
       sign(R"({"order_id":"x","transaction_id":"t","amount":1,"status":"ok","timestamp":1700000000)"), 400,
       "invalid_request"},
      {"paid_at", sign(body + R"(,"paid_at":"yesterday")"), 400, "invalid_request"},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(take(row.body), row.status) << row.name << " " << reply_.message;
    EXPECT_EQ(reply_.error, row.error) << row.name;
  }
}

TEST_F(PaymentCallback, TakesStandardWebhooksAndItsTime) {
  const std::string body = R"({"order_id":"x","transaction_id":"t","amount":"1","status":"success"})";
  const Secret secret = *Secret::from_text(kTestSecret);
  const std::string signature = *sign_standard(secret, "m1", "1700000100", body);
  request_.has_webhook_header = true;
  request_.webhook_id = "m1";
  request_.webhook_timestamp = "1700000100";
  request_.webhook_signature = signature;
  ASSERT_EQ(take(body), 0U) << reply_.message;
  EXPECT_EQ(report().scheme, SignatureScheme::standard_webhooks);
  EXPECT_EQ(report().sent_at, Time{1'700'000'100'000});
  EXPECT_EQ(report().exception_id.shard(), engine_.shard_of("x"));
  EXPECT_NE(report().evidence_headers.find("webhook-id: m1\n"), std::string_view::npos);
  request_.webhook_id = "m2";
  EXPECT_EQ(take(body), 403U);
  request_.webhook_id = {};
  EXPECT_EQ(take(body), 403U) << "all three headers are needed";
}

TEST_F(PaymentCallback, BothSignaturesMustHoldAndTheStalerTimeCounts) {
  const std::string body = sign(kBody);
  const Secret secret = *Secret::from_text(kTestSecret);
  const std::string signature = *sign_standard(secret, "m1", "1699999000", body);
  request_.has_webhook_header = true;
  request_.webhook_id = "m1";
  request_.webhook_timestamp = "1699999000";
  request_.webhook_signature = signature;
  ASSERT_EQ(take(body), 0U) << reply_.message;
  EXPECT_EQ(report().scheme, SignatureScheme::both);
  EXPECT_EQ(report().sent_at, Time{1'699'999'000'000});
  std::string tampered = body;
  tampered[tampered.size() - 3] = tampered[tampered.size() - 3] == '0' ? '1' : '0';
  EXPECT_EQ(take(tampered), 403U);
  request_.webhook_signature = "v1,AAAA";
  EXPECT_EQ(take(body), 403U);
}

TEST_F(PaymentCallback, NeedsALength) {
  request_.chunked = true;
  EXPECT_EQ(take(sign(kBody)), 411U);
  EXPECT_TRUE(reply_.close);
}

TEST_F(PaymentCallback, AcknowledgesWithPreparedBodies) {
  ASSERT_EQ(take(sign(kBody)), 0U);
  operation_.outcome.code = OutcomeCode::kept_for_review;
  operation_.outcome.exception_kind = ExceptionKind::amount_mismatch;
  reply_.clear();
  acknowledge_callback(operation_, context_, reply_);
  EXPECT_EQ(reply_.fixed_body,
            R"({"code":200,"msg":"Payment recorded for review","exception":"amount_mismatch"})");
  operation_.outcome.code = OutcomeCode::stale_signature;
  acknowledge_callback(operation_, context_, reply_);
  EXPECT_EQ(reply_.status, 403U);
  EXPECT_EQ(reply_.error, "stale_signature");
}

}  // namespace
}  // namespace recharge
