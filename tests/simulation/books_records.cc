#include "tests/simulation/books_records.h"

#include "tests/simulation/simulated_server.h"

namespace recharge::simulation {
namespace {

// Decodes every row of a table, and gives the record to `keep`.
template <class Record>
Result<void> read(const MemoryBooks& books, Table table, auto keep) {
  for (const auto& [key, value] : books.state().tables[static_cast<std::size_t>(table)]) {
    Record record;
    if (auto done = record_codec().decode(key, value, record); !done) return done.error();
    keep(std::to_integer<unsigned>(key[0]), record);
  }
  return {};
}

}  // namespace

Result<std::vector<testing::MapRecords>> records_of(const MemoryBooks& books) {
  std::vector<testing::MapRecords> shards(kShards);
  const auto& map = shard_map();
  const auto of_order = [&](const OrderId& id) -> auto& { return shards[map.of_id(id)]; };
  const auto of_account = [&](const Account& account) -> auto& {
    return shards[map.of_text(account.view())];
  };
  Result<void> done;
  const auto then = [&](auto reading) {
    if (done) done = reading();
  };
  then([&] {
    return read<Order>(books, Table::orders, [&](unsigned, const Order& r) { of_order(r.id).put(r); });
  });
  then([&] {
    return read<UserAccount>(books, Table::accounts, [&](unsigned, const UserAccount& r) {
      of_account(r.account).change_account(r.account) = r;
    });
  });
  then([&] {
    return read<Transfer>(books, Table::transfers,
                          [&](unsigned, const Transfer& r) { shards[r.id.shard()].put(r); });
  });
  then([&] {
    return read<Refund>(books, Table::refunds,
                        [&](unsigned, const Refund& r) { of_order(r.order_id).put(r); });
  });
  then([&] {
    return read<Debit>(books, Table::debits, [&](unsigned, const Debit& r) { of_account(r.account).put(r); });
  });
  then([&] {
    return read<PaymentException>(books, Table::exceptions,
                                  [&](unsigned shard, const PaymentException& r) { shards[shard].put(r); });
  });
  then([&] {
    return read<GatewayWork>(books, Table::gateway_work,
                             [&](unsigned shard, const GatewayWork& r) { shards[shard].put(r); });
  });
  then([&] {
    return read<RechargeAttempt>(books, Table::attempts,
                                 [&](unsigned, const RechargeAttempt& r) { of_order(r.order_id).put(r); });
  });
  then([&] {
    return read<NotifyAddress>(books, Table::notify_urls,
                               [&](unsigned, const NotifyAddress& r) { of_order(r.order_id).put(r); });
  });
  then([&] {
    return read<HouseAccountRow>(books, Table::house, [&](unsigned, const HouseAccountRow& r) {
      shards[r.shard].change_house_balance(r.account.kind, r.account.gateway) = r.account.balance;
    });
  });
  then([&] {
    return read<ShardTotalsRow>(books, Table::totals, [&](unsigned, const ShardTotalsRow& r) {
      shards[r.shard].shard_totals = r.totals;
    });
  });
  if (!done) return done.error();
  return shards;
}

}  // namespace recharge::simulation
