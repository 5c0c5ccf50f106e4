#include "core/percent_text.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace recharge {
namespace {

constexpr std::ptrdiff_t kWordBytes = 8;

// How many bytes of the word come before the first '%' or '+'.
std::ptrdiff_t plain_bytes(std::uint64_t word) noexcept {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  // The top bit of each byte that is c, and perhaps of some behind the first.
  const auto marked = [word](char c) noexcept {
    const std::uint64_t rest = word ^ kOnes * static_cast<unsigned char>(c);
    return (rest - kOnes) & ~rest & kOnes << 7;
  };
  const std::uint64_t found = marked('%') | marked('+');
  if (found == 0) return kWordBytes;
  return std::endian::native == std::endian::little ? std::countr_zero(found) / 8 : 0;
}

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void append_percent_encoded(std::string& out, std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out.push_back('%');
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
}

bool append_percent_decoded(std::string& out, std::string_view text, bool plus_is_space) {
  const std::size_t start = out.size();
  out.resize(start + text.size());  // decoding makes nothing longer
  char* to = out.data() + start;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    if (end - at >= kWordBytes) {
      std::uint64_t word;
      std::memcpy(&word, at, kWordBytes);
      std::memcpy(to, &word, kWordBytes);  // what is behind the plain bytes is written over
      const auto plain = plain_bytes(word);
      at += plain;
      to += plain;
      if (plain == kWordBytes) continue;
    }
    const char c = *at++;
    if (c != '%') {
      *to++ = plus_is_space && c == '+' ? ' ' : c;
      continue;
    }
    const int high = end - at < 2 ? -1 : hex_value(at[0]);
    const int low = high < 0 ? -1 : hex_value(at[1]);
    if (low < 0) {
      out.resize(start);
      return false;
    }
    *to++ = static_cast<char>(high << 4 | low);
    at += 2;
  }
  out.resize(static_cast<std::size_t>(to - out.data()));
  return true;
}

}  // namespace recharge
