// Purpose: a calendar day of a time zone as a span of time: 23 or 25 hours where clocks change. Owner: the
// one thread of the tool: the process's own time zone is set. Errors: ExitCode::usage for a day or a zone
// that does not exist. Source: the system's time zone database (Debian's tzdata).
#pragma once

#include <string>

#include "core/time.h"
#include "tools/tool_error.h"

namespace recharge {

struct TimeSpan {
  Time from;
  Time until;  // not in it any more
};

// date: "2026-11-25". zone: "Asia/Shanghai".
ToolResult<TimeSpan> calendar_day(const std::string& date, const std::string& zone);
// "2026-11-25 08:00:00", in the zone that was set last, else the process's own.
std::string local_text(Time time);

}  // namespace recharge
