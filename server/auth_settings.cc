#include "server/auth_settings.h"

#include "server/settings_reader.h"

namespace recharge {
namespace {

TokenKeySource read_key(const SettingsReader& reader, const SettingsReader::Entry& entry,
                        const std::string& path) {
  TokenKeySource source;
  source.where = reader.place_of(path);
  for (const auto& [name, value] : entry) {
    if (name == "kid") {
      source.id = value;
    } else if (name == "file") {
      if (value.empty()) reader.refuse(path, "file must not be empty");
      source.file = reader.file_path(value);
    } else if (name == "algorithm") {
      const auto algorithm = parse_token_algorithm(value);
      if (!algorithm) reader.refuse(path, "algorithm must be one of HS256, RS256, ES256, EdDSA");
      source.algorithm = *algorithm;
    } else {
      reader.refuse(path, "unknown key " + name);
    }
  }
  if (!entry.contains("algorithm")) reader.refuse(path, "each needs an algorithm");
  if (source.id.empty() || source.id.size() > kMaxKeyIdBytes) {
    reader.refuse(path, "each needs a kid of 1 to 128 bytes");
  }
  if (source.file.empty()) reader.refuse(path, "each needs a file");
  return source;
}

}  // namespace

AuthSettings read_auth(SettingsReader& reader) {
  AuthSettings auth;
  std::string mode = "off";
  if (auto text = reader.text("auth.mode")) mode = *text;
  if (mode != "off" && mode != "jwt") reader.refuse("auth.mode", "must be off or jwt");
  auth.mode = mode == "jwt" ? AuthMode::jwt : AuthMode::off;
  if (auto open = reader.boolean("auth.allow_open")) auth.allow_open = *open;
  if (auto plain = reader.boolean("auth.allow_plain")) auth.allow_plain = *plain;
  for (auto [path, value] : {std::pair{"auth.issuer", &auth.issuer}, {"auth.audience", &auth.audience}}) {
    if (auto text = reader.text(path)) *value = *text;
    if (value->empty()) reader.refuse(path, "must not be empty");
  }
  for (const SettingsReader::Entry& entry : reader.entries("auth.keys")) {
    auth.keys.push_back(read_key(reader, entry, "auth.keys"));
  }
  if (auto file = reader.text("auth.jwks_file")) {
    if (file->empty()) reader.refuse("auth.jwks_file", "must not be empty");
    auth.jwks_file = reader.file_path(*file);
  }
  const bool has_keys = !auth.keys.empty() || !auth.jwks_file.empty();
  if (auth.mode == AuthMode::jwt && !has_keys) {
    reader.refuse("auth.mode", "jwt needs auth.keys or auth.jwks_file");
  }
  return auth;
}

}  // namespace recharge
