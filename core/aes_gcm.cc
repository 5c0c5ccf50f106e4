#include "core/aes_gcm.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <sodium.h>

#include <limits>
#include <memory>

namespace recharge {
namespace {

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};

const unsigned char* bytes(std::string_view text) noexcept {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

Result<void> open_aes_256_gcm(std::string_view key, std::string_view nonce, std::string_view associated_data,
                              std::span<const std::uint8_t> sealed, std::string& plain) {
  constexpr auto kMost = static_cast<std::size_t>(std::numeric_limits<int>::max());
  plain.clear();
  if (key.size() != kAes256KeyBytes || nonce.size() != kGcmNonceBytes || sealed.size() < kGcmTagBytes ||
      sealed.size() > kMost || associated_data.size() > kMost) {
    return Errc::out_of_range;
  }
  const std::size_t size = sealed.size() - kGcmTagBytes;
  static const EVP_CIPHER* const algorithm =
      EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);  // once, for it takes a lock
  const std::unique_ptr<EVP_CIPHER_CTX, FreeContext> context(EVP_CIPHER_CTX_new());
  plain.resize(size);
  auto* const out = reinterpret_cast<unsigned char*>(plain.data());
  unsigned char tag[kGcmTagBytes];
  std::copy(sealed.end() - kGcmTagBytes, sealed.end(), tag);
  int written = 0;
  const bool fits =
      context && EVP_DecryptInit_ex(context.get(), algorithm, nullptr, bytes(key), bytes(nonce)) == 1 &&
      EVP_DecryptUpdate(context.get(), nullptr, &written, bytes(associated_data),
                        static_cast<int>(associated_data.size())) == 1 &&
      EVP_DecryptUpdate(context.get(), out, &written, sealed.data(), static_cast<int>(size)) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kGcmTagBytes, tag) == 1 &&
      EVP_DecryptFinal_ex(context.get(), out + written, &written) == 1;
  if (fits) return {};
  ERR_clear_error();
  sodium_memzero(plain.data(), plain.size());
  plain.clear();
  return Errc::invalid_signature;
}

}  // namespace recharge
