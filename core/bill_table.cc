#include "core/bill_table.h"

#include <algorithm>

#include "core/beijing_time.h"
#include "core/gateway_event.h"

namespace recharge {
namespace {

constexpr std::size_t kMaxShown = 64;  // of a text in an error

}  // namespace

bool split_csv(std::string_view line, std::vector<std::string>& cells) {
  cells.clear();
  std::string cell;
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted) {
      if (c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
        cell.push_back('"');
        ++i;
      } else if (c == '"') {
        quoted = false;
      } else {
        cell.push_back(c);
      }
    } else if (c == '"' && cell.empty()) {
      quoted = true;
    } else if (c == ',') {
      cells.push_back(std::move(cell));
      cell.clear();
    } else {
      cell.push_back(c);
    }
  }
  cells.push_back(std::move(cell));
  return !quoted;
}

std::string_view trim(std::string_view text) noexcept {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto first = std::min(text.find_first_not_of(kSpace), text.size());
  text.remove_prefix(first);
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

std::size_t BillColumns::find(std::string_view name) const noexcept {
  for (std::size_t i = 0; i < names_.size(); ++i) {
    std::string_view rest = names_[i];
    if (!rest.starts_with(name)) continue;
    rest.remove_prefix(name.size());
    if (rest.empty() || rest.starts_with("（") || rest.starts_with("(") || rest.starts_with("/")) return i;
  }
  return kNone;
}

std::string_view BillColumns::cell(const std::vector<std::string>& cells,
                                   std::string_view name) const noexcept {
  const std::size_t at = find(name);
  return at < cells.size() ? trim(cells[at]) : std::string_view();
}

BillError bill_error(std::string_view what, std::string_view text) {
  std::string message(what);
  if (text.empty()) return {std::move(message)};
  message += ": '";
  for (const char c : text.substr(0, kMaxShown)) {
    const auto byte = static_cast<unsigned char>(c);
    message.push_back(byte < 0x20 || byte > 0x7e ? '?' : c);  // nothing that a terminal would obey
  }
  return {message + (text.size() > kMaxShown ? "…'" : "'")};
}

BillResult<void> set_transaction(BillRow& row, std::string_view text) {
  const auto id = make_transaction_id(text);
  if (!id || text.empty()) return bill_error("no transaction id", text);
  row.transaction_id = *id;
  return {};
}

BillResult<void> set_order(BillRow& row, std::string_view text) {
  if (text.empty()) return {};
  if (!is_order_reference(text) || !row.order.assign(text)) return bill_error("no order number", text);
  return {};
}

BillResult<void> set_refund(BillRow& row, std::string_view text) {
  if (!is_order_reference(text) || !row.refund.assign(text)) return bill_error("no refund number", text);
  return {};
}

BillResult<Money> read_bill_amount(std::string_view text) {
  const auto amount = parse_money(text.starts_with('-') ? text.substr(1) : text);
  if (!amount) return bill_error("no amount", text);
  return *amount;
}

BillResult<void> set_beijing_time(BillRow& row, std::string_view text) {
  const auto time = parse_beijing_time(text);
  if (!time) return bill_error("no time", text);
  row.at = *time;
  return {};
}

BillResult<void> add_to(Money& sum, Money amount) {
  const auto added = add(sum, amount);
  if (!added) return bill_error("the amounts add up to more than fits");
  sum = *added;
  return {};
}

}  // namespace recharge
