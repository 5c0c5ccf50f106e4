#include "core/base64.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace recharge {
namespace {

// Both ways, which have to agree.
Result<std::string> decoded(std::string_view text) {
  std::vector<std::uint8_t> bytes(text.size() + 1), public_bytes(text.size() + 1);
  const auto size = decode_base64(text, bytes);
  const auto public_size = decode_public_base64(text, public_bytes);
  EXPECT_EQ(size, public_size) << text;
  if (!size) return size.error();
  EXPECT_TRUE(
      std::equal(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(*size), public_bytes.begin()));
  return std::string(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(*size));
}

TEST(Base64, DecodesTheVectorsOfRfc4648) {
  EXPECT_EQ(decoded("").value(), "");
  EXPECT_EQ(decoded("Zg==").value(), "f");
  EXPECT_EQ(decoded("Zm8=").value(), "fo");
  EXPECT_EQ(decoded("Zm9v").value(), "foo");
  EXPECT_EQ(decoded("Zm9vYg==").value(), "foob");
  EXPECT_EQ(decoded("Zm9vYmE=").value(), "fooba");
  EXPECT_EQ(decoded("Zm9vYmFy").value(), "foobar");
  EXPECT_EQ(decoded("+/+/").value(), "\xfb\xff\xbf");
}

TEST(Base64, RefusesEverythingElse) {
  for (const auto* text : {"Z",     "Zg",       "Zg=",      "Zg===", "Zm8",  "Zm9",  "Zm9v=", "Zh==",
                           "Zm9=",  "Zg==Zg==", "=",        "====",  "Z===", "-_-_", "Zm 9v", " Zm9v",
                           "Zm9v ", "Zm9v\n",   "Zm9v\r\n", "Zm=v",  "Zm9*", "Zg==="}) {
    EXPECT_EQ(decoded(text).error(), Errc::invalid_text) << text;
  }
  EXPECT_EQ(decoded(std::string_view("Zm9v\0", 5)).error(), Errc::invalid_text);
}

TEST(Base64, KnowsExactly64Characters) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t at = 0; at < 4; ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string text = "AAAA";
      text[at] = static_cast<char>(byte);
      // "AAA=" ends in padding, and has no stray bits.
      const bool want = kAlphabet.find(text[at]) != kAlphabet.npos || (at == 3 && byte == '=');
      ASSERT_EQ(decoded(text).has_value(), want) << at << ' ' << byte;
    }
  }
}

TEST(Base64, RefusesWhatDoesNotFit) {
  std::array<std::uint8_t, 3> bytes;
  EXPECT_EQ(decode_base64("Zm9v", bytes).value(), 3U);
  EXPECT_EQ(decode_base64("Zm9vYg==", bytes).error(), Errc::invalid_text);
  EXPECT_EQ(decode_public_base64("Zm9v", bytes).value(), 3U);
  EXPECT_EQ(decode_public_base64("Zm9vYg==", bytes).error(), Errc::invalid_text);
}

// Long enough for several pieces of the decoder of what is public: one character changed anywhere.
TEST(Base64, RefusesLongTextsThatDifferAnywhere) {
  const std::string whole = encode_base64(std::vector<std::uint8_t>(151, 0x5a));
  ASSERT_TRUE(decoded(whole).has_value());
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const char c : {'=', ' ', '\n', '-', 'A', '/'}) {
      std::string text = whole;
      text[at] = c;
      static_cast<void>(decoded(text));  // compares
    }
    static_cast<void>(decoded(whole.substr(0, at)));
    static_cast<void>(decoded(whole.substr(at)));
  }
}

RC_GTEST_PROP(Base64, AgreesWithOpenSslAndDecodesBack, (const std::vector<std::uint8_t>& bytes)) {
  std::string reference(4 * (bytes.size() / 3 + 1) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(reference.data()), bytes.data(),
                                   static_cast<int>(bytes.size()));
  reference.resize(static_cast<std::size_t>(size));
  RC_ASSERT(encode_base64(bytes) == reference);
  RC_ASSERT(decoded(reference).value() == std::string(bytes.begin(), bytes.end()));
}

}  // namespace
}  // namespace recharge
