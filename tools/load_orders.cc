#include "tools/load_orders.h"

#include <algorithm>
#include <cassert>

#include "tools/made_ids.h"

namespace recharge {

LoadOrders::LoadOrders(std::uint64_t count, std::uint64_t accounts)
    : orders_(count), accounts_(static_cast<std::uint32_t>(std::min(count, accounts))), run_(random_hex(6)) {
  constexpr std::uint64_t kAmountStep = 7919;  // a prime: neighbours differ
  constexpr std::uint64_t kMaxAmount = 50'000;
  assert(accounts > 0);
  for (std::uint64_t i = 0; i < count; ++i) {
    orders_[i].account = static_cast<std::uint32_t>(i % accounts);
    orders_[i].amount = static_cast<std::int32_t>(i * kAmountStep % kMaxAmount + 1);
  }
}

std::string LoadOrders::account_text(std::uint32_t account) {
  return std::to_string(std::uint64_t{13'800'000'000} + account);
}

std::string LoadOrders::transaction_id(std::uint32_t order) const {
  return "load_" + run_ + "_" + std::to_string(order);
}

}  // namespace recharge
