#include "core/base64.h"

#include <sodium.h>

namespace recharge {

namespace {

Result<std::size_t> decode(std::string_view text, std::span<std::uint8_t> bytes, int variant) noexcept {
  // libsodium 1.0.18 takes some bytes above ASCII for characters of the alphabet.
  unsigned char all = 0;
  for (const char c : text) all = static_cast<unsigned char>(all | static_cast<unsigned char>(c));
  if (all >= 0x80) return Errc::invalid_text;
  if (text.empty()) return std::size_t{0};  // libsodium wants no null pointer

  std::size_t size = 0;
  if (sodium_base642bin(bytes.data(), bytes.size(), text.data(), text.size(), nullptr, &size, nullptr,
                        variant) != 0) {
    return Errc::invalid_text;
  }
  return size;
}

std::string encode(std::span<const std::uint8_t> bytes, int variant) {
  std::string text(sodium_base64_encoded_len(bytes.size(), variant), '\0');
  sodium_bin2base64(text.data(), text.size(), bytes.data(), bytes.size(), variant);
  text.pop_back();  // the final NUL
  return text;
}

}  // namespace

Result<std::size_t> decode_base64(std::string_view text, std::span<std::uint8_t> bytes) noexcept {
  return decode(text, bytes, sodium_base64_VARIANT_ORIGINAL);
}

std::string encode_base64(std::span<const std::uint8_t> bytes) {
  return encode(bytes, sodium_base64_VARIANT_ORIGINAL);
}

Result<std::string> decode_base64url(std::string_view text) {
  std::string bytes(text.size() / 4 * 3 + 3, '\0');
  const auto size = decode(text, {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()},
                           sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  if (!size) return size.error();
  bytes.resize(*size);
  return bytes;
}

std::string encode_base64url(std::string_view bytes) {
  return encode({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()},
                sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

}  // namespace recharge
