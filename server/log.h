// Purpose: the server's log: asynchronous lines to stderr, text on a terminal, JSON otherwise.
// Owner: any thread may log. Lifetime: between start_log and stop_log; before and after, lines go nowhere.
// Never holds a secret, a body, or a whole account. A full queue drops the oldest lines, and counts them.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "server/settings.h"

namespace recharge {

constexpr std::size_t kLogQueueLines = 8192;

void start_log(const LogSettings& settings);
void set_log_level(std::string_view level);
void stop_log();  // writes what waits
std::uint64_t dropped_log_lines() noexcept;

void log_info(std::string_view text);
void log_warning(std::string_view text);
void log_error(std::string_view text);

struct RequestLine {
  std::string_view route;
  unsigned status;
  std::uint64_t taken_us;
  std::string_view request_id;
  std::string_view trace_id = {};  // empty, as those below: left out
  std::string_view order_id = {};
  std::string_view outcome = {};
};
void log_request(const RequestLine& line);

// Whatever the level. Empty values are left out.
using AuditFields = std::initializer_list<std::pair<std::string_view, std::string_view>>;
void log_audit(std::string_view event, AuditFields fields);

// "13812345678" -> "138****5678"; shorter ones keep less.
std::string mask_account(std::string_view account);
// Escapes what could forge or break a line: control characters, escapes, line separators, invalid UTF-8.
std::string log_safe(std::string_view text);

}  // namespace recharge
