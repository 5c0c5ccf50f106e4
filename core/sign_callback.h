// Purpose: signs callbacks as a sender does, for tools and tests; the service itself only verifies.
// Source: Standard Webhooks 1.0.0.
#pragma once

#include <string>
#include <string_view>

#include "core/error.h"
#include "core/secret.h"

namespace recharge {

// Lower-case hex of HMAC-SHA256 under the secret's text. Errc::invalid_text where the secret is a public key.
Result<std::string> sign_fields(const Secret& secret, std::string_view canonical);

// "v1,BASE64", as it stands in webhook-signature. Errc::invalid_text where the secret is no HMAC key.
Result<std::string> sign_standard(const Secret& secret, std::string_view id, std::string_view timestamp,
                                  std::string_view body);

}  // namespace recharge
