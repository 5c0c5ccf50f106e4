// Purpose: random numbers for request ids and simulated payments: fast, and of no use for secrets.
// Owner: one thread. Seeded by the operating system.
#pragma once

#include <sodium.h>

#include <cstdint>
#include <random>

namespace recharge {

class RandomSource {
 public:
  RandomSource() noexcept : RandomSource(seed()) {}
  explicit RandomSource(std::uint64_t seed) noexcept : engine_(seed) {}

  std::uint64_t next() noexcept { return engine_(); }
  // True with the given probability, from 0 to 1.
  bool happens(double probability) noexcept {
    return static_cast<double>(next() >> 11) * 0x1.0p-53 < probability;
  }
  // Writes 16 lower-case hex digits.
  void write_hex(char* to) noexcept {
    constexpr char kDigits[] = "0123456789abcdef";
    std::uint64_t bits = next();
    for (int i = 0; i < 16; ++i, bits >>= 4) to[i] = kDigits[bits & 15];
  }

 private:
  static std::uint64_t seed() noexcept {
    std::uint64_t value = 0;
    randombytes_buf(&value, sizeof value);
    return value;
  }
  std::mt19937_64 engine_;
};

}  // namespace recharge
