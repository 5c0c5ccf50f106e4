#include "tools/doctor_checks.h"

#include <array>
#include <cmath>
#include <cstdarg>
#include <cstdio>

namespace recharge {
namespace {

constexpr double kSlowFlushS = 0.01;
constexpr double kMostClockDifferenceS = 5;
constexpr double kLeastFreeBytes = 2.0 * (1 << 30);
constexpr double kMostShare = 0.8;  // of what is limited
constexpr double kDayS = 86'400;
constexpr double kSoonS = 14 * kDayS;

[[gnu::format(printf, 1, 2)]] std::string format(const char* form, ...) {
  std::array<char, 160> text{};
  std::va_list values;
  va_start(values, form);
  std::vsnprintf(text.data(), text.size(), form, values);
  va_end(values);
  return text.data();
}

class Examination {
 public:
  Examination(const ServerMetrics& metrics, std::vector<Check>& checks)
      : metrics_(metrics), checks_(checks) {}

  void add(std::string name, bool good, std::string finding, std::string fix) {
    checks_.push_back({std::move(name), good, std::move(finding), std::move(fix)});
  }

  void flushes() {
    const auto p99 = metrics_.quantile("recharge_journal_flush_seconds", 0.99);
    if (!p99) return;
    add("flush", *p99 <= kSlowFlushS,
        format("99 of 100 flushes of the journal take at most %g ms", *p99 * 1e3),
        "put store.data_dir on a disk of its own that flushes faster (an SSD with power-loss protection)");
  }

  void share(const char* name, const char* used, const char* limit, const char* what,
             const std::string& fix) {
    const auto is = metrics_.sum(used);
    const auto most = metrics_.sum(limit);
    if (!is || !most || *most <= 0) return;
    add(name, *is <= kMostShare * *most, format("%.0f of %.0f %s", *is, *most, what), fix);
  }

  void clock(double now_s) {
    const auto time = metrics_.sum("recharge_time_seconds");
    if (!time) return;
    const double difference = *time - now_s;
    add("clock", std::abs(difference) <= kMostClockDifferenceS,
        format("the server's clock is %+.1f s from this one", difference),
        "set both by NTP (timedatectl set-ntp true): callbacks count for 300 s around their time");
  }

  void disk() {
    const auto free = metrics_.sum("recharge_disk_free_bytes");
    if (!free) return;
    add("disk", *free >= kLeastFreeBytes, format("%.1f GiB free where the data folder is", *free / (1 << 30)),
        "free space, enlarge the file system, or set store.journal_retention; on a full disk orders are "
        "refused");
  }

  void certificate(double now_s) {
    const auto end = metrics_.sum("recharge_tls_certificate_not_after_timestamp_seconds");
    if (!end) return;
    add("certificate", *end - now_s > kSoonS, format("it ends in %.1f days", (*end - now_s) / kDayS),
        "renew the certificate, put it in the place of tls.certificate_file, and reload (SIGHUP)");
  }

  void none(const char* name, const char* metric, const char* what, const std::string& fix) {
    const auto count = metrics_.sum(metric);
    if (count) add(name, *count == 0, format("%.0f %s", *count, what), fix);
  }

 private:
  const ServerMetrics& metrics_;
  std::vector<Check>& checks_;
};

}  // namespace

std::vector<Check> check_metrics(const ServerMetrics& metrics, double now_s) {
  std::vector<Check> checks;
  Examination examine(metrics, checks);
  examine.flushes();
  examine.share(
      "descriptors", "recharge_connections", "recharge_connections_limit", "connections are open",
      "raise server.max_connections and the limit of open files (LimitNOFILE= of the unit), or look for a "
      "client that opens too many");
  examine.clock(now_s);
  examine.disk();
  examine.share("books", "recharge_books_bytes", "recharge_books_limit_bytes", "bytes of the books are used",
                "the books reach what they can hold at the most: this build's limit has to be raised");
  examine.certificate(now_s);
  examine.none(
      "exceptions", "recharge_exceptions_open", "payments wait for a decision",
      "recharge exceptions list, then recharge exceptions resolve ID --action credit|refund|dismiss");
  examine.none("ledger", "recharge_ledger_sum_minor_units", "minor units is the sum of the ledger",
               "stop the server, keep a copy of the data folder, and run recharge verify --data-dir DIR");
  examine.none(
      "damage", "recharge_scrub_damage_total", "places of journal and books are damaged",
      "the log names file and offset: restore a backup, or recharge verify --rebuild where only books are");
  examine.none("log", "recharge_log_dropped_total", "lines of the log were dropped",
               "set log.sample or a higher log.level, or write the log to something faster");
  return checks;
}

}  // namespace recharge
