#include "core/hmac_sha256_key.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sodium.h>

#include <string>
#include <type_traits>
#include <vector>

namespace recharge {
namespace {

static_assert(!std::is_copy_constructible_v<HmacSha256Key>);
static_assert(!std::is_convertible_v<Secret, HmacSha256Key>);
static_assert(!std::is_constructible_v<HmacSha256Key, std::string_view>);

Secret secret(std::string_view text) { return std::move(Secret::from_text(text).value()); }

// libsodium's implementation, which shares no code with OpenSSL's.
Hmac reference(std::string_view key, std::string_view message) {
  Hmac hmac;
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, reinterpret_cast<const unsigned char*>(key.data()), key.size());
  crypto_auth_hmacsha256_update(&state, reinterpret_cast<const unsigned char*>(message.data()),
                                message.size());
  crypto_auth_hmacsha256_final(&state, hmac.data());
  return hmac;
}

std::string hex(const Hmac& hmac) {
  char text[65];
  return sodium_bin2hex(text, sizeof text, hmac.data(), hmac.size());
}

TEST(HmacSha256Key, SignsTheVectorsOfRfc4231) {
  EXPECT_EQ(hex(HmacSha256Key(secret(std::string(20, '\x0b'))).sign({"Hi There"})),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hex(HmacSha256Key(secret("Jefe")).sign({"what do ya want ", "for nothing?"})),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hex(HmacSha256Key(secret(std::string(131, '\xaa')))
                    .sign({"Test Using Larger Than Block-Size Key - Hash Key First"})),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(HmacSha256Key, AgreesWithLibsodiumForEveryKeyAndMessageSize) {
  for (std::size_t key_size = 1; key_size <= 200; key_size += 7) {
    const std::string key(key_size, static_cast<char>(key_size));
    HmacSha256Key under_test(secret(key));
    for (std::size_t size = 0; size <= 300; ++size) {
      const std::string message(size, static_cast<char>('a' + size % 26));
      ASSERT_EQ(under_test.sign({message}), reference(key, message)) << key_size << ' ' << size;
    }
  }
}

RC_GTEST_PROP(HmacSha256Key, SignsPiecesAsTheirWhole, (const std::vector<std::string>& pieces)) {
  static HmacSha256Key key(secret("one key for all"));
  std::string whole;
  std::vector<std::string_view> views;
  for (const std::string& piece : pieces) {
    whole += piece;
    views.emplace_back(piece);
  }
  RC_ASSERT(key.sign(views) == reference("one key for all", whole));
}

TEST(HmacSha256Key, KeepsItsKeyWhenMoved) {
  HmacSha256Key first(secret("a"));
  HmacSha256Key second(secret("b"));
  second = std::move(first);
  HmacSha256Key third(std::move(second));
  EXPECT_EQ(third.sign({"x"}), reference("a", "x"));
}

}  // namespace
}  // namespace recharge
