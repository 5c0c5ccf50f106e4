// Purpose: reads the files of secrets and keys. Errors: SettingsError with the place in the settings, the
// file, and never what it holds.
#pragma once

#include <string>

#include "core/secret.h"
#include "server/settings.h"

namespace recharge {

constexpr std::size_t kMaxSecretFileBytes = 16384;  // an RSA key of 8192 bits has 6.4 KiB

// The file's text without its final newline.
Secret read_secret_file(const SecretSource& source);

[[noreturn]] void refuse_file(const SecretSource& source, const std::string& what);

}  // namespace recharge
