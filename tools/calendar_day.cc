#include "tools/calendar_day.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <ctime>
#include <filesystem>

namespace recharge {
namespace {

// A name of the database, and nothing that leads elsewhere.
bool is_zone(const std::string& zone) {
  const bool plain = std::all_of(zone.begin(), zone.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '/' || c == '_' || c == '-' || c == '+';
  });
  std::error_code error;
  return plain && !zone.empty() && zone.front() != '/' &&
         std::filesystem::is_regular_file("/usr/share/zoneinfo/" + zone, error);
}

std::time_t midnight(const std::tm& day, int days_later) {
  std::tm at = day;
  at.tm_mday += days_later;
  at.tm_isdst = -1;
  return std::mktime(&at);
}

bool read_digits(const std::string& date, std::size_t at, std::size_t size, int& value) {
  const char* const first = date.data() + at;
  const auto [end, error] = std::from_chars(first, first + size, value);
  return error == std::errc() && end == first + size && *first != '-';
}

}  // namespace

ToolResult<TimeSpan> calendar_day(const std::string& date, const std::string& zone) {
  if (!is_zone(zone)) return ToolError{ExitCode::usage, "no time zone is called '" + zone + "'"};
  std::tm day{};
  const bool read = date.size() == 10 && date[4] == '-' && date[7] == '-' &&
                    read_digits(date, 0, 4, day.tm_year) && read_digits(date, 5, 2, day.tm_mon) &&
                    read_digits(date, 8, 2, day.tm_mday);
  // The calendar's own reader knows which days there are.
  if (!read || !parse_rfc3339(date + "T00:00:00Z"))
    return ToolError{ExitCode::usage, "'" + date + "' is no day: it has to be like 2026-11-25"};
  day.tm_year -= 1900;
  day.tm_mon -= 1;
  ::setenv("TZ", zone.c_str(), 1);
  ::tzset();
  return TimeSpan{from_unix_seconds(midnight(day, 0)), from_unix_seconds(midnight(day, 1))};
}

std::string local_text(Time time) {
  const std::time_t seconds = time.ms / 1000;
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts)};
}

}  // namespace recharge
