// Commands on a thread's shards: where records are found, what replies wait for, what is refused, and lists.
#include "storage/shard_group.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/storage/machine.h"

namespace recharge {
namespace {

using testing::cents;
using testing::Commands;
using testing::Machine;
using testing::text;

constexpr std::string_view kUser = "13812345678";

class ShardGroupTest : public ::testing::Test {
 protected:
  explicit ShardGroupTest(unsigned threads = 1, MemoryLimits limits = {}) {
    machine.emplace(*disk, books, threads, limits);
    machine->start_fresh();
  }
  OutcomeCode run(const Command& command) { return machine->run(command, commands.now); }
  std::uint64_t execute(const Command& command) { return machine->execute(command, commands.now); }
  template <class Shown>
  const Shown& shown() {
    return std::get<Shown>(machine->outcome.shown);
  }
  OrderId place(std::string_view account = kUser) {
    const auto command = commands.place(account);
    EXPECT_EQ(run(command), OutcomeCode::order_placed);
    return command.order_id;
  }
  OrderStatus status(const OrderId& id) {
    EXPECT_EQ(run(ReadOrder{id}), OutcomeCode::found);
    return shown<Order>().status;
  }
  ShardGroup& group() { return *machine->groups[0]; }
  std::uint64_t pushed() { return machine->journal->pushed(0); }

