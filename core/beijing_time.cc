#include "core/beijing_time.h"

namespace recharge {
namespace {

constexpr std::size_t kSize = 19;
constexpr std::size_t kGap = 10;  // between day and time
constexpr std::int64_t kAheadMs = 28'800'000;

}  // namespace

std::optional<Time> parse_beijing_time(std::string_view text) {
  if (text.size() != kSize || text[kGap] != ' ') return std::nullopt;
  std::string rfc3339(text);
  rfc3339[kGap] = 'T';
  const auto time = parse_rfc3339(rfc3339.append("+08:00"));
  return time ? std::optional(*time) : std::nullopt;
}

std::string to_beijing_time(Time time) {
  std::string text = to_rfc3339(Time{time.ms + kAheadMs});
  text.resize(kSize);
  text[kGap] = ' ';
  return text;
}

}  // namespace recharge
