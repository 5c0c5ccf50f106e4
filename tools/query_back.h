// Purpose: payments that a bill has and the books have not are asked for at their gateway, by the running
// recharged, which takes a verified answer like a callback. Nothing is credited by the bill. Owner: one
// thread. Lifetime: of one reconciliation. Errors: counted, and told on stderr.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "tools/reconciliation.h"
#include "tools/tool.h"

namespace recharge {

class QueryBack {
 public:
  static constexpr std::size_t kMax = 10'000;  // of one run; the next takes the others

  explicit QueryBack(const Tool& tool) : tool_(tool) {}

  // Keeps what a query may settle.
  void note(const Difference& difference);
  // Asks for all that was noted.
  void run(std::ostream& out);

 private:
  struct Payment {
    std::string order;
    std::string transaction;
  };
  void ask(const Payment& payment, std::ostream& out);

  const Tool& tool_;
  std::vector<Payment> payments_;
  std::uint64_t left_over_ = 0;
  std::uint64_t credited_ = 0;
  std::uint64_t kept_ = 0;
  std::uint64_t unpaid_ = 0;
  std::uint64_t failed_ = 0;
};

}  // namespace recharge
