#include "tools/simulated_trades.h"

#include "tools/made_ids.h"

namespace recharge {

Money SimulatedTrade::refunded() const noexcept {
  std::int64_t sum = 0;
  for (const SimulatedRefund& refund : refunds)
    sum += refund.amount.minor_units();  // each within the payment
  return Money::from_minor_units(sum);
}

SimulatedTrade* SimulatedTrades::find(SimulatedGateway gateway, const OrderId& order_id) noexcept {
  for (SimulatedTrade& trade : trades_) {
    if (trade.gateway == gateway && trade.order_id == order_id) return &trade;
  }
  return nullptr;
}

SimulatedTrade* SimulatedTrades::find_transaction(std::string_view transaction_id) noexcept {
  for (SimulatedTrade& trade : trades_) {
    if (trade.transaction_id == transaction_id) return &trade;
  }
  return nullptr;
}

SimulatedTrade& SimulatedTrades::start(SimulatedGateway gateway, const OrderId& order_id, Money amount,
                                       Time now) {
  if (SimulatedTrade* known = find(gateway, order_id)) return *known;
  SimulatedTrade trade;
  trade.gateway = gateway;
  trade.order_id = order_id;
  trade.transaction_id = (gateway == SimulatedGateway::stripe ? "pi_" : "42") + random_hex(12);
  trade.amount = amount;
  trade.created_at = now;
  trades_.push_back(std::move(trade));
  return trades_.back();
}

bool SimulatedTrades::pay(SimulatedTrade& trade, Time now) {
  if (trade.state != SimulatedTrade::State::waiting) return false;
  trade.state = SimulatedTrade::State::paid;
  trade.paid_at = Time{now.ms / 1000 * 1000};
  return true;
}

const SimulatedRefund* SimulatedTrades::find_refund(const SimulatedTrade& trade,
                                                    std::string_view number) noexcept {
  for (const SimulatedRefund& refund : trade.refunds) {
    if (refund.number == number) return &refund;
  }
  return nullptr;
}

const SimulatedRefund* SimulatedTrades::refund(SimulatedTrade& trade, std::string_view number, Money amount,
                                               Time now) {
  if (const SimulatedRefund* known = find_refund(trade, number))
    return known->amount == amount ? known : nullptr;
  const std::int64_t rest = trade.amount.minor_units() - trade.refunded().minor_units();
  if (trade.state != SimulatedTrade::State::paid || !amount.is_positive() || amount.minor_units() > rest)
    return nullptr;
  trade.refunds.push_back({std::string(number), amount, now});
  if (on_refunded_) on_refunded_(trade, trade.refunds.back());
  return &trade.refunds.back();
}

std::vector<BillRow> bill_of(const std::deque<SimulatedTrade>& trades, SimulatedGateway gateway,
                             const BillPeriod& period) {
  std::vector<BillRow> rows;
  const auto add = [&](const BillRow& row) {
    if (row.at >= period.from && row.at < period.until) rows.push_back(row);
  };
  const bool hex = gateway == SimulatedGateway::alipay || gateway == SimulatedGateway::wechat;
  for (const SimulatedTrade& trade : trades) {
    if (trade.gateway != gateway || !trade.paid_at.reached()) continue;
    BillRow row;
    static_cast<void>(row.transaction_id.assign(trade.transaction_id));
    static_cast<void>(row.order.assign(hex ? trade.order_id.to_hex() : trade.order_id.to_text()));
    row.amount = trade.amount;
    row.at = trade.paid_at;
    add(row);
    for (const SimulatedRefund& refund : trade.refunds) {
      row.kind = BillRow::Kind::refund;
      static_cast<void>(row.refund.assign(refund.number));
      row.amount = refund.amount;
      row.at = refund.at;
      add(row);
    }
  }
  return rows;
}

}  // namespace recharge
