#include "tests/simulation/shrink.h"

namespace recharge::simulation {
namespace {

bool breaks(const Plan& plan, Gateways& gateways) {
  Coverage ignored;
  return !History(plan, gateways, ignored).run().empty();
}

Plan without(const Plan& plan, std::size_t begin, std::size_t count) {
  Plan rest{plan.seed, {}};
  for (std::size_t i = 0; i < plan.events.size(); ++i) {
    if (i < begin || i >= begin + count) rest.events.push_back(plan.events[i]);
  }
  return rest;
}

}  // namespace

// Leaves out runs of events, from half of them down to single ones, as long as the rest still breaks.
std::string shrink(const Plan& plan) {
  Gateways gateways;
  Plan small = plan;
  for (std::size_t count = small.events.size() / 2; count > 0;) {
    bool any = false;
    for (std::size_t begin = 0; begin < small.events.size();) {
      auto fewer = without(small, begin, count);
      if (breaks(fewer, gateways)) {
        small = std::move(fewer);
        any = true;
      } else {
        begin += count;
      }
    }
    if (!any) count /= 2;
  }
  Coverage ignored;
  History history(small, gateways, ignored, true);
  const auto violation = history.run();
  std::string text = "shrunk to " + std::to_string(small.events.size()) + " events:\n";
  for (const auto& line : history.trace()) text += "  " + line + "\n";
  text += violation + "\nto replay: recharge_simulation --seeds 1 --from " + std::to_string(plan.seed) +
          " --only ";
  for (std::size_t i = 0; i < small.events.size(); ++i)
    text += (i == 0 ? "" : ",") + std::to_string(small.events[i]);
  return text + "\n";
}

}  // namespace recharge::simulation
