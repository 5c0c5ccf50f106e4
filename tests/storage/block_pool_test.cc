#include "storage/block_pool.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "storage/change_set.h"

namespace recharge {
namespace {

constexpr std::size_t kPageBytes = 4096;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kPooled = false;
#else
constexpr bool kPooled = true;
#endif

constexpr std::size_t kReserve = 4096;  // blocks

std::vector<void*> take(BlockPool& pool, std::size_t count) {
  std::vector<void*> blocks;
  for (std::size_t i = 0; i < count; ++i) blocks.push_back(pool.take());
  return blocks;
}

void give(BlockPool& pool, const std::vector<void*>& blocks) {
  for (void* block : blocks) pool.give(block);
}

template <class Condition>
bool soon(Condition condition) {
  for (int i = 0; i < 1000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return condition();
}

bool is_in_memory(void* block) {
  unsigned char pages[BlockPool::kBlockBytes / kPageBytes];
  if (::mincore(block, BlockPool::kBlockBytes, pages) != 0) return false;
  for (const auto page : pages) {
    if ((page & 1U) == 0) return false;
  }
  return true;
}

TEST(BlockPool, NoBlockServesTwoAtOnce) {
  const auto own = std::make_unique<BlockPool>();
  BlockPool& pool = *own;
  const auto blocks = take(pool, 1000);
  EXPECT_EQ(std::set<void*>(blocks.begin(), blocks.end()).size(), blocks.size());
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_TRUE(!kPooled || reinterpret_cast<std::uintptr_t>(blocks[i]) % kPageBytes == 0);
    std::memset(blocks[i], static_cast<int>(i), BlockPool::kBlockBytes);
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto* bytes = static_cast<const unsigned char*>(blocks[i]);
    EXPECT_EQ(bytes[0], static_cast<unsigned char>(i));
    EXPECT_EQ(bytes[BlockPool::kBlockBytes - 1], static_cast<unsigned char>(i));
  }
  give(pool, blocks);
}

TEST(BlockPool, NoBlockServesTwoThreadsAtOnce) {
  const auto own = std::make_unique<BlockPool>();
  BlockPool& pool = *own;
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (std::uint64_t mine = 1; mine <= 4; ++mine) {
    threads.emplace_back([mine, &wrong, &pool] {
      for (int round = 0; round < 2000; ++round) {
        const auto blocks = take(pool, 8);
        for (void* block : blocks) std::memcpy(block, &mine, sizeof mine);
        std::this_thread::yield();
        for (void* block : blocks) {
          std::uint64_t found = 0;
          std::memcpy(&found, block, sizeof found);
          if (found != mine) wrong.fetch_add(1);
        }
        give(pool, blocks);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

TEST(BlockPool, WhatIsGivenBackServesAgain) {
  if (!kPooled) GTEST_SKIP() << "a sanitizer sees each block come and go";
  const auto own = std::make_unique<BlockPool>();
  BlockPool& pool = *own;
  void* block = pool.take();
  pool.give(block);
  EXPECT_EQ(pool.take(), block);
  pool.give(block);
}

TEST(BlockKeeper, KeepsTouchedBlocksReady) {
  if (!kPooled) GTEST_SKIP() << "a sanitizer sees each block come and go";
  const auto own = std::make_unique<BlockPool>();
  BlockPool& pool = *own;
  BlockKeeper keeper(kReserve * BlockPool::kBlockBytes, pool);
  keeper.start();
  ASSERT_TRUE(soon([&] { return pool.ready() >= kReserve; }));
  // All but few, each of which was touched before; then there are more again.
  const auto blocks = take(pool, pool.ready() - 100);
  for (void* block : blocks) EXPECT_TRUE(is_in_memory(block));
  EXPECT_TRUE(soon([&] { return pool.ready() >= kReserve / 2; }));
  give(pool, blocks);
}

TEST(BlockKeeper, WhatABurstLeftGoesBackToTheSystem) {
  if (!kPooled) GTEST_SKIP() << "a sanitizer sees each block come and go";
  const auto own = std::make_unique<BlockPool>();
  BlockPool& pool = *own;
  BlockKeeper keeper(kReserve * BlockPool::kBlockBytes, pool);
  keeper.fill(kReserve);
  ASSERT_GE(pool.ready(), kReserve);
  auto blocks = take(pool, 2 * kReserve);
  for (void* block : blocks) std::memset(block, 1, BlockPool::kBlockBytes);
  give(pool, blocks);
  keeper.trim();  // the least that was ready since: none to spare
  EXPECT_GE(pool.ready(), 2 * kReserve);
  keeper.trim();
  EXPECT_EQ(pool.ready(), kReserve);
  std::size_t in_memory = 0;
  for (void* block : blocks) in_memory += is_in_memory(block) ? 1 : 0;
  EXPECT_LE(in_memory, kReserve);
  // And they can be had again.
  blocks = take(pool, 2 * kReserve);
  for (void* block : blocks) std::memset(block, 2, BlockPool::kBlockBytes);
  give(pool, blocks);
}

Order order_of(std::uint64_t i) {
  Order order;
  std::array<std::uint8_t, 10> random{};
  for (auto& byte : random)
    byte = static_cast<std::uint8_t>((i = i * 6364136223846793005 + 1442695040888963407) >> 56);
  order.id = OrderId::make(Time{1'700'000'000'000}, 7, random);
  return order;
}

TEST(ChangedTable, FindsEveryRecordAtItsFixedPlace) {
  ChangedTable<OrderId, Order> orders;
  ChangedTable<EntryId, Transfer> transfers;
  std::vector<Order*> places;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    Order order = order_of(i);
    order.merchant = static_cast<std::uint32_t>(i);
    ASSERT_EQ(orders.find(order.id), nullptr);
    places.push_back(&orders.insert(order).record);
    Transfer transfer;
    transfer.id = EntryId::make(Time{1'700'000'000'000 + static_cast<std::int64_t>(i / 300)}, 7, i + 1);
    transfer.merchant = order.merchant;
    ASSERT_EQ(transfers.find(transfer.id), nullptr);
    transfers.insert(transfer);
  }
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    auto* found = orders.find(order_of(i).id);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(&found->record, places[i]);
    EXPECT_EQ(found->record.merchant, i);
    const auto* transfer =
        transfers.find(EntryId::make(Time{1'700'000'000'000 + static_cast<std::int64_t>(i / 300)}, 7, i + 1));
    ASSERT_NE(transfer, nullptr);
    EXPECT_EQ(transfer->record.merchant, i);
  }
  EXPECT_EQ(orders.find(order_of(20'001).id), nullptr);
}

// An index with a bad hash is slow before it is wrong.
TEST(ChangedTable, HashesDiffer) {
  std::set<std::uint32_t> of_orders, of_entries;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    of_orders.insert(record_hash(order_of(i).id));
    of_entries.insert(record_hash(EntryId::make(Time{1'700'000'000'000}, 7, i)));
  }
  EXPECT_GE(of_orders.size(), 19'990u);
  EXPECT_GE(of_entries.size(), 19'990u);
}

}  // namespace
}  // namespace recharge
