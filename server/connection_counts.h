// Purpose: how many connections each client address has. Any thread; looked at when a connection begins and
// ends, never on the way of a request. An IPv6 address counts by its first 64 bits.
#pragma once

#include <sodium.h>

#include <array>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "server/net_address.h"

namespace recharge {

class ConnectionCounts {
 public:
  explicit ConnectionCounts(unsigned most) : most_(most) {}  // zero: no limit, and nothing is counted

  bool enter(const NetAddress& client) {
    if (most_ == 0) return true;
    const std::lock_guard lock(mutex_);
    unsigned& count = counts_[client.subscriber()];
    if (count == most_) return false;
    ++count;
    return true;
  }
  void leave(const NetAddress& client) noexcept {
    if (most_ == 0) return;
    const std::lock_guard lock(mutex_);
    const auto found = counts_.find(client.subscriber());
    if (found != counts_.end() && --found->second == 0) counts_.erase(found);
  }

 private:
  struct Hash {
    std::array<unsigned char, crypto_shorthash_KEYBYTES> key;
    Hash() { crypto_shorthash_keygen(key.data()); }
    std::size_t operator()(const NetAddress& address) const noexcept {
      std::array<unsigned char, crypto_shorthash_BYTES> hash;
      crypto_shorthash(hash.data(), address.bytes.data(), address.bytes.size(), key.data());
      std::size_t number = 0;
      std::memcpy(&number, hash.data(), sizeof number);
      return number;
    }
  };

  const unsigned most_;
  std::mutex mutex_;
  std::unordered_map<NetAddress, unsigned, Hash> counts_;
};

}  // namespace recharge
