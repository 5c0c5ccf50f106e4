// Tokens: what is accepted, and every way in which one is refused. The signatures are made here by OpenSSL.
#include "core/access_token.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <map>

#include "core/base64.h"

namespace recharge {
namespace {

constexpr std::int64_t kNow = 1'700'000'000;
const std::string kSecret(32, 's');

std::string pem(EVP_PKEY* key, bool with_private) {
  BIO* bio = BIO_new(BIO_s_mem());
  if (with_private) PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  if (!with_private) PEM_write_bio_PUBKEY(bio, key);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

struct Pair {
  std::string private_pem, public_pem;
};

Pair make_pair(TokenAlgorithm algorithm, int rsa_bits = 2048, const char* curve = "P-256") {
  EVP_PKEY* key = algorithm == TokenAlgorithm::rs256
                      ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<std::size_t>(rsa_bits))
                  : algorithm == TokenAlgorithm::es256 ? EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve)
                                                       : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  Pair pair{pem(key, true), pem(key, false)};
  EVP_PKEY_free(key);
  return pair;
}

const std::map<TokenAlgorithm, Pair>& pairs() {
  static const std::map<TokenAlgorithm, Pair> made = {
      {TokenAlgorithm::rs256, make_pair(TokenAlgorithm::rs256)},
      {TokenAlgorithm::es256, make_pair(TokenAlgorithm::es256)},
      {TokenAlgorithm::eddsa, make_pair(TokenAlgorithm::eddsa)}};
  return made;
}

TokenKey private_key(TokenAlgorithm algorithm) {
  const std::string id(to_text(algorithm));
  const std::string text = algorithm == TokenAlgorithm::hs256 ? kSecret : pairs().at(algorithm).private_pem;
  return TokenKey::from_text(id, algorithm, text).value();
}

// Public keys alone, as a server has them; each named after its algorithm.
std::shared_ptr<const TokenKeys> server_keys() {
  auto keys = std::make_shared<TokenKeys>();
  keys->issuer = "me";
  keys->audience = "you";
  keys->keys.push_back(private_key(TokenAlgorithm::hs256));
  for (const auto& [algorithm, pair] : pairs()) {
    keys->keys.push_back(
        TokenKey::from_text(std::string(to_text(algorithm)), algorithm, pair.public_pem).value());
  }
  return keys;
}

const std::string kGoodClaims =
    R"({"iss":"me","aud":"you","sub":"app","scope":"orders:read other pay:write","account":"13812345678",)"
    R"("exp":1700000100})";

std::string signed_by(const TokenKey& key, const std::string& header, const std::string& claims) {
  const std::string message = encode_base64url(header) + "." + encode_base64url(claims);
  return message + "." + encode_base64url(key.sign(message).value());
}

std::string hs256(const std::string& claims) {
  return signed_by(private_key(TokenAlgorithm::hs256), R"({"alg":"HS256","kid":"HS256"})", claims);
}

Result<AccessClaims> verify(std::string_view token, std::int64_t now_s = kNow) {
  return TokenVerifier(server_keys()).verify(token, now_s);
}

class EachAlgorithm : public ::testing::TestWithParam<TokenAlgorithm> {};
INSTANTIATE_TEST_SUITE_P(Token, EachAlgorithm,
                         ::testing::Values(TokenAlgorithm::hs256, TokenAlgorithm::rs256,
                                           TokenAlgorithm::es256, TokenAlgorithm::eddsa),
                         [](const auto& algorithm) { return std::string(to_text(algorithm.param)); });

TEST_P(EachAlgorithm, IsAcceptedWhereRightAndRefusedWithAnyBitFlipped) {
  const TokenKey key = private_key(GetParam());
  TokenRequest request{"me", "you", "app \"1\"\n", "13812345678", "orders:read pay:write", kNow, kNow + 60};
  const std::string token = make_token(key, request).value();
  const auto claims = verify(token);
  ASSERT_TRUE(claims) << claims.error().message();
  EXPECT_EQ(claims->subject, "app \"1\"\n");
  EXPECT_EQ(claims->account.view(), "13812345678");
  EXPECT_TRUE(claims->scopes.allows(Scope::orders_read) && claims->scopes.allows(Scope::pay_write));
  EXPECT_FALSE(claims->scopes.allows(Scope::orders_write) || claims->scopes.allows(Scope::admin));
  EXPECT_EQ(claims->expires_at_s, kNow + 60);
  for (std::size_t at = 0; at < token.size(); at += 3) {
    std::string forged = token;
    forged[at] = forged[at] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(verify(forged)) << at;
  }
}

TEST_P(EachAlgorithm, NeedsItsOwnKindOfKey) {
  for (const auto& [kind, pair] : pairs()) {
    if (kind == GetParam()) continue;
    EXPECT_FALSE(TokenKey::from_text("k", GetParam(), pair.private_pem)) << to_text(kind);
    EXPECT_FALSE(TokenKey::from_text("k", GetParam(), pair.public_pem)) << to_text(kind);
  }
  EXPECT_FALSE(TokenKey::from_text("", GetParam(), kSecret));
}

TEST_P(EachAlgorithm, IsNeverChosenByTheToken) {
  for (const auto other :
       {"none", "None", "", "HS256", "RS256", "ES256", "EdDSA", "HS384", "RS512", "PS256"}) {
    if (other == to_text(GetParam())) continue;
    const std::string header =
        R"({"alg":")" + std::string(other) + R"(","kid":")" + std::string(to_text(GetParam())) + R"("})";
    EXPECT_FALSE(verify(signed_by(private_key(GetParam()), header, kGoodClaims))) << header;
  }
}

// The classic: the public key, which everybody has, as the secret of an HMAC.
TEST(Token, APublicKeyIsNoSecret) {
  for (const auto& [algorithm, pair] : pairs()) {
    std::string bent = "x" + pair.public_pem;  // from_text refuses PEM as a secret
    EXPECT_FALSE(TokenKey::from_text("k", TokenAlgorithm::hs256, pair.public_pem));
    for (const std::string& text : {bent, bent.substr(1)}) {
      unsigned size = 0;
      std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
      const std::string message =
          encode_base64url(R"({"alg":"HS256","kid":")" + std::string(to_text(algorithm)) + R"("})") + "." +
          encode_base64url(kGoodClaims);
      std::size_t mac_size = 0;
      ASSERT_NE(EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, text.data(), text.size(),
                          reinterpret_cast<const unsigned char*>(message.data()), message.size(), mac.data(),
                          mac.size(), &mac_size),
                nullptr);
      size = static_cast<unsigned>(mac_size);
      EXPECT_FALSE(verify(message + "." + encode_base64url({reinterpret_cast<char*>(mac.data()), size})));
    }
  }
}

