// Purpose: how callers prove who they are. Part of the settings.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/token_key.h"

namespace recharge {

class SettingsReader;

enum class AuthMode : std::uint8_t { off, jwt };

struct TokenKeySource {
  std::string id;
  TokenAlgorithm algorithm = TokenAlgorithm::hs256;
  std::filesystem::path file;
  std::string where;  // in the settings, for errors about the file
};

struct AuthSettings {
  AuthMode mode = AuthMode::off;
  bool allow_open = false;   // without authentication beyond loopback
  bool allow_plain = false;  // tokens beyond loopback without TLS
  std::string issuer = "recharge";
  std::string audience = "recharge";
  std::vector<TokenKeySource> keys;
  std::filesystem::path jwks_file;
};

// Throws SettingsError.
AuthSettings read_auth(SettingsReader& reader);

}  // namespace recharge
