#include "server/percent.h"

namespace recharge {
namespace {

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

bool percent_decode(std::string_view text, bool plus_is_space, std::string& out) {
  out.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size()) return false;
      const int high = hex_value(text[i + 1]);
      const int low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return false;
      out.push_back(static_cast<char>(high << 4 | low));
      i += 2;
    } else {
      out.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
    }
  }
  return true;
}

QueryValue query_value(std::string_view query, std::string_view name) {
  QueryValue value;
  std::string decoded;
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view member = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    const std::size_t equals = member.find('=');
    if (!percent_decode(member.substr(0, equals), true, decoded) || decoded != name) continue;
    const std::string_view text =
        equals == std::string_view::npos ? std::string_view() : member.substr(equals + 1);
    if (value.found || !percent_decode(text, true, value.text)) value.malformed = true;
    value.found = true;
  }
  return value;
}

}  // namespace recharge
