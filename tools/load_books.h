// Purpose: asks the server after a load whether its books agree with what it acknowledged: every acknowledged
//   callback's order is recharged under its transaction, and every account grew by exactly its orders.
// Errors: unreachable, or replies that cannot be read; a disagreement is a value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/load_options.h"
#include "tools/load_workloads.h"

namespace recharge {

struct BooksCheck {
  static constexpr std::size_t kMaxShown = 10;
  std::uint64_t orders = 0;
  std::uint64_t accounts = 0;
  std::uint64_t credited_unacknowledged = 0;  // its reply was lost: allowed
  std::uint64_t disagreements = 0;
  std::vector<std::string> shown;  // the first kMaxShown

  bool balanced() const noexcept { return disagreements == 0; }
  void disagree(std::string what);
};

// Compares one order with what GET /api/orders/{id} answered, and marks it recharged where it is.
void check_order(LoadMix mix, const LoadOrders& orders, std::uint32_t index, LoadOrder& order,
                 const ParsedReply& reply, BooksCheck& check);

// Compares balances before and after with the orders found recharged.
void check_balances(const LoadOrders& orders, const std::vector<std::int64_t>& before,
                    const std::vector<std::int64_t>& after, BooksCheck& check);

// Looks up the orders of one share that were sent, or for `place` those that were placed.
class OrderLookup final : public ExpectingWorkload {
 public:
  OrderLookup(LoadMix mix, LoadOrders& orders, Share share, const RequestBytes& requests);
  bool next(std::uint32_t& token, std::string_view& bytes) override;
  void on_reply(std::uint32_t token, const ParsedReply& reply) override;
  const BooksCheck& found() const noexcept { return check_; }

 private:
  LoadMix mix_;
  LoadOrders& orders_;
  std::uint64_t next_;
  std::uint32_t step_;
  const RequestBytes& requests_;
  std::string bytes_;
  BooksCheck check_;
};

}  // namespace recharge
