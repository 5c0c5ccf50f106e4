#include "storage/block_pool.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <new>

#include "core/check.h"
#include "storage/thread_role.h"

namespace recharge {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{2} << 20;
constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kLeastReady = (std::size_t{32} << 20) / BlockPool::kBlockBytes;
constexpr int kTrimIntervalMs = 10'000;
static_assert(kChunkBytes % BlockPool::kBlockBytes == 0 && BlockPool::kBlockBytes % kPageBytes == 0);

// A sanitizer has to see each block come and go.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kPooled = false;
#else
constexpr bool kPooled = true;
#endif

void touch(void* block) noexcept {
  auto* bytes = static_cast<volatile char*>(block);
  for (std::size_t at = 0; at < BlockPool::kBlockBytes; at += kPageBytes) bytes[at] = 0;
}

}  // namespace

BlockPool& BlockPool::of_process() {
  static auto* const pool = new BlockPool;  // records may go after static objects have
  return *pool;
}

BlockPool::BlockPool() : is_low_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) { RECHARGE_CHECK(is_low_ >= 0); }

BlockPool::~BlockPool() {
  while (void* block = try_take()) ::munmap(block, kBlockBytes);
  ::close(is_low_);
}

void BlockPool::say_low() noexcept { ::eventfd_write(is_low_, 1); }

void* BlockPool::try_take() noexcept {
  void* block = nullptr;
  if (!blocks_.pop(block)) return nullptr;
  const auto left = ready_.fetch_sub(1, std::memory_order_relaxed) - 1;
  if (left < least_ready_.load(std::memory_order_relaxed))
    least_ready_.store(left, std::memory_order_relaxed);
  if (left + 1 == low_mark_.load(std::memory_order_relaxed)) say_low();
  return block;
}

void* BlockPool::take() {
  if constexpr (!kPooled) return ::operator new(kBlockBytes);
  if (void* block = try_take()) return block;
  // Faster than the keeper, or without one: a chunk that nobody has touched.
  auto blocks = map_chunk();
  void* block = blocks.back();
  blocks.pop_back();
  for (void* other : blocks) give(other);
  return block;
}

void BlockPool::give(void* block) noexcept {
  if constexpr (!kPooled) return ::operator delete(block);
  ready_.fetch_add(1, std::memory_order_relaxed);  // before it can be taken
  if (blocks_.push(block)) return;
  ready_.fetch_sub(1, std::memory_order_relaxed);
  ::munmap(block, kBlockBytes);
}

// In small pages: the system takes some microseconds for one at its first touch, and for a huge page
// milliseconds, in which it gives the core to nobody.
std::vector<void*> BlockPool::map_chunk() {
  void* mapped = ::mmap(nullptr, kChunkBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  ::madvise(mapped, kChunkBytes, MADV_NOHUGEPAGE);
  std::vector<void*> blocks;
  for (std::size_t offset = 0; offset < kChunkBytes; offset += kBlockBytes)
    blocks.push_back(static_cast<char*>(mapped) + offset);
  return blocks;
}

BlockKeeper::BlockKeeper(std::size_t reserve_bytes, BlockPool& pool)
    : pool_(pool),
      reserve_(std::min(reserve_bytes / BlockPool::kBlockBytes,
                        BlockPool::kMaxReady / 2)),  // so that there is room for what comes back
      least_(std::min(reserve_, kLeastReady)) {}

void BlockKeeper::start() {
  if (!kPooled || reserve_ == 0) return;
  pool_.low_mark_.store(least_ / 2, std::memory_order_relaxed);
  thread_ = std::thread(&BlockKeeper::run, this);
}

BlockKeeper::~BlockKeeper() {
  stopping_.store(true, std::memory_order_release);
  pool_.say_low();
  if (thread_.joinable()) thread_.join();
  for (void* block : cold_) ::munmap(block, BlockPool::kBlockBytes);
}

void BlockKeeper::run() {
  begin_thread("memory", Urgency::background);
  fill(reserve_);
  pollfd is_low{pool_.is_low_, POLLIN, 0};
  while (!stopping_.load(std::memory_order_acquire)) {
    if (::poll(&is_low, 1, kTrimIntervalMs) == 0) {
      trim();
    } else {
      eventfd_t times = 0;
      ::eventfd_read(pool_.is_low_, &times);
      fill(least_);
    }
  }
}

void BlockKeeper::fill(std::size_t blocks) {
  while (pool_.ready() < blocks && !stopping_.load(std::memory_order_relaxed)) {
    if (cold_.empty()) cold_ = pool_.map_chunk();
    void* block = cold_.back();
    cold_.pop_back();
    touch(block);
    pool_.give(block);
    std::this_thread::yield();  // who serves may wait for this core
  }
}

void BlockKeeper::trim() {
  const auto ready = pool_.ready();
  const auto unused = std::min(pool_.least_ready_.exchange(ready, std::memory_order_relaxed), ready);
  for (auto surplus = unused > reserve_ ? unused - reserve_ : 0; surplus > 0; --surplus) {
    void* block = pool_.try_take();
    if (block == nullptr) break;
    ::madvise(block, BlockPool::kBlockBytes, MADV_DONTNEED);
    cold_.push_back(block);
  }
}

}  // namespace recharge