TEST(Token, WeakKeysAreRefused) {
  EXPECT_EQ(TokenKey::from_text("k", TokenAlgorithm::hs256, std::string(31, 's')).error(),
            make_error_code(Errc::out_of_range));
  EXPECT_EQ(TokenKey::from_text("k", TokenAlgorithm::hs256, std::string(31, 's') + "\n").error(),
            make_error_code(Errc::out_of_range));
  EXPECT_EQ(
      TokenKey::from_text("k", TokenAlgorithm::rs256, make_pair(TokenAlgorithm::rs256, 1024).private_pem)
          .error(),
      make_error_code(Errc::out_of_range));
  EXPECT_FALSE(TokenKey::from_text("k", TokenAlgorithm::es256,
                                   make_pair(TokenAlgorithm::es256, 0, "P-384").private_pem));
}

TEST(Token, ItsHeaderSaysNothingButTheKey) {
  const TokenKey key = private_key(TokenAlgorithm::hs256);
  const auto with = [&](const std::string& more) {
    return signed_by(key, R"({"alg":"HS256","kid":"HS256")" + more + "}", kGoodClaims);
  };
  EXPECT_TRUE(verify(with("")));
  EXPECT_TRUE(verify(with(R"(,"typ":"JWT")")));
  for (const char* more :
       {R"(,"jwk":{"kty":"oct","k":"c3Nzc3M"})", R"(,"jku":"http://127.0.0.1/k")", R"(,"x5u":"http://a/")",
        R"(,"x5c":[]")", R"(,"x5c":[])", R"(,"crit":["exp"],"exp":1)", R"(,"crit":[])", R"(,"b64":false)",
        R"(,"zip":"DEF")", R"(,"enc":"A128GCM")", R"(,"alg":"none")", R"(,"kid":"RS256")", R"(,"a)"}) {
    EXPECT_FALSE(verify(with(more))) << more;
  }
  for (const char* header :
       {R"({"alg":"HS256"})", R"({"alg":"HS256","kid":"other"})", R"({"kid":"HS256"})",
        R"({"alg":"HS256","kid":null})", R"([])", "", R"({"alg":["HS256"],"kid":"HS256"})"}) {
    EXPECT_FALSE(verify(signed_by(key, header, kGoodClaims))) << header;
  }
}

