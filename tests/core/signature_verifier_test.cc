#include "core/signature_verifier.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sodium.h>

#include <array>
#include <string>
#include <type_traits>
#include <utility>

#include "core/base64.h"
#include "core/sign_callback.h"

namespace recharge {
namespace {

static_assert(!std::is_copy_constructible_v<SignatureVerifier>);
static_assert(!std::is_convertible_v<KeyRing, SignatureVerifier>);

constexpr std::string_view kText = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
constexpr std::string_view kCanonical =
    "amount=50.0&order_id=0190a1b2-c3d4-7e5f-8a6b-0123456789ab&status=success&timestamp=1700000000"
    "&transaction_id=txn_1";
constexpr std::string_view kSignature = "d1c0200a9fc35939076256325c66e69ee85d2d33d10ef72991af97449c64c527";
constexpr std::string_view kWhsec = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr std::string_view kId = "msg_p5jXN8AQM9LWM0D4loKWxJek";
constexpr std::string_view kTime = "1614265330";
constexpr std::string_view kBody = R"({"test": 2432232314})";

Secret secret(std::string_view text) { return std::move(Secret::from_text(text).value()); }

SignatureVerifier verifier(const std::vector<std::pair<std::string, std::string>>& secrets) {
  std::vector<CallbackSecret> list;
  for (const auto& [id, text] : secrets) list.push_back({id, secret(text)});
  return SignatureVerifier(KeyRing::make(std::move(list)).value());
}

std::string base64(const void* bytes, std::size_t size) {
  return encode_base64({static_cast<const std::uint8_t*>(bytes), size});
}

struct KeyPair {
  std::array<unsigned char, crypto_sign_PUBLICKEYBYTES> public_key;
  std::array<unsigned char, crypto_sign_SECRETKEYBYTES> secret_key;

