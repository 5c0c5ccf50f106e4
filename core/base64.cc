#include "core/base64.h"

#include <sodium.h>

namespace recharge {

Result<std::size_t> decode_base64(std::string_view text, std::span<std::uint8_t> bytes) noexcept {
  // libsodium 1.0.18 takes some bytes above ASCII for characters of the alphabet.
  unsigned char all = 0;
  for (const char c : text) all = static_cast<unsigned char>(all | static_cast<unsigned char>(c));
  if (all >= 0x80) return Errc::invalid_text;
  if (text.empty()) return std::size_t{0};  // libsodium wants no null pointer

  std::size_t size = 0;
  if (sodium_base642bin(bytes.data(), bytes.size(), text.data(), text.size(), nullptr, &size, nullptr,
                        sodium_base64_VARIANT_ORIGINAL) != 0) {
    return Errc::invalid_text;
  }
  return size;
}

std::string encode_base64(std::span<const std::uint8_t> bytes) {
  std::string text(sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(text.data(), text.size(), bytes.data(), bytes.size(), sodium_base64_VARIANT_ORIGINAL);
  text.pop_back();  // the final NUL
  return text;
}

}  // namespace recharge
