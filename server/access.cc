#include "server/access.h"

#include <time.h>

#include <boost/beast/core/string.hpp>

namespace recharge {
namespace {

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

Access::Access(std::shared_ptr<const TokenKeys> keys) { take_over(std::move(keys)); }

void Access::take_over(std::shared_ptr<const TokenKeys> keys) {
  needs_tokens_ = keys != nullptr;
  verifier_ = keys ? std::make_unique<TokenVerifier>(std::move(keys)) : nullptr;
  if (!needs_tokens_) cache_ = nullptr;
  if (needs_tokens_ && !cache_) cache_ = std::make_unique<TokenCache>();
  if (cache_) cache_->clear();
  claims_ = nullptr;
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

bool Access::confine(const Route& route, Command& command, Reply& reply) const {
  if (claims_ == nullptr || claims_->account.empty()) return true;
  if (std::visit(Confine{claims_->account}, command)) return true;
  if (route.binding == Binding::order) {
    reply.fail(404, "order_not_found", "Order not found");
  } else {
    reply.fail(404, "not_found", "Not found");
  }
  return false;
}

}  // namespace recharge
