// Purpose: the orders of one load: for which account, over how much, and what the server said about each.
// Owner: the run. Loops on several threads write to different orders only.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/money.h"

namespace recharge {

struct LoadOrder {
  static constexpr std::uint32_t kIdSize = 36;
  std::array<char, kIdSize> id{};  // zeroes: not placed
  std::uint32_t account = 0;
  std::int32_t amount = 0;    // minor units
  bool sent = false;          // a callback for it was sent
  bool acknowledged = false;  // and answered 200
  bool recharged = false;     // what the look-up afterwards found
  bool placed() const noexcept { return id[0] != '\0'; }
  std::string_view order_id() const noexcept { return {id.data(), id.size()}; }
};

class LoadOrders {
 public:
  // Orders go round the accounts; amounts are spread between 0.01 and 500.00, the same in every run.
  LoadOrders(std::uint64_t count, std::uint64_t accounts);

  std::vector<LoadOrder>& all() noexcept { return orders_; }
  const std::vector<LoadOrder>& all() const noexcept { return orders_; }
  std::uint32_t accounts() const noexcept { return accounts_; }  // those that have an order

  static std::string account_text(std::uint32_t account);  // 11 digits that begin with 138
  std::string transaction_id(std::uint32_t order) const;   // the same in every repetition
  static std::string amount_text(const LoadOrder& order) {
    return to_text(Money::from_minor_units(order.amount));
  }

 private:
  std::vector<LoadOrder> orders_;
  std::uint32_t accounts_;
  std::string run_;  // makes the transaction ids of two runs different
};

}  // namespace recharge