TEST(Token, HasThreePartsOfStrictBase64) {
  const std::string good = hs256(kGoodClaims);
  ASSERT_TRUE(verify(good));
  const std::size_t first = good.find('.');
  const std::size_t second = good.rfind('.');
  for (const std::string& bad :
       {std::string(), std::string("."), std::string(".."), good + ".", "." + good, good + "=", good + "\n",
        good.substr(0, second), good.substr(0, second + 1), good.substr(0, first) + good.substr(second),
        good + std::string(kMaxTokenBytes, 'A'),
        good.substr(0, second) + ".AAAA." + good.substr(second + 1)}) {
    EXPECT_FALSE(verify(bad)) << bad;
  }
}

TEST(Token, CountsWithinItsTimeAndAMinute) {
  const auto claims = [](const std::string& times) {
    return hs256(R"({"iss":"me","aud":"you",)" + times + "}");
  };
  const std::string token = claims(R"("nbf":1700000000,"exp":1700000100)");
  EXPECT_FALSE(verify(token, kNow - 61));
  EXPECT_TRUE(verify(token, kNow - 60));
  EXPECT_TRUE(verify(token, kNow + 159));
  EXPECT_FALSE(verify(token, kNow + 160));
  EXPECT_TRUE(verify(claims(R"("exp":1700000100.5)")));
  for (const char* times : {R"("nbf":1)", R"("exp":null)", R"("exp":"1700000100")", R"("exp":17e9)",
                            R"("exp":1700000100,"nbf":"0")", R"("exp":-1)", R"("exp":99999999999999999999)",
                            R"("exp":1700000100.5e3)", R"("exp":9223372036854775807)"}) {
    EXPECT_FALSE(verify(claims(times))) << times;
  }
}

TEST(Token, IsFromTheIssuerAndForTheAudience) {
  const auto accepted = [](const std::string& who) {
    return verify(hs256("{" + who + R"(,"exp":1700000100})")).has_value();
  };
  EXPECT_TRUE(accepted(R"("iss":"me","aud":"you")"));
  EXPECT_TRUE(accepted(R"("iss":"me","aud":["others","you"])"));
  for (const char* who :
       {R"("iss":"me")", R"("aud":"you")", R"("iss":"m","aud":"you")", R"("iss":"me","aud":"yo")",
        R"("iss":"me","aud":[])", R"("iss":"me","aud":["you",1])", R"("iss":"me","aud":{"you":1})",
        R"("iss":["me"],"aud":"you")", R"("iss":"me","aud":null)", R"("iss":"me ","aud":"you")"}) {
    EXPECT_FALSE(accepted(who)) << who;
  }
}

