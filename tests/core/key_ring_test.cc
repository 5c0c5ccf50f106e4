#include "core/key_ring.h"

#include <gtest/gtest.h>

#include <string>
#include <type_traits>
#include <utility>

namespace recharge {
namespace {

static_assert(!std::is_copy_constructible_v<CallbackSecret>);
static_assert(!std::is_constructible_v<KeyRing, std::vector<CallbackSecret>>);  // only by make()

Secret secret(std::string_view text) { return std::move(Secret::from_text(text).value()); }

CallbackSecret named(std::string id, std::string_view text) { return {std::move(id), secret(text)}; }

template <class... Secrets>
std::vector<CallbackSecret> list(Secrets... secrets) {
  std::vector<CallbackSecret> result;
  (result.push_back(std::move(secrets)), ...);
  return result;
}

constexpr std::string_view kPublicKey = "whpk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

TEST(KeyRing, HoldsSeveralSecretsInOrder) {
  const auto ring =
      KeyRing::make(list(named("new", "text"), named("old", "whsec_AAEC"), named("pk", kPublicKey)));
  ASSERT_TRUE(ring.has_value()) << ring.error().message();
  ASSERT_EQ(ring->secrets().size(), 3U);
  EXPECT_EQ(ring->secrets()[0].id, "new");
  EXPECT_EQ(ring->secrets()[2].id, "pk");
  EXPECT_TRUE(KeyRing().secrets().empty());
  EXPECT_TRUE(KeyRing::make({}).has_value());
}

TEST(KeyRing, RefusesWhatItCannotUse) {
  EXPECT_EQ(KeyRing::make(list(named("a", "x"), named("a", "y"))).error(), Errc::duplicate_name);
  EXPECT_EQ(KeyRing::make(list(named("", "x"))).error(), Errc::out_of_range);
  EXPECT_EQ(KeyRing::make(list(named(std::string(33, 'k'), "x"))).error(), Errc::too_long);
  EXPECT_TRUE(KeyRing::make(list(named(std::string(32, 'k'), "x"))).has_value());

  std::vector<CallbackSecret> many;
  for (std::size_t i = 0; i < KeyRing::kMaxSecrets; ++i) many.push_back(named(std::to_string(i), "x"));
  std::vector<CallbackSecret> too_many;
  for (std::size_t i = 0; i <= KeyRing::kMaxSecrets; ++i) too_many.push_back(named(std::to_string(i), "x"));
  EXPECT_TRUE(KeyRing::make(std::move(many)).has_value());
  EXPECT_EQ(KeyRing::make(std::move(too_many)).error(), Errc::too_long);
}

TEST(KeyRing, ReadsBase64Strictly) {
  const auto key = [](std::string_view text) { return standard_webhooks_key(secret(text)); };
  EXPECT_EQ(key("whsec_AAEC")->reveal(), std::string_view("\0\1\2", 3));
  EXPECT_EQ(key("whsec_/+8=")->reveal(), "\xff\xef");
  EXPECT_EQ(key("plain text")->reveal(), "plain text");
  EXPECT_EQ(key("Whsec_AAEC")->reveal(), "Whsec_AAEC");
  for (const auto* text : {"whsec_", "whsec_A", "whsec_AA", "whsec_AA=", "whsec_AAE",
                           "whsec_AAEC=", "whsec_-_8=", "whsec_AB==", "whsec_AA==AA==", "whsec_ AAEC",
                           "whsec_AAEC ", "whsec_AAEC\n", "whsec_AA EC", "whsec_AAE*", "whsec_===="}) {
    EXPECT_EQ(key(text).error(), Errc::invalid_text) << text;
    EXPECT_EQ(KeyRing::make(list(named("id", text))).error(), Errc::invalid_text) << text;
  }
}

TEST(KeyRing, ReadsPublicKeysOf32Bytes) {
  const auto key = public_key(secret(kPublicKey));
  ASSERT_TRUE(key.has_value());
  EXPECT_EQ((*key)[31], 31);
  EXPECT_TRUE(is_public_key(secret(kPublicKey)));
  EXPECT_FALSE(is_public_key(secret("whsec_AAEC")));
  EXPECT_EQ(standard_webhooks_key(secret(kPublicKey)).error(), Errc::invalid_text);
  for (const auto* text : {"whpk_", "whpk_AAEC", "whpk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
                           "whpk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g", "whsec_AAEC", "text"}) {
    EXPECT_EQ(public_key(secret(text)).error(), Errc::invalid_text) << text;
  }
}

}  // namespace
}  // namespace recharge
