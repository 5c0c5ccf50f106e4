#include "core/header_lines.h"

#include <algorithm>

namespace recharge {
namespace {

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool is_name(std::string_view text, std::string_view name) noexcept {
  return text == name ||  // as most write it
         std::equal(text.begin(), text.end(), name.begin(), name.end(),
                    [](char a, char b) { return lower(a) == lower(b); });
}

constexpr bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\r'; }

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

void find_headers(std::string_view lines, std::span<const std::string_view> names,
                  std::span<HeaderValue> values) noexcept {
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    const std::size_t colon = line.find(':');
    if (colon == line.npos) continue;
    const auto name = std::find_if(names.begin(), names.end(),
                                   [&](std::string_view n) { return is_name(line.substr(0, colon), n); });
    if (name == names.end()) continue;
    HeaderValue& value = values[static_cast<std::size_t>(name - names.begin())];
    value.repeated = value.found;
    if (!value.found) value.text = trimmed(line.substr(colon + 1));
    value.found = true;
  }
}

HeaderValue find_header(std::string_view lines, std::string_view name) noexcept {
  HeaderValue value;
  find_headers(lines, {&name, 1}, {&value, 1});
  return value;
}

std::string_view single(const HeaderValue& value) noexcept {
  return value.repeated ? std::string_view() : value.text;
}

std::string_view single_header(std::string_view lines, std::string_view name) noexcept {
  return single(find_header(lines, name));
}

}  // namespace recharge