  explicit KeyPair(unsigned char seed_byte) {
    std::array<unsigned char, crypto_sign_SEEDBYTES> seed;
    seed.fill(seed_byte);
    crypto_sign_seed_keypair(public_key.data(), secret_key.data(), seed.data());
  }
  std::string whpk() const { return "whpk_" + base64(public_key.data(), public_key.size()); }
  std::string sign(std::string_view id, std::string_view time, std::string_view body) const {
    const std::string text = std::string(id) + "." + std::string(time) + "." + std::string(body);
    std::array<unsigned char, crypto_sign_BYTES> signature;
    crypto_sign_detached(signature.data(), nullptr, reinterpret_cast<const unsigned char*>(text.data()),
                         text.size(), secret_key.data());
    return "v1a," + base64(signature.data(), signature.size());
  }
};

TEST(FieldSignature, VerifiesTheVector) {
  auto verify = verifier({{"main", std::string(kText)}});
  EXPECT_EQ(verify.verify_fields(kCanonical, kSignature).value(), "main");
  EXPECT_EQ(sign_fields(secret(kText), kCanonical).value(), kSignature);
}

TEST(FieldSignature, RefusesEveryOtherSpelling) {
  auto verify = verifier({{"main", std::string(kText)}});
  std::string upper(kSignature);
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  std::string one_upper(kSignature);
  one_upper[1] = 'C';
  const std::string good(kSignature);
  for (const std::string& bad :
       {std::string(), upper, one_upper, good.substr(1), good.substr(0, 63), good + "0", good + "00",
        " " + good.substr(1), good + "\n", "0x" + good, "0x" + good.substr(2), std::string(64, '0'),
        std::string(64, 'g'), good.substr(0, 62), good + good, good.substr(0, 32) + ":" + good.substr(33)}) {
    EXPECT_EQ(verify.verify_fields(kCanonical, bad).error(), Errc::invalid_signature) << bad;
  }
  EXPECT_EQ(verify.verify_fields("", kSignature).error(), Errc::invalid_signature);
}

TEST(FieldSignature, KeyIsTheTextNotItsHex) {
  std::string decoded;
  for (std::size_t i = 0; i < kText.size(); i += 2) {
    decoded += static_cast<char>(std::stoi(std::string(kText.substr(i, 2)), nullptr, 16));
  }
  auto verify = verifier({{"main", decoded}});
  EXPECT_EQ(verify.verify_fields(kCanonical, kSignature).error(), Errc::invalid_signature);
}

TEST(FieldSignature, RotationKnowsWhichSecretSigned) {
  auto verify = verifier({{"a", "first"}, {"b", std::string(kText)}, {"c", "third"}, {"same", "first"}});
  EXPECT_EQ(verify.verify_fields("x=1", sign_fields(secret("first"), "x=1").value()).value(), "a");
  EXPECT_EQ(verify.verify_fields(kCanonical, kSignature).value(), "b");
  EXPECT_EQ(verify.verify_fields("x=1", sign_fields(secret("third"), "x=1").value()).value(), "c");
  EXPECT_TRUE(verify.verify_fields("x=1", sign_fields(secret("fourth"), "x=1").value()).has_error());
}

TEST(FieldSignature, WhsecSecretIsTextAndPublicKeyVerifiesNothing) {
  const KeyPair pair(7);
  auto verify = verifier({{"hook", std::string(kWhsec)}, {"pk", pair.whpk()}});
  EXPECT_EQ(verify.verify_fields("x=1", sign_fields(secret(kWhsec), "x=1").value()).value(), "hook");

  HmacSha256Key text_of_public_key(secret(pair.whpk()));
  const Hmac forged = text_of_public_key.sign({"x=1"});
  char hex[65];
  sodium_bin2hex(hex, sizeof hex, forged.data(), forged.size());
  EXPECT_EQ(verify.verify_fields("x=1", hex).error(), Errc::invalid_signature);
  EXPECT_EQ(sign_fields(secret(pair.whpk()), "x=1").error(), Errc::invalid_text);
}

TEST(FieldSignature, WithoutSecretsNothingIsValid) {
  SignatureVerifier verify{KeyRing()};
  EXPECT_EQ(verify.verify_fields(kCanonical, kSignature).error(), Errc::invalid_signature);
  EXPECT_EQ(verify.verify_standard(kId, kTime, kBody, "v1,AAAA").error(), Errc::invalid_signature);
}

TEST(FieldSignature, RefusesEverySingleFlippedBit) {
  auto verify = verifier({{"main", std::string(kText)}, {"other", "other"}});
  for (std::size_t bit = 0; bit < 8 * kSignature.size(); ++bit) {
    std::string changed(kSignature);
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    ASSERT_TRUE(verify.verify_fields(kCanonical, changed).has_error()) << bit;
  }
  for (std::size_t bit = 0; bit < 8 * kCanonical.size(); ++bit) {
    std::string changed(kCanonical);
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    ASSERT_TRUE(verify.verify_fields(changed, kSignature).has_error()) << bit;
  }
}

// The message and the signature that Standard Webhooks publishes for its libraries.
TEST(StandardWebhooks, VerifiesThePublishedVector) {
  auto verify = verifier({{"hook", std::string(kWhsec)}});
  const std::string_view signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
  EXPECT_EQ(verify.verify_standard(kId, kTime, kBody, signature).value(), "hook");
  EXPECT_EQ(sign_standard(secret(kWhsec), kId, kTime, kBody).value(), signature);
}

TEST(StandardWebhooks, SecretWithoutPrefixIsText) {
  auto verify = verifier({{"plain", std::string(kText)}});
  const std::string text = std::string(kId) + "." + std::string(kTime) + "." + std::string(kBody);
  std::array<unsigned char, crypto_auth_hmacsha256_BYTES> hmac;
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, reinterpret_cast<const unsigned char*>(kText.data()), kText.size());
  crypto_auth_hmacsha256_update(&state, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  crypto_auth_hmacsha256_final(&state, hmac.data());
  EXPECT_EQ(verify.verify_standard(kId, kTime, kBody, "v1," + base64(hmac.data(), hmac.size())).value(),
            "plain");
}

TEST(StandardWebhooks, AnySignatureOfAnyActiveSecretIsEnough) {
  const KeyPair pair(1);
  auto verify = verifier({{"old", "old secret"}, {"new", std::string(kWhsec)}, {"pk", pair.whpk()}});
  const std::string old_one = sign_standard(secret("old secret"), kId, kTime, kBody).value();
  const std::string new_one = sign_standard(secret(kWhsec), kId, kTime, kBody).value();
  const std::string other = sign_standard(secret("gone"), kId, kTime, kBody).value();
  const std::string ed = pair.sign(kId, kTime, kBody);
  const auto who = [&verify](const std::string& header) -> std::string {
    const auto got = verify.verify_standard(kId, kTime, kBody, header);
    return got ? std::string(*got) : got.error().message();
  };
  EXPECT_EQ(who(old_one), "old");
  EXPECT_EQ(who(new_one), "new");
  EXPECT_EQ(who(ed), "pk");
  EXPECT_EQ(who(other), "invalid signature");
  EXPECT_EQ(who(other + " " + new_one), "new");
  EXPECT_EQ(who(new_one + " " + other), "new");
  EXPECT_EQ(who(other + " " + ed), "pk");
  EXPECT_EQ(who(ed + " " + old_one), "old");
  EXPECT_EQ(who("v2,AAAA v1x,BBBB what v1 , " + new_one), "new");
  EXPECT_EQ(who("  " + new_one + "  "), "new");
  EXPECT_EQ(who("v1,not*base64 " + new_one), "new");
}

TEST(StandardWebhooks, RefusesMalformedLists) {
  auto verify = verifier({{"hook", std::string(kWhsec)}});
  const std::string good = sign_standard(secret(kWhsec), kId, kTime, kBody).value();
  const std::string value = good.substr(3);
  ASSERT_TRUE(verify.verify_standard(kId, kTime, kBody, good).has_value());
  std::string url_alphabet = good;
  for (char& c : url_alphabet) c = c == '+' ? '-' : c == '/' ? '_' : c;
  ASSERT_NE(url_alphabet, good);
  for (const std::string& bad : {std::string(),
                                 std::string(" "),
                                 std::string("v1"),
                                 std::string("v1,"),
                                 std::string("v1,="),
                                 value,
                                 "V1," + value,
                                 "v2," + value,
                                 "v1a," + value,
                                 "v1;" + value,
                                 "v1:" + value,
                                 "v1, " + value,
                                 "v1,," + value,
                                 good + ",",
                                 good + "=",
                                 good.substr(0, good.size() - 1),
                                 good + "\n",
                                 "\t" + good,
                                 good + "\t" + good,
                                 good + "," + good,
                                 "v1," + std::string(43, 'A') + "=",
                                 url_alphabet,
                                 "v1," + std::string(kSignature)}) {
    EXPECT_EQ(verify.verify_standard(kId, kTime, kBody, bad).error(), Errc::invalid_signature) << bad;
  }
}

TEST(StandardWebhooks, BoundsTheList) {
  const KeyPair pair(1);
  auto verify = verifier({{"hook", std::string(kWhsec)}, {"pk", pair.whpk()}});
  const std::string good = sign_standard(secret(kWhsec), kId, kTime, kBody).value();
  const auto after = [](std::size_t count, const std::string& filler, const std::string& last) {
    std::string list;
    for (std::size_t i = 0; i < count; ++i) list += filler + " ";
    return list + last;
  };
  for (const std::string& filler :
       {"v1," + std::string(43, 'A') + "=", std::string("v9,x"), std::string("x")}) {
    const auto most = after(SignatureVerifier::kMaxSignatures - 1, filler, good);
    const auto more = after(SignatureVerifier::kMaxSignatures, filler, good);
    EXPECT_TRUE(verify.verify_standard(kId, kTime, kBody, most).has_value()) << filler;
    EXPECT_TRUE(verify.verify_standard(kId, kTime, kBody, more).has_error()) << filler;
  }
  const std::string wrong = KeyPair(2).sign(kId, kTime, kBody);
  const std::string right = pair.sign(kId, kTime, kBody);
  const auto most = after(SignatureVerifier::kMaxEd25519Signatures - 1, wrong, right);
  const auto more = after(SignatureVerifier::kMaxEd25519Signatures, wrong, right);
  EXPECT_EQ(verify.verify_standard(kId, kTime, kBody, most).value(), "pk");
  EXPECT_TRUE(verify.verify_standard(kId, kTime, kBody, more).has_error());
}

TEST(StandardWebhooks, NeedsIdAndTime) {
  auto verify = verifier({{"hook", std::string(kWhsec)}});
  for (const auto& [id, time] : std::vector<std::pair<std::string, std::string>>{{"", "1614265330"},
                                                                                 {"msg", ""},
                                                                                 {"msg", "-1"},
                                                                                 {"msg", "+1"},
                                                                                 {"msg", "1.5"},
                                                                                 {"msg", " 1"},
                                                                                 {"msg", "1614265330 "},
                                                                                 {"msg", "now"},
                                                                                 {"msg", "1234567890123"}}) {
    const std::string signature = sign_standard(secret(kWhsec), id, time, kBody).value();
    EXPECT_EQ(verify.verify_standard(id, time, kBody, signature).error(), Errc::invalid_signature)
        << id << time;
  }
}

TEST(StandardWebhooks, RefusesEverySingleFlippedBit) {
  const KeyPair pair(9);
  auto verify = verifier({{"hook", std::string(kWhsec)}, {"pk", pair.whpk()}});
  for (const std::string& good :
       {sign_standard(secret(kWhsec), kId, kTime, kBody).value(), pair.sign(kId, kTime, kBody)}) {
    const std::array<std::string, 4> parts = {std::string(kId), std::string(kTime), std::string(kBody), good};
    ASSERT_TRUE(verify.verify_standard(parts[0], parts[1], parts[2], parts[3]).has_value());
    for (std::size_t part = 0; part < parts.size(); ++part) {
      for (std::size_t bit = 0; bit < 8 * parts[part].size(); ++bit) {
        auto changed = parts;
        changed[part][bit / 8] = static_cast<char>(changed[part][bit / 8] ^ (1 << bit % 8));
        ASSERT_TRUE(verify.verify_standard(changed[0], changed[1], changed[2], changed[3]).has_error())
            << part << ' ' << bit;
      }
    }
  }
}

TEST(StandardWebhooks, PublicKeyIsNoHmacKeyAndHmacSecretNoPublicKey) {
  const KeyPair pair(3);
  auto only_public = verifier({{"pk", pair.whpk()}});
  HmacSha256Key forger(secret(pair.whpk()));
  const Hmac forged = forger.sign({kId, ".", kTime, ".", kBody});
  const std::string header = "v1," + base64(forged.data(), forged.size());
  EXPECT_TRUE(only_public.verify_standard(kId, kTime, kBody, header).has_error());
  EXPECT_EQ(sign_standard(secret(pair.whpk()), kId, kTime, kBody).error(), Errc::invalid_text);

  auto only_hmac = verifier({{"hook", "whsec_" + base64(pair.public_key.data(), pair.public_key.size())}});
  EXPECT_TRUE(only_hmac.verify_standard(kId, kTime, kBody, pair.sign(kId, kTime, kBody)).has_error());
}

RC_GTEST_PROP(Signatures, SignedIsVerifiedAndAnythingElseIsNot,
              (const std::string& key, const std::string& other_key, const std::string& message)) {
  RC_PRE(!key.empty() && !other_key.empty() && key != other_key);
  // Keys that differ only in zeros at their end are the same HMAC key.
  RC_PRE(key.back() != '\0' && other_key.back() != '\0' && key.size() <= 64 && other_key.size() <= 64);
  auto verify = verifier({{"key", key}});
  RC_ASSERT(verify.verify_fields(message, sign_fields(secret(key), message).value()).value() == "key");
  RC_ASSERT(verify.verify_fields(message, sign_fields(secret(other_key), message).value()).has_error());
  RC_ASSERT(verify.verify_fields(message + "x", sign_fields(secret(key), message).value()).has_error());
  const auto standard = sign_standard(secret(key), "id", "1", message).value();
  RC_ASSERT(verify.verify_standard("id", "1", message, standard).value() == "key");
  RC_ASSERT(verify.verify_standard("id", "2", message, standard).has_error());
  RC_ASSERT(verify.verify_standard("ie", "1", message, standard).has_error());
}

}  // namespace
}  // namespace recharge
