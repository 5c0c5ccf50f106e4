// Purpose: writes values as bytes and reads them back: little-endian, varints for what is mostly small, texts
// with a length byte. One description of a type's fields serves both directions. Lifetime: both work on bytes
// owned by the caller; a read string_view points into them. Errors: a writer that ran out of room, or a
// reader that met impossible bytes, stays failed: check ok() at the end.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

#include "core/currency.h"
#include "core/fixed_text.h"
#include "core/ledger.h"
#include "core/money.h"
#include "core/time.h"
#include "core/uuid.h"

namespace recharge {

class ByteWriter {
 public:
  static constexpr bool kReads = false;
  explicit ByteWriter(std::span<std::byte> room) noexcept : room_(room) {}

  bool ok() const noexcept { return ok_; }
  std::size_t size() const noexcept { return size_; }
  void fail() noexcept { ok_ = false; }

  void raw(const void* data, std::size_t size) noexcept {
    if (!ok_ || room_.size() - size_ < size) {
      ok_ = false;
      return;
    }
    if (size > 0) std::memcpy(room_.data() + size_, data, size);
    size_ += size;
  }

  template <class T>
  requires std::is_unsigned_v<T>
  void fixed(T value) noexcept {
    std::array<std::uint8_t, sizeof(T)> bytes;
    for (std::size_t i = 0; i < sizeof(T); ++i) bytes[i] = static_cast<std::uint8_t>(value >> (8 * i));
    raw(bytes.data(), bytes.size());
  }
  void varint(std::uint64_t value) noexcept {
    std::array<std::uint8_t, 10> bytes;
    std::size_t size = 0;
    while (value >= 0x80) {
      bytes[size++] = static_cast<std::uint8_t>(value | 0x80);
      value >>= 7;
    }
    bytes[size++] = static_cast<std::uint8_t>(value);
    raw(bytes.data(), size);
  }
  void bytes(std::string_view text) noexcept {
    varint(text.size());
    raw(text.data(), text.size());
  }

 private:
  std::span<std::byte> room_;
  std::size_t size_ = 0;
  bool ok_ = true;
};

class ByteReader {
 public:
  static constexpr bool kReads = true;
  explicit ByteReader(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}

  bool ok() const noexcept { return ok_; }
  bool at_end() const noexcept { return ok_ && at_ == bytes_.size(); }
  void fail() noexcept { ok_ = false; }

  const std::byte* take(std::size_t size) noexcept {
    if (!ok_ || bytes_.size() - at_ < size) {
      ok_ = false;
      return nullptr;
    }
    const auto* data = bytes_.data() + at_;
    at_ += size;
    return data;
  }
  void raw(void* data, std::size_t size) noexcept {
    if (const auto* from = take(size); from != nullptr && size > 0) std::memcpy(data, from, size);
  }
  template <class T>
  requires std::is_unsigned_v<T> T fixed()
  noexcept {
    std::array<std::uint8_t, sizeof(T)> bytes{};
    raw(bytes.data(), bytes.size());
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) value |= std::uint64_t{bytes[i]} << (8 * i);
    return static_cast<T>(value);
  }
  std::uint64_t varint() noexcept {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = fixed<std::uint8_t>();
      const std::uint64_t bits = byte & 0x7f;
      if (shift == 63 && bits > 1) break;
      value |= bits << shift;
      if ((byte & 0x80) == 0) return value;
    }
    ok_ = false;
    return 0;
  }
  std::string_view bytes() noexcept {
    const auto size = varint();
    if (!ok_ || size > bytes_.size() - at_) {
      ok_ = false;
      return {};
    }
    return {reinterpret_cast<const char*>(take(size)), size};
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

// field(archive, value): one value, in the direction of the archive. Writers take values as const.

template <class A, class T>
requires std::is_unsigned_v<std::remove_const_t<T>>
void field(A& archive, T& value) noexcept {
  if constexpr (std::is_same_v<std::remove_const_t<T>, bool>) {
    if constexpr (A::kReads) {
      const auto byte = archive.template fixed<std::uint8_t>();
      if (byte > 1) archive.fail();
      value = byte == 1;
    } else {
      archive.fixed(std::uint8_t{value});
    }
  } else if constexpr (sizeof(T) == 1) {
    if constexpr (A::kReads) {
      value = archive.template fixed<std::uint8_t>();
    } else {
      archive.fixed(value);
    }
  } else if constexpr (A::kReads) {
    const auto wide = archive.varint();
    value = static_cast<T>(wide);
    if (value != wide) archive.fail();
  } else {
    archive.varint(value);
  }
}

// Signed values as zigzag varints: small ones of either sign stay short.
template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, std::int64_t>
void field(A& archive, T& value) noexcept {
  if constexpr (A::kReads) {
    const auto folded = archive.varint();
    value = static_cast<std::int64_t>(folded >> 1) ^ -static_cast<std::int64_t>(folded & 1);
  } else {
    archive.varint(static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63));
  }
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, Money>
void field(A& archive, T& money) noexcept {
  std::int64_t units = money.minor_units();
  field(archive, units);
  if constexpr (A::kReads) money = Money::from_minor_units(units);
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, Time>
void field(A& archive, T& time) noexcept { field(archive, time.ms); }

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, Currency>
void field(A& archive, T& currency) noexcept { field(archive, currency.number); }

template <class A, std::size_t N>
void field(A& archive, std::array<std::uint8_t, N>& bytes) noexcept {
  archive.raw(bytes.data(), N);
}
template <class A, std::size_t N>
void field(A& archive, const std::array<std::uint8_t, N>& bytes) noexcept {
  archive.raw(bytes.data(), N);
}

template <class A, class Tag>
void field(A& archive, Uuid<Tag>& id) noexcept {
  field(archive, id.bytes);
}
template <class A, class Tag>
void field(A& archive, const Uuid<Tag>& id) noexcept {
  field(archive, id.bytes);
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, EntryId>
void field(A& archive, T& id) noexcept { field(archive, id.bytes); }

template <class A, class T>
requires requires { std::remove_const_t<T>::kCapacity; }
void field(A& archive, T& text) noexcept {
  if constexpr (A::kReads) {
    if (!text.assign(archive.bytes())) archive.fail();
  } else {
    archive.bytes(text.view());
  }
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, std::string_view>
void field(A& archive, T& text) noexcept {
  if constexpr (A::kReads) {
    text = archive.bytes();
  } else {
    archive.bytes(text);
  }
}

// Enumerations are bytes; `last` is the greatest value that this version knows.
template <class A, class T>
void enumerated(A& archive, T& value, std::remove_const_t<T> last) noexcept {
  if constexpr (A::kReads) {
    const auto byte = archive.template fixed<std::uint8_t>();
    if (byte > static_cast<std::uint8_t>(last)) archive.fail();
    value = byte > static_cast<std::uint8_t>(last) ? last : static_cast<T>(byte);
  } else {
    archive.fixed(static_cast<std::uint8_t>(value));
  }
}

template <class A, class T>
void optional_field(A& archive, T& value) noexcept {
  bool present = value.has_value();
  field(archive, present);
  if constexpr (A::kReads) {
    if (present) {
      field(archive, value.emplace());
    } else {
      value.reset();
    }
  } else if (present) {
    field(archive, *value);
  }
}

}  // namespace recharge
