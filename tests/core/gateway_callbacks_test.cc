// Rule: a gateway's notification counts as a payment only where its signature, its account, its status,
// amount and currency are right; what the gateways' own SDKs make is understood.
#include <gtest/gtest.h>

#include <array>
#include <set>

#include "core/aes_gcm.h"
#include "core/base64.h"
#include "core/header_lines.h"
#include "tests/core/gateway_vectors.h"

namespace recharge {
namespace {

using Kind = GatewayEvent::Kind;

const std::array<std::string, 4> kGateways = {"alipay", "wechat", "stripe", "standard"};

std::string name_of(Kind kind) {
  constexpr std::array<const char*, 4> names = {"payment_succeeded", "payment_failed", "refund", "unused"};
  return names[static_cast<std::size_t>(kind)];
}

std::string outcome_of(const GatewayResult& result) {
  return result ? name_of(result->kind) : std::string(to_text(result.error()));
}

bool is_payment(const GatewayResult& result) { return result && result->kind == Kind::payment_succeeded; }

TEST(GatewayVectors, EachEndsAsItMust) {
  std::set<std::string> seen;
  for (const GatewayVector& vector : gateway_vectors().all()) {
    SCOPED_TRACE(vector.gateway + ": " + vector.name);
    const auto adapter = gateway_vectors().adapter(vector.gateway);
    const GatewayResult result = adapter->read(vector.message(), vector.now);
    seen.insert(vector.gateway + " " + outcome_of(result));
    ASSERT_EQ(outcome_of(result), vector.refusal.empty() ? vector.kind : vector.refusal);
    if (!result) continue;
    EXPECT_FALSE(result->key_id.empty());
    EXPECT_LE(result->key_id.size(), 16U) << "the room that an order's row has for it";
    if (result->kind != Kind::payment_succeeded && result->kind != Kind::payment_failed) continue;
    EXPECT_EQ(result->order_id, vector.order_id);
    EXPECT_EQ(result->transaction_id, vector.transaction_id);
    EXPECT_EQ(result->amount.minor_units(), vector.amount);
    EXPECT_EQ(result->paid_at, vector.paid_at);
    if (result->kind == Kind::payment_failed) continue;
    EXPECT_EQ(result->currency, GatewayVectors::currency());
  }
  for (const std::string& gateway : kGateways) {
    for (const char* outcome : {"payment_succeeded", "payment_failed", "unused", "invalid_signature"}) {
      if (gateway == "wechat" && outcome == std::string("payment_failed")) continue;  // it reports none
      EXPECT_TRUE(seen.contains(gateway + " " + outcome)) << gateway << " " << outcome;
    }
  }
}

// One adapter for all, as a thread uses it: nothing of one message may pass to the next.
TEST(GatewayVectors, AnAdapterRemembersNothing) {
  for (const std::string& gateway : kGateways) {
    const auto adapter = gateway_vectors().adapter(gateway);
    const GatewayVector& paid = gateway_vectors().find(gateway, "paid");
    for (const GatewayVector& vector : gateway_vectors().all()) {
      if (vector.gateway != gateway) continue;
      EXPECT_TRUE(is_payment(adapter->read(paid.message(), paid.now)));
      const GatewayResult result = adapter->read(vector.message(), vector.now);
      EXPECT_EQ(outcome_of(result), vector.refusal.empty() ? vector.kind : vector.refusal) << vector.name;
    }
  }
}

TEST(GatewayForgery, EveryFlippedBitOfTheBodyIsRefused) {
  for (const std::string& gateway : kGateways) {
    const auto adapter = gateway_vectors().adapter(gateway);
    GatewayVector vector = gateway_vectors().find(gateway, "paid");
    ASSERT_TRUE(is_payment(adapter->read(vector.message(), vector.now)));
    for (std::size_t at = 0; at < vector.body.size(); ++at) {
      const char kept = vector.body[at];
      vector.body[at] = static_cast<char>(kept ^ (1 << at % 8));
      const GatewayResult result = adapter->read(vector.message(), vector.now);
      // A form may say the same in other bytes: the case of an escape, or a space.
      const bool same_form = gateway == "alipay" && is_payment(result);
      if (same_form) {
        EXPECT_TRUE(kept == '+' || std::isxdigit(static_cast<unsigned char>(kept))) << at;
        EXPECT_EQ(result->amount.minor_units(), vector.amount);
        EXPECT_EQ(result->order_id, vector.order_id);
      } else {
        EXPECT_FALSE(result) << gateway << " byte " << at;
      }
      vector.body[at] = kept;
    }
  }
}

TEST(GatewayForgery, EveryFlippedBitOfAnRsaSignatureIsRefused) {
  for (const std::string gateway : {"alipay", "wechat"}) {
    const auto adapter = gateway_vectors().adapter(gateway);
    GatewayVector paid = gateway_vectors().find(gateway, "paid");
    std::string& text = gateway == "alipay" ? paid.body : paid.header_lines;
    const std::string original = text;
    const std::string mark = gateway == "alipay" ? "&sign=" : "Wechatpay-Signature: ";
    const std::size_t start = original.find(mark) + mark.size();
    const std::size_t end = std::min(original.find_first_of("&\r", start), original.size());
    std::string encoded = original.substr(start, end - start);
    for (const auto& [escape, character] : {std::pair{"%2B", "+"}, {"%2F", "/"}, {"%3D", "="}}) {
      for (std::size_t at = encoded.find(escape); at != encoded.npos; at = encoded.find(escape))
        encoded.replace(at, 3, character);
    }
    std::array<std::uint8_t, 512> bytes;
    const std::size_t size = decode_base64(encoded, bytes).value();
    ASSERT_EQ(size, 256U);
    for (std::size_t bit = 0; bit < 8 * size; ++bit) {
      bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ 1U << bit % 8);
      std::string forged = encode_base64({bytes.data(), size});
      bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ 1U << bit % 8);
      if (gateway == "alipay") {
        for (std::size_t at = forged.find('+'); at != forged.npos; at = forged.find('+'))
          forged.replace(at, 1, "%2B");
      }
      text = original;
      text.replace(start, end - start, forged);
      const GatewayResult result = adapter->read(paid.message(), paid.now);
      ASSERT_EQ(outcome_of(result), "invalid_signature") << gateway << " bit " << bit;
    }
    text = original;
    ASSERT_TRUE(is_payment(adapter->read(paid.message(), paid.now)));
  }
}

