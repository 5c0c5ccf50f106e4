#include "core/key_ring.h"

#include <sodium.h>

#include <string_view>

#include "core/base64.h"
#include "core/names.h"

namespace recharge {
namespace {

constexpr std::string_view kSecretPrefix = "whsec_";
constexpr std::string_view kPublicKeyPrefix = "whpk_";

}  // namespace

bool is_public_key(const Secret& secret) noexcept { return secret.reveal().starts_with(kPublicKeyPrefix); }

Result<Ed25519PublicKey> public_key(const Secret& secret) noexcept {
  if (!is_public_key(secret)) return Errc::invalid_text;
  const std::string_view text = secret.reveal().substr(kPublicKeyPrefix.size());
  Ed25519PublicKey key;
  const auto size = decode_base64(text, key);
  if (!size || *size != key.size()) return Errc::invalid_text;
  return key;
}

Result<Secret> standard_webhooks_key(const Secret& secret) {
  if (is_public_key(secret)) return Errc::invalid_text;
  if (!secret.reveal().starts_with(kSecretPrefix)) return secret.clone();

  const std::string_view text = secret.reveal().substr(kSecretPrefix.size());
  std::vector<std::uint8_t> decoded(text.size());
  const auto size = decode_base64(text, decoded);
  auto key = Secret::from_text({reinterpret_cast<const char*>(decoded.data()), size ? *size : 0});
  sodium_memzero(decoded.data(), decoded.size());
  if (!key) return Errc::invalid_text;
  return key;
}

Result<void> check_callback_secret(const CallbackSecret& secret) {
  if (secret.id.empty()) return Errc::out_of_range;
  if (secret.id.size() > KeyId::kCapacity) return Errc::too_long;
  if (is_public_key(secret.secret)) {
    if (auto key = public_key(secret.secret); !key) return key.error();
  } else {
    if (auto key = standard_webhooks_key(secret.secret); !key) return key.error();
  }
  return {};
}

Result<KeyRing> KeyRing::make(std::vector<CallbackSecret> secrets) {
  if (secrets.size() > kMaxSecrets) return Errc::too_long;
  for (std::size_t i = 0; i < secrets.size(); ++i) {
    if (auto checked = check_callback_secret(secrets[i]); !checked) return checked.error();
    for (std::size_t earlier = 0; earlier < i; ++earlier) {
      if (secrets[earlier].id == secrets[i].id) return Errc::duplicate_name;
    }
  }
  return KeyRing(std::move(secrets));
}

}  // namespace recharge
