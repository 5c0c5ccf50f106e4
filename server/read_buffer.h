// Purpose: the bytes that a connection has received and not yet used up, in one piece.
// Owner: one connection. Lifetime: of the connection; grows as its requests need, up to its limit.
// Behind the bytes there is always room that a JSON parser may read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>

#include "core/json_object.h"

namespace recharge {

class ReadBuffer {
 public:
  static constexpr std::size_t kFirstBytes = 4096;

  char* data() noexcept { return bytes_.get() + begin_; }
  std::size_t size() const noexcept { return end_ - begin_; }
  char* room() noexcept { return bytes_.get() + end_; }
  std::size_t room_bytes() const noexcept { return capacity_ - end_; }

  void commit(std::size_t count) noexcept { end_ += count; }
  void truncate(std::size_t size) noexcept { end_ = begin_ + size; }
  void consume(std::size_t count) noexcept {
    begin_ += count;
    if (begin_ == end_) begin_ = end_ = 0;
  }

  // Gives an empty buffer's memory back.
  void release() noexcept {
    if (size() > 0) return;
    bytes_.reset();
    capacity_ = begin_ = end_ = 0;
  }

  // Makes room for at least so many more bytes: by moving down, else by growing.
  void reserve(std::size_t more) {
    if (room_bytes() >= more) return;
    if (capacity_ - size() >= more) {
      std::memmove(bytes_.get(), data(), size());
    } else {
      const std::size_t capacity = std::max({kFirstBytes, 2 * capacity_, size() + more});
      auto grown = std::make_unique_for_overwrite<char[]>(capacity + kJsonPadding);
      if (size() > 0) std::memcpy(grown.get(), data(), size());
      bytes_ = std::move(grown);
      capacity_ = capacity;
    }
    end_ = size();
    begin_ = 0;
  }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace recharge
