#include "tools/reply_value.h"

namespace recharge {

std::string_view reply_value(std::string_view body, std::string_view name) noexcept {
  std::size_t at = 0;
  while ((at = body.find(name, at)) != std::string_view::npos) {
    const std::size_t after = at + name.size();
    const bool quoted = at > 0 && body[at - 1] == '"' && after < body.size() && body[after] == '"';
    const std::size_t colon = quoted ? body.find_first_not_of(" \t\r\n", after + 1) : std::string_view::npos;
    at = after;
    if (colon == std::string_view::npos || body[colon] != ':') continue;
    const std::size_t start = body.find_first_not_of(" \t\r\n", colon + 1);
    if (start == std::string_view::npos) return {};
    if (body[start] == '"') {
      const std::size_t end = body.find('"', start + 1);
      return end == std::string_view::npos ? std::string_view{} : body.substr(start + 1, end - start - 1);
    }
    const std::size_t end = body.find_first_of(",}] \t\r\n", start);
    return end == std::string_view::npos ? std::string_view{} : body.substr(start, end - start);
  }
  return {};
}

}  // namespace recharge
