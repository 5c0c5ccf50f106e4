// Purpose: the options that every verb shares, and the action that the command line chose.
// Lifetime: one Tool for the whole process; verbs keep a reference to it. Single-threaded.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "tools/tool_error.h"

namespace recharge {

struct Tool {
  std::string server = "http://127.0.0.1:8080";
  std::string token;
  std::string ca_file;
  std::string secret_file = "data/callback.secret";
  bool json = false;
  // Set by the verb that was parsed; run after parsing succeeded.
  std::function<ExitCode()> action;
};

// Builds the tree of verbs into `app`; every option writes into `tool`.
void add_verbs(CLI::App& app, Tool& tool);

// Parses, runs the verb and returns the exit code of the process. Help goes to stdout, errors to stderr.
ExitCode run_tool(int argc, const char* const* argv);

// Prints the error's sentence on stderr and returns its code.
ExitCode report(const ToolError& error);

// Where temporary books go: TMPDIR, else /tmp.
std::string scratch_default();

}  // namespace recharge
