#include "core/aes_gcm.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <sodium.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "core/vector_registers.h"

namespace recharge {
namespace {

const unsigned char* octets(std::string_view text) noexcept {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

void Aes256GcmOpener::Free::operator()(evp_cipher_ctx_st* context) const noexcept {
  EVP_CIPHER_CTX_free(context);  // wipes the key
}

Aes256GcmOpener::Aes256GcmOpener(const Secret& key) {
  if (key.reveal().size() != kAes256KeyBytes) return;
  context_.reset(EVP_CIPHER_CTX_new());
  if (!context_ ||
      EVP_DecryptInit_ex(context_.get(), EVP_aes_256_gcm(), nullptr, octets(key.reveal()), nullptr) != 1) {
    throw std::runtime_error("OpenSSL gives no AES-256-GCM");
  }
  clear_vector_registers();
}

Result<void> Aes256GcmOpener::open(std::string_view nonce, std::string_view associated_data,
                                   std::span<const std::uint8_t> sealed, std::string& plain) {
  constexpr auto kMost = static_cast<std::size_t>(std::numeric_limits<int>::max());
  plain.clear();
  if (!context_ || nonce.size() != kGcmNonceBytes || sealed.size() < kGcmTagBytes || sealed.size() > kMost ||
      associated_data.size() > kMost) {
    return Errc::out_of_range;
  }
  const std::size_t size = sealed.size() - kGcmTagBytes;
  plain.resize(size);
  auto* const out = reinterpret_cast<unsigned char*>(plain.data());
  unsigned char tag[kGcmTagBytes];
  std::copy(sealed.end() - kGcmTagBytes, sealed.end(), tag);
  EVP_CIPHER_CTX* const context = context_.get();
  int written = 0;
  const bool fits = EVP_DecryptInit_ex(context, nullptr, nullptr, nullptr, octets(nonce)) == 1 &&
                    EVP_DecryptUpdate(context, nullptr, &written, octets(associated_data),
                                      static_cast<int>(associated_data.size())) == 1 &&
                    EVP_DecryptUpdate(context, out, &written, sealed.data(), static_cast<int>(size)) == 1 &&
                    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, kGcmTagBytes, tag) == 1 &&
                    EVP_DecryptFinal_ex(context, out + written, &written) == 1;
  if (fits) return {};
  ERR_clear_error();
  sodium_memzero(plain.data(), plain.size());
  plain.clear();
  return Errc::invalid_signature;
}

}  // namespace recharge
