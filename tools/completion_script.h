// Purpose: completion scripts for bash, zsh and fish, generated from the tree of verbs, so that a new verb or
//   option completes without further work. Lifetime: a pure function.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace recharge {

// REQUIRES: shell is "bash", "zsh" or "fish".
std::string completion_script(const CLI::App& app, const std::string& shell);

}  // namespace recharge
