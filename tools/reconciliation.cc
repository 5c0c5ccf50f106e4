#include "tools/reconciliation.h"

#include <algorithm>
#include <unordered_map>

#include "core/gateway_calls.h"
#include "storage/real_file.h"
#include "tools/row_partitions.h"

namespace recharge {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kBeijingMs = 28'800'000;
// How long after its payment a credit may be posted, and a row of the books be found by its time at all. What
// comes later is found by its order.
constexpr std::int64_t kPostedLaterMs = 2 * kDayMs;
// Where only the arrival of the news is known and not the gateway's time, this near midnight it may stand in
// the neighbouring day's bill.
constexpr std::int64_t kEdgeMs = 600'000;

ToolError of(const StorageError& error) { return {ExitCode{4}, error.to_text()}; }

std::string_view to_text(BillRow::State state) noexcept {
  constexpr std::array<std::string_view, 3> texts = {"succeeded", "pending", "failed"};
  return texts[static_cast<std::size_t>(state)];
}

std::string books_status(const ReconciledRow& row) {
  if (row.dismissed) return "dismissed";
  if (row.kept) return "kept for review";
  if (row.row.kind == BillRow::Kind::payment) return "credited";
  return std::string(to_text(row.row.state));
}

bool add_amount(Money& sum, Money amount) {
  const auto added = add(sum, amount);
  if (added) sum = *added;
  return added.has_value();
}

class Reconciliation {
 public:
  Reconciliation(const ReconciliationTask& task, BooksView view, RowPartitions rows,
                 const VisitDifference& visit)
      : task_(task), view_(std::move(view)), rows_(std::move(rows)), visit_(visit) {}

  ToolResult<ReconciliationTotals> run() {
    if (auto done = read_bill(); !done) return done.error();
    if (auto done = read_books(); !done) return done.error();
    for (std::size_t i = 0; i < RowPartitions::kPartitions; ++i) {
      if (auto done = compare(i); !done) return done.error();
    }
    totals_.complete_until = view_.complete_until();
    return totals_;
  }

 private:
  ToolResult<void> read_bill() {
    std::optional<Time> first, last;
    const auto add_row = [&](const BillRow& row, std::uint64_t line) -> ToolResult<void> {
      if (row.at.reached()) {
        first = first ? std::min(*first, row.at) : row.at;
        last = last ? std::max(*last, row.at) : row.at;
      }
      ReconciledRow added;
      added.row = row;
      added.of_bill = true;
      added.line = line;
      if (row.state == BillRow::State::succeeded && !count(totals_.bill, row))
        return ToolError{ExitCode::failure, "the amounts add up to more than fits"};
      return rows_.add(added);
    };
    const auto report = read_bill_file(task_.bill, add_row, task_.progress);
    if (!report) return report.error();
    if (task_.period) {
      totals_.period = *task_.period;
    } else if (report->period) {
      totals_.period = *report->period;
    } else if (first) {
      const auto day = [](Time time) { return (time.ms + kBeijingMs) / kDayMs; };
      totals_.period = {Time{day(*first) * kDayMs - kBeijingMs},
                        Time{(day(*last) + 1) * kDayMs - kBeijingMs}};
    } else {
      return ToolError{ExitCode::usage, "the bill does not say of which day it is: --date is needed"};
    }
    return {};
  }

  static bool count(SideTotals& totals, const BillRow& row) {
    const bool refund = row.kind == BillRow::Kind::refund;
    ++(refund ? totals.refunds : totals.payments);
    return add_amount(refund ? totals.refunded : totals.paid, row.amount);
  }

  bool in_period(Time time) const noexcept {
    return time >= totals_.period.from && time < totals_.period.until;
  }

  // exact: the time is the gateway's own.
  ToolResult<void> add_book_row(ReconciledRow row, bool exact) {
    row.expected = in_period(row.row.at) && !row.dismissed && row.row.state == BillRow::State::succeeded;
    if (row.expected && !exact &&
        (row.row.at.ms < totals_.period.from.ms + kEdgeMs ||
         row.row.at.ms >= totals_.period.until.ms - kEdgeMs)) {
      row.expected = false;
      ++totals_.at_the_edges;
    }
    if (row.expected && !count(totals_.books, row.row))
      return ToolError{ExitCode::failure, "the amounts add up to more than fits"};
    return rows_.add(row);
  }

  // Alipay and WeChat sign the time of the payment; that of other kinds may be of its news.
  bool has_exact_times() const noexcept {
    return task_.bill.format == BillFormat::alipay || task_.bill.format == BillFormat::wechat;
  }

