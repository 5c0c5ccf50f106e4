// Purpose: a bounded ring of records from one producer thread to the journal thread, without locks.
// Owner: reserve, commit, publish: the producer; front, pop, release: the consumer; the rest: any thread.
// Lifetime: as long as the journal. Errors: reserve answers an empty span when there is no room, never
// blocks. Units: bytes; records are numbered 1, 2, 3... in the order of commit.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace recharge {

inline constexpr std::size_t kCacheLineBytes = 64;

class RecordRing {
 public:
  // The capacity is rounded up to a power of two. REQUIRES: capacity_bytes >= 64.
  explicit RecordRing(std::size_t capacity_bytes);

  // Contiguous room for one record; a second call before commit replaces the first. Empty when there is no
  // room. A record of up to largest_record() bytes always fits into an empty ring. REQUIRES: bytes > 0.
  std::span<std::byte> reserve(std::size_t bytes) noexcept;
  // Returns the number of the record. REQUIRES: reserve succeeded, 0 < used_bytes <= the reserved bytes.
  std::uint64_t commit(std::size_t used_bytes) noexcept;
  // Shows all committed records to the consumer; false when there was none since the last call.
  bool publish() noexcept;

  // The oldest published record that was not popped; empty when there is none.
  std::span<const std::byte> front() noexcept;
  void pop() noexcept;
  // Gives the room of everything popped back to the producer.
  void release() noexcept;

  std::uint64_t pushed() const noexcept { return pushed_.load(std::memory_order_relaxed); }
  std::size_t used_bytes() const noexcept;
  std::size_t capacity_bytes() const noexcept { return capacity_; }
  std::size_t largest_record() const noexcept { return largest_record(capacity_); }
  static constexpr std::size_t largest_record(std::size_t capacity_bytes) noexcept {
    return std::bit_ceil(capacity_bytes) / 2 - kEntryAlignment;
  }

 private:
  static constexpr std::size_t kEntryAlignment = 8;
  static constexpr std::uint32_t kSkip = 0xFFFFFFFF;  // in place of a length: go on at the ring's start

  std::byte* at(std::uint64_t position) const noexcept { return bytes_.get() + (position & (capacity_ - 1)); }

  std::size_t capacity_;
  std::unique_ptr<std::byte[]> bytes_;

  // Positions grow for ever; the place in the ring is their remainder.
  // Written by the producer.
  alignas(kCacheLineBytes) std::uint64_t tail_ = 0;  // behind the last committed record
  std::uint64_t reserved_at_ = 0;
  std::size_t reserved_bytes_ = 0;
  std::uint64_t known_head_ = 0;
  std::atomic<std::uint64_t> pushed_{0};
  alignas(kCacheLineBytes) std::atomic<std::uint64_t> published_{0};
  // Written by the consumer.
  alignas(kCacheLineBytes) std::uint64_t read_ = 0;
  std::uint64_t known_published_ = 0;
  std::size_t front_bytes_ = 0;
  alignas(kCacheLineBytes) std::atomic<std::uint64_t> head_{0};
};

}  // namespace recharge
