#include "core/idempotency.h"

#include <sodium.h>

namespace recharge {
namespace {

// Length first, so that no two triples give the same bytes.
void add(crypto_generichash_state& state, std::string_view text) noexcept {
  const std::uint64_t size = text.size();
  crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(&size), sizeof size);
  crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(text.data()), text.size());
}

}  // namespace

IdempotencyKey IdempotencyKey::make(std::string_view account, std::string_view token_subject,
                                    std::string_view key) noexcept {
  IdempotencyKey result;
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, result.bytes.size());
  add(state, account);
  add(state, token_subject);
  add(state, key);
  crypto_generichash_final(&state, result.bytes.data(), result.bytes.size());
  return result;
}

}  // namespace recharge
