// Purpose: a gateway's bill against the books: every payment and refund of the one looked for in the other,
// by transaction id or refund number, whatever their order and number. Rows of both sides are spread over
// temporary files by what they are matched by, and then compared file by file, so that memory does not depend
// on how many there are. Owner: one thread. Lifetime: one bill. Units: Money in minor units. Errors:
// ToolError.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/bill.h"
#include "storage/books_view.h"
#include "tools/bill_file.h"
#include "tools/tool_error.h"

namespace recharge {

enum class DifferenceKind : std::uint8_t {
  missing_here,    // in the bill alone
  missing_there,   // in the books alone
  amount_differs,  // in both
  status_differs,
  duplicate,  // twice in the bill, or two orders in the books
};
constexpr std::size_t kDifferenceKinds = 5;
std::string_view to_text(DifferenceKind kind) noexcept;

struct Difference {
  DifferenceKind kind = DifferenceKind::missing_here;
  BillRow::Kind of = BillRow::Kind::payment;
  std::string id;     // transaction id of a payment, number of a refund
  std::string order;  // order id, where it is known
  std::optional<Money> bill_amount;
  std::optional<Money> books_amount;
  std::string bill_status;
  std::string books_status;  // of the payment, the refund, or of the order that waits for it
  Time at;
  std::uint64_t line = 0;  // of the bill; 0: not in it
};

struct SideTotals {
  std::uint64_t payments = 0;
  std::uint64_t refunds = 0;
  Money paid;
  Money refunded;
};

struct ReconciliationTotals {
  BillPeriod period;
  Time complete_until;  // of the books
  SideTotals bill;      // rows that succeeded
  SideTotals books;     // what has to be in the bill
  std::uint64_t matched = 0;
  std::uint64_t kept_for_review = 0;  // matched, and not credited yet
  std::uint64_t at_the_edges = 0;     // of the books: as well in the neighbouring bill
  std::array<std::uint64_t, kDifferenceKinds> differences{};

  std::uint64_t differences_total() const noexcept;
};

struct ReconciliationTask {
  std::string data_dir;
  GatewayName gateway;
  BillFile bill;
  std::optional<BillPeriod> period;  // none: what the bill says, else the Beijing days of its rows
  std::string scratch_dir;
  BillProgress progress;
};

// Differences come in no order. The books are read beside the recharged that writes them.
using VisitDifference = std::function<void(const Difference& difference)>;
ToolResult<ReconciliationTotals> reconcile(const ReconciliationTask& task, const VisitDifference& visit);

}  // namespace recharge
