#include "core/hmac_sha256_key.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <sodium.h>

#include <stdexcept>

#include "core/check.h"
#include "core/vector_registers.h"

namespace recharge {
namespace {

const unsigned char* octets(std::string_view text) noexcept {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

std::size_t equal(const Hmac& a, const Hmac& b) noexcept {
  const int difference = sodium_memcmp(a.data(), b.data(), a.size());  // 0 or -1
  return static_cast<std::size_t>(difference) + 1;
}

class HmacSha256Key::Context {
 public:
  explicit Context(const Secret& secret) {
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, sizeof digest - 1),
        OSSL_PARAM_construct_end()};
    const std::string_view key = secret.reveal();
    if (!context_ || EVP_MAC_init(context_.get(), octets(key), key.size(), parameters) != 1) {
      throw std::runtime_error("OpenSSL has no HMAC-SHA256");
    }
    clear_vector_registers();
  }

  Hmac sign(std::span<const std::string_view> pieces) noexcept {
    // Without a key it starts again under the one that it has.
    bool good = EVP_MAC_init(context_.get(), nullptr, 0, nullptr) == 1;
    for (const std::string_view piece : pieces) {
      good = EVP_MAC_update(context_.get(), octets(piece), piece.size()) == 1 && good;
    }
    Hmac hmac;
    std::size_t size = 0;
    good = EVP_MAC_final(context_.get(), hmac.data(), &size, hmac.size()) == 1 && good;
    // Only memory can have run out, and a signature that is not the right one must never be compared with.
    RECHARGE_CHECK(good && size == hmac.size());
    return hmac;
  }

 private:
  struct Free {
    void operator()(EVP_MAC* mac) const noexcept { EVP_MAC_free(mac); }
    void operator()(EVP_MAC_CTX* context) const noexcept { EVP_MAC_CTX_free(context); }
  };
  std::unique_ptr<EVP_MAC, Free> mac_{EVP_MAC_fetch(nullptr, "HMAC", nullptr)};
  std::unique_ptr<EVP_MAC_CTX, Free> context_{mac_ ? EVP_MAC_CTX_new(mac_.get()) : nullptr};
};

HmacSha256Key::HmacSha256Key(const Secret& secret) : context_(std::make_unique<Context>(secret)) {}
HmacSha256Key::~HmacSha256Key() = default;
HmacSha256Key::HmacSha256Key(HmacSha256Key&&) noexcept = default;
HmacSha256Key& HmacSha256Key::operator=(HmacSha256Key&&) noexcept = default;

Hmac HmacSha256Key::sign(std::span<const std::string_view> pieces) noexcept { return context_->sign(pieces); }

}  // namespace recharge
