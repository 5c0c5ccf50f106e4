// Purpose: what must hold for the records of a shard at any moment, whatever was done to them.
// Lifetime: stateless. For tests and the simulation.
#pragma once

#include <string>
#include <vector>

#include "tests/core/map_records.h"

namespace recharge::testing {

// One sentence for each broken invariant; empty: all hold.
inline std::vector<std::string> violations(const MapRecords& records);

class InvariantCheck {
 public:
  explicit InvariantCheck(const MapRecords& records) : records_(records) {}

  std::vector<std::string> run() {
    balances_are_sums_of_transfers();
    totals_are_counts();
    chains_are_complete();
    orders_are_credited_at_most_once();
    refunds_stay_within_the_payment();
    open_exceptions_hold_their_money();
    payments_are_kept_at_most_once();
    recharges_by_suppliers_add_up();
    return std::move(found_);
  }

 private:
  void require(bool holds, const std::string& what) {
    if (!holds) found_.push_back(what);
  }

  using HouseKey = std::pair<LedgerAccountKind, GatewayName>;

  void balances_are_sums_of_transfers() {
    std::map<Account, std::int64_t> users;
    std::map<HouseKey, std::int64_t> house;
    const auto side = [&](const LedgerAccount& account) -> std::int64_t& {
      return account.kind == LedgerAccountKind::user ? users[account.user]
                                                     : house[{account.kind, account.gateway}];
    };
    for (const auto& [id, transfer] : records_.transfers) {
      require(transfer.amount.is_positive(), "a transfer moves no money");
      require(transfer.currency.number != 0, "a transfer has no currency");
      side(transfer.debit) -= transfer.amount.minor_units();
      side(transfer.credit) += transfer.amount.minor_units();
    }
    std::int64_t sum_of_users = 0;
    std::int64_t sum = 0;
    for (const auto& [name, account] : records_.accounts) {
      const auto balance = account.balance.minor_units();
      require(balance >= 0 && account.balance <= kMaxBalance, "a user's balance is out of its bounds");
      require(balance == users[name], "a user's balance is not the sum of its transfers");
      sum_of_users += balance;
      users.erase(name);
    }
    require(users.empty(), "a transfer touches a user without an account");
    for (const auto& [key, balance] : records_.house) {
      require(balance.minor_units() == house[key], "a house balance is not the sum of its transfers");
      sum += balance.minor_units();
    }
    for (const auto& [key, balance] : house) {
      require(balance == 0 || records_.house.contains(key), "a house balance is missing");
    }
    require(sum + sum_of_users == 0, "the sum over all accounts is not zero");
    require(records_.shard_totals.users.minor_units() == sum_of_users,
            "totals.users is not the sum of users' balances");
  }

  void totals_are_counts() {
    ShardTotals counted;
    for (const auto& [id, order] : records_.orders) ++counted.orders[static_cast<std::size_t>(order.status)];
    for (const auto& [id, exception] : records_.exceptions) {
      if (exception.is_open()) ++counted.open_exceptions[static_cast<std::size_t>(exception.kind)];
    }
    require(counted.orders == records_.shard_totals.orders, "totals.orders is not the count of orders");
    require(counted.open_exceptions == records_.shard_totals.open_exceptions,
            "totals.open_exceptions is not the count of open exceptions");
    require(records_.shard_totals.transfers == records_.transfers.size(),
            "totals.transfers is not the count of transfers");
  }

  // The newest record of an account leads to all of its records.
  void chains_are_complete() {
    for (const auto& [name, account] : records_.accounts) {
      std::size_t orders = 0;
      for (OrderId id = account.newest_order; !id.is_nil(); ++orders) {
        const auto found = records_.orders.find(id);
        if (found == records_.orders.end() || orders > records_.orders.size()) break;
        id = found->second.previous;
      }
      std::size_t entries = 0;
      Money expected = account.balance;
      for (EntryId id = account.newest_entry; !id.is_nil(); ++entries) {
        const auto found = records_.transfers.find(id);
        if (found == records_.transfers.end() || entries > records_.transfers.size()) break;
        const Transfer& entry = found->second;
        require(entry.user() != nullptr && *entry.user() == name && entry.balance_after() == expected,
                "an entry does not lead to the balance after it");
        expected = Money::from_minor_units(entry.balance_after().minor_units() -
                                           entry.signed_amount().minor_units());
        id = entry.previous;
      }
      for (const auto& [id, order] : records_.orders) {
        if (order.account == name) --orders;
      }
      for (const auto& [id, transfer] : records_.transfers) {
        if (transfer.user() != nullptr && *transfer.user() == name) --entries;
      }
      require(orders == 0, "an account's orders are not one chain");
      require(entries == 0, "an account's entries are not one chain");
    }
  }

  void orders_are_credited_at_most_once() {
    std::map<OrderId, int> credits;
    for (const auto& [id, transfer] : records_.transfers) {
      const bool supplied = transfer.kind == TransferKind::supplied;
      if (transfer.kind != TransferKind::recharge && !supplied) continue;
      ++credits[transfer.order_id];
      const auto order = records_.orders.find(transfer.order_id);
      require(order != records_.orders.end() && order->second.amount == transfer.amount &&
                  (supplied ? transfer.user() == nullptr && order->second.fulfilment != Fulfilment::wallet
                            : transfer.user() != nullptr && order->second.account == *transfer.user()),
              "a credit is not that of its order");
    }
    for (const auto& [id, order] : records_.orders) {
      require(credits[id] <= 1, "an order was credited more than once");
      const bool credited = order.fulfilment == Fulfilment::wallet ? is_credited(order.status)
                                                                   : order.status == OrderStatus::recharged;
      require((credits[id] > 0) == credited, "an order's status denies its credits");
      require(credited == order.recharged_at.reached(), "recharged_at denies the status");
    }
  }

