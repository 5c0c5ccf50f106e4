// BLAKE2b took a sixth of the time of histories, in which nobody forges a hash: in the simulation's
// executables these stand in the place of libsodium's. Any changed bit changes all of the hash, which is what
// crashes and flipped bits need. The formats' own tests, and every other build, have the real one.
#include <sodium/crypto_generichash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <new>

namespace {

constexpr std::size_t kLanes = 4;
constexpr std::size_t kBlockBytes = kLanes * 8;
constexpr std::array<std::uint64_t, kLanes> kOdd = {0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9,
                                                    0x94d049bb133111eb, 0xd6e8feb86659fd93};

std::uint64_t mixed(std::uint64_t z) noexcept {
  z = (z ^ (z >> 30)) * kOdd[1];
  z = (z ^ (z >> 27)) * kOdd[2];
  return z ^ (z >> 31);
}

class Hash {
 public:
  explicit Hash(std::size_t out_bytes) noexcept : length_(out_bytes << 56) {}

  void add(const unsigned char* bytes, std::size_t size) noexcept {
    length_ += size;
    if (held_ > 0) {
      const std::size_t more = std::min(size, kBlockBytes - held_);
      std::memcpy(block_ + held_, bytes, more);
      held_ += more;
      bytes += more;
      size -= more;
      if (held_ < kBlockBytes) return;
      take(block_);
      held_ = 0;
    }
    for (; size >= kBlockBytes; bytes += kBlockBytes, size -= kBlockBytes) take(bytes);
    if (size > 0) std::memcpy(block_, bytes, size);
    held_ = size;
  }

  void finish(unsigned char* out, std::size_t out_bytes) noexcept {
    std::memset(block_ + held_, 0, kBlockBytes - held_);
    take(block_);
    std::uint64_t all = mixed(length_);
    for (const auto lane : lanes_) all = mixed(all + lane * kOdd[3]);
    for (std::size_t i = 0; i * 8 < out_bytes; ++i) {
      const std::uint64_t word = mixed(all + lanes_[i % kLanes] + i * kOdd[0]);
      std::memcpy(out + i * 8, &word, std::min<std::size_t>(8, out_bytes - i * 8));
    }
  }

 private:
  void take(const unsigned char* block) noexcept {
    for (std::size_t i = 0; i < kLanes; ++i) {
      std::uint64_t word = 0;
      std::memcpy(&word, block + i * 8, 8);
      lanes_[i] = std::rotl((lanes_[i] ^ word) * kOdd[i], 29) + kOdd[i];
    }
  }

  std::array<std::uint64_t, kLanes> lanes_ = kOdd;
  std::uint64_t length_;
  std::size_t held_ = 0;
  unsigned char block_[kBlockBytes];
};
static_assert(sizeof(Hash) <= sizeof(crypto_generichash_state));

Hash& hash_in(crypto_generichash_state* state) noexcept {
  return *std::launder(reinterpret_cast<Hash*>(state));
}

}  // namespace

int crypto_generichash_init(crypto_generichash_state* state, const unsigned char*, std::size_t,
                            std::size_t out_bytes) {
  new (state) Hash(out_bytes);
  return 0;
}
int crypto_generichash_update(crypto_generichash_state* state, const unsigned char* bytes,
                              unsigned long long size) {
  hash_in(state).add(bytes, size);
  return 0;
}
int crypto_generichash_final(crypto_generichash_state* state, unsigned char* out, std::size_t out_bytes) {
  hash_in(state).finish(out, out_bytes);
  return 0;
}
int crypto_generichash(unsigned char* out, std::size_t out_bytes, const unsigned char* bytes,
                       unsigned long long size, const unsigned char*, std::size_t) {
  Hash hash(out_bytes);
  hash.add(bytes, size);
  hash.finish(out, out_bytes);
  return 0;
}
