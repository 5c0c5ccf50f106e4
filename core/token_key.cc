#include "core/token_key.h"

#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sodium.h>

#include <array>

#include "core/check.h"
#include "core/openssl_free.h"
#include "core/token_key_material.h"

namespace recharge {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"HS256", "RS256", "ES256", "EdDSA"};
constexpr std::size_t kEs256HalfBytes = 32;

const unsigned char* octets(std::string_view text) noexcept {
  return reinterpret_cast<const unsigned char*>(text.data());
}

using MdContext = std::unique_ptr<EVP_MD_CTX, OpensslFree<EVP_MD_CTX_free>>;
using EcSignature = std::unique_ptr<ECDSA_SIG, OpensslFree<ECDSA_SIG_free>>;
using MemoryBio = std::unique_ptr<BIO, OpensslFree<BIO_free_all>>;

std::array<unsigned char, crypto_auth_hmacsha256_BYTES> hmac(const Secret& secret, std::string_view message) {
  crypto_auth_hmacsha256_state state;
  std::array<unsigned char, crypto_auth_hmacsha256_BYTES> mac;
  const std::string_view key = secret.reveal();
  crypto_auth_hmacsha256_init(&state, octets(key), key.size());
  crypto_auth_hmacsha256_update(&state, octets(message), message.size());
  crypto_auth_hmacsha256_final(&state, mac.data());
  sodium_memzero(&state, sizeof state);
  return mac;
}

// A token has r and s side by side, OpenSSL wants them in DER.
std::string to_der(std::string_view raw) {
  if (raw.size() != 2 * kEs256HalfBytes) return {};
  const EcSignature signature(ECDSA_SIG_new());
  BIGNUM* r = BN_bin2bn(octets(raw), kEs256HalfBytes, nullptr);
  BIGNUM* s = BN_bin2bn(octets(raw) + kEs256HalfBytes, kEs256HalfBytes, nullptr);
  if (!signature || r == nullptr || s == nullptr || ECDSA_SIG_set0(signature.get(), r, s) != 1) {
    BN_free(r);
    BN_free(s);
    return {};
  }
  std::string der(80, '\0');
  auto* at = reinterpret_cast<unsigned char*>(der.data());
  const int size = i2d_ECDSA_SIG(signature.get(), &at);
  der.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return der;
}

std::string from_der(std::string_view der) {
  const unsigned char* at = octets(der);
  const EcSignature signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  RECHARGE_CHECK(signature != nullptr);
  std::string raw(2 * kEs256HalfBytes, '\0');
  auto* out = reinterpret_cast<unsigned char*>(raw.data());
  constexpr int kHalf = kEs256HalfBytes;
  RECHARGE_CHECK(BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out, kHalf) == kHalf);
  RECHARGE_CHECK(BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out + kHalf, kHalf) == kHalf);
  return raw;
}

// A file that is encrypted is refused: nobody is asked for a passphrase.
int no_passphrase(char*, int, int, void*) { return -1; }

// The digest is part of the signature scheme of Ed25519.
const EVP_MD* digest_of_algorithm(TokenAlgorithm algorithm) noexcept {
  return algorithm == TokenAlgorithm::eddsa ? nullptr : EVP_sha256();
}

}  // namespace

std::string_view to_text(TokenAlgorithm algorithm) noexcept {
  return kNames[static_cast<std::size_t>(algorithm)];
}

std::optional<TokenAlgorithm> parse_token_algorithm(std::string_view text) noexcept {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == text) return static_cast<TokenAlgorithm>(i);
  }
  return std::nullopt;
}