TEST(GatewayForgery, EveryAlteredDigitOfAnHmacIsRefused) {
  const auto adapter = gateway_vectors().adapter("stripe");
  GatewayVector paid = gateway_vectors().find("stripe", "paid");
  const std::size_t start = paid.header_lines.find("v1=") + 3;
  for (std::size_t digit = 0; digit < 64; ++digit) {
    char& at = paid.header_lines[start + digit];
    const char kept = at;
    for (const char other : std::string("0123456789abcdef")) {
      if (other == kept) continue;
      at = other;
      ASSERT_EQ(outcome_of(adapter->read(paid.message(), paid.now)), "invalid_signature");
    }
    at = kept;
  }
  EXPECT_TRUE(is_payment(adapter->read(paid.message(), paid.now)));
}

// A header that decides may be there once.
TEST(GatewayForgery, RepeatedHeadersAreNone) {
  for (const std::string gateway : {"wechat", "stripe", "standard"}) {
    const auto adapter = gateway_vectors().adapter(gateway);
    for (std::string_view name : adapter->evidence_headers()) {
      GatewayVector paid = gateway_vectors().find(gateway, "paid");
      const std::string value(single_header(paid.header_lines, name));
      ASSERT_FALSE(value.empty());
      paid.header_lines.append(name).append(": ").append(value).append("\r\n");
      EXPECT_EQ(outcome_of(adapter->read(paid.message(), paid.now)), "no_signature") << name;
    }
  }
}

