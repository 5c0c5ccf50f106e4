#include "server/percent.h"

#include "core/percent_text.h"

namespace recharge {

bool percent_decode(std::string_view text, bool plus_is_space, std::string& out) {
  out.clear();
  return append_percent_decoded(out, text, plus_is_space);
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