  static ReconciledRow credited_row(const Order& order) {
    ReconciledRow row;
    row.row.transaction_id = order.transaction_id;
    static_cast<void>(row.row.order.assign(order.id.to_text()));
    row.row.amount = order.amount;
    row.row.at = order.paid_at.reached() ? order.paid_at : order.recharged_at;
    return row;
  }
  static ReconciledRow kept_row(const PaymentException& exception) {
    ReconciledRow row;
    row.row.transaction_id = exception.transaction_id;
    row.row.order = exception.reference;
    row.row.amount = exception.amount;
    row.row.at = exception.paid_at.reached() ? exception.paid_at : exception.created_at();
    row.kept = exception.is_open();
    row.dismissed = exception.action == ExceptionAction::dismiss;
    return row;
  }
  static ReconciledRow refund_row(const Order& order, const Refund& refund) {
    ReconciledRow row = credited_row(order);
    row.row.kind = BillRow::Kind::refund;
    row.row.amount = refund.amount;
    row.row.at = refund.settled_at.reached() ? refund.settled_at : refund.created_at;
    static_cast<void>(row.row.refund.assign(refund_number(order.id, refund.refund_id)));
    if (refund.status == RefundStatus::pending) row.row.state = BillRow::State::pending;
    if (refund.status == RefundStatus::failed) row.row.state = BillRow::State::failed;
    return row;
  }

  // Of a payment that was kept and sent back: no order has that refund.
  static ReconciledRow kept_refund_row(const PaymentException& exception, Time at, BillRow::State state) {
    ReconciledRow row;
    row.row.kind = BillRow::Kind::refund;
    row.row.state = state;
    row.row.transaction_id = exception.transaction_id;
    row.row.order = exception.reference;
    row.row.amount = exception.amount;
    row.row.at = at;
    static_cast<void>(row.row.refund.assign(refund_number(OrderId(), refund_id_of(exception.id))));
    return row;
  }

  // The transfer that says that it was done. Where no order was known, the exception itself leads to it.
  ToolResult<void> add_kept_refund(const Transfer& transfer) {
    settled_kept_.emplace(std::string(transfer.transaction_id.view()), transfer.id.time());
    if (transfer.order_id.is_nil()) return {};
    OrderReference reference;
    static_cast<void>(reference.assign(transfer.order_id.to_text()));
    std::optional<ReconciledRow> found;
    const auto done = view_.exceptions_of(
        reference, task_.gateway, transfer.transaction_id, [&](const PaymentException& exception) {
          if (exception.action == ExceptionAction::refund && exception.amount == transfer.amount)
            found = kept_refund_row(exception, transfer.id.time(), BillRow::State::succeeded);
        });
    if (!done) return of(done.error());
    return found ? add_book_row(*found, false) : ToolResult<void>();
  }

  // Of an exception that is read after all transfers were.
  ToolResult<void> add_refund_of(const PaymentException& exception) {
    const auto settled = settled_kept_.find(std::string(exception.transaction_id.view()));
    if (settled == settled_kept_.end())
      return add_book_row(kept_refund_row(exception, exception.resolved_at, BillRow::State::pending), false);
    if (!exception.order_id.is_nil()) return {};  // it is there
    return add_book_row(kept_refund_row(exception, settled->second, BillRow::State::succeeded), false);
  }

  ToolResult<void> read_books() {
    const Time from{totals_.period.from.ms - kDayMs};
    const Time until{totals_.period.until.ms + kPostedLaterMs};
    std::optional<ToolError> failed;
    const auto add_transfer = [&](const Transfer& transfer) -> StorageResult<void> {
      const bool payment = transfer.kind == TransferKind::recharge;
      const LedgerAccount& house = payment ? transfer.debit : transfer.credit;
      if ((!payment && transfer.kind != TransferKind::refund_settled) || house.gateway != task_.gateway)
        return {};
      if (!payment && !transfer.transaction_id.empty()) {
        if (const auto done = add_kept_refund(transfer); !done) failed = done.error();
        return {};
      }
      const auto order = view_.order(transfer.order_id);
      if (!order) return order.error();
      if (!order->has_value() || failed) return {};
      if (payment) {
        ReconciledRow row = credited_row(**order);
        if (!transfer.transaction_id.empty()) row.row.transaction_id = transfer.transaction_id;
        const bool exact = has_exact_times() && (*order)->paid_at.reached();
        if (const auto done = add_book_row(row, exact); !done) failed = done.error();
        return {};
      }
      return view_.refunds_of((*order)->id, [&](const Refund& refund) {
        if (refund.settled_at != transfer.id.time() || refund.amount != transfer.amount || failed) return;
        if (const auto done = add_book_row(refund_row(**order, refund), false); !done) failed = done.error();
      });
    };
    if (const auto done = view_.transfers(from, until, add_transfer); !done) return of(done.error());
    const auto done = view_.exceptions(from, until, [&](const PaymentException& exception) {
      if (exception.gateway != task_.gateway || exception.action == ExceptionAction::superseded || failed)
        return;
      const bool exact = has_exact_times() && exception.paid_at.reached();
      auto added = add_book_row(kept_row(exception), exact);
      if (added && exception.action == ExceptionAction::refund) added = add_refund_of(exception);
      if (!added) failed = added.error();
    });
    if (!done) return of(done.error());
    if (failed) return *failed;
    return {};
  }

