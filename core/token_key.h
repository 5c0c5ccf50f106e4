// Purpose: one key that signs or verifies tokens, under the one algorithm that it is for: what a token says
// of its algorithm never chooses anything. Lifetime: immutable; copies share it; any thread may use it.
// Errors: Errc::invalid_text where the text is no key of the algorithm's kind, Errc::out_of_range where the
// key is too weak: fewer than 32 bytes for HS256, fewer than 2048 bits for RS256.
// Source: RFC 7517, 7518, 8037.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/rsa_key.h"
#include "core/secret.h"

namespace recharge {

enum class TokenAlgorithm : std::uint8_t { hs256, rs256, es256, eddsa };
std::string_view to_text(TokenAlgorithm algorithm) noexcept;  // as a token's header has it
std::optional<TokenAlgorithm> parse_token_algorithm(std::string_view text) noexcept;

constexpr std::size_t kMinHmacKeyBytes = 32;
constexpr std::size_t kMaxKeyIdBytes = 128;

class TokenKey {
 public:
  // HS256: the secret's text as bytes, without a final newline. Else PEM, of a public or a private key.
  static Result<TokenKey> from_text(std::string id, TokenAlgorithm algorithm, std::string_view text);

  const std::string& id() const noexcept { return id_; }
  TokenAlgorithm algorithm() const noexcept { return algorithm_; }

  bool verify(std::string_view message, std::string_view signature) const noexcept;
  // Errc::not_found where the private part is not there.
  Result<std::string> sign(std::string_view message) const;

 private:
  friend class JwkReader;
  struct Material;
  TokenKey(std::string id, TokenAlgorithm algorithm, std::shared_ptr<const Material> material) noexcept;

  std::string id_;
  TokenAlgorithm algorithm_;
  std::shared_ptr<const Material> material_;
};

// The keys of a JWK set that can verify tokens here; keys of other kinds and uses are left out. Each must
// have a "kid" of its own. Errors: as above, and Errc::duplicate_name; Errc::not_found where none is left.
Result<std::vector<TokenKey>> parse_jwk_set(std::string_view json);

}  // namespace recharge
