#include "core/base64.h"

#include <openssl/evp.h>
#include <sodium.h>

#include <algorithm>
#include <array>

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

// OpenSSL overlooks white space and stray bits: what it decodes is only taken where it encodes to the same
// text.
Result<std::size_t> decode_public_base64(std::string_view text, std::span<std::uint8_t> bytes) noexcept {
  constexpr std::size_t kTextPiece = 64, kPiece = kTextPiece / 4 * 3;
  std::array<unsigned char, kPiece> decoded;
  std::array<char, kTextPiece + 1> encoded;
  std::size_t size = 0;
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, kTextPiece);
    text.remove_prefix(piece.size());
    const int whole = EVP_DecodeBlock(decoded.data(), reinterpret_cast<const unsigned char*>(piece.data()),
                                      static_cast<int>(piece.size()));
    const std::size_t padding =
        text.empty() ? piece.size() - std::min(piece.find('='), piece.size()) : std::size_t{0};
    if (whole < 0 || static_cast<std::size_t>(whole) < padding) return Errc::invalid_text;
    const std::size_t got = static_cast<std::size_t>(whole) - padding;
    const int again = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()), decoded.data(),
                                      static_cast<int>(got));
    if (std::string_view(encoded.data(), static_cast<std::size_t>(again)) != piece) return Errc::invalid_text;
    if (got > bytes.size() - size) return Errc::invalid_text;
    std::copy_n(decoded.begin(), got, bytes.begin() + static_cast<std::ptrdiff_t>(size));
    size += got;
  }
  return size;
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