  struct Entry {
    ReconciledRow row;
    bool seen = false;
  };
  static std::string map_key(const ReconciledRow& row) {
    return (row.row.kind == BillRow::Kind::refund ? "r" : "p") + std::string(row.key());
  }

  ToolResult<void> compare(std::size_t partition) {
    std::unordered_map<std::string, Entry> books;
    std::unordered_map<std::string, std::uint64_t> bill_lines;
    auto done = rows_.read(partition, [&](const ReconciledRow& row) {
      if (!row.of_bill) add_to_books(books, row);
    });
    if (!done) return done.error();
    std::optional<ToolError> failed;
    done = rows_.read(partition, [&](const ReconciledRow& row) {
      if (!row.of_bill || failed) return;
      const std::string key = map_key(row);
      if (const auto [first, fresh] = bill_lines.emplace(key, row.line); !fresh) {
        Difference difference = begin(DifferenceKind::duplicate, row);
        difference.books_status = "line " + std::to_string(first->second) + " of the bill";
        return report(difference);
      }
      auto at = books.find(key);
      if (at == books.end()) {
        auto found = look_up(row);
        if (!found) {
          failed = found.error();
          return;
        }
        if (found->row) {
          at = books.emplace(key, Entry{*found->row, true}).first;
        } else {
          return report_missing_here(row, found->order_status);
        }
      }
      at->second.seen = true;
      compare_rows(row, at->second.row);
    });
    if (!done) return done.error();
    if (failed) return *failed;
    for (const auto& [key, entry] : books) {
      if (!entry.row.expected || entry.seen) continue;
      Difference difference = begin(DifferenceKind::missing_there, entry.row);
      difference.bill_amount.reset();
      difference.bill_status.clear();
      difference.books_amount = entry.row.row.amount;
      difference.books_status = books_status(entry.row);
      report(difference);
    }
    return {};
  }

  // One payment credited for two orders is an alarm. What is kept of a payment beside its credit is not.
  void add_to_books(std::unordered_map<std::string, Entry>& books, const ReconciledRow& row) {
    const auto [at, fresh] = books.emplace(map_key(row), Entry{row});
    if (fresh) return;
    ReconciledRow& known = at->second.row;
    const bool known_is_credit = !known.kept && !known.dismissed;
    const bool row_is_credit = !row.kept && !row.dismissed;
    if (known_is_credit && row_is_credit && known.row.order != row.row.order) {
      Difference difference = begin(DifferenceKind::duplicate, row);
      difference.bill_amount.reset();
      difference.books_amount = row.row.amount;
      difference.bill_status.clear();
      difference.books_status = "also of order " + std::string(known.row.order.view());
      report(difference);
    } else if ((row_is_credit && !known_is_credit) || known.dismissed) {
      known = row;
    }
  }

  // What an exception says of a row of the bill. A refund that the gateway lists has been carried out.
  static std::optional<ReconciledRow> as_row(const PaymentException& exception, const ReconciledRow& row) {
    if (exception.action == ExceptionAction::superseded) return std::nullopt;
    if (row.row.kind == BillRow::Kind::payment) return kept_row(exception);
    if (exception.action != ExceptionAction::refund) return std::nullopt;
    const ReconciledRow refund = kept_refund_row(exception, exception.resolved_at, BillRow::State::succeeded);
    return refund.key() == row.key() ? std::optional(refund) : std::nullopt;
  }

