// Purpose: what users are promised, held against a server from outside: every answer is the model's, and
// after a restart each shard is where the model stood after some number of its commands, none of the
// acknowledged ones missing. Owner: one history. Lifetime: outlives the servers. Errors: a violation is a
// sentence; empty: there is none.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "storage/shard_map.h"
#include "storage/shard_records.h"
#include "tests/core/map_records.h"
#include "tests/core/order_model.h"

namespace recharge::simulation {

using testing::ModelReply;
using testing::OrderModel;

class Oracle {
 public:
  // A moment in a shard's life: so many of its commands were executed.
  struct Mark {
    unsigned shard = 0;
    std::size_t commands = 0;
  };

  Oracle();

  // The command was executed, and its answer seen by the server alone so far.
  ModelReply execute(const Command& command, Time now);
  // The moment that the answer of the last command shows: a client who has it may rely on it.
  const Mark& shown() const noexcept { return shown_; }
  // The same for reads, which execute nothing.
  Mark moment_of(const OrderId& id) const;
  Mark moment_of(const Account& account) const;
  Mark moment_of(const GatewayWorkKey& key) const;

  void acknowledged(const Mark& mark);

  // What a read has to show.
  const OrderModel::Entry* order(const OrderId& id) const;
  std::int64_t balance_of(const Account& account) const;
  std::size_t orders_of(const Account& account) const;
  std::size_t open_exceptions() const;
  // Work at gateways that was not ended; null: there is none.
  const OrderModel::Work* work(const GatewayWorkKey& key) const;
  // What was done so far, for whoever judges it as a whole.
  const OrderModel& model(unsigned shard) const { return shards_[shard].live; }

  struct Verdict {
    std::string violation;
    bool damaged = false;  // a record cannot be read, which is found and not served
    std::size_t lost = 0;  // commands that nobody was told of
  };
  using ShardAt = std::function<ShardRecords&(unsigned shard)>;
  // A restarted server. Where it holds, the models go on from the moment that was found.
  Verdict resume(const ShardAt& shard_at, Time now);
  // The same for a server that is only looked at.
  Verdict examine(const ShardAt& shard_at, Time now) const;
  // All of its records now: none lost.
  std::string difference(const ShardAt& shard_at, Time now) const;

 private:
  struct Sent {
    Command command;
    Time now;
  };
  struct Shard {
    OrderModel base;  // at the last restart
    OrderModel live;
    std::vector<Sent> sent;        // since then
    std::size_t acknowledged = 0;  // of them
    // How many commands were executed when the order, the balance of the account, last changed.
    std::map<OrderId, std::size_t> orders_changed;
    std::map<Account, std::size_t> balances_changed;
    std::map<GatewayWorkKey, std::size_t> works_changed;
  };

  unsigned shard_of(const OrderId& id) const { return map_.of_id(id); }
  static Verdict find_moment(const Shard& shard, ShardRecords& records, Time now, OrderModel& model,
                             std::size_t& moment);

  const ShardMap& map_;
  std::vector<Shard> shards_;
  Mark shown_;
};

}  // namespace recharge::simulation
