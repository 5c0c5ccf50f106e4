// Purpose: short text of bounded length, stored in place, so that records and commands need no heap.
// Lifetime: a value; trivially copyable. Errors: assign() refuses text that does not fit.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

namespace recharge {

template <std::size_t Capacity, class Tag>
class FixedText {
  static_assert(Capacity > 0 && Capacity <= 65535);
  using Size = std::conditional_t<Capacity <= 255, std::uint8_t, std::uint16_t>;

 public:
  static constexpr std::size_t kCapacity = Capacity;

  constexpr FixedText() noexcept = default;

  // False, and unchanged, where the text is longer than the capacity.
  [[nodiscard]] bool assign(std::string_view text) noexcept {
    if (text.size() > Capacity) return false;
    if (!text.empty()) std::memcpy(data_.data(), text.data(), text.size());
    size_ = static_cast<Size>(text.size());
    return true;
  }

  std::string_view view() const noexcept { return {data_.data(), size_}; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }

  friend bool operator==(const FixedText& a, const FixedText& b) noexcept { return a.view() == b.view(); }
  friend std::strong_ordering operator<=>(const FixedText& a, const FixedText& b) noexcept {
    return a.view() <=> b.view();
  }

 private:
  std::array<char, Capacity> data_{};
  Size size_ = 0;
};

}  // namespace recharge
