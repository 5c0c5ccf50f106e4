// Purpose: the settings that a start would use, one a line as TOML, each with where it came from: a flag, a
// variable, a place in the file, or the default. Secrets are left out, and so are those inside of URLs.
// Lifetime: made when asked for. Errors: those of load_settings.
#pragma once

#include <string>

#include "server/settings.h"

namespace recharge {

// Throws SettingsError.
std::string settings_page(const FlagSettings& flags, const Environment& environment);

}  // namespace recharge
