#include "core/time.h"

#include <chrono>
#include <cstddef>

#include "core/check.h"

namespace recharge {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kEndMs = 253'402'300'800'000;  // 10000-01-01T00:00:00Z

void put_digits(char* at, int count, std::uint64_t value) noexcept {
  for (int i = count - 1; i >= 0; --i, value /= 10) at[i] = static_cast<char>('0' + value % 10);
}

// Takes parts from the front of a text, and remembers whether one was missing.
class Scanner {
 public:
  explicit Scanner(std::string_view text) noexcept : rest_(text) {}

  bool ok() const noexcept { return ok_; }
  bool at_end() const noexcept { return rest_.empty(); }
  char peek() const noexcept { return rest_.empty() ? '\0' : rest_.front(); }

  unsigned digits(std::size_t count) noexcept {
    if (rest_.size() < count) return fail();
    unsigned value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (!is_digit(rest_[i])) return fail();
      value = value * 10 + static_cast<unsigned>(rest_[i] - '0');
    }
    rest_.remove_prefix(count);
    return value;
  }

  // One of two characters, of which the second is the other way to write the first.
  bool take(char c, char other) noexcept {
    if (rest_.empty() || (rest_.front() != c && rest_.front() != other)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c, char other) noexcept {
    if (!take(c, other)) fail();
  }
  void expect(char c) noexcept { expect(c, c); }

  // One digit or more after the point; what is finer than a millisecond is cut off.
  unsigned fraction_ms() noexcept {
    unsigned ms = 0;
    std::size_t count = 0;
    for (; count < rest_.size() && is_digit(rest_[count]); ++count) {
      if (count < 3) ms = ms * 10 + static_cast<unsigned>(rest_[count] - '0');
    }
    if (count == 0) return fail();
    for (std::size_t i = count; i < 3; ++i) ms *= 10;
    rest_.remove_prefix(count);
    return ms;
  }

 private:
  static bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
  unsigned fail() noexcept {
    ok_ = false;
    return 0;
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace

std::string to_rfc3339(Time time) {
  RECHARGE_CHECK(time.ms >= 0 && time.ms < kEndMs);
  const std::chrono::sys_days day{std::chrono::days{time.ms / kDayMs}};
  const std::chrono::year_month_day date{day};
  const auto in_day = static_cast<std::uint64_t>(time.ms % kDayMs);

  std::string text = "0000-00-00T00:00:00.000Z";
  put_digits(&text[0], 4, static_cast<std::uint64_t>(static_cast<int>(date.year())));
  put_digits(&text[5], 2, static_cast<unsigned>(date.month()));
  put_digits(&text[8], 2, static_cast<unsigned>(date.day()));
  put_digits(&text[11], 2, in_day / 3'600'000);
  put_digits(&text[14], 2, in_day / 60'000 % 60);
  put_digits(&text[17], 2, in_day / 1000 % 60);
  put_digits(&text[20], 3, in_day % 1000);
  return text;
}

Result<Time> parse_rfc3339(std::string_view text) noexcept {
  Scanner scan(text);
  const unsigned year = scan.digits(4);
  scan.expect('-');
  const unsigned month = scan.digits(2);
  scan.expect('-');
  const unsigned day = scan.digits(2);
  scan.expect('T', 't');
  const unsigned hour = scan.digits(2);
  scan.expect(':');
  const unsigned minute = scan.digits(2);
  scan.expect(':');
  const unsigned second = scan.digits(2);
  const unsigned ms = scan.take('.', '.') ? scan.fraction_ms() : 0;

  unsigned offset_hour = 0;
  unsigned offset_minute = 0;
  const bool west = scan.peek() == '-';
  if (!scan.take('Z', 'z')) {
    scan.expect('+', '-');
    offset_hour = scan.digits(2);
    scan.expect(':');
    offset_minute = scan.digits(2);
  }
  if (!scan.ok() || !scan.at_end()) return Errc::invalid_text;

  const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(year)}, std::chrono::month{month},
                                         std::chrono::day{day}};
  if (year < 1970 || !date.ok()) return Errc::out_of_range;
  if (hour > 23 || minute > 59 || second > 59) return Errc::out_of_range;
  if (offset_hour > 23 || offset_minute > 59) return Errc::out_of_range;

  const std::int64_t days = std::chrono::sys_days{date}.time_since_epoch().count();
  const std::int64_t local_s = (std::int64_t{hour} * 60 + minute) * 60 + second;
  const std::int64_t offset_s = (std::int64_t{offset_hour} * 60 + offset_minute) * 60;
  const Time time{days * kDayMs + (west ? local_s + offset_s : local_s - offset_s) * 1000 + ms};
  if (time.ms < 0 || time.ms >= kEndMs) return Errc::out_of_range;
  return time;
}

}  // namespace recharge
