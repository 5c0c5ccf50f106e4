#include "storage/shard_map.h"

#include <sodium.h>

#include <cstring>

#include "core/check.h"

namespace recharge {

std::uint8_t ShardMap::of_text(std::string_view text) const noexcept {
  std::array<unsigned char, crypto_shorthash_BYTES> hash;
  crypto_shorthash(hash.data(), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                   hash_key_.data());
  std::uint64_t value = 0;
  std::memcpy(&value, hash.data(), sizeof value);
  return static_cast<std::uint8_t>(value % shards_);
}

std::uint8_t ShardMap::of_command(const Command& command) const noexcept {
  return std::visit(
      [this](const auto& c) -> std::uint8_t {
        using C = std::decay_t<decltype(c)>;
        if constexpr (std::is_same_v<C, ReportPayment>) {
          return c.order_id.is_nil() ? of_id(c.exception_id) : of_id(c.order_id);
        } else if constexpr (std::is_same_v<C, ReadGatewayWork>) {
          return of_id(OrderId{c.key.id});
        } else if constexpr (requires { c.order_id; }) {
          return of_id(c.order_id);
        } else if constexpr (requires { c.exception_id; }) {
          return of_id(c.exception_id);
        } else if constexpr (requires { c.account; }) {
          return of_text(c.account.view());
        } else {
          RECHARGE_CHECK(!"a command over all shards");
          return 0;
        }
      },
      command);
}

}  // namespace recharge