// What cannot be read must not widen what the token allows.
TEST(Token, AnAccountThatCannotBeReadIsNotNone) {
  const auto with = [](const std::string& more) {
    return verify(hs256(R"({"iss":"me","aud":"you","exp":1700000100)" + more + "}"));
  };
  EXPECT_TRUE(with("").value().account.empty());
  EXPECT_TRUE(with("").value().scopes.empty());
  for (const std::string& more :
       {std::string(R"(,"account":"")"), std::string(R"(,"account":null)"), std::string(R"(,"account":138)"),
        std::string(R"(,"account":["138"])"), R"(,"account":")" + std::string(65, '1') + "\"",
        std::string(R"(,"account":"a","account":"b")"), std::string(R"(,"acc\u006funt":"a","account":"b")"),
        std::string(R"(,"sub":1)"), R"(,"sub":")" + std::string(256, 's') + "\""}) {
    EXPECT_FALSE(with(more)) << more;
  }
  EXPECT_TRUE(with(R"(,"scope":["admin"])").value().scopes.empty());
  EXPECT_TRUE(with(R"(,"scope":"Admin administrator ADMIN  admin:x")").value().scopes.empty());
  EXPECT_TRUE(with(R"(,"scope":" admin ")").value().scopes.allows(Scope::refund_write));
}

// RFC 7515, A.1 and A.3; RFC 8037, A.4: keys as a JWK set has them.
TEST(JwkSet, VerifiesTheVectorsOfTheRfcs) {
  const auto keys = parse_jwk_set(R"({"keys":[
    {"kty":"oct","kid":"a1","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"},
    {"kty":"EC","kid":"a3","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
    {"kty":"OKP","kid":"ed","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    {"kty":"RSA","kid":"enc","use":"enc","n":"AQAB","e":"AQAB"},
    {"kty":"EC","kid":"p384","crv":"P-384","x":"","y":""},
    {"kty":"RSA","kid":"512","alg":"RS512","n":"AQAB","e":"AQAB"}]})");
  ASSERT_TRUE(keys) << keys.error().message();
  ASSERT_EQ(keys->size(), 3U);
  const std::string claims =
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
  const auto holds = [&](std::size_t key, const std::string& message, const char* signature) {
    return (*keys)[key].verify(message, decode_base64url(signature).value());
  };
  EXPECT_TRUE(holds(0, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + claims,
                    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
  EXPECT_TRUE(
      holds(1, "eyJhbGciOiJFUzI1NiJ9." + claims,
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"));
  EXPECT_TRUE(
      holds(2, "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"));
  EXPECT_FALSE(holds(1, "eyJhbGciOiJFUzI1NiJ9." + claims, "AAAA"));
}

TEST(JwkSet, RefusesWhatItCannotKeepApart) {
  const std::string good =
      R"({"kty":"OKP","kid":"a","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";
  EXPECT_TRUE(parse_jwk_set(R"({"keys":[)" + good + "]}"));
  EXPECT_EQ(parse_jwk_set(R"({"keys":[)" + good + "," + good + "]}").error(),
            make_error_code(Errc::duplicate_name));
  EXPECT_EQ(parse_jwk_set(R"({"keys":[]})").error(), make_error_code(Errc::not_found));
  for (
      const char* bad :
      {"", "[]", "{}", R"({"keys":{}})", R"({"keys":[1]})", R"({"keys":"a"})",
       R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})",
       R"({"keys":[{"kty":"OKP","kid":"a","crv":"Ed25519","x":"11qY"}]})",
       R"({"keys":[{"kty":"oct","kid":"a","k":"c2hvcnQ"}]})",
       R"({"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}]})",
       R"({"keys":[{"kty":"EC","kid":"a","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}]})"}) {
    EXPECT_FALSE(parse_jwk_set(bad)) << bad;
  }
}

}  // namespace
}  // namespace recharge
