// Refusals of callbacks, in the words of their gateway, and before it gives up waiting. Gateways of their own
// protocol take nothing else for "send it again" by their documents; WeChat Pay waits for 5 s.
#include "server/gateway_callback.h"
#include "server/io_thread.h"
#include "server/session.h"

namespace recharge {

// Of the request whose header is there and whose body is not; null: no such route, or no header.
const Route* Session::arriving_route() {
  const std::string_view target = parser_.target(in_.data());
  if (target.empty()) return nullptr;
  return match_route(parser_.request().method, target.substr(0, target.find('?')), entry_.door,
                     thread_.parameter())
      .route;
}

// A callback has arrived as soon as it is to be answered.
std::int64_t Session::arrival_limit_ms() {
  const ServerSettings& limits = thread_.settings().server;
  if (limits.max_latency_ms == 0 || limits.max_latency_ms >= limits.request_timeout_ms)
    return limits.request_timeout_ms;
  const Route* route = arriving_route();
  return route != nullptr && route->limit == LimitClass::callback ? limits.max_latency_ms
                                                                  : limits.request_timeout_ms;
}

void Session::word_refusal(const Route* route, std::string_view gateway, Reply& reply) {
  if (route != nullptr && route->begin == gateway_callback)
    word_gateway_refusal(gateway, thread_.context(), reply);
}

// A callback that waits for the store for too long is refused while its outcome is open. What it says may
// still be recorded, and is then found already processed when it comes again. What follows on the connection
// would wait, too: it ends.
void Session::refuse_late_callback() noexcept {
  if (count_ == 0 || late_ || broken_) return;
  Exchange& first = *slots_[first_];
  const std::int64_t limit_ms = thread_.settings().server.max_latency_ms;
  if (first.submitted_us == 0 || first.rendered || limit_ms == 0 ||
      first.route->limit != LimitClass::callback ||
      thread_.now_us() - first.submitted_us < static_cast<std::uint64_t>(limit_ms) * 1000) {
    return;
  }
  Reply& reply = thread_.reply();
  reply.clear();
  reply.fail(503, "overloaded", "Not recorded in time, try again");
  word_refusal(first.route, std::get<ReportPayment>(first.operation.command).gateway.view(),
               reply);  // the engine only reads it
  late_ = closing_ = first.close = true;
  first.decided = false;
  render_reply(first, reply, out_);
  thread_.note_reply(first);
  thread_.mark(*this);
  wake(Pause::bytes);
}

}  // namespace recharge
