#include "server/log.h"

#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <iterator>
#include <memory>

#include "server/json_text.h"

namespace recharge {
namespace {

std::shared_ptr<spdlog::async_logger> logger;
std::shared_ptr<spdlog::async_logger> audit_logger;  // of the same queue, and without a level
bool json_lines = false;

// The length of a valid UTF-8 sequence at the start of the text that may stand in a log line; zero: it may
// not.
std::size_t safe_sequence(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const std::size_t size = first >= 0xf0 && first < 0xf5 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (size == 0 || first >= 0xf5) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0U) != 0x80U) return 0;
  }
  const unsigned second = byte(1);
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0)) return 0;  // overlong, surrogate
  if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second >= 0x90)) return 0;
  if (first == 0xc2 && second < 0xa0) return 0;  // C1 controls, NEL among them
  if (first == 0xe2 && second == 0x80 && byte(2) >= 0xa8 && byte(2) <= 0xae)
    return 0;  // U+2028, U+2029, bidi
  if (first == 0xe2 && second == 0x81 && byte(2) >= 0xa6 && byte(2) <= 0xa9) return 0;  // bidi isolates
  return size;
}

void append_fields(std::string& line, AuditFields fields) {
  for (const auto& [name, value] : fields) {
    if (value.empty()) continue;
    if (json_lines) {
      line.append(",\"").append(name).append("\":");
      JsonText(line).text(log_safe(value));
    } else {
      line.append(" ").append(name).append("=").append(log_safe(value));
    }
  }
}

void write(spdlog::level::level_enum level, std::string_view text) {
  if (!logger || !logger->should_log(level)) return;
  const std::string safe = log_safe(text);
  if (!json_lines) {
    logger->log(level, safe);
    return;
  }
  std::string quoted;
  JsonText(quoted).text(safe);
  logger->log(level, "\"msg\":" + quoted);
}

}  // namespace

void start_log(const LogSettings& settings) {
  json_lines = settings.format == "json" || (settings.format == "auto" && ::isatty(STDERR_FILENO) == 0);
  spdlog::init_thread_pool(kLogQueueLines, 1);
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  audit_logger = std::make_shared<spdlog::async_logger>("audit", sink, spdlog::thread_pool(),
                                                        spdlog::async_overflow_policy::overrun_oldest);
  logger = std::make_shared<spdlog::async_logger>("recharged", std::move(sink), spdlog::thread_pool(),
                                                  spdlog::async_overflow_policy::overrun_oldest);
  const std::string pattern =
      json_lines ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})" : "%Y-%m-%d %H:%M:%S.%e %l %v";
  audit_logger->set_pattern(pattern, spdlog::pattern_time_type::utc);
  logger->set_pattern(pattern, spdlog::pattern_time_type::utc);
  logger->flush_on(spdlog::level::warn);
  set_log_level(settings.level);
}

void set_log_level(std::string_view level) {
  if (logger) logger->set_level(spdlog::level::from_str(std::string(level)));
}

void stop_log() {
  if (!logger) return;
  logger->flush();
  spdlog::shutdown();  // joins its thread, which may hold the logger still
  logger.reset();
  audit_logger.reset();
}

std::uint64_t dropped_log_lines() noexcept {
  const auto pool = spdlog::thread_pool();
  return pool ? pool->overrun_counter() : 0;
}

void log_info(std::string_view text) { write(spdlog::level::info, text); }
void log_warning(std::string_view text) { write(spdlog::level::warn, text); }
void log_error(std::string_view text) { write(spdlog::level::err, text); }

void log_request(const RequestLine& line) {
  if (!logger || !logger->should_log(spdlog::level::info)) return;
  std::string text;
  text.reserve(256);
  if (json_lines) {
    fmt::format_to(std::back_inserter(text),
                   R"("msg":"request","route":"{}","status":{},"duration_us":{},"request_id":"{}")",
                   line.route, line.status, line.taken_us, line.request_id);
  } else {
    fmt::format_to(std::back_inserter(text), "request {} {} {} us {}", line.route, line.status, line.taken_us,
                   line.request_id);
  }
  append_fields(text, {{"order_id", line.order_id}, {"outcome", line.outcome}, {"trace_id", line.trace_id}});
  logger->log(spdlog::level::info, text);
}

void log_audit(std::string_view event, AuditFields fields) {
  if (!audit_logger) return;
  std::string text(json_lines ? "\"msg\":\"audit\",\"event\":\"" : "audit ");
  text.append(event).append(json_lines ? "\"" : "");
  append_fields(text, fields);
  audit_logger->log(spdlog::level::info, text);
}

std::string mask_account(std::string_view account) {
  if (account.size() < 8) return std::string(account.substr(0, 1)) + "****";
  return std::string(account.substr(0, 3)) + "****" + std::string(account.substr(account.size() - 4));
}

std::string log_safe(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  while (!text.empty()) {
    if (const std::size_t size = safe_sequence(text); size > 0) {
      safe.append(text.substr(0, size));
      text.remove_prefix(size);
      continue;
    }
    std::array<char, 8> escape{};
    std::snprintf(escape.data(), escape.size(), "\\x%02x",
                  static_cast<unsigned>(static_cast<unsigned char>(text[0])));
    safe.append(escape.data());
    text.remove_prefix(1);
  }
  return safe;
}

}  // namespace recharge
