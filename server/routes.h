// Purpose: the one table of what this server answers: method, path, handler, who may call it, and its class
// of limits. Lifetime: static. No route exists outside of it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "server/handler.h"

namespace recharge {

// What a caller must be allowed to do. Gateways prove themselves by signature, probes need nothing.
enum class Scope : std::uint8_t {
  none,
  signature,
  orders_write,
  orders_read,
  accounts_write,
  accounts_read,
  operate
};
std::string_view to_text(Scope scope) noexcept;

struct Route {
  Method method;
  std::string_view path;  // with at most one {parameter}
  Scope scope;
  bool is_callback;  // a gateway's call: its own class of limits, and it needs a Content-Length
  Begin begin;
  Finish finish = nullptr;  // null: begin always answers
  FollowUp follow_up = nullptr;
};

std::span<const Route> routes() noexcept;
constexpr std::size_t kUnknownRoute = ~std::size_t{0};

struct RouteMatch {
  const Route* route = nullptr;  // null: `allow` says whether the path is known
  std::string_view allow;        // the methods of a known path
  bool bad_parameter = false;    // the path's parameter is not valid percent-encoding
};

// `parameter` takes the decoded parameter; it is used again and again. HEAD counts as GET.
RouteMatch match_route(Method method, std::string_view path, std::string& parameter);

}  // namespace recharge