  void refunds_stay_within_the_payment() {
    std::map<OrderId, std::int64_t> settled, reserved;
    std::map<GatewayName, std::int64_t> in_transit;
    for (const auto& [key, refund] : records_.refunds) {
      if (refund.status == RefundStatus::succeeded) settled[refund.order_id] += refund.amount.minor_units();
      if (refund.status != RefundStatus::pending) continue;
      reserved[refund.order_id] += refund.amount.minor_units();
      in_transit[records_.orders.at(refund.order_id).gateway] += refund.amount.minor_units();
    }
    for (const auto& [key, work] : records_.gateway_works) {
      if (key.kind == GatewayWorkKind::exception_refund)
        in_transit[work.gateway] += work.amount.minor_units();
    }
    for (const auto& [id, order] : records_.orders) {
      require(order.refunded.minor_units() == settled[id], "refunded is not the sum of settled refunds");
      require(order.refund_reserved.minor_units() == reserved[id],
              "reserved is not the sum of pending refunds");
      require(settled[id] + reserved[id] <= order.amount.minor_units(), "refunds exceed the payment");
      const bool all = order.refunded == order.amount;
      require((order.status == OrderStatus::refunded) == all, "refunded in full and its status differ");
      require((order.status == OrderStatus::partially_refunded) == (!all && order.refunded.is_positive()),
              "refunded in part and its status differ");
    }
    for (const auto& [key, balance] : records_.house) {
      if (key.first != LedgerAccountKind::in_transit) continue;
      require(balance.minor_units() == in_transit[key.second],
              "in transit is not the sum of pending refunds");
    }
  }

  void open_exceptions_hold_their_money() {
    std::map<GatewayName, std::int64_t> open;
    for (const auto& [id, exception] : records_.exceptions) {
      if (exception.is_open()) open[exception.gateway] += exception.amount.minor_units();
    }
    for (const auto& [key, balance] : records_.house) {
      if (key.first != LedgerAccountKind::suspense) continue;
      require(balance.minor_units() == open[key.second], "suspense is not the sum of open exceptions");
    }
  }

  // A payment's money stands in one place only. A report of another amount, or of another gateway, for a
  // payment that was credited is a claim of its own.
  void payments_are_kept_at_most_once() {
    std::map<std::tuple<OrderReference, GatewayName, TransactionId>, int> open;
    for (const auto& [id, exception] : records_.exceptions) {
      if (!exception.is_open()) continue;
      require(++open[{exception.reference, exception.gateway, exception.transaction_id}] == 1,
              "a payment is kept twice");
      if (exception.order_id.is_nil() || exception.kind == ExceptionKind::amount_mismatch ||
          exception.kind == ExceptionKind::gateway_mismatch) {
        continue;
      }
      const auto& order = records_.orders.at(exception.order_id);
      require(!is_credited(order.status) || order.gateway != exception.gateway ||
                  order.transaction_id != exception.transaction_id,
              "a payment is credited and kept");
    }
  }

  // Whoever waits for a supplier has its money held and its work open; whoever does not, has neither.
  void recharges_by_suppliers_add_up() {
    std::map<GatewayName, std::int64_t> held;
    std::map<SupplierName, std::int64_t> supplied;
    for (const auto& [id, order] : records_.orders) {
      const auto work = records_.gateway_works.find(GatewayWorkKey::of_recharge(id));
      const bool open = work != records_.gateway_works.end();
      require(order.is_held() == open, "a held order's work is not open, or another's is");
      if (order.is_held()) {
        held[order.gateway] += order.amount.minor_units() - order.refund_reserved.minor_units();
        require(work->second.failed || !order.refund_reserved.is_positive(),
                "what a supplier may still recharge is on its way back to the payer");
      }
      int succeeded = 0;
      int under_way = 0;
      std::uint16_t number = 0;
      for (auto at = records_.attempts.lower_bound({id, 0});
           at != records_.attempts.end() && at->first.first == id; ++at) {
        require(at->second.number == ++number, "attempts are not numbered from 1");
        under_way += at->second.is_open() ? 1 : 0;
        if (at->second.state != AttemptState::succeeded) continue;
        ++succeeded;
        supplied[at->second.supplier] += order.amount.minor_units();
        const auto last = std::next(at);
        require(last == records_.attempts.end() || last->first.first != id, "an attempt follows a success");
      }
      require(succeeded + under_way <= 1, "two suppliers may recharge the same order");
      require(under_way == 0 || (open && !work->second.failed),
              "an attempt is under way for an ended recharge");
      require(!open || work->second.attempts == number, "the work counts other attempts");
      const bool recharged = order.fulfilment != Fulfilment::wallet && order.status == OrderStatus::recharged;
      require((succeeded > 0) == recharged, "an order's status denies its attempts");
    }
    for (const auto& [key, balance] : records_.house) {
      if (key.first == LedgerAccountKind::fulfilment)
        require(balance.minor_units() == held[key.second], "fulfilment is not the sum of held payments");
      if (key.first == LedgerAccountKind::supplied)
        require(balance.minor_units() == supplied[key.second], "supplied is not the sum of recharges");
    }
  }

  const MapRecords& records_;
  std::vector<std::string> found_;
};

inline std::vector<std::string> violations(const MapRecords& records) {
  return InvariantCheck(records).run();
}

}  // namespace recharge::testing
