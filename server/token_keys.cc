#include "server/token_keys.h"

#include <sodium.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace recharge {
namespace {

constexpr std::size_t kMaxKeyFileBytes = 256 << 10;

// What a key file held; wiped when it goes.
class KeyFileText {
 public:
  KeyFileText(const std::filesystem::path& file, const std::string& where) {
    std::ifstream in(file, std::ios::binary);
    if (!in) throw SettingsError(where + file.string() + " cannot be read: " + std::strerror(errno));
    text_.resize(kMaxKeyFileBytes + 1);
    in.read(text_.data(), static_cast<std::streamsize>(text_.size()));
    const auto size = static_cast<std::size_t>(in.gcount());
    if (size > kMaxKeyFileBytes) throw SettingsError(where + file.string() + " is too large");
    text_.resize(size);
  }
  ~KeyFileText() { sodium_memzero(text_.data(), text_.size()); }
  KeyFileText(const KeyFileText&) = delete;
  KeyFileText& operator=(const KeyFileText&) = delete;

  std::string_view view() const noexcept { return text_; }

 private:
  std::string text_;
};

std::string reason(boost::system::error_code error) {
  if (error == make_error_code(Errc::out_of_range)) {
    return "the key is too weak: HS256 needs 32 bytes, RS256 needs 2048 bits";
  }
  if (error == make_error_code(Errc::duplicate_name)) return "a kid is there twice";
  if (error == make_error_code(Errc::not_found)) return "no key for HS256, RS256, ES256 or EdDSA";
  return "no key of that algorithm: " + error.message();
}

void add(TokenKeys& keys, TokenKey key, const std::string& where) {
  if (keys.find(key.id()) != nullptr) throw SettingsError(where + "kid " + key.id() + " is there twice");
  keys.keys.push_back(std::move(key));
}

}  // namespace

std::shared_ptr<const TokenKeys> load_token_keys(const AuthSettings& settings) {
  if (settings.mode != AuthMode::jwt) return nullptr;
  auto keys = std::make_shared<TokenKeys>();
  keys->issuer = settings.issuer;
  keys->audience = settings.audience;
  for (const TokenKeySource& source : settings.keys) {
    const KeyFileText text(source.file, source.where);
    auto key = TokenKey::from_text(source.id, source.algorithm, text.view());
    if (!key) throw SettingsError(source.where + source.file.string() + ": " + reason(key.error()));
    add(*keys, std::move(*key), source.where);
  }
  if (!settings.jwks_file.empty()) {
    const std::string where = "auth.jwks_file: ";
    const KeyFileText text(settings.jwks_file, where);
    auto found = parse_jwk_set(text.view());
    if (!found) throw SettingsError(where + settings.jwks_file.string() + ": " + reason(found.error()));
    for (TokenKey& key : *found) add(*keys, std::move(key), where);
  }
  return keys;
}

}  // namespace recharge
