#include "tools/callback_signer.h"

#include <gtest/gtest.h>

#include "tools/callback_body.h"

namespace recharge {
namespace {

constexpr std::string_view kSecret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
constexpr std::string_view kSignature = "d1c0200a9fc35939076256325c66e69ee85d2d33d10ef72991af97449c64c527";

CallbackSigner signer(std::string_view secret = kSecret) { return *CallbackSigner::from_text(secret); }

CallbackFields known_fields() {
  CallbackFields fields;
  fields.order_id = "0190a1b2-c3d4-7e5f-8a6b-0123456789ab";
  fields.transaction_id = "txn_1";
  fields.amount = "50.0";
  fields.timestamp = 1'700'000'000;
  return fields;
}

TEST(CallbackSigner, SignsTheKnownText) {
  EXPECT_EQ(signer().signature_of(callback_canonical_text(known_fields())), kSignature);
}

TEST(CallbackSigner, SignsABodyLikeTheTextWrittenDirectly) {
  auto key = signer();
  CallbackFields fields = known_fields();
  EXPECT_EQ(*key.sign_body(callback_body(fields)), signed_callback_body(fields, key));
  fields.paid_at = 1'699'999'999;
  EXPECT_EQ(*key.sign_body(callback_body(fields)), signed_callback_body(fields, key));
}

TEST(CallbackSigner, DropsTheFinalNewlineOfASecret) {
  const std::string canonical = callback_canonical_text(known_fields());
  EXPECT_EQ(signer(std::string(kSecret) + "\n").signature_of(canonical), kSignature);
  EXPECT_NE(signer(std::string(kSecret) + " ").signature_of(canonical), kSignature);
}

TEST(CallbackSigner, KeepsEveryByteOfTheFields) {
  const std::string body = " {\n  \"b\" : 50.0 ,\t\"a\":\"\\u00e9\" , \"n\":null\n}\n";
  const auto result = signer().sign_body(body);
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->starts_with("{\n  \"b\" : 50.0 ,\t\"a\":\"\\u00e9\" , \"n\":null,\"signature\":\""))
      << *result;
  EXPECT_TRUE(result->ends_with("\"}"));
  const std::string expected = signer().signature_of("a=\u00e9&b=50.0");
  EXPECT_NE(result->find(expected), std::string::npos);
}

TEST(CallbackSigner, SignsAnEmptyObject) {
  const auto result = signer().sign_body("{ }");
  ASSERT_TRUE(result);
  EXPECT_EQ(*result, "{\"signature\":\"" + signer().signature_of("") + "\"}");
}

TEST(CallbackSigner, RefusesWhatCannotBeSigned) {
  for (const char* body :
       {"", "  ", "[]", "1", "{", "{\"a\":1}x", "{\"a\":{}}", "{\"a\":[1]}", "{\"a\":1,\"a\":2}",
        "{\"a\":\"x&y\"}", "{\"a=b\":1}", "{\"a\":1,\"signature\":\"00\"}"}) {
    const auto result = signer().sign_body(body);
    ASSERT_FALSE(result) << body;
    EXPECT_EQ(result.error().code, ExitCode::failure);
    EXPECT_EQ(result.error().message.find(kSecret), std::string::npos);
  }
}

TEST(CallbackSigner, RefusesUselessSecrets) {
  for (const char* secret : {"", "\n", "whpk_MCowBQYDK2VwAyEA"}) {
    const auto result = CallbackSigner::from_text(secret);
    ASSERT_FALSE(result) << secret;
    EXPECT_EQ(result.error().code, ExitCode::bad_configuration);
  }
  EXPECT_EQ(CallbackSigner::from_file("/nonexistent/secret").error().code, ExitCode::bad_configuration);
  EXPECT_EQ(CallbackSigner::from_file("/").error().code, ExitCode::bad_configuration);
}

}  // namespace
}  // namespace recharge
