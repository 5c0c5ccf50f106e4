#include "tools/simulated_bill.h"

#include <chrono>
#include <fstream>
#include <thread>

#include "tools/bill_writer.h"
#include "tools/reconciliation.h"

namespace recharge {
namespace {

// The bill's period reaches beyond the run by more than its edges.
constexpr std::int64_t kEdgeMs = 1'200'000;

Time wall_now() {
  return Time{std::chrono::duration_cast<std::chrono::milliseconds>(
                  std::chrono::system_clock::now().time_since_epoch())
                  .count()};
}

std::string_view extension_of(SimulatedGateway gateway) {
  if (gateway == SimulatedGateway::alipay) return ".zip";
  return gateway == SimulatedGateway::stripe ? ".json" : ".csv";
}

}  // namespace

ToolResult<ComparedBill> compare_simulated_bill(const BillTask& task, SimulatedGateway gateway,
                                                const std::vector<BillRow>& rows) {
  ReconciliationTask work;
  work.data_dir = task.data_dir;
  work.scratch_dir = task.scratch_dir;
  static_cast<void>(work.gateway.assign(to_text(gateway)));
  work.bill.format =
      gateway == SimulatedGateway::standard ? BillFormat::plain : *parse_bill_format(to_text(gateway));
  work.bill.path =
      task.folder + "/bill-" + std::string(to_text(gateway)) + std::string(extension_of(gateway));
  const Time asked = wall_now();
  work.period = BillPeriod{Time{task.began.ms - kEdgeMs}, Time{asked.ms + kEdgeMs}};
  std::ofstream file(work.bill.path, std::ios::binary | std::ios::trunc);
  file << write_bill(work.bill.format, rows, *work.period);
  if (!file.flush()) return ToolError{ExitCode::failure, work.bill.path + ": cannot be written"};
  const Time began{task.began.ms / 1000 * 1000};  // gateways tell whole seconds
  ComparedBill compared;
  // The books may tell the present as their end: it has to be behind the millisecond of `asked`.
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const auto totals = reconcile(work, [&](const Difference& difference) {
    if (difference.kind == DifferenceKind::missing_there && difference.at < began) return;
    compared.found.emplace(to_text(difference.kind), difference.id);
  });
  if (!totals) return totals.error();
  compared.complete = totals->complete_until > asked;
  return compared;
}

}  // namespace recharge
