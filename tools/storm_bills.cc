#include "tools/storm_bills.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <thread>

#include "tools/simulated_bill.h"

namespace recharge {
namespace {

using Kind = PlannedTrade::Kind;

constexpr int kLooksAtTheBooks = 60;  // until they are as new as the orders
constexpr std::chrono::milliseconds kBetweenLooks{500};
constexpr std::uint64_t kBentPercent = 8;  // of the rows

class StormBills {
 public:
  StormBills(const StormOptions& options, const std::vector<StormTrade>& trades, Time began,
             StormDraws& draws, StormReport& report)
      : options_(options), trades_(trades), began_(began), draws_(draws), report_(report) {}

  ToolResult<void> judge_bill(SimulatedGateway gateway) {
    FoundDifferences planted, found;
    const std::vector<BillRow> rows = bill_rows(gateway, planted);
    const BillTask task{options_.data_dir, options_.scratch_dir, options_.folder, began_};
    for (int look = 1;; ++look) {
      auto compared = compare_simulated_bill(task, gateway, rows);
      if (!compared) return compared.error();
      found = std::move(compared->found);
      if (compared->complete || look == kLooksAtTheBooks) break;
      std::this_thread::sleep_for(kBetweenLooks);
    }
    report_.planted += planted.size();
    report_.found += found.size();
    FoundDifferences differ;
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
  std::vector<BillRow> bill_rows(SimulatedGateway gateway, FoundDifferences& planted) {
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
