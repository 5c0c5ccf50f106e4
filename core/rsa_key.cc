#include "core/rsa_key.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <sodium.h>

#include <array>
#include <new>
#include <stdexcept>
#include <vector>

#include "core/base64.h"
#include "core/lower_hex.h"
#include "core/openssl_free.h"
#include "core/vector_registers.h"

namespace recharge {
namespace {

constexpr std::size_t kMaxSignatureBytes = kMaxRsaBits / 8;
constexpr std::size_t kFingerprintBytes = 8;

using Sha256 = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

struct FreeKey {
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};
using KeyOwner = std::unique_ptr<EVP_PKEY, OpensslFree<EVP_PKEY_free>>;
using ContextOwner = std::unique_ptr<EVP_PKEY_CTX, OpensslFree<EVP_PKEY_CTX_free>>;

// Used again for each message: no look-up under a lock, and no allocation.
class Sha256Context {
 public:
  bool digest(std::string_view message, Sha256& digest) noexcept {
    static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    return context_ && EVP_DigestInit_ex2(context_.get(), algorithm, nullptr) == 1 &&
           EVP_DigestUpdate(context_.get(), message.data(), message.size()) == 1 &&
           EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) == 1;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, OpensslFree<EVP_MD_CTX_free>> context_{EVP_MD_CTX_new()};
};

// Wiped when it goes: it may hold a private key.
class Der {
 public:
  // The lines between BEGIN and END, or the whole text where there is no armour.
  explicit Der(std::string_view text) {
    if (const std::size_t begin = text.find("-----BEGIN "); begin != text.npos) {
      const std::size_t head = text.find('\n', begin);
      const std::size_t end = text.find("-----END ", begin);
      if (head == text.npos || end == text.npos || end < head) return;
      text = text.substr(head, end - head);
    }
    std::string packed;
    packed.reserve(text.size());
    for (const char c : text) {
      if (c != '\n' && c != '\r' && c != ' ' && c != '\t') packed.push_back(c);
    }
    bytes_.resize(packed.size());
    const auto size = decode_base64(packed, bytes_);
    sodium_memzero(packed.data(), packed.size());
    size_ = size ? *size : 0;
  }
  ~Der() { sodium_memzero(bytes_.data(), bytes_.size()); }
  Der(const Der&) = delete;
  Der& operator=(const Der&) = delete;

  const unsigned char* data() const noexcept { return bytes_.data(); }
  long size() const noexcept { return static_cast<long>(size_); }

 private:
  std::vector<std::uint8_t> bytes_;
  std::size_t size_ = 0;
};

KeyOwner read_public(const Der& der) {
  if (der.size() == 0) return nullptr;
  const unsigned char* at = der.data();
  if (KeyOwner key(d2i_PUBKEY(nullptr, &at, der.size())); key && at == der.data() + der.size()) return key;
  at = der.data();
  if (KeyOwner key(d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at, der.size()));
      key && at == der.data() + der.size()) {
    return key;
  }
  at = der.data();
  const std::unique_ptr<X509, OpensslFree<X509_free>> certificate(d2i_X509(nullptr, &at, der.size()));
  return KeyOwner(certificate ? X509_get_pubkey(certificate.get()) : nullptr);
}

Errc check_size(const EVP_PKEY* key) noexcept {
  if (key == nullptr || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) return Errc::invalid_text;
  const int bits = EVP_PKEY_get_bits(key);
  return bits < kMinRsaBits || bits > kMaxRsaBits ? Errc::out_of_range : Errc{};
}

std::string fingerprint_of(const EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size <= 0) throw std::bad_alloc();
  Sha256 digest{};
  const bool done =
      Sha256Context().digest({reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)}, digest);
  OPENSSL_free(der);
  if (!done) throw std::runtime_error("OpenSSL gives no SHA-256");
  std::string text;
  for (std::size_t i = 0; i < kFingerprintBytes; ++i) {
    text.push_back(kLowerHexDigits[digest[i] >> 4]);
    text.push_back(kLowerHexDigits[digest[i] & 15]);
  }
  return text;
}

}  // namespace

Result<RsaPublicKey> RsaPublicKey::parse(std::string_view text) {
  KeyOwner key = read_public(Der(text));
  ERR_clear_error();
  if (const Errc error = check_size(key.get()); error != Errc{}) return error;
  RsaPublicKey result;
  result.fingerprint_ = fingerprint_of(key.get());
  result.key_ = std::move(key);
  return result;
}

// Set up once and used for every message: no look-up of algorithms and no allocation for each.
class RsaVerifier::Context {
 public:
  explicit Context(std::shared_ptr<EVP_PKEY> key) : key_(std::move(key)) {
    context_.reset(EVP_PKEY_CTX_new(key_.get(), nullptr));
    if (!context_ || EVP_PKEY_verify_init(context_.get()) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(context_.get(), RSA_PKCS1_PADDING) != 1 ||
        EVP_PKEY_CTX_set_signature_md(context_.get(), EVP_sha256()) != 1) {
      throw std::runtime_error("OpenSSL gives no RSA with SHA-256");
    }
  }

  bool verify(std::string_view message, std::string_view signature) noexcept {
    std::array<std::uint8_t, kMaxSignatureBytes> bytes;
    const auto size = decode_public_base64(signature, bytes);
    Sha256 digest;
    if (!size || !sha256_.digest(message, digest)) return false;
    if (EVP_PKEY_verify(context_.get(), bytes.data(), *size, digest.data(), digest.size()) == 1) return true;
    ERR_clear_error();
    return false;
  }

 private:
  std::shared_ptr<EVP_PKEY> key_;
  ContextOwner context_;
  Sha256Context sha256_;
};

RsaVerifier::RsaVerifier(const RsaPublicKey& key) : context_(std::make_unique<Context>(key.key_)) {}
RsaVerifier::~RsaVerifier() = default;
RsaVerifier::RsaVerifier(RsaVerifier&&) noexcept = default;
RsaVerifier& RsaVerifier::operator=(RsaVerifier&&) noexcept = default;

bool RsaVerifier::verify(std::string_view message, std::string_view signature) noexcept {
  return context_->verify(message, signature);
}

Result<RsaPrivateKey> RsaPrivateKey::parse(const Secret& text) {
  const Der der(text.reveal());
  const unsigned char* at = der.data();
  KeyOwner key(der.size() == 0 ? nullptr : d2i_AutoPrivateKey(nullptr, &at, der.size()));
  clear_vector_registers();
  ERR_clear_error();
  if (const Errc error = check_size(key.get()); error != Errc{}) return error;
  RsaPrivateKey result;
  result.key_ = std::move(key);
  return result;
}

Result<std::string> RsaPrivateKey::sign(std::string_view message) const {
  const ContextOwner context(EVP_PKEY_CTX_new(key_.get(), nullptr));
  Sha256 digest;
  std::array<std::uint8_t, kMaxSignatureBytes> signature;
  std::size_t size = signature.size();
  if (!context || !Sha256Context().digest(message, digest) || EVP_PKEY_sign_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1 ||
      EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) != 1 ||
      EVP_PKEY_sign(context.get(), signature.data(), &size, digest.data(), digest.size()) != 1) {
    ERR_clear_error();
    return Errc::out_of_range;
  }
  return encode_base64({signature.data(), size});
}

RsaPublicKey RsaPrivateKey::public_key() const {
  RsaPublicKey result;
  result.key_ = key_;
  result.fingerprint_ = fingerprint_of(key_.get());
  return result;
}

}  // namespace recharge
