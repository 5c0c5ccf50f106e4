// Purpose: blocks of memory for records that change, which were touched before they are needed. The first
// touch of a page is the dearest: where a hypervisor hands out memory, 0.4 to 6 ms for a huge page were
// measured, and whoever touches it waits as long. A BlockKeeper touches ahead, on a thread of its own, as the
// journal's segments are prepared ahead. A block that is given back serves again. Owner: take and give any
// thread, without a lock. Lifetime: longer than whatever lies in its blocks. Errors: std::bad_alloc.
#pragma once

#include <atomic>
#include <boost/lockfree/stack.hpp>
#include <cstddef>
#include <thread>
#include <vector>

namespace recharge {

class BlockPool {
 public:
  static constexpr std::size_t kBlockBytes = std::size_t{16} << 10;
  static constexpr std::size_t kMaxReady = 65'534;  // a GiB; what is given back beyond goes to the system

  static BlockPool& of_process();  // never destroyed

  BlockPool();
  ~BlockPool();  // REQUIRES: every block was given back
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // kBlockBytes, aligned to a page; what they hold is not defined.
  void* take();
  void give(void* block) noexcept;

  std::size_t ready() const noexcept { return ready_.load(std::memory_order_relaxed); }

 private:
  friend class BlockKeeper;
  void say_low() noexcept;
  std::vector<void*> map_chunk();
  void* try_take() noexcept;

  boost::lockfree::stack<void*, boost::lockfree::capacity<kMaxReady>> blocks_;
  std::atomic<std::size_t> ready_{0};
  std::atomic<std::size_t> least_ready_{0};  // since a keeper looked
  std::atomic<std::size_t> low_mark_{0};     // zero: nobody keeps any ready
  const int is_low_;                         // an eventfd
};

// Keeps blocks of the process ready: at first `reserve_bytes`, and where these are used up, some more as they
// go. What a burst has left over goes back to the system after a while. Owner: fill and trim its thread, or a
// test that starts none. Lifetime: the thread ends with it. A reserve of zero needs none.
class BlockKeeper {
 public:
  explicit BlockKeeper(std::size_t reserve_bytes, BlockPool& pool = BlockPool::of_process());
  ~BlockKeeper();
  BlockKeeper(const BlockKeeper&) = delete;
  BlockKeeper& operator=(const BlockKeeper&) = delete;

  void start();
  void fill(std::size_t blocks);
  void trim();

 private:
  void run();

  BlockPool& pool_;
  const std::size_t reserve_;
  const std::size_t least_;  // from half of it on there are made more
  std::vector<void*> cold_;  // blocks without memory behind them
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

// For containers that allocate by blocks: what fills most of a block comes from the pool of the process.
template <class T>
struct BlockAllocator {
  using value_type = T;

  BlockAllocator() = default;
  template <class U>
  explicit BlockAllocator(const BlockAllocator<U>&) noexcept {}

  T* allocate(std::size_t count) {
    const std::size_t bytes = count * sizeof(T);
    return static_cast<T*>(is_block(bytes) ? BlockPool::of_process().take() : ::operator new(bytes));
  }
  void deallocate(T* items, std::size_t count) noexcept {
    if (is_block(count * sizeof(T))) {
      BlockPool::of_process().give(items);
    } else {
      ::operator delete(items);
    }
  }
  friend bool operator==(const BlockAllocator&, const BlockAllocator&) noexcept { return true; }

 private:
  static_assert(alignof(T) <= alignof(std::max_align_t));
  static constexpr bool is_block(std::size_t bytes) noexcept {
    return bytes <= BlockPool::kBlockBytes && bytes > BlockPool::kBlockBytes / 2;
  }
};

}  // namespace recharge
