// A plain CSV, for gateways of other kinds: a header that names the columns transaction_id and amount and,
// as far as they are known, order_id, kind (payment, refund), refund_id, status (succeeded, pending, failed)
// and at (RFC 3339, or unix seconds). Source: RFC 4180; the columns are ours.
#include "core/bill_table.h"
#include "core/gateway_event.h"

namespace recharge {
namespace {

class PlainBill final : public BillReader {
 public:
  BillResult<std::optional<BillRow>> read(std::string_view line) override {
    constexpr std::string_view kMark = "\xEF\xBB\xBF";
    if (!recognised() && line.starts_with(kMark)) line.remove_prefix(kMark.size());
    if (trim(line).empty()) return std::nullopt;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!split_csv(line, cells_)) return bill_error("a quote is not closed");
    if (!recognised()) {
      std::vector<std::string> names;
      for (const std::string& cell : cells_) names.emplace_back(trim(cell));
      columns_.set(std::move(names));
      for (const std::string_view name : {"transaction_id", "amount"}) {
        if (columns_.find(name) == BillColumns::kNone) return bill_error("no column " + std::string(name));
      }
      return std::nullopt;
    }
    if (cells_.size() != columns_.size()) return bill_error("a row with other columns than the header");
    return read_row();
  }

  BillResult<void> finish() override {
    if (!recognised()) return bill_error("the bill is empty: not even the names of the columns");
    return {};
  }
  bool recognised() const noexcept override { return columns_.size() > 0; }

 private:
  BillResult<std::optional<BillRow>> read_row() {
    BillRow row;
    const std::string_view kind = columns_.cell(cells_, "kind");
    if (kind == "refund") {
      row.kind = BillRow::Kind::refund;
      if (auto done = set_refund(row, columns_.cell(cells_, "refund_id")); !done) return done.error();
    } else if (!kind.empty() && kind != "payment") {
      return bill_error("an unknown kind", kind);
    }
    const std::string_view state = columns_.cell(cells_, "status");
    if (state == "pending") {
      row.state = BillRow::State::pending;
    } else if (state == "failed") {
      row.state = BillRow::State::failed;
    } else if (!state.empty() && state != "succeeded") {
      return bill_error("an unknown status", state);
    }
    if (auto done = set_transaction(row, columns_.cell(cells_, "transaction_id")); !done) return done.error();
    if (auto done = set_order(row, columns_.cell(cells_, "order_id")); !done) return done.error();
    const auto amount = read_bill_amount(columns_.cell(cells_, "amount"));
    if (!amount) return amount.error();
    row.amount = *amount;
    const std::string_view at = columns_.cell(cells_, "at");
    if (const auto seconds = read_unix_seconds(at)) {
      row.at = from_unix_seconds(*seconds);
    } else if (const auto time = parse_rfc3339(at)) {
      row.at = *time;
    } else if (!at.empty()) {
      return bill_error("no time", at);
    }
    return row;
  }

  BillColumns columns_;
  std::vector<std::string> cells_;
};

}  // namespace

std::unique_ptr<BillReader> make_plain_bill() { return std::make_unique<PlainBill>(); }

}  // namespace recharge