  struct Found {
    std::optional<ReconciledRow> row;
    std::string order_status = "no such order";
  };
  // Whatever was posted at another time: by the order that the bill names.
  ToolResult<Found> look_up(const ReconciledRow& row) {
    Found found;
    constexpr std::size_t kOrderDigits = 32;
    std::string_view reference = row.row.order.view();
    if (reference.empty()) reference = row.row.refund.view().substr(0, kOrderDigits);
    const auto id = OrderId::parse(reference);
    if (id) {
      const auto order = view_.order(*id);
      if (!order) return of(order.error());
      if (order->has_value()) {
        const Order& known = **order;
        found.order_status = to_text(known.status);
        const bool ours = is_credited(known.status) && known.gateway == task_.gateway;
        if (row.row.kind == BillRow::Kind::refund) {
          const auto done = view_.refunds_of(known.id, [&](const Refund& refund) {
            const ReconciledRow candidate = refund_row(known, refund);
            if (ours && candidate.key() == row.key()) found.row = candidate;
          });
          if (!done) return of(done.error());
          if (found.row) return found;
        } else if (ours && known.transaction_id == row.row.transaction_id) {
          found.row = credited_row(known);
          return found;
        }
      }
    }
    OrderReference as_kept = row.row.order;
    if (id) static_cast<void>(as_kept.assign(id->to_text()));
    const auto done = view_.exceptions_of(as_kept, task_.gateway, row.row.transaction_id,
                                          [&](const PaymentException& exception) {
                                            if (auto kept = as_row(exception, row); kept && !found.row)
                                              found.row = std::move(kept);
                                          });
    if (!done) return of(done.error());
    return found;
  }

  void report_missing_here(const ReconciledRow& row, const std::string& order_status) {
    if (row.row.state != BillRow::State::succeeded) return;  // nothing moved there either
    Difference difference = begin(DifferenceKind::missing_here, row);
    difference.books_status = "order: " + order_status;
    report(difference);
  }

  void compare_rows(const ReconciledRow& bill, const ReconciledRow& books) {
    Difference difference = begin(DifferenceKind::amount_differs, bill);
    difference.books_amount = books.row.amount;
    difference.books_status = books_status(books);
    if (bill.row.amount != books.row.amount) return report(difference);
    difference.kind = DifferenceKind::status_differs;
    if (!fits(bill, books)) return report(difference);
    ++totals_.matched;
    if (books.kept) ++totals_.kept_for_review;
  }

  static bool fits(const ReconciledRow& bill, const ReconciledRow& books) {
    using State = BillRow::State;
    if (bill.row.kind == BillRow::Kind::payment)
      return (bill.row.state == State::succeeded) == !books.dismissed;
    // Accepted there may be done by now.
    if (bill.row.state == State::pending) return books.row.state != State::failed;
    return bill.row.state == books.row.state;
  }

  static Difference begin(DifferenceKind kind, const ReconciledRow& row) {
    Difference difference;
    difference.kind = kind;
    difference.of = row.row.kind;
    difference.id = row.key();
    const auto id = OrderId::parse(row.row.order.view());
    difference.order = id ? id->to_text() : std::string(row.row.order.view());
    difference.bill_amount = row.row.amount;
    difference.bill_status = to_text(row.row.state);
    difference.at = row.row.at;
    difference.line = row.line;
    return difference;
  }

  void report(const Difference& difference) {
    ++totals_.differences[static_cast<std::size_t>(difference.kind)];
    visit_(difference);
  }

  const ReconciliationTask& task_;
  BooksView view_;
  RowPartitions rows_;
  const VisitDifference& visit_;
  ReconciliationTotals totals_;
  // Refunds of kept payments that were carried out: by transaction. Few: each was decided by an operator or
  // policy.
  std::unordered_map<std::string, Time> settled_kept_;
};

}  // namespace

std::string_view to_text(DifferenceKind kind) noexcept {
  constexpr std::array<std::string_view, kDifferenceKinds> texts = {
      "missing_here", "missing_there", "amount_differs", "status_differs", "duplicate"};
  return texts[static_cast<std::size_t>(kind)];
}

std::uint64_t ReconciliationTotals::differences_total() const noexcept {
  std::uint64_t total = 0;
  for (const auto count : differences) total += count;
  return total;
}

ToolResult<ReconciliationTotals> reconcile(const ReconciliationTask& task, const VisitDifference& visit) {
  RealFileSystem files;
  auto view = BooksView::open(files, task.data_dir);
  if (!view) return of(view.error());
  auto rows = RowPartitions::open(task.scratch_dir);
  if (!rows) return rows.error();
  ReconciliationTask with_currency = task;
  with_currency.bill.currency = view->currency();
  return Reconciliation(with_currency, std::move(*view), std::move(*rows), visit).run();
}

}  // namespace recharge
