// Purpose: the keys that tokens are verified by, read from the files that the settings name.
// Lifetime: a set is immutable; a reload makes another. Errors: SettingsError, which never holds a secret.
#pragma once

#include <memory>

#include "core/access_token.h"
#include "server/settings.h"

namespace recharge {

// Null where tokens are not asked for.
std::shared_ptr<const TokenKeys> load_token_keys(const AuthSettings& settings);

}  // namespace recharge
