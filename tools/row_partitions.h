// Purpose: rows of the bill and of the books, spread over temporary files by what they are matched by. The
// files have no names: nothing is left behind, whatever happens. Owner: one thread. Errors: ToolError with
// what the system says.
#pragma once

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/bill.h"
#include "core/payment_exception.h"
#include "tools/tool_error.h"

namespace recharge {

// A row of either side, as it is matched.
struct ReconciledRow {
  BillRow row;
  bool of_bill = false;
  std::uint64_t line = 0;  // of the bill
  // Of the books:
  bool expected = false;  // the bill has to have it
  bool kept = false;      // as an exception, and none of that is credited yet
  bool dismissed = false;

  std::string_view key() const noexcept {
    return row.kind == BillRow::Kind::refund ? row.refund.view() : row.transaction_id.view();
  }
};

class RowPartitions {
 public:
  static constexpr std::size_t kPartitions = 256;
  static ToolResult<RowPartitions> open(const std::string& directory);

  ToolResult<void> add(const ReconciledRow& row);
  // In the order in which they were added.
  ToolResult<void> read(std::size_t partition, const std::function<void(const ReconciledRow& row)>& visit);

 private:
  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  ToolError failed(const char* what) const;

  std::string directory_;
  std::vector<std::unique_ptr<std::FILE, Close>> files_;
};

}  // namespace recharge
