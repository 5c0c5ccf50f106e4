#include "server/metrics.h"

#include <algorithm>

namespace recharge {

CallbackResult callback_result(const Outcome& outcome) noexcept {
  switch (outcome.code) {
    case OutcomeCode::recharge_succeeded:
      return CallbackResult::recharged;
    case OutcomeCode::payment_held:
      return CallbackResult::held;
    case OutcomeCode::already_processed:
      return CallbackResult::already_processed;
    case OutcomeCode::payment_failure_recorded:
      return CallbackResult::failure_recorded;
    case OutcomeCode::stale_signature:
      return CallbackResult::stale;
    case OutcomeCode::order_not_found:
      return CallbackResult::not_found;
    case OutcomeCode::kept_for_review:
      return static_cast<CallbackResult>(static_cast<std::size_t>(CallbackResult::first_exception) +
                                         static_cast<std::size_t>(outcome.exception_kind));
    default:
      return CallbackResult::refused_by_machine;
  }
}

void ThreadMetrics::count_request(std::size_t route, unsigned status, std::uint64_t duration_us) noexcept {
  RouteCounters& counters = routes[std::min(route, kMaxRoutes - 1)];
  const auto code = std::find(kStatusCodes.begin(), kStatusCodes.end(), status);
  counters.by_code[static_cast<std::size_t>(code - kStatusCodes.begin())].add();
  const auto bound = std::lower_bound(kDurationBounds_us.begin(), kDurationBounds_us.end(), duration_us);
  counters.by_duration[static_cast<std::size_t>(bound - kDurationBounds_us.begin())].add();
  counters.duration_us.add(duration_us);
}

void ThreadMetrics::count_callback(std::size_t gate, CallbackResult result) noexcept {
  callbacks[std::min(gate, kMaxGateways - 1)][static_cast<std::size_t>(result)].add();
}

void ThreadMetrics::GatewayCallCounters::count(GatewayCallResult result, std::uint64_t took_us) noexcept {
  by_result[static_cast<std::size_t>(result)].add();
  const auto bound = std::lower_bound(kDurationBounds_us.begin(), kDurationBounds_us.end(), took_us);
  by_duration[static_cast<std::size_t>(bound - kDurationBounds_us.begin())].add();
  duration_us.add(took_us);
}

}  // namespace recharge
