// Purpose: what the bills in tables share: lines split into cells, columns found by their names, cells read
// into the members of a row. Lifetime: views of the line. Owner: one thread.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "core/bill.h"

namespace recharge {

// RFC 4180, one line: a cell in quotes may hold commas and doubled quotes. False where a quote is not closed.
bool split_csv(std::string_view line, std::vector<std::string>& cells);

// "," and the space, tab and line ends around it are none of a cell.
std::string_view trim(std::string_view text) noexcept;

// Columns by the names in the header, behind which a unit in brackets or another name may follow.
class BillColumns {
 public:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  void set(std::vector<std::string> names) { names_ = std::move(names); }
  std::size_t size() const noexcept { return names_.size(); }
  std::size_t find(std::string_view name) const noexcept;
  // The cell below the name; empty where there is no such column.
  std::string_view cell(const std::vector<std::string>& cells, std::string_view name) const noexcept;

 private:
  std::vector<std::string> names_;
};

// The members of a row out of texts; each says what is wrong with its text.
BillResult<void> set_transaction(BillRow& row, std::string_view text);
BillResult<void> set_order(BillRow& row, std::string_view text);
BillResult<void> set_refund(BillRow& row, std::string_view text);
// Yuan or another major unit with two digits at most; a sign is dropped, since kinds say the direction.
BillResult<Money> read_bill_amount(std::string_view text);
BillResult<void> set_beijing_time(BillRow& row, std::string_view text);

BillError bill_error(std::string_view what, std::string_view text = {});
// Adds, and says where that does not fit.
BillResult<void> add_to(Money& sum, Money amount);

}  // namespace recharge
