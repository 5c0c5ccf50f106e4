#include "core/base64.h"

#include <sodium.h>

#include <array>

namespace recharge {

namespace {

constexpr std::uint32_t kNoSixBits = 0x80000000;

// What each character of the standard alphabet stands for in each place of four, so that they are only added.
constexpr auto kSixBits = [] {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::array<std::array<std::uint32_t, 256>, 4> tables;
  for (std::size_t place = 0; place < tables.size(); ++place) {
    tables[place].fill(kNoSixBits);
    for (std::size_t i = 0; i < kAlphabet.size(); ++i)
      tables[place][static_cast<unsigned char>(kAlphabet[i])] =
          static_cast<std::uint32_t>(i << (18 - 6 * place));
  }
  return tables;
}();

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

Result<std::size_t> decode_public_base64(std::string_view text, std::span<std::uint8_t> bytes) noexcept {
  if (text.size() % 4 != 0) return Errc::invalid_text;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  const std::size_t size = text.size() / 4 * 3 - padding;
  if (size > bytes.size()) return Errc::invalid_text;
  std::uint8_t* to = bytes.data();
  std::uint32_t all = 0;
  const char* from = text.data();
  const auto six_bits = [&](std::size_t place) noexcept {
    return kSixBits[place][static_cast<unsigned char>(from[place])];
  };
  for (std::size_t whole = size / 3; whole != 0; --whole, from += 4) {
    const std::uint32_t bits = six_bits(0) | six_bits(1) | six_bits(2) | six_bits(3);
    all |= bits;
    *to++ = static_cast<std::uint8_t>(bits >> 16);
    *to++ = static_cast<std::uint8_t>(bits >> 8);
    *to++ = static_cast<std::uint8_t>(bits);
  }
  if (padding != 0) {
    const std::uint32_t bits = six_bits(0) | six_bits(1) | (padding == 1 ? six_bits(2) : 0);
    all |= bits;
    if ((bits & ((1U << 8 * padding) - 1)) != 0) return Errc::invalid_text;  // stray bits
    *to++ = static_cast<std::uint8_t>(bits >> 16);
    if (padding == 1) *to++ = static_cast<std::uint8_t>(bits >> 8);
  }
  if ((all & kNoSixBits) != 0) return Errc::invalid_text;
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
