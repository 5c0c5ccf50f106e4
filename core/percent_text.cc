#include "core/percent_text.h"

namespace recharge {
namespace {

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
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c != '%') {
      *to++ = plus_is_space && c == '+' ? ' ' : c;
      continue;
    }
    const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = high < 0 ? -1 : hex_value(text[i + 2]);
    if (low < 0) {
      out.resize(start);
      return false;
    }
    *to++ = static_cast<char>(high << 4 | low);
    i += 2;
  }
  out.resize(static_cast<std::size_t>(to - out.data()));
  return true;
}

}  // namespace recharge