  std::unique_ptr<SimulatedFileSystem> disk = empty_disk();
  MemoryBooks books;
  Commands commands;
  std::optional<Machine> machine;
};

// The newest of three layers wins: changed, then frozen, then the books.
TEST_F(ShardGroupTest, LooksUpChangedThenFrozenThenBooks) {
  const auto id = place();
  ASSERT_TRUE(machine->checkpoint().has_value());
  EXPECT_EQ(status(id), OrderStatus::pending) << "in the books alone";

  auto failure = commands.pay(id, "t-1");
  failure.success = false;
  EXPECT_EQ(run(failure), OutcomeCode::payment_failure_recorded);
  EXPECT_EQ(status(id), OrderStatus::failed) << "changed, over the books";
  const auto input = machine->freeze();
  EXPECT_EQ(status(id), OrderStatus::failed) << "frozen, over the books";

  EXPECT_EQ(run(commands.pay(id, "t-1")), OutcomeCode::recharge_succeeded);
  EXPECT_EQ(status(id), OrderStatus::recharged) << "changed, over the frozen one";
  ASSERT_EQ(input.shards.size(), 1u);
  EXPECT_EQ(input.shards[0].changes->orders.find(id)->record.status, OrderStatus::failed)
      << "what is frozen stays as it was";

  machine->flush();
  ASSERT_TRUE(CheckpointWriter(books, testing::kTestCodec, {}).write(input).has_value());
  machine->drop_frozen();
  EXPECT_EQ(status(id), OrderStatus::recharged);
  ASSERT_TRUE(machine->checkpoint().has_value());
  EXPECT_EQ(status(id), OrderStatus::recharged);
}

// Every kind of record is found in every layer: the same commands, each repeated, in the same layer and
// later.
TEST_F(ShardGroupTest, FindsEveryKindOfRecordInEveryLayer) {
  const auto place = commands.place_with_key(kUser, "key", 1'000'000);
  const auto id = place.order_id;
  const auto pay = commands.pay(id, "t-1");
  const auto again = commands.pay(id, "t-2");
  const auto spend = commands.spend(kUser, "d-1", 300);
  const auto refund = Commands::refund(id, "r-1", 200);
  const auto check = [&](const std::string& layer) {
    SCOPED_TRACE(layer);
    const auto before = pushed();
    EXPECT_EQ(run(place), OutcomeCode::order_replayed);
    EXPECT_EQ(shown<Order>().id, id);
    EXPECT_EQ(run(pay), OutcomeCode::already_processed);
    EXPECT_EQ(run(again), OutcomeCode::kept_for_review);
    EXPECT_EQ(run(spend), OutcomeCode::balance_spent);
    EXPECT_EQ(shown<Transfer>().amount, cents(300));
    EXPECT_EQ(run(refund), OutcomeCode::refund_requested);
    EXPECT_EQ(shown<RefundAndOrder>().refund.amount, cents(200));
    EXPECT_EQ(run(Commands::balance_of(kUser)), OutcomeCode::found);
    EXPECT_EQ(shown<Money>(), cents(4500));
    EXPECT_EQ(run(Commands::orders_of(kUser)), OutcomeCode::found);
    EXPECT_EQ(shown<OrderPage>().orders.size(), 1u);
    EXPECT_EQ(run(Commands::entries_of(kUser)), OutcomeCode::found);
    EXPECT_EQ(shown<EntryPage>().entries.size(), 3u);
    EXPECT_EQ(run(ExplainOrder{id}), OutcomeCode::found);
    EXPECT_EQ(shown<Explanation>().refunds.size(), 1u);
    EXPECT_EQ(shown<Explanation>().exceptions.size(), 1u);
    EXPECT_EQ(pushed(), before) << "nothing was changed by any repeat";
  };
  for (const Command& command : std::vector<Command>{place, pay, again, spend, refund}) run(command);
  check("changed");
  const auto input = machine->freeze();
  check("frozen");
  machine->flush();
  ASSERT_TRUE(CheckpointWriter(books, testing::kTestCodec, {}).write(input).has_value());
  check("frozen and in the books");
  machine->drop_frozen();
  check("in the books");
  const ResolveException resolve{again.exception_id, ExceptionAction::dismiss, {}};
  EXPECT_EQ(run(resolve), OutcomeCode::exception_resolved);
  EXPECT_EQ(run(resolve), OutcomeCode::invalid_state);
}

TEST_F(ShardGroupTest, ReadsNothingWhereThereIsNothing) {
  const auto id = commands.place(kUser).order_id;
  EXPECT_EQ(execute(ReadOrder{id}), 0u);
  EXPECT_EQ(machine->outcome.code, OutcomeCode::order_not_found);
  EXPECT_EQ(run(ExplainOrder{id}), OutcomeCode::order_not_found);
  EXPECT_EQ(run(Commands::balance_of(kUser)), OutcomeCode::found);
  EXPECT_EQ(shown<Money>(), Money{});
  EXPECT_EQ(run(Commands::orders_of(kUser)), OutcomeCode::found);
  EXPECT_TRUE(shown<OrderPage>().orders.empty() && shown<OrderPage>().next.is_nil());
  EXPECT_EQ(run(Commands::entries_of(kUser)), OutcomeCode::found);
  EXPECT_TRUE(shown<EntryPage>().entries.empty() && shown<EntryPage>().next.is_nil());
}

TEST_F(ShardGroupTest, ADamagedRowIsSaidToBeDamagedAndChangesNothing) {
  const auto id = place();
  const auto other = place("other");
  ASSERT_TRUE(machine->checkpoint().has_value());
  const auto key = order_key(id);
  auto value = books.state().tables[0].at({key.begin(), key.end()});
  value.back() ^= std::byte{1};
  auto transaction = books.begin().value();
  ASSERT_TRUE(transaction->put(Table::orders, order_key(id), value).has_value());
  ASSERT_TRUE(transaction->commit().has_value());
  const auto before = pushed();
  for (const Command& command : std::vector<Command>{commands.pay(id, "t-1"), CloseOrder{id}, ReadOrder{id},
                                                     ExplainOrder{id}, Commands::orders_of(kUser)}) {
    EXPECT_EQ(run(command), OutcomeCode::damaged) << command.index();
    EXPECT_EQ(machine->outcome.shown.index(), 0u) << "nothing is shown";
  }
  EXPECT_EQ(pushed(), before);
  EXPECT_EQ(status(other), OrderStatus::pending);
}

TEST_F(ShardGroupTest, TimeNeverGoesBack) {
  group().set_now(Time{2000});
  group().set_now(Time{1000});
  EXPECT_EQ(group().now(), Time{2000});
  group().set_now(Time{3000});
  EXPECT_EQ(group().now(), Time{3000});
}

// --- What a reply waits for

TEST_F(ShardGroupTest, AReplyWaitsForTheRecordsThatItShows) {
  const auto first = commands.place(kUser);
  EXPECT_EQ(execute(first), 1u);
  const auto second = commands.place("other");
  EXPECT_EQ(execute(second), 2u);
  const auto id = first.order_id;
  EXPECT_EQ(execute(commands.pay(id, "t-1")), 3u);
  EXPECT_EQ(machine->journal->durable(0), 0u);

  const auto check = [&](std::uint64_t own, std::uint64_t others) {
    EXPECT_EQ(execute(ReadOrder{id}), own);
    EXPECT_EQ(execute(Commands::balance_of(kUser)), own);
    EXPECT_EQ(execute(Commands::orders_of(kUser)), own);
    EXPECT_EQ(execute(Commands::entries_of(kUser)), own);
    EXPECT_EQ(execute(ExplainOrder{id}), own);
    EXPECT_EQ(execute(commands.pay(id, "t-1")), own) << "already processed";
    EXPECT_EQ(execute(CloseOrder{id}), own) << "refused: as much a reply as any";
    EXPECT_EQ(machine->outcome.code, OutcomeCode::invalid_state);
    EXPECT_EQ(execute(ReadOrder{second.order_id}), others) << "and for nothing else";
    EXPECT_EQ(execute(Commands::balance_of("nobody")), 0u);
  };
  check(3, 2);
  const auto input = machine->freeze();
  check(3, 2);
  machine->flush();
  EXPECT_EQ(machine->journal->durable(0), 3u);
  check(3, 2);  // at or below what is durable: released at once
  ASSERT_TRUE(CheckpointWriter(books, testing::kTestCodec, {}).write(input).has_value());
  machine->drop_frozen();
  check(0, 0);
}

TEST_F(ShardGroupTest, AListWaitsForTheNewestChangeThatItShows) {
  const auto first = place();
  place();
  EXPECT_EQ(execute(commands.pay(first, "t-1")), 3u);
  EXPECT_EQ(execute(Commands::orders_of(kUser)), 3u) << "the older order changed last";
  place("other");
  EXPECT_EQ(execute(Commands::orders_of(kUser)), 3u);
  EXPECT_EQ(execute(commands.pay_unknown("third", "t-9")), 5u);
  EXPECT_EQ(group().execute(ListExceptions{}, machine->outcome), 5u);
  EXPECT_EQ(std::get<ExceptionPage>(machine->outcome.shown).exceptions.size(), 1u);
}

// Clients see replies; then the power fails. Whatever they saw must be there again.
enum class Release { when_durable, at_once, reads_at_once };

unsigned promises_broken(Release release) {
  unsigned broken = 0;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    auto disk = empty_disk();
    MemoryBooks books;
    Commands commands(seed);
    Machine machine(*disk, books, 2);
    machine.start_fresh();
    struct Waiting {
      unsigned thread;
      std::uint64_t number;
      OrderId shown;
      bool is_read;
    };
    std::vector<Waiting> waiting;
    std::vector<OrderId> seen;
    std::vector<OrderId> placed;
    for (int i = 0; i < 40; ++i) {
      Command command = commands.place("user-" + std::to_string(commands.draw(9)));
      if (i % 3 == 2) command = ReadOrder{placed.back()};
      const auto number = machine.execute(command, commands.now);
      const auto shown = std::get<Order>(machine.outcome.shown).id;
      placed.push_back(shown);
      waiting.push_back({machine.thread_of(command), number, shown, !is_change(command)});
      if (commands.draw(6) == 0) machine.journal->step().value();
      std::erase_if(waiting, [&](const Waiting& reply) {
        const bool released = reply.number <= machine.journal->durable(reply.thread) ||
                              release == Release::at_once ||
                              (release == Release::reads_at_once && reply.is_read);
        if (released) seen.push_back(reply.shown);
        return released;
      });
    }
    auto image = disk->after_power_loss(seed);
    Machine restarted(*image, books, 2);
    EXPECT_TRUE(restarted.start().has_value());
    for (const auto& id : seen) {
      broken += restarted.run(ReadOrder{id}, commands.now) != OutcomeCode::found;
    }
  }
  return broken;
}

TEST(ShardGroupReplies, WhatWasShownSurvivesAPowerLoss) {
  EXPECT_EQ(promises_broken(Release::when_durable), 0u);
}
TEST(ShardGroupReplies, ReleasedBeforeTheyAreDurableTheyAreCaught) {
  EXPECT_GT(promises_broken(Release::at_once), 0u);
  EXPECT_GT(promises_broken(Release::reads_at_once), 0u);
}

// --- What is refused

TEST_F(ShardGroupTest, AFullRingRefusesAndChangesNothing) {
  const auto id = place();
  OutcomeCode code = OutcomeCode::order_placed;
  unsigned accepted = 0;
  for (; code == OutcomeCode::order_placed && accepted < 10'000; ++accepted) {
    code = run(commands.place("user-" + std::to_string(accepted)));
  }
  ASSERT_EQ(code, OutcomeCode::overloaded);
  EXPECT_GT(accepted, 100u);
  const auto before = pushed();
  const auto bytes = group().changed_bytes();
  const auto late = commands.place("late");
  for (const Command& command : std::vector<Command>{late, commands.pay(id, "t-1"), CloseOrder{id}}) {
    EXPECT_EQ(execute(command), 0u) << "it may be said at once";
    EXPECT_EQ(machine->outcome.code, OutcomeCode::overloaded);
    EXPECT_EQ(machine->outcome.shown.index(), 0u);
  }
  EXPECT_EQ(pushed(), before);
  EXPECT_EQ(group().changed_bytes(), bytes);
  EXPECT_EQ(run(ReadOrder{late.order_id}), OutcomeCode::order_not_found);
  EXPECT_EQ(status(id), OrderStatus::pending);
  EXPECT_EQ(run(commands.pay(id, "t-1")), OutcomeCode::overloaded);
  machine->flush();
  EXPECT_EQ(run(commands.pay(id, "t-1")), OutcomeCode::recharge_succeeded);
}

TEST_F(ShardGroupTest, AFullDiskRefusesChangesAndReadsGoOn) {
  const auto id = place();
  machine->flush();
  disk->set_capacity(0);
  OutcomeCode code = OutcomeCode::order_placed;
  for (int i = 0; code == OutcomeCode::order_placed && i < 10'000; ++i) {
    code = run(commands.place("user-" + std::to_string(i % 50)));
    machine->flush();
  }
  ASSERT_EQ(code, OutcomeCode::storage_full);
  const auto before = pushed();
  EXPECT_EQ(run(commands.pay(id, "t-1")), OutcomeCode::storage_full);
  EXPECT_EQ(pushed(), before);
  EXPECT_EQ(status(id), OrderStatus::pending) << "nothing was changed";
  disk->set_capacity(std::uint64_t{1} << 30);
  machine->flush();
  EXPECT_EQ(run(commands.pay(id, "t-1")), OutcomeCode::recharge_succeeded);
}

class LimitedShardGroupTest : public ShardGroupTest {
 protected:
  LimitedShardGroupTest() : ShardGroupTest(1, {200'000, 500'000}) {}
};

TEST_F(LimitedShardGroupTest, MemoryRefusesOrdersFirstAndCallbacksLast) {
  std::vector<OrderId> placed;
  for (int i = 0; i < 5000; ++i) {
    const auto command = commands.place("user-" + std::to_string(i));
    if (run(command) != OutcomeCode::order_placed) break;
    placed.push_back(command.order_id);
    machine->flush();
  }
  ASSERT_EQ(machine->outcome.code, OutcomeCode::overloaded);
  EXPECT_GT(group().changed_bytes(), 200'000u);
  EXPECT_LT(group().changed_bytes(), 400'000u);
  const auto frozen = machine->freeze();
  EXPECT_EQ(run(commands.place("late")), OutcomeCode::overloaded) << "frozen records are held, too";

  std::size_t credited = 0;
  for (const auto& id : placed) {
    if (run(commands.pay(id, id.to_hex())) != OutcomeCode::recharge_succeeded) break;
    ++credited;
    machine->flush();
  }
  ASSERT_EQ(machine->outcome.code, OutcomeCode::overloaded);
  EXPECT_GT(credited, 100u) << "callbacks went on where orders were refused";
  EXPECT_EQ(status(placed.back()), OrderStatus::pending) << "reads go on";

  ASSERT_TRUE(CheckpointWriter(books, testing::kTestCodec, {}).write(frozen).has_value());
  machine->drop_frozen();
  EXPECT_EQ(run(commands.pay(placed.back(), "t-last")), OutcomeCode::recharge_succeeded)
      << "room again, at once";
  ASSERT_TRUE(machine->checkpoint().has_value());
  EXPECT_EQ(run(commands.place("late")), OutcomeCode::order_placed);
}

// --- Lists and cursors

TEST_F(ShardGroupTest, OrdersAreListedNewestFirstByPages) {
  std::vector<OrderId> placed;
  for (int i = 0; i < 25; ++i) {
    placed.push_back(place());
    if (i == 8) {
      ASSERT_TRUE(machine->checkpoint().has_value());
    }
    if (i == 16) static_cast<void>(machine->freeze());
    if (i % 4 == 0) place("other");
    commands.now.ms += 10;
  }
  std::reverse(placed.begin(), placed.end());
  for (unsigned limit : {1u, 7u, 25u, 100u}) {
    std::vector<OrderId> listed;
    OrderId from;
    do {
      ASSERT_EQ(run(Commands::orders_of(kUser, limit, from)), OutcomeCode::found);
      const auto& page = shown<OrderPage>();
      EXPECT_LE(page.orders.size(), limit);
      for (const auto& order : page.orders) listed.push_back(order.id);
      from = page.next;
    } while (!from.is_nil() && listed.size() < 100);
    EXPECT_EQ(listed, placed) << limit;
  }
}

TEST_F(ShardGroupTest, AFilterExaminesABoundedNumberAndGoesOn) {
  const auto oldest = place();
  EXPECT_EQ(run(commands.pay(oldest, "t-1")), OutcomeCode::recharge_succeeded);
  for (unsigned i = 0; i < kMaxExaminedByFilter + 50; ++i) {
    place();
    if (i % 20 == 0) machine->flush();
  }
  ListOrders list = Commands::orders_of(kUser);
  list.status = OrderStatus::recharged;
  ASSERT_EQ(run(list), OutcomeCode::found);
  EXPECT_TRUE(shown<OrderPage>().orders.empty());
  ASSERT_FALSE(shown<OrderPage>().next.is_nil()) << "not the end: a cursor";
  list.from = shown<OrderPage>().next;
  ASSERT_EQ(run(list), OutcomeCode::found);
  ASSERT_EQ(shown<OrderPage>().orders.size(), 1u);
  EXPECT_EQ(shown<OrderPage>().orders[0].id, oldest);
  EXPECT_TRUE(shown<OrderPage>().next.is_nil());
}

TEST_F(ShardGroupTest, EntriesAreListedNewestFirstByPages) {
  for (int i = 0; i < 6; ++i) {
    const auto id = place();
    EXPECT_EQ(run(commands.pay(id, "t-" + std::to_string(i))), OutcomeCode::recharge_succeeded);
    EXPECT_EQ(run(commands.spend(kUser, "d-" + std::to_string(i), 100)), OutcomeCode::balance_spent);
    if (i == 2) {
      ASSERT_TRUE(machine->checkpoint().has_value());
    }
  }
  std::vector<Transfer> listed;
  EntryId from;
  do {
    ASSERT_EQ(run(Commands::entries_of(kUser, 5, from)), OutcomeCode::found);
    for (const auto& entry : shown<EntryPage>().entries) listed.push_back(entry);
    from = shown<EntryPage>().next;
  } while (!from.is_nil() && listed.size() < 100);
  ASSERT_EQ(listed.size(), 12u);
  for (int i = 0; i < 6; ++i) {
    const auto& debit = listed[static_cast<std::size_t>(10 - 2 * i)];
    const auto& credit = listed[static_cast<std::size_t>(11 - 2 * i)];
    EXPECT_EQ(debit.kind, TransferKind::debit);
    EXPECT_EQ(debit.balance_after(), cents(4900 * (i + 1)));
    EXPECT_EQ(credit.kind, TransferKind::recharge);
    EXPECT_EQ(credit.transaction_id.view(), "t-" + std::to_string(i)) << "filled in from the order";
  }
}

TEST_F(ShardGroupTest, ACursorOfAnotherAccountShowsNothing) {
  // Two accounts of one shard, so that the record is found and refused.
  std::string other;
  for (int i = 0; other.empty(); ++i) {
    const auto name = "user-" + std::to_string(i);
    if (machine->map.of_text(name) == machine->map.of_text(kUser)) other = name;
  }
  const auto theirs = place(other);
  EXPECT_EQ(run(commands.pay(theirs, "t-1")), OutcomeCode::recharge_succeeded);
  place();
  ASSERT_EQ(run(Commands::entries_of(other)), OutcomeCode::found);
  const auto their_entry = shown<EntryPage>().entries.at(0).id;
  for (const Command& command : std::vector<Command>{
           Commands::orders_of(kUser, 20, theirs), Commands::entries_of(kUser, 20, their_entry),
           Commands::orders_of(kUser, 20, commands.place(kUser).order_id),
           Commands::entries_of(kUser, 20, EntryId::make(commands.now, 0, 999))}) {
    ASSERT_EQ(run(command), OutcomeCode::found);
    if (const auto* page = std::get_if<OrderPage>(&machine->outcome.shown)) {
      EXPECT_TRUE(page->orders.empty() && page->next.is_nil());
    } else {
      EXPECT_TRUE(shown<EntryPage>().entries.empty() && shown<EntryPage>().next.is_nil());
    }
  }
}

class ThreadedShardGroupTest : public ShardGroupTest {
 protected:
  ThreadedShardGroupTest() : ShardGroupTest(3) {}

  ExceptionPage page(const ListExceptions& list) {
    ExceptionPage merged;
    for (auto& group : machine->groups) {
      Outcome outcome;
      group->execute(list, outcome);
      EXPECT_EQ(outcome.code, OutcomeCode::found);
      merge_exceptions(merged, std::move(std::get<ExceptionPage>(outcome.shown)), list.limit);
    }
    return merged;
  }
  std::vector<ExceptionId> all(bool only_open, unsigned limit) {
    std::vector<ExceptionId> ids;
    ListExceptions list{only_open, limit, {}};
    for (int pages = 0; pages < 1000; ++pages) {
      const auto next = page(list);
      EXPECT_LE(next.exceptions.size(), limit);
      for (const auto& exception : next.exceptions) ids.push_back(exception.id);
      if (next.next.is_nil()) break;
      list.before = next.next;
    }
    return ids;
  }
};

TEST_F(ThreadedShardGroupTest, ExceptionsOfAllShardsAreOneList) {
  std::vector<ExceptionId> opened;
  std::vector<ExceptionId> open;
  for (int i = 0; i < 60; ++i) {
    const auto payment = commands.pay_unknown("user-" + std::to_string(i % 17), "t-" + std::to_string(i));
    ASSERT_EQ(run(payment), OutcomeCode::order_not_found);
    opened.push_back(payment.exception_id);
    const bool dismiss = i % 3 == 0;
    if (dismiss) {
      EXPECT_EQ(run(ResolveException{payment.exception_id, ExceptionAction::dismiss, {}}),
                OutcomeCode::exception_resolved);
    } else {
      open.push_back(payment.exception_id);
    }
    if (i == 20) {
      ASSERT_TRUE(machine->checkpoint().has_value());
    }
    if (i == 40) static_cast<void>(machine->freeze());
    if (i % 5 == 0) commands.now.ms += 1;  // several in one millisecond
  }
  // One that is in the books is resolved now: the newer record wins.
  const auto resolved = open.front();
  EXPECT_EQ(run(ResolveException{resolved, ExceptionAction::refund, {}}), OutcomeCode::exception_resolved);
  std::erase(open, resolved);
  std::sort(opened.rbegin(), opened.rend());
  std::sort(open.rbegin(), open.rend());
  for (unsigned limit : {1u, 4u, 20u, 59u, 60u, 500u}) {
    EXPECT_EQ(all(false, limit), opened) << limit;
    EXPECT_EQ(all(true, limit), open) << limit;
  }
}

TEST_F(ThreadedShardGroupTest, AFilterOfExceptionsIsBoundedAndGoesOn) {
  const auto oldest = commands.pay_unknown(kUser, "t-oldest");
  run(oldest);
  for (unsigned i = 0; i < kMaxExaminedByFilter + 20; ++i) {
    const auto payment = commands.pay_unknown(kUser, "t-" + std::to_string(i));
    run(payment);
    ASSERT_EQ(run(ResolveException{payment.exception_id, ExceptionAction::dismiss, {}}),
              OutcomeCode::exception_resolved);
    if (i % 10 == 0) machine->flush();
  }
  const auto first = page({true, 20, {}});
  EXPECT_TRUE(first.exceptions.empty());
  ASSERT_FALSE(first.next.is_nil());
  const auto second = page({true, 20, first.next});
  ASSERT_EQ(second.exceptions.size(), 1u);
  EXPECT_EQ(second.exceptions[0].id, oldest.exception_id);
  EXPECT_TRUE(second.next.is_nil());
}

TEST_F(ShardGroupTest, RefundsOfAnOrderAreFoundInAllLayers) {
  const auto id = place();
  EXPECT_EQ(run(commands.pay(id, "t-1")), OutcomeCode::recharge_succeeded);
  const auto request = [&](const char* refund_id, std::int64_t amount) {
    commands.now.ms += 1000;
    EXPECT_EQ(run(Commands::refund(id, refund_id, amount, false)), OutcomeCode::refund_requested);
  };
  request("z-books", 100);
  request("y-books", 200);
  ASSERT_TRUE(machine->checkpoint().has_value());
  request("x-frozen", 300);
  EXPECT_EQ(run(SettleRefund{id, text<RefundId>("y-books"), true}), OutcomeCode::refund_settled);
  static_cast<void>(machine->freeze());
  request("a-changed", 400);
  EXPECT_EQ(run(SettleRefund{id, text<RefundId>("x-frozen"), false}), OutcomeCode::refund_settled);
  ASSERT_EQ(run(ExplainOrder{id}), OutcomeCode::found);
  std::vector<std::string> found;
  for (const auto& refund : shown<Explanation>().refunds) {
    found.push_back(std::string(refund.refund_id.view()) + " " + std::string(to_text(refund.status)));
  }
  const std::vector<std::string> expected = {"z-books pending", "y-books succeeded", "x-frozen failed",
                                             "a-changed pending"};
  EXPECT_EQ(found, expected) << "oldest first, each as its newest layer says";
}

TEST_F(ShardGroupTest, ARefundThatFailedIsStillExplained) {
  const auto id = place();
  EXPECT_EQ(run(commands.pay(id, "t-1")), OutcomeCode::recharge_succeeded);
  EXPECT_EQ(run(Commands::refund(id, "r-1", 100, false)), OutcomeCode::refund_requested);
  EXPECT_EQ(run(SettleRefund{id, text<RefundId>("r-1"), false}), OutcomeCode::refund_settled);
  ASSERT_EQ(run(ExplainOrder{id}), OutcomeCode::found);
  ASSERT_EQ(shown<Explanation>().refunds.size(), 1u);
  EXPECT_EQ(shown<Explanation>().refunds[0].status, RefundStatus::failed);
}

// --- Orders past their time

TEST_F(ShardGroupTest, AnOverdueOrderIsExpiredBeforeItIsShown) {
  const auto id = place();
  commands.now.ms += testing::kExpireAfterMs;
  EXPECT_EQ(status(id), OrderStatus::pending) << "its last moment";
  EXPECT_EQ(pushed(), 1u);
  commands.now.ms += 1;
  EXPECT_EQ(execute(ReadOrder{id}), 2u) << "waits for the fact that it made";
  EXPECT_EQ(shown<Order>().status, OrderStatus::expired);
  EXPECT_EQ(shown<Order>().ended_at, shown<Order>().expires_at);
  EXPECT_EQ(pushed(), 2u);
  EXPECT_EQ(status(id), OrderStatus::expired);
  EXPECT_EQ(pushed(), 2u) << "once";
}

TEST_F(ShardGroupTest, OverdueOrdersOfAListAreExpiredFirst) {
  std::vector<OrderId> overdue;
  for (int i = 0; i < 3; ++i) overdue.push_back(place());
  EXPECT_EQ(run(commands.pay(overdue[1], "t-1")), OutcomeCode::recharge_succeeded);
  ASSERT_TRUE(machine->checkpoint().has_value());
  commands.now.ms += testing::kExpireAfterMs + 1;
  const auto young = place();
  const auto before = pushed();
  ListOrders list = Commands::orders_of(kUser);
  list.status = OrderStatus::pending;
  EXPECT_EQ(execute(list), before + 2);
  ASSERT_EQ(shown<OrderPage>().orders.size(), 1u) << "the filter goes by what they are now";
  EXPECT_EQ(shown<OrderPage>().orders[0].id, young);
  EXPECT_EQ(pushed(), before + 2);
  list.status = OrderStatus::expired;
  EXPECT_EQ(run(list), OutcomeCode::found);
  EXPECT_EQ(shown<OrderPage>().orders.size(), 2u);
  EXPECT_EQ(pushed(), before + 2);
}

TEST_F(ShardGroupTest, WhereTheJournalHasNoRoomOverdueOrdersAreShownAsExpired) {
  std::vector<OrderId> overdue = {place(), place()};
  for (int i = 0; run(commands.place("user-" + std::to_string(i))) == OutcomeCode::order_placed; ++i) {
  }
  ASSERT_EQ(machine->outcome.code, OutcomeCode::overloaded);
  const auto before = pushed();
  commands.now.ms += testing::kExpireAfterMs + 1;
  EXPECT_EQ(status(overdue[0]), OrderStatus::expired);
  ASSERT_EQ(run(ExplainOrder{overdue[0]}), OutcomeCode::found);
  EXPECT_EQ(shown<Explanation>().order->status, OrderStatus::expired);
  ASSERT_EQ(run(Commands::orders_of(kUser)), OutcomeCode::found);
  ASSERT_EQ(shown<OrderPage>().orders.size(), 2u);
  for (const auto& order : shown<OrderPage>().orders) EXPECT_EQ(order.status, OrderStatus::expired);
  ListOrders list = Commands::orders_of(kUser);
  list.status = OrderStatus::pending;
  ASSERT_EQ(run(list), OutcomeCode::found);
  EXPECT_TRUE(shown<OrderPage>().orders.empty()) << "a filter goes by what is shown";
  list.status = OrderStatus::expired;
  ASSERT_EQ(run(list), OutcomeCode::found);
  EXPECT_EQ(shown<OrderPage>().orders.size(), 2u);
  EXPECT_EQ(pushed(), before) << "nothing was written";
  machine->flush();
  EXPECT_EQ(status(overdue[0]), OrderStatus::expired);
  EXPECT_EQ(pushed(), before + 1) << "and now it is a fact";
}

}  // namespace
}  // namespace recharge
