#include "storage/record_ring.h"

#include <bit>
#include <cstring>

#include "storage/storage_error.h"

namespace recharge {
namespace {

constexpr std::size_t kLengthBytes = sizeof(std::uint32_t);
constexpr std::size_t kSmallestRing = 64;

}  // namespace

RecordRing::RecordRing(std::size_t capacity_bytes)
    : capacity_(std::bit_ceil(capacity_bytes)),
      bytes_(std::make_unique_for_overwrite<std::byte[]>(capacity_)) {
  RECHARGE_STORAGE_INVARIANT(capacity_bytes >= kSmallestRing && capacity_ < kSkip);
}

std::span<std::byte> RecordRing::reserve(std::size_t bytes) noexcept {
  reserved_bytes_ = 0;
  if (bytes == 0 || bytes > largest_record()) return {};
  const std::size_t needed = (kLengthBytes + bytes + kEntryAlignment - 1) & ~(kEntryAlignment - 1);
  const std::size_t contiguous = capacity_ - (tail_ & (capacity_ - 1));
  const std::uint64_t begin = needed <= contiguous ? tail_ : tail_ + contiguous;
  if (begin + needed - known_head_ > capacity_) {
    known_head_ = head_.load(std::memory_order_acquire);
    if (begin + needed - known_head_ > capacity_) return {};
  }
  reserved_at_ = begin;
  reserved_bytes_ = bytes;
  return {at(begin) + kLengthBytes, bytes};
}

std::uint64_t RecordRing::commit(std::size_t used_bytes) noexcept {
  RECHARGE_STORAGE_INVARIANT(used_bytes > 0 && used_bytes <= reserved_bytes_);
  if (reserved_at_ != tail_) std::memcpy(at(tail_), &kSkip, kLengthBytes);
  const auto length = static_cast<std::uint32_t>(used_bytes);
  std::memcpy(at(reserved_at_), &length, kLengthBytes);
  tail_ = reserved_at_ + ((kLengthBytes + used_bytes + kEntryAlignment - 1) & ~(kEntryAlignment - 1));
  reserved_bytes_ = 0;
  const std::uint64_t number = pushed_.load(std::memory_order_relaxed) + 1;
  pushed_.store(number, std::memory_order_relaxed);
  return number;
}

bool RecordRing::publish() noexcept {
  if (published_.load(std::memory_order_relaxed) == tail_) return false;
  published_.store(tail_, std::memory_order_release);
  return true;
}

std::span<const std::byte> RecordRing::front() noexcept {
  if (read_ == known_published_) {
    known_published_ = published_.load(std::memory_order_acquire);
    if (read_ == known_published_) return {};
  }
  std::uint32_t length = 0;
  std::memcpy(&length, at(read_), kLengthBytes);
  if (length == kSkip) {
    read_ += capacity_ - (read_ & (capacity_ - 1));
    std::memcpy(&length, at(read_), kLengthBytes);
  }
  front_bytes_ = length;
  return {at(read_) + kLengthBytes, length};
}

void RecordRing::pop() noexcept {
  RECHARGE_STORAGE_INVARIANT(front_bytes_ > 0);
  read_ += (kLengthBytes + front_bytes_ + kEntryAlignment - 1) & ~(kEntryAlignment - 1);
  front_bytes_ = 0;
}

void RecordRing::release() noexcept { head_.store(read_, std::memory_order_release); }

std::size_t RecordRing::used_bytes() const noexcept {
  const std::uint64_t head = head_.load(std::memory_order_relaxed);
  const std::uint64_t published = published_.load(std::memory_order_relaxed);
  return published > head ? static_cast<std::size_t>(published - head) : 0;
}

}  // namespace recharge
