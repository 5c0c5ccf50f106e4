// Purpose: the rows of a bill file as a gateway hands it out: as it is, gzipped, or in a zip with several
// files; in GBK or UTF-8; lines, or JSON objects. Streamed: memory does not depend on the file's size. Owner:
// one thread. Lifetime: a call. Errors: ExitCode::bad_configuration with file and line.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/bill.h"
#include "tools/tool_error.h"

namespace recharge {

struct BillFile {
  std::string path;
  BillFormat format = BillFormat::plain;
  Currency currency;
  std::string sha1;  // hex, of the unpacked file, as WeChat says it; empty: not checked
};

struct BillFileReport {
  std::optional<BillPeriod> period;
  std::uint64_t lines = 0;
};

// Called with every row and its line, or of a Stripe bill its number.
using VisitBillRow = std::function<ToolResult<void>(const BillRow& row, std::uint64_t line)>;
// Called now and then with how much of the file was read.
using BillProgress = std::function<void(std::uint64_t bytes, std::uint64_t of_bytes)>;

ToolResult<BillFileReport> read_bill_file(const BillFile& file, const VisitBillRow& visit,
                                          const BillProgress& progress);

}  // namespace recharge
