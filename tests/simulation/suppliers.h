// Purpose: suppliers, as they are outside of the process: what they were asked for stays, whatever became of
// their callers and their answers. Under one request id a recharge is performed once; what was refused under
// it stays refused. A request may be under way for long. Owner: one history. Errors: wrong() says what no
// honest caller would have asked for. Units: minor units.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "core/recharge_steps.h"
#include "tests/simulation/draws.h"

namespace recharge::simulation {

class Suppliers {
 public:
  enum class State : std::uint8_t { under_way, processing, done, failed, rejected };
  struct Request {
    OrderId order;
    std::uint16_t number = 0;  // of the attempt, as its caller says
    std::string supplier;
    std::int64_t amount = 0;
    State state = State::under_way;
  };

  // `calm`: what is in process comes to an end.
  SupplierAnswerKind ask(const std::string& request_id, const Request& asked, Draws& draws, bool calm);
  SupplierAnswerKind query(const std::string& request_id, const std::string& supplier, Draws& draws,
                           bool calm);
  // It is taken for lost, and comes yet: arrive() brings all of these.
  void send(const std::string& request_id, const Request& asked);
  std::size_t arrive();

  // By request id.
  const std::map<std::string, Request>& requests() const { return requests_; }
  const std::string& wrong() const { return wrong_; }

 private:
  Request& take(const std::string& request_id, const Request& asked);
  static SupplierAnswerKind go_on(Request& request, Draws& draws, bool calm);

  std::map<std::string, Request> requests_;
  std::string wrong_;
};

}  // namespace recharge::simulation
