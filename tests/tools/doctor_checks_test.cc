#include "tools/doctor_checks.h"

#include <gtest/gtest.h>

namespace recharge {
namespace {

constexpr double kNow = 1'800'000'000;

// A page of a server that is well, but for what is laid over it.
std::string page(const std::string& changed = {}) {
  const std::string good[] = {"recharge_journal_flush_seconds_bucket{le=\"0.001\"} 99",
                              "recharge_journal_flush_seconds_bucket{le=\"0.05\"} 100",
                              "recharge_journal_flush_seconds_bucket{le=\"+Inf\"} 100",
                              "recharge_connections 5",
                              "recharge_connections_limit 100",
                              "recharge_time_seconds 1800000001",
                              "recharge_disk_free_bytes 5000000000",
                              "recharge_books_bytes 1",
                              "recharge_books_limit_bytes 100",
                              "recharge_exceptions_open{kind=\"late_payment\"} 0",
                              "recharge_ledger_sum_minor_units 0",
                              "recharge_scrub_damage_total 0",
                              "recharge_log_dropped_total 0",
                              "recharge_tls_certificate_not_after_timestamp_seconds 1810000000"};
  const std::string name = changed.substr(0, changed.rfind(' ') + 1);
  std::string text = "# HELP x\n";
  for (const std::string& line : good)
    text += (!changed.empty() && line.starts_with(name) ? changed : line) + "\n";
  return text;
}

TEST(DoctorChecks, FindNothingInAServerThatIsWell) {
  const auto checks = check_metrics(ServerMetrics(page()), kNow);
  EXPECT_EQ(checks.size(), 10U);
  for (const Check& check : checks) EXPECT_TRUE(check.good) << check.name << ": " << check.finding;
}

TEST(DoctorChecks, FindEachThingThatIsNot) {
  const struct {
    const char* line;
    const char* check;
  } rows[] = {{"recharge_journal_flush_seconds_bucket{le=\"0.001\"} 98", "flush"},
              {"recharge_connections 81", "descriptors"},
              {"recharge_time_seconds 1800000006", "clock"},
              {"recharge_time_seconds 1799999994", "clock"},
              {"recharge_disk_free_bytes 2000000000", "disk"},
              {"recharge_books_bytes 81", "books"},
              {"recharge_tls_certificate_not_after_timestamp_seconds 1801000000", "certificate"},
              {"recharge_exceptions_open{kind=\"late_payment\"} 2", "exceptions"},
              {"recharge_ledger_sum_minor_units -1", "ledger"},
              {"recharge_scrub_damage_total 1", "damage"},
              {"recharge_log_dropped_total 9", "log"}};
  for (const auto& row : rows) {
    for (const Check& check : check_metrics(ServerMetrics(page(row.line)), kNow)) {
      EXPECT_EQ(check.good, check.name != row.check) << row.line << " " << check.name;
      EXPECT_FALSE(check.fix.empty());
    }
  }
}

TEST(DoctorChecks, LeaveOutWhatAServerDoesNotTell) {
  EXPECT_TRUE(check_metrics(ServerMetrics("recharge_connections 5\n"), kNow).empty());
}

}  // namespace
}  // namespace recharge
