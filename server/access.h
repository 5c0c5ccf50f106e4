// Purpose: who may have a request carried out: holds clients and accounts to their allowances, gateways to
// their addresses, reads the bearer's token, and keeps a token that is bound to one account to it.
// Owner: an io thread. Lifetime: of the thread; a reload hands in other keys.
// Source: RFC 6750.
#pragma once

#include <cstdint>
#include <memory>

#include "core/access_token.h"
#include "core/command.h"
#include "server/access_rules.h"
#include "server/metrics.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/routes.h"
#include "server/tls_stream.h"
#include "server/token_cache.h"

namespace recharge {

class Access {
 public:
  Access(const AccessRules& rules, ThreadMetrics& metrics);

  void take_over(const AccessRules& rules);

  // The connection begins with a header of the PROXY protocol.
  bool expects_proxy_header(const NetAddress& peer) const noexcept {
    return proxy_protocol_ && contains(trusted_proxies_, peer);
  }

  // True: go on. False: the reply says why not. In this order:
  // Of any request of a client. route: null where there is no such. parameter: the path's, read only where it
  // has one.
  bool admit_client(const Route* route, const NetAddress& peer, const Request& request,
                    std::string_view parameter, std::uint64_t now_us, Reply& reply) {
    return !watches_clients_ || admit_watched(route, peer, request, parameter, now_us, reply);
  }
  // A gateway's call has to come with a certificate, where the settings say so. tls: null without one.
  bool admit_certificate(const Route* route, std::string_view parameter, const TlsStream* tls, Reply& reply) {
    return certified_gateways_.empty() || is_certified(route, parameter, tls, reply);
  }
  bool admit(const Route& route, Door door, const Request& request, Reply& reply);
  // Of the last request that was admitted; null where it has no token.
  const AccessClaims* claims() const noexcept { return claims_; }
  // Whose the next command is, where no request of its own was admitted. Null: anybody's.
  void act_for(const AccessClaims* claims) noexcept { claims_ = claims; }
  // Keeps the command to the account that the token is bound to. False: the reply is the same as if what it
  // asks for did not exist, or 429 where the account has had its share.
  bool confine(const Route& route, Command& command, std::uint64_t now_us, Reply& reply);

 private:
  bool admit_watched(const Route* route, const NetAddress& peer, const Request& request,
                     std::string_view parameter, std::uint64_t now_us, Reply& reply);
  bool is_certified(const Route* route, std::string_view parameter, const TlsStream* tls, Reply& reply) const;
  const AccessClaims* verify(const Request& request, Reply& reply);

  ThreadMetrics& metrics_;
  bool watches_clients_ = false;
  bool proxy_protocol_ = false;
  std::vector<AddressRange> trusted_proxies_;
  std::map<std::string, std::vector<AddressRange>, std::less<>> callback_sources_;
  std::set<std::string, std::less<>> certified_gateways_;
  Limiter limiter_;
  bool needs_tokens_ = false;
  std::unique_ptr<TokenVerifier> verifier_;
  std::unique_ptr<TokenCache> cache_;
  const AccessClaims* claims_ = nullptr;
};

}  // namespace recharge
