// Purpose: which shard an account, an order or a command belongs to. Lifetime: a value, fixed with the data
// folder. Source: SipHash-2-4 by libsodium, keyed so that nobody can choose accounts that meet in one shard.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/command.h"

namespace recharge {

class ShardMap {
 public:
  ShardMap(const std::array<std::uint8_t, 16>& hash_key, unsigned shards) noexcept
      : hash_key_(hash_key), shards_(shards) {}

  unsigned shards() const noexcept { return shards_; }
  std::uint8_t of_text(std::string_view account_or_reference) const noexcept;
  template <class Tag>
  std::uint8_t of_id(const Uuid<Tag>& id) const noexcept {
    return static_cast<std::uint8_t>(id.shard() % shards_);
  }
  // REQUIRES: the command is not one over all shards (ListExceptions).
  std::uint8_t of_command(const Command& command) const noexcept;

 private:
  std::array<std::uint8_t, 16> hash_key_;
  unsigned shards_;
};

}  // namespace recharge
