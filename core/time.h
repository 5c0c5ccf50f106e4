// Purpose: points in time as values; core has no clock, the time comes in with each command.
// Units: milliseconds since 1970-01-01T00:00:00Z, without leap seconds. Zero means "not reached".
// Source: RFC 3339 for the text form.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.h"

namespace recharge {

struct Time {
  std::int64_t ms = 0;

  constexpr bool reached() const noexcept { return ms != 0; }
  friend constexpr auto operator<=>(const Time&, const Time&) noexcept = default;
};

constexpr Time from_unix_seconds(std::int64_t seconds) noexcept { return Time{seconds * 1000}; }

// "2026-11-22T19:47:21.123Z": 24 characters. REQUIRES: 0 <= time.ms < year 10000.
std::string to_rfc3339(Time time);

// Full date-time with 'T' (or 't'), any number of fraction digits (cut to milliseconds), 'Z' (or 'z') or a
// numeric offset. Refuses days that do not exist, second 60, and years before 1970.
// Errc::invalid_text where the form is wrong, Errc::out_of_range where only the value is.
Result<Time> parse_rfc3339(std::string_view text) noexcept;

}  // namespace recharge
