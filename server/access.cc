#include "server/access.h"

#include <time.h>

#include <boost/beast/core/string.hpp>

#include "server/client_address.h"

namespace recharge {
namespace {

constexpr std::size_t kByAddress = 0;
constexpr std::size_t kByAccount = 1;
constexpr std::string_view kChallenge = "WWW-Authenticate: Bearer realm=\"recharge\"";

std::int64_t wall_seconds() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now.tv_sec;
}

// `error` as RFC 6750 names it; none where the request had no token at all.
void challenge(Reply& reply, std::string_view error, std::string_view description) {
  reply.headers.append(kChallenge);
  if (!error.empty()) {
    reply.headers.append(", error=\"").append(error).append("\", error_description=\"");
    reply.headers.append(description).append("\"");
  }
}

void refuse_token(Reply& reply, std::string_view description) {
  reply.fail(401, "invalid_token", description);
  challenge(reply, "invalid_token", description);
  reply.headers.append("\r\n");
}

// The token of an Authorization header; empty: of another scheme, or malformed.
std::string_view bearer_token(std::string_view header) noexcept {
  constexpr std::string_view kScheme = "Bearer ";
  if (!boost::beast::iequals(header.substr(0, kScheme.size()), kScheme)) return {};
  header.remove_prefix(kScheme.size());
  while (header.starts_with(' ')) header.remove_prefix(1);
  return header;
}

// Whose request it is, as far as that is known before the order is read.
struct AccountOf {
  template <class C>
  const Account* operator()(const C& command) const {
    if constexpr (requires { command.account; }) {
      return &command.account;
    } else if constexpr (requires { command.only_account; }) {
      return &command.only_account;
    } else {
      return nullptr;
    }
  }
};

// Whose callbacks a route takes.
std::string_view gateway_of(const Route& route, std::string_view parameter) noexcept {
  return route.path.find('{') == std::string_view::npos ? kNativeGatewayName : parameter;
}

// Which account a command is for, where it is for one; else where it can be kept to one.
struct Confine {
  const Account& account;

  template <class C>
  bool operator()(C& command) const {
    if constexpr (requires { command.only_account; }) {
      command.only_account = account;
      return true;
    } else if constexpr (requires { command.account; }) {
      return command.account == account;
    } else {
      return false;
    }
  }
};

}  // namespace

Access::Access(const AccessRules& rules, ThreadMetrics& metrics) : metrics_(metrics) { take_over(rules); }

void Access::take_over(const AccessRules& rules) {
  proxy_protocol_ = rules.proxy_protocol;
  trusted_proxies_ = rules.trusted_proxies;
  callback_sources_ = rules.callback_sources;
  certified_gateways_ = rules.certified_gateways;
  limiter_.take_over(rules.allowances, rules.rates);
  watches_clients_ = limiter_.limits() || !callback_sources_.empty();
  needs_tokens_ = rules.token_keys != nullptr;
  verifier_ = needs_tokens_ ? std::make_unique<TokenVerifier>(rules.token_keys) : nullptr;
  if (!needs_tokens_) cache_ = nullptr;
  if (needs_tokens_ && !cache_) cache_ = std::make_unique<TokenCache>();
  if (cache_) cache_->clear();
  claims_ = nullptr;
}

bool Access::admit_watched(const Route* route, const NetAddress& peer, const Request& request,
                           std::string_view parameter, std::uint64_t now_us, Reply& reply) {
  const LimitClass limit = route == nullptr ? LimitClass::read : route->limit;
  if (limit == LimitClass::none) return true;
  const NetAddress client = client_address(peer, trusted_proxies_, request.forwarded_for());
  if (!limiter_.admit_address(limit, client, now_us, reply)) {
    metrics_.limited[static_cast<std::size_t>(limit)][kByAddress].add();
    return false;
  }
  if (limit != LimitClass::callback || callback_sources_.empty()) return true;
  const auto sources = callback_sources_.find(gateway_of(*route, parameter));
  if (sources == callback_sources_.end() || contains(sources->second, client)) return true;
  reply.fail(403, "forbidden_address", "Callbacks are not taken from this address");
  return false;
}

bool Access::is_certified(const Route* route, std::string_view parameter, const TlsStream* tls,
                          Reply& reply) const {
  if (route == nullptr || route->limit != LimitClass::callback) return true;
  if (!certified_gateways_.contains(gateway_of(*route, parameter))) return true;
  if (tls != nullptr && tls->has_client_certificate()) return true;
  reply.fail(403, "client_certificate_required", "This gateway's callbacks need a client certificate");
  return false;
}

const AccessClaims* Access::verify(const Request& request, Reply& reply) {
  const std::string_view token = bearer_token(request.authorization);
  if (request.authorization_repeated) {
    refuse_token(reply, "More than one Authorization header");
    return nullptr;
  }
  if (token.empty()) {
    reply.fail(401, "token_required", "A bearer token is needed");
    challenge(reply, {}, {});
    reply.headers.append("\r\n");
    return nullptr;
  }
  const std::int64_t now_s = wall_seconds();
  bool found = false;
  TokenCache::Place& place = cache_->place(token, found);
  if (!found) {
    auto claims = verifier_->verify(token, now_s);
    if (!claims) {
      refuse_token(reply, verifier_->fault());
      return nullptr;
    }
    cache_->keep(place, std::move(*claims));
  } else if (place.claims.has_expired(now_s)) {
    place.used = false;
    refuse_token(reply, "The token has expired");
    return nullptr;
  }
  return &place.claims;
}

bool Access::admit(const Route& route, Door door, const Request& request, Reply& reply) {
  claims_ = nullptr;
  if (!needs_tokens_ || route.scope == Scope::none || route.scope == Scope::signature) return true;
  if (door == Door::operators && route.doors == Doors::both_free) return true;
  const AccessClaims* claims = verify(request, reply);
  if (claims == nullptr) return false;
  if (!claims->scopes.allows(route.scope)) {
    reply.fail(403, "insufficient_scope", "The token does not allow this");
    challenge(reply, "insufficient_scope", "The token does not allow this");
    reply.headers.append(", scope=\"").append(to_text(route.scope)).append("\"\r\n");
    return false;
  }
  if (route.binding == Binding::all_accounts && !claims->account.empty()) {
    reply.fail(404, "not_found", "Not found");
    return false;
  }
  claims_ = claims;
  return true;
}

bool Access::confine(const Route& route, Command& command, std::uint64_t now_us, Reply& reply) {
  const bool bound = claims_ != nullptr && !claims_->account.empty();
  if (bound && !std::visit(Confine{claims_->account}, command)) {
    const bool order = route.binding == Binding::order;
    reply.fail(404, order ? "order_not_found" : "not_found", order ? "Order not found" : "Not found");
    return false;
  }
  if (!limiter_.limits()) return true;
  const Account* account = std::visit(AccountOf{}, command);
  if (account == nullptr || account->empty()) return true;
  if (limiter_.admit_account(route.limit, account->view(), now_us, reply)) return true;
  metrics_.limited[static_cast<std::size_t>(route.limit)][kByAccount].add();
  return false;
}

}  // namespace recharge
