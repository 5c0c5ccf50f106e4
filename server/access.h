// Purpose: who may have a request carried out: reads the bearer's token, and keeps a token that is bound to
// one account to it. Owner: an io thread. Lifetime: of the thread; a reload hands in other keys.
// Source: RFC 6750.
#pragma once

#include <cstdint>
#include <memory>

#include "core/access_token.h"
#include "core/command.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/routes.h"
#include "server/token_cache.h"

namespace recharge {

class Access {
 public:
  // Null: nobody needs a token.
  explicit Access(std::shared_ptr<const TokenKeys> keys);

  void take_over(std::shared_ptr<const TokenKeys> keys);

  // True: go on. False: the reply says why not.
  bool admit(const Route& route, Door door, const Request& request, Reply& reply);
  // Of the last request that was admitted; null where it has no token.
  const AccessClaims* claims() const noexcept { return claims_; }
  // Keeps the command to the account that the token is bound to. False: the reply is the same as if what it
  // asks for did not exist.
  bool confine(const Route& route, Command& command, Reply& reply) const;

 private:
  const AccessClaims* verify(const Request& request, Reply& reply);

  bool needs_tokens_ = false;
  std::unique_ptr<TokenVerifier> verifier_;
  std::unique_ptr<TokenCache> cache_;
  const AccessClaims* claims_ = nullptr;
};

}  // namespace recharge
