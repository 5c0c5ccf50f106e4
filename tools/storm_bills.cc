#include "tools/storm_bills.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <set>
#include <thread>

#include "tools/bill_writer.h"
#include "tools/reconciliation.h"

namespace recharge {
namespace {

using Kind = PlannedTrade::Kind;

constexpr std::int64_t kEdgeMs =
    1'200'000;                        // the bill's period reaches beyond the run by more than its edges
constexpr int kLooksAtTheBooks = 60;  // until they are as new as the orders
constexpr std::chrono::milliseconds kBetweenLooks{500};
constexpr std::uint64_t kBentPercent = 8;  // of the rows

Time wall_now() {
  return Time{std::chrono::duration_cast<std::chrono::milliseconds>(
                  std::chrono::system_clock::now().time_since_epoch())
                  .count()};
}

class StormBills {
 public:
  StormBills(const StormOptions& options, const std::vector<StormTrade>& trades, Time began,
             StormDraws& draws, StormReport& report)
      : options_(options), trades_(trades), began_(began), draws_(draws), report_(report) {}

  ToolResult<void> judge_bill(SimulatedGateway gateway) {
    const bool plain = gateway == SimulatedGateway::standard;
    ReconciliationTask task;
    task.data_dir = options_.data_dir;
    task.scratch_dir = options_.scratch_dir;
    static_cast<void>(task.gateway.assign(to_text(gateway)));
    task.bill.format = plain ? BillFormat::plain : *parse_bill_format(to_text(gateway));
    task.bill.path = options_.folder + "/bill-" + std::string(to_text(gateway)) +
                     (gateway == SimulatedGateway::alipay   ? ".zip"
                      : gateway == SimulatedGateway::stripe ? ".json"
                                                            : ".csv");
    task.period = BillPeriod{Time{began_.ms - kEdgeMs}, Time{wall_now().ms + kEdgeMs}};
    Found planted, found;
    const std::vector<BillRow> rows = bill_rows(gateway, planted);
    std::ofstream file(task.bill.path, std::ios::binary | std::ios::trunc);
    file << write_bill(task.bill.format, rows, *task.period);
    if (!file.flush()) return ToolError{ExitCode::failure, task.bill.path + ": cannot be written"};
    const Time asked = wall_now();
    for (int look = 1;; ++look) {
      found.clear();
      const auto totals = reconcile(task, [&](const Difference& difference) {
        found.emplace(to_text(difference.kind), difference.id);
      });
      if (!totals) return totals.error();
      if (totals->complete_until >= asked || look == kLooksAtTheBooks) break;
      std::this_thread::sleep_for(kBetweenLooks);
    }
    report_.planted += planted.size();
    report_.found += found.size();
    Found differ;
    std::set_symmetric_difference(found.begin(), found.end(), planted.begin(), planted.end(),
                                  std::inserter(differ, differ.end()));
    for (const auto& [kind, id] : differ) {
      const bool missed = planted.contains({kind, id});
      report_.violate("the reconciliation of " + std::string(to_text(gateway)) +
                      (missed ? " did not find " : " found what was not planted: ") + kind + " " + id);
    }
    return {};
  }

 private:
  using Found = std::multiset<std::pair<std::string, std::string>>;  // kind and id of a difference

  BillRow row_of(const StormTrade& trade) const {
    BillRow row;
    const bool hex =
        trade.plan.gateway == SimulatedGateway::alipay || trade.plan.gateway == SimulatedGateway::wechat;
    static_cast<void>(row.transaction_id.assign(trade.paid.transaction_id));
    static_cast<void>(row.order.assign(hex ? trade.paid.order_id.to_hex() : trade.paid.order_id.to_text()));
    row.amount = trade.paid.amount;
    row.at = trade.paid.paid_at;
    return row;
  }

  // The truth, and rows that are bent so that each makes one difference.
  std::vector<BillRow> bill_rows(SimulatedGateway gateway, Found& planted) {
    std::vector<BillRow> rows;
    for (const StormTrade& trade : trades_) {
      if (trade.plan.gateway != gateway || trade.plan.kind == Kind::unpaid) continue;
      BillRow row = row_of(trade);
      const std::string id = trade.paid.transaction_id;
      if (!trade.told && !trade.credited) planted.emplace("missing_here", id);
      const bool bent = options_.faults && trade.credited && draws_.chance(kBentPercent);
      const std::uint64_t how = bent ? draws_.below(4) : 99;
      if (how == 0) {
        planted.emplace("missing_there", id);
        continue;
      }
      if (how == 1) {
        planted.emplace("amount_differs", id);
        row.amount = Money::from_minor_units(row.amount.minor_units() + 7);
      }
      rows.push_back(row);
      if (how == 2) {
        planted.emplace("duplicate", id);
        rows.push_back(row);
      }
      if (how == 3) {
        static_cast<void>(row.transaction_id.assign("9" + id));
        planted.emplace("missing_here", "9" + id);
        rows.push_back(row);
      }
    }
    for (std::size_t i = rows.size(); i > 1; --i) std::swap(rows[i - 1], rows[draws_.below(i)]);
    return rows;
  }

  const StormOptions& options_;
  const std::vector<StormTrade>& trades_;
  Time began_;
  StormDraws& draws_;
  StormReport& report_;
};

}  // namespace

ToolResult<void> judge_storm_bills(const StormOptions& options, const std::vector<StormTrade>& trades,
                                   Time began, StormDraws& draws, StormReport& report) {
  StormBills bills(options, trades, began, draws, report);
  for (std::size_t i = 0; i < kSimulatedGateways; ++i) {
    if (auto done = bills.judge_bill(static_cast<SimulatedGateway>(i)); !done) return done.error();
  }
  return {};
}

}  // namespace recharge
