// Purpose: tokens that say who may do what: signed JWTs in the compact form, verified by keys of our own.
// A token's header may name its key by "kid", and nothing more: a key or address of a key that comes inside
// it, a critical extension, encryption or compression refuses it, and so does every algorithm but that of the
// named key. Owner: a verifier belongs to one thread, the keys to all. Units: seconds since 1970.
// Source: RFC 7515, 7519, 8725.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/access_scope.h"
#include "core/json_object.h"
#include "core/names.h"
#include "core/token_key.h"

namespace recharge {

constexpr std::size_t kMaxTokenBytes = 8192;
constexpr std::int64_t kTokenLeewayS = 60;
constexpr std::size_t kMaxTokenSubjectBytes = 255;

// What tokens are verified against.
struct TokenKeys {
  std::vector<TokenKey> keys;  // each id once
  std::string issuer;
  std::string audience;

  const TokenKey* find(std::string_view id) const noexcept;
};

// What a token's bearer may do.
struct AccessClaims {
  std::string subject;
  Account account;  // empty: bound to none
  ScopeSet scopes;
  std::int64_t expires_at_s = 0;

  // The leeway counts in.
  bool has_expired(std::int64_t now_s) const noexcept { return now_s >= expires_at_s + kTokenLeewayS; }
};

class TokenVerifier {
 public:
  explicit TokenVerifier(std::shared_ptr<const TokenKeys> keys) : keys_(std::move(keys)) {}

  // Errc::invalid_signature, invalid_text (not of the form), not_found (no such key), out_of_range (its time,
  // issuer or audience): fault() says which in words for its bearer.
  Result<AccessClaims> verify(std::string_view token, std::int64_t now_s);
  std::string_view fault() const noexcept { return fault_; }

 private:
  struct Parts;
  Result<const TokenKey*> read_header(std::string_view encoded);
  Result<AccessClaims> read_claims(std::string_view encoded, std::int64_t now_s);
  boost::system::error_code refuse(Errc error, std::string_view fault) noexcept;

  std::shared_ptr<const TokenKeys> keys_;
  JsonReader json_;
  std::string_view fault_;
};

// What a new token says; `scopes` as they stand in its claim.
struct TokenRequest {
  std::string issuer, audience, subject, account, scopes;
  std::int64_t issued_at_s = 0;
  std::int64_t expires_at_s = 0;
};
Result<std::string> make_token(const TokenKey& key, const TokenRequest& request);

}  // namespace recharge
