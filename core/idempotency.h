// Purpose: what an Idempotency-Key stands for: the order that its first request placed.
// Source: draft-ietf-httpapi-idempotency-key-header.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/digest.h"
#include "core/names.h"
#include "core/time.h"
#include "core/uuid.h"

namespace recharge {

// The first 16 bytes of the BLAKE2b digest of account, token subject and key; the shard is the account's.
struct IdempotencyKey {
  std::array<std::uint8_t, 16> bytes{};

  static IdempotencyKey make(std::string_view account, std::string_view token_subject,
                             std::string_view key) noexcept;
  bool is_nil() const noexcept { return bytes == std::array<std::uint8_t, 16>{}; }
  friend auto operator<=>(const IdempotencyKey&, const IdempotencyKey&) noexcept = default;
};

struct IdempotencyRecord {
  IdempotencyKey key;
  Digest body{};  // of the request's bytes
  OrderId order_id;
  Time created_at;
};

}  // namespace recharge
