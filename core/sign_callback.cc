#include "core/sign_callback.h"

#include <sodium.h>

#include "core/base64.h"
#include "core/hmac_sha256_key.h"
#include "core/key_ring.h"

namespace recharge {

Result<std::string> sign_fields(const Secret& secret, std::string_view canonical) {
  if (is_public_key(secret)) return Errc::invalid_text;
  const Hmac hmac = HmacSha256Key(secret).sign({canonical});
  char hex[2 * sizeof hmac + 1];
  return std::string(sodium_bin2hex(hex, sizeof hex, hmac.data(), hmac.size()));
}

Result<std::string> sign_standard(const Secret& secret, std::string_view id, std::string_view timestamp,
                                  std::string_view body) {
  const auto key = standard_webhooks_key(secret);
  if (!key) return key.error();
  const Hmac hmac = HmacSha256Key(*key).sign({id, ".", timestamp, ".", body});
  return "v1," + encode_base64(hmac);
}

}  // namespace recharge