TEST(AlipayCallbacks, AFormThatReadsInTwoWaysIsRefused) {
  const auto adapter = gateway_vectors().adapter("alipay");
  GatewayVector vector = gateway_vectors().find("alipay", "refund in part, one field left");
  ASSERT_EQ(outcome_of(adapter->read(vector.message(), vector.now)), "refund");
  // The same signed text, with the refund's field inside of the value before it.
  const std::string field = "&out_biz_no=r1";
  const std::size_t at = vector.body.find(field);
  ASSERT_NE(at, std::string::npos);
  vector.body.erase(at, field.size());
  const std::string before = "notify_type=trade_status_sync";
  vector.body.replace(vector.body.find(before), before.size(), before + "%26out_biz_no%3Dr1");
  EXPECT_EQ(outcome_of(adapter->read(vector.message(), vector.now)), "invalid_signature");
}

TEST(HeaderLines, AreFoundWithoutRegardToCase) {
  const std::string_view lines = "POST /x HTTP/1.1\r\nHost: a\r\nX-One:  1 \r\nx-two:2\r\nX-TWO: 3\r\n\r\n";
  EXPECT_EQ(single_header(lines, "x-one"), "1");
  EXPECT_EQ(find_header(lines, "X-Two").text, "2");
  EXPECT_TRUE(find_header(lines, "X-Two").repeated);
  EXPECT_EQ(single_header(lines, "X-Two"), "");
  EXPECT_FALSE(find_header(lines, "X-Three").found);
  EXPECT_FALSE(find_header("", "X-One").found);
}

TEST(FormFields, AreDecodedOnceAndSorted) {
  FormFields form;
  ASSERT_TRUE(form.read("b=1%2B1&a=x+y&&c&d=%25%32%35"));
  ASSERT_EQ(form.all().size(), 4U);
  EXPECT_EQ(form.all().front().name, "a");
  EXPECT_EQ(form.value("a"), "x y");
  EXPECT_EQ(form.value("b"), "1+1");
  EXPECT_NE(form.find("c"), nullptr);
  EXPECT_EQ(form.value("d"), "%25");
  EXPECT_EQ(form.find("e"), nullptr);
  for (const char* body : {"a=%", "a=%4", "a=%4g", "%zz=1"})
    EXPECT_EQ(form.read(body).error(), Errc::invalid_text) << body;
  for (const char* body : {"a=1&a=1", "a=1&%61=2"})
    EXPECT_EQ(form.read(body).error(), Errc::duplicate_name) << body;
  ASSERT_TRUE(form.read("gmt_payment=1&gmt_create=2&gmt_paym=3&=4&gmt_payment_x=5&%67mt=%36+7"));
  std::string all;
  for (const FormField& field : form.all()) all.append(field.text).append("|");
  EXPECT_EQ(all, "=4|gmt=6 7|gmt_create=2|gmt_paym=3|gmt_payment=1|gmt_payment_x=5|");
  EXPECT_EQ(form.value("gmt_payment"), "1");
  EXPECT_EQ(form.value("gmt_paym"), "3");
  EXPECT_EQ(form.find("gmt_payme"), nullptr);
  EXPECT_TRUE(form.splits_alike());
  for (const char* body : {"a=1%262", "a%26=1", "a%3d=1", "a=1&b%3Dc=1"}) {
    ASSERT_TRUE(form.read(body));
    EXPECT_FALSE(form.splits_alike()) << body;
  }
  ASSERT_TRUE(form.read("a=b=c&d&b=%3d"));
  EXPECT_TRUE(form.splits_alike());
  EXPECT_EQ(form.find("d")->text, "d=");
  EXPECT_EQ(form.value("a"), "b=c");
  std::string many;
  for (std::size_t i = 0; i <= FormFields::kMaxFields; ++i) many += "f" + std::to_string(i) + "=1&";
  EXPECT_EQ(form.read(many).error(), Errc::too_long);
}

}  // namespace
}  // namespace recharge
