#include "server/trace_parent.h"

#include <algorithm>
#include <exception>

namespace recharge {
namespace {

bool is_hex(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_zero(std::string_view text) noexcept { return text.find_first_not_of('0') == std::string_view::npos; }

}  // namespace

// Of a later version the parts of this one count; what it adds is left out.
TraceParent TraceParent::parse(std::string_view header) noexcept {
  TraceParent parsed;
  if (header.size() < kBytes) return parsed;
  const std::string_view version = header.substr(0, 2);
  const std::string_view trace = header.substr(3, 32);
  const std::string_view parent = header.substr(36, 16);
  const std::string_view flags = header.substr(53, 2);
  const bool ends = header.size() == kBytes || (version != "00" && header[kBytes] == '-');
  const bool dashes = header[2] == '-' && header[35] == '-' && header[52] == '-';
  if (!ends || !dashes || version == "ff") return parsed;
  if (!is_hex(version) || !is_hex(trace) || !is_hex(parent) || !is_hex(flags)) return parsed;
  if (is_zero(trace) || is_zero(parent)) return parsed;
  if (!parsed.text_.assign(header.substr(0, kBytes))) std::terminate();
  return parsed;
}

std::string TraceParent::child(RandomSource& random) const {
  if (empty()) return {};
  std::string header("00-");
  header.append(trace_id()).append("-");
  char parent[16];
  random.write_hex(parent);
  parent[0] = parent[0] == '0' ? '1' : parent[0];  // never all zero
  return header.append(parent, sizeof parent).append("-").append(text_.view().substr(53, 2));
}

}  // namespace recharge
