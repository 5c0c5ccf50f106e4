// Purpose: a reconciliation as text, JSON or CSV on stdout: its differences, then its totals. Differences are
// sorted by the line of the bill where there are few enough to be held, else they come as they are found.
// Owner: one thread. Lifetime: one reconciliation.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "tools/reconciliation.h"

namespace recharge {

enum class ReportFormat : std::uint8_t { text, json, csv };

class ReconciliationReport {
 public:
  static constexpr std::size_t kMaxSorted = 100'000;

  ReconciliationReport(std::ostream& out, ReportFormat format, std::string gateway);

  void add(const Difference& difference);
  // CSV holds differences alone: its totals go to `remarks`.
  void finish(const ReconciliationTotals& totals, std::ostream& remarks);

 private:
  void flush();
  void print(const Difference& difference);
  void print_text(const Difference& difference);
  void print_totals(const ReconciliationTotals& totals, std::ostream& out) const;
  std::string totals_json(const ReconciliationTotals& totals) const;

  std::ostream& out_;
  ReportFormat format_;
  std::string gateway_;
  std::vector<Difference> held_;
  bool sorted_ = true;
  bool printed_ = false;
};

}  // namespace recharge
