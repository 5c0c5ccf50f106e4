// Purpose: what recharged was called with. Errors: usage, which ends with exit code 2.
#pragma once

#include <string>

#include "server/settings.h"

namespace recharge {

struct CommandLine {
  FlagSettings flags;
  bool check_config = false;
  bool show = false;  // and print the settings
  // Set where the process is to end at once: help, version or wrong usage, already printed.
  std::optional<int> exit_code;
};

CommandLine parse_command_line(int argc, const char* const* argv);

}  // namespace recharge
