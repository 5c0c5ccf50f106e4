// Rule: RSA keys are taken in every form in which gateways hand them out, and no others; what was sealed
// opens only whole.
#include "core/rsa_key.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

#include "core/aes_gcm.h"
#include "core/base64.h"

namespace recharge {
namespace {

std::string armoured(const std::string& kind, const std::string& base64) {
  std::string text = "-----BEGIN " + kind + "-----\n";
  for (std::size_t at = 0; at < base64.size(); at += 64) text += base64.substr(at, 64) + "\n";
  return text + "-----END " + kind + "-----\n";
}

// A throw-away key, in the forms that there are.
struct TestKey {
  explicit TestKey(unsigned bits = 2048) : key(EVP_RSA_gen(bits), EVP_PKEY_free) {}

  template <class Write>
  std::string base64(Write write) const {
    unsigned char* der = nullptr;
    const int size = write(key.get(), &der);
    std::string text = encode_base64({der, static_cast<std::size_t>(size)});
    OPENSSL_free(der);
    return text;
  }
  std::string spki() const { return base64(i2d_PUBKEY); }
  std::string pkcs1_public() const { return base64(i2d_PublicKey); }
  std::string pkcs1_private() const { return base64(i2d_PrivateKey); }
  std::string pkcs8() const {
    return base64([](EVP_PKEY* from, unsigned char** der) {
      const std::unique_ptr<PKCS8_PRIV_KEY_INFO, decltype(&PKCS8_PRIV_KEY_INFO_free)> info(
          EVP_PKEY2PKCS8(from), PKCS8_PRIV_KEY_INFO_free);
      return i2d_PKCS8_PRIV_KEY_INFO(info.get(), der);
    });
  }
  std::string certificate() const {
    const std::unique_ptr<X509, decltype(&X509_free)> x509(X509_new(), X509_free);
    X509_gmtime_adj(X509_getm_notBefore(x509.get()), 0);
    X509_gmtime_adj(X509_getm_notAfter(x509.get()), 3600);
    X509_set_pubkey(x509.get(), key.get());
    X509_sign(x509.get(), key.get(), EVP_sha256());
    unsigned char* der = nullptr;
    const int size = i2d_X509(x509.get(), &der);
    std::string text = encode_base64({der, static_cast<std::size_t>(size)});
    OPENSSL_free(der);
    return text;
  }

  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key;
};

Secret secret(const std::string& text) { return std::move(Secret::from_text(text).value()); }

const TestKey& test_key() {
  static const TestKey key;
  return key;
}

TEST(RsaKey, IsTakenInEveryForm) {
  const TestKey& key = test_key();
  const std::string signature = *RsaPrivateKey::parse(secret(key.pkcs8()))->sign("text");
  for (const std::string& text :
       {key.spki(), armoured("PUBLIC KEY", key.spki()), key.pkcs1_public(),
        armoured("RSA PUBLIC KEY", key.pkcs1_public()), armoured("CERTIFICATE", key.certificate()),
        "subject=x\n" + armoured("PUBLIC KEY", key.spki())}) {
    const auto parsed = RsaPublicKey::parse(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed->fingerprint().size(), 16U);
    RsaVerifier verifier(*parsed);
    EXPECT_TRUE(verifier.verify("text", signature));
    EXPECT_FALSE(verifier.verify("text ", signature));
    EXPECT_TRUE(verifier.verify("text", signature)) << "a failure leaves nothing behind";
    EXPECT_FALSE(verifier.verify("text", ""));
    EXPECT_FALSE(verifier.verify("text", signature.substr(4)));
    EXPECT_FALSE(verifier.verify("text", signature + "AAAA"));
    EXPECT_FALSE(verifier.verify("text", std::string(4096, 'A')));
  }
  for (const std::string& text : {key.pkcs8(), armoured("PRIVATE KEY", key.pkcs8()), key.pkcs1_private(),
                                  armoured("RSA PRIVATE KEY", key.pkcs1_private())}) {
    const auto parsed = RsaPrivateKey::parse(secret(text));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(*parsed->sign("text"), signature);
    EXPECT_EQ(parsed->public_key().fingerprint(), RsaPublicKey::parse(key.spki())->fingerprint());
  }
}

TEST(RsaKey, RefusesWhatIsNone) {
  const TestKey& key = test_key();
  for (const std::string& text : {std::string(), std::string("x"), key.pkcs8(), key.spki().substr(4),
                                  key.spki() + "AAAA", std::string("-----BEGIN PUBLIC KEY-----"),
                                  std::string("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n")}) {
    EXPECT_EQ(RsaPublicKey::parse(text).error(), Errc::invalid_text) << text;
  }
  EXPECT_EQ(RsaPrivateKey::parse(secret(key.spki())).error(), Errc::invalid_text);
  EXPECT_EQ(RsaPrivateKey::parse(secret("x")).error(), Errc::invalid_text);
  const TestKey small(1024);
  EXPECT_EQ(RsaPublicKey::parse(small.spki()).error(), Errc::out_of_range);
  EXPECT_EQ(RsaPrivateKey::parse(secret(small.pkcs8())).error(), Errc::out_of_range);
}

// NIST's GCM test case 16 (AES-256, with associated data).
TEST(AesGcm, OpensOnlyWhatIsWhole) {
  const auto bytes = [](const std::string& hex) {
    std::string text;
    for (std::size_t i = 0; i < hex.size(); i += 2)
      text.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    return text;
  };
  const std::string key = bytes("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
  const std::string nonce = bytes("cafebabefacedbaddecaf888");
  const std::string data = bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const std::string plain = bytes(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aed"
      "f5aa0de657ba637b"
      "39");
  const std::string sealed = bytes(
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e"
      "6393ba7a0abcc9f6"
      "6276fc6ece0f4e1768cddf8853bb2d551b");
  const auto open = [&](std::string_view k, std::string_view n, std::string_view d, std::string from,
                        std::string& to) {
    return Aes256GcmOpener(secret(std::string(k)))
        .open(n, d, {reinterpret_cast<const std::uint8_t*>(from.data()), from.size()}, to);
  };
  std::string opened;
  ASSERT_TRUE(open(key, nonce, data, sealed, opened));
  EXPECT_EQ(opened, plain);
  for (std::size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
    std::string altered = sealed;
    altered[bit / 8] = static_cast<char>(altered[bit / 8] ^ 1 << bit % 8);
    EXPECT_EQ(open(key, nonce, data, altered, opened).error(), Errc::invalid_signature) << bit;
    EXPECT_EQ(opened, "") << "nothing unverified is handed out";
  }
  EXPECT_FALSE(open(key, nonce, "", sealed, opened));
  // One key, again and again: what failed before leaves nothing behind.
  Aes256GcmOpener opener(secret(key));
  const std::span whole(reinterpret_cast<const std::uint8_t*>(sealed.data()), sealed.size());
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(opener.open(nonce, data, whole.first(whole.size() - 1), opened));
    EXPECT_FALSE(opener.open(nonce, "", whole, opened));
    ASSERT_TRUE(opener.open(nonce, data, whole, opened));
    EXPECT_EQ(opened, plain);
  }
  EXPECT_EQ(open(key.substr(1), nonce, data, sealed, opened).error(), Errc::out_of_range);
  EXPECT_EQ(open(key, nonce.substr(1), data, sealed, opened).error(), Errc::out_of_range);
  EXPECT_EQ(open(key, nonce, data, sealed.substr(0, 15), opened).error(), Errc::out_of_range);
}

}  // namespace
}  // namespace recharge
