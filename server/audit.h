// Purpose: the lines of the log that tell who was refused by signature, and who changed what as an operator:
// one for each, whatever the level of the log; of a flood of forged callbacks, one for each at first and then
// one with their number. Any thread that has the request. Never holds a secret or a body.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace recharge {

struct HandlerContext;
struct Request;

// Refused signatures that have a line each second. Owner: one io thread.
class RefusalLines {
 public:
  static constexpr unsigned kEachSecond = 100;

  // False where there were as many already: then it is counted.
  bool take(std::string_view gateway);
  // Every second: a line with the number of those that were counted, for each gateway.
  void next_second();

 private:
  unsigned left_ = kEachSecond;
  std::map<std::string, std::uint64_t, std::less<>> counted_;  // by gateway
};

// gateway: whose signature it was to be.
void audit_refused_signature(HandlerContext& context, const Request& request, std::string_view gateway);
// action: what was asked for; on: what it is about, perhaps empty.
void audit_operator(const HandlerContext& context, std::string_view action, std::string_view on);
// Asked for by a signal, or on the command line.
void audit_process(std::string_view action);

}  // namespace recharge
