// Purpose: `recharged check-config`: whether a start would take the settings, and with --show what they come
// to.
#pragma once

#include "server/command_line.h"

namespace recharge {

// Answers the exit code. Throws SettingsError.
int check_config(const CommandLine& line);

}  // namespace recharge