Result<void> check_pkey(const EVP_PKEY* key, TokenAlgorithm algorithm) noexcept {
  switch (algorithm) {
    case TokenAlgorithm::rs256:
      if (EVP_PKEY_is_a(key, "RSA") != 1) return Errc::invalid_text;
      if (EVP_PKEY_get_bits(key) < kMinRsaBits) return Errc::out_of_range;
      return {};
    case TokenAlgorithm::es256: {
      std::array<char, 64> group{};
      std::size_t size = 0;
      if (EVP_PKEY_is_a(key, "EC") != 1 ||
          EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) != 1) {
        return Errc::invalid_text;
      }
      if (std::string_view(group.data(), size) != "prime256v1") return Errc::invalid_text;
      return {};
    }
    case TokenAlgorithm::eddsa:
      if (EVP_PKEY_is_a(key, "ED25519") != 1) return Errc::invalid_text;
      return {};
    case TokenAlgorithm::hs256:
      break;
  }
  return Errc::invalid_text;
}

TokenKey::TokenKey(std::string id, TokenAlgorithm algorithm,
                   std::shared_ptr<const Material> material) noexcept
    : id_(std::move(id)), algorithm_(algorithm), material_(std::move(material)) {}

Result<TokenKey> TokenKey::from_text(std::string id, TokenAlgorithm algorithm, std::string_view text) {
  if (id.empty() || id.size() > kMaxKeyIdBytes) return Errc::too_long;
  auto material = std::make_shared<Material>();
  if (algorithm == TokenAlgorithm::hs256) {
    auto secret = parse_secret_file_text(text);
    if (!secret) return secret.error();
    if (secret->reveal().size() < kMinHmacKeyBytes) return Errc::out_of_range;
    if (secret->reveal().starts_with("-----BEGIN")) return Errc::invalid_text;  // the wrong file
    material->secret = std::move(*secret);
    material->is_private = true;
    return TokenKey(std::move(id), algorithm, std::move(material));
  }
  const MemoryBio whole(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  const MemoryBio again(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  RECHARGE_CHECK(whole && again);
  material->pkey.reset(PEM_read_bio_PrivateKey(whole.get(), nullptr, no_passphrase, nullptr));
  material->is_private = material->pkey != nullptr;
  if (!material->pkey)
    material->pkey.reset(PEM_read_bio_PUBKEY(again.get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  if (!material->pkey) return Errc::invalid_text;
  if (const auto checked = check_pkey(material->pkey.get(), algorithm); !checked) return checked.error();
  return TokenKey(std::move(id), algorithm, std::move(material));
}

bool TokenKey::verify(std::string_view message, std::string_view signature) const noexcept {
  if (algorithm_ == TokenAlgorithm::hs256) {
    const auto mac = hmac(*material_->secret, message);
    return signature.size() == mac.size() && sodium_memcmp(mac.data(), signature.data(), mac.size()) == 0;
  }
  const std::string der = algorithm_ == TokenAlgorithm::es256 ? to_der(signature) : std::string(signature);
  if (der.empty()) return false;
  const MdContext context(EVP_MD_CTX_new());
  const bool verified =
      context &&
      EVP_DigestVerifyInit(context.get(), nullptr, digest_of_algorithm(algorithm_), nullptr,
                           material_->pkey.get()) == 1 &&
      EVP_DigestVerify(context.get(), octets(der), der.size(), octets(message), message.size()) == 1;
  ERR_clear_error();
  return verified;
}

Result<std::string> TokenKey::sign(std::string_view message) const {
  if (!material_->is_private) return Errc::not_found;
  if (algorithm_ == TokenAlgorithm::hs256) {
    const auto mac = hmac(*material_->secret, message);
    return std::string(mac.begin(), mac.end());
  }
  const MdContext context(EVP_MD_CTX_new());
  std::size_t size = 0;
  RECHARGE_CHECK(context && EVP_DigestSignInit(context.get(), nullptr, digest_of_algorithm(algorithm_),
                                               nullptr, material_->pkey.get()) == 1);
  RECHARGE_CHECK(EVP_DigestSign(context.get(), nullptr, &size, octets(message), message.size()) == 1);
  std::string signature(size, '\0');
  RECHARGE_CHECK(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                                octets(message), message.size()) == 1);
  signature.resize(size);
  return algorithm_ == TokenAlgorithm::es256 ? from_der(signature) : signature;
}

}  // namespace recharge
