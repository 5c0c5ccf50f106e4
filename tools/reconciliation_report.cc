#include "tools/reconciliation_report.h"

#include <algorithm>
#include <ostream>
#include <tuple>

#include "tools/csv_text.h"
#include "tools/json_text.h"

namespace recharge {
namespace {

std::string amount_text(const std::optional<Money>& amount) { return amount ? to_text(*amount) : ""; }
std::string amount_json(const std::optional<Money>& amount) { return amount ? to_text(*amount) : "null"; }
std::string time_text(Time time) { return time.reached() ? to_rfc3339(time) : ""; }
std::string text_json(const std::string& text) { return text.empty() ? "null" : json_string(text); }
std::string_view kind_text(BillRow::Kind kind) {
  return kind == BillRow::Kind::refund ? "refund" : "payment";
}

std::string side_json(const SideTotals& side) {
  JsonWriter writer;
  writer.count("payments", side.payments)
      .raw("paid", to_text(side.paid))
      .count("refunds", side.refunds)
      .raw("refunded", to_text(side.refunded));
  return writer.finish();
}

std::string difference_json(const Difference& difference) {
  JsonWriter writer;
  writer.text("difference", to_text(difference.kind))
      .text("kind", kind_text(difference.of))
      .text("id", difference.id)
      .raw("order", text_json(difference.order))
      .raw("bill_amount", amount_json(difference.bill_amount))
      .raw("books_amount", amount_json(difference.books_amount))
      .raw("bill_status", text_json(difference.bill_status))
      .raw("books_status", text_json(difference.books_status))
      .raw("at", text_json(time_text(difference.at)))
      .raw("line", difference.line == 0 ? "null" : std::to_string(difference.line));
  return writer.finish();
}

}  // namespace

ReconciliationReport::ReconciliationReport(std::ostream& out, ReportFormat format, std::string gateway)
    : out_(out), format_(format), gateway_(std::move(gateway)) {
  if (format_ == ReportFormat::csv) {
    out_ << csv_line({"difference", "kind", "id", "order", "bill_amount", "books_amount", "bill_status",
                      "books_status", "at", "line"})
         << "\r\n";
  } else if (format_ == ReportFormat::json) {
    out_ << "{\"gateway\":" << json_string(gateway_) << ",\"differences\":[";
  }
}

void ReconciliationReport::add(const Difference& difference) {
  if (!sorted_) return print(difference);
  held_.push_back(difference);
  if (held_.size() <= kMaxSorted) return;
  sorted_ = false;
  flush();
}

void ReconciliationReport::flush() {
  std::sort(held_.begin(), held_.end(), [](const Difference& a, const Difference& b) {
    return std::tie(a.line, a.at, a.id) < std::tie(b.line, b.at, b.id);
  });
  for (const Difference& difference : held_) print(difference);
  held_.clear();
}

void ReconciliationReport::print(const Difference& difference) {
  if (format_ == ReportFormat::text) {
    print_text(difference);
  } else if (format_ == ReportFormat::json) {
    out_ << (printed_ ? ",\n" : "\n") << difference_json(difference);
  } else {
    out_ << csv_line({to_text(difference.kind), kind_text(difference.of), difference.id, difference.order,
                      amount_text(difference.bill_amount), amount_text(difference.books_amount),
                      difference.bill_status, difference.books_status, time_text(difference.at),
                      difference.line == 0 ? "" : std::to_string(difference.line)})
         << "\r\n";
  }
  printed_ = true;
}

void ReconciliationReport::print_text(const Difference& difference) {
  out_ << to_text(difference.kind) << "  " << kind_text(difference.of) << ' ' << difference.id;
  if (!difference.order.empty()) out_ << "  order " << difference.order;
  if (difference.bill_amount)
    out_ << "  bill " << to_text(*difference.bill_amount) << ' ' << difference.bill_status;
  if (difference.books_amount) out_ << "  books " << to_text(*difference.books_amount);
  if (!difference.books_status.empty()) out_ << "  (" << difference.books_status << ')';
  if (difference.at.reached()) out_ << "  " << to_rfc3339(difference.at);
  if (difference.line > 0) out_ << "  line " << difference.line;
  out_ << '\n';
}

void ReconciliationReport::print_totals(const ReconciliationTotals& totals, std::ostream& out) const {
  const auto side = [&](const char* name, const SideTotals& of) {
    out << name << of.payments << " payments, " << to_text(of.paid) << "; " << of.refunds << " refunds, "
        << to_text(of.refunded) << '\n';
  };
  out << "gateway " << gateway_ << ", from " << to_rfc3339(totals.period.from) << " until "
      << to_rfc3339(totals.period.until) << '\n';
  side("bill   ", totals.bill);
  side("books  ", totals.books);
  out << totals.matched << " agree";
  if (totals.kept_for_review > 0) out << ", of which " << totals.kept_for_review << " are kept for review";
  if (totals.at_the_edges > 0)
    out << "; " << totals.at_the_edges << " near midnight may be in the neighbouring bill";
  out << '\n';
  for (std::size_t i = 0; i < kDifferenceKinds; ++i) {
    if (totals.differences[i] > 0)
      out << totals.differences[i] << ' ' << to_text(static_cast<DifferenceKind>(i)) << '\n';
  }
  if (totals.complete_until < totals.period.until) {
    out << "the books are complete until " << to_rfc3339(totals.complete_until)
        << " only: what came later may be missing here\n";
  }
  out << (totals.differences_total() == 0 ? "bill and books agree\n" : "bill and books DO NOT agree\n");
}

std::string ReconciliationReport::totals_json(const ReconciliationTotals& totals) const {
  JsonWriter counts;
  for (std::size_t i = 0; i < kDifferenceKinds; ++i)
    counts.count(to_text(static_cast<DifferenceKind>(i)), totals.differences[i]);
  JsonWriter writer;
  writer.text("from", to_rfc3339(totals.period.from))
      .text("until", to_rfc3339(totals.period.until))
      .text("books_complete_until", to_rfc3339(totals.complete_until))
      .raw("bill", side_json(totals.bill))
      .raw("books", side_json(totals.books))
      .count("matched", totals.matched)
      .count("kept_for_review", totals.kept_for_review)
      .count("at_the_edges", totals.at_the_edges)
      .raw("counts", counts.finish())
      .count("differences_total", totals.differences_total())
      .raw("clean", totals.differences_total() == 0 ? "true" : "false");
  return writer.finish().substr(1);
}

void ReconciliationReport::finish(const ReconciliationTotals& totals, std::ostream& remarks) {
  flush();
  if (format_ == ReportFormat::json) {
    out_ << "]," << totals_json(totals) << '\n';
  } else {
    print_totals(totals, format_ == ReportFormat::csv ? remarks : out_);
  }
}

}  // namespace recharge
