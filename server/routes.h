// Purpose: the one table of what this server answers: method, path, handler, who may call it, whose account
// it is about, and its class of limits. Lifetime: static. No route exists outside of it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/access_scope.h"
#include "server/handler.h"
#include "server/limit_class.h"

namespace recharge {

// Whose account a request is about, and so what a token that is bound to one account may ask for.
enum class Binding : std::uint8_t {
  none,          // nobody's: probes and gateways
  account,       // the request names it
  order,         // that of the order which the request names
  all_accounts,  // shows or changes what belongs to many
};

// At which listeners a route is: that of clients and gateways, that of operators, or both.
enum class Door : std::uint8_t { clients, operators };
enum class Doors : std::uint8_t {
  clients,
  operators,
  both,
  both_free
};  // free: operators need no token for it
bool is_at(Doors doors, Door door) noexcept;

struct Route {
  Method method;
  std::string_view path;  // with at most one {parameter}
  Scope scope;            // what a token must allow
  Binding binding;
  LimitClass limit;
  Doors doors;
  Begin begin;
  Finish finish = nullptr;  // null: begin always answers
  FollowUp follow_up = nullptr;
  bool streams = false;  // a reply of 200 is the beginning of a stream
  Pursue pursue = nullptr;
  bool upgrades = false;  // the connection becomes a WebSocket
};

std::span<const Route> routes() noexcept;
constexpr std::size_t kUnknownRoute = ~std::size_t{0};

struct RouteMatch {
  const Route* route = nullptr;  // null: `allow` says whether the path is known
  std::string_view allow;        // the methods of a known path
  bool bad_parameter = false;    // the path's parameter is not valid percent-encoding
};

// `parameter` takes the decoded parameter; it is used again and again. HEAD counts as GET.
RouteMatch match_route(Method method, std::string_view path, Door door, std::string& parameter);

}  // namespace recharge
