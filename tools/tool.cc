#include "tools/tool.h"

#include <csignal>
#include <cstdlib>
#include <iostream>

#include "tools/verbs.h"

namespace recharge {

void add_verbs(CLI::App& app, Tool& tool) {
  app.fallthrough();  // so that the shared options are understood after the verb, too
  app.require_subcommand(1);
  app.set_version_flag("--version", RECHARGE_VERSION);
  app.add_option("--server", tool.server, "Where recharged listens")
      ->envname("RECHARGE_URL")
      ->capture_default_str();
  app.add_option("--token", tool.token, "Bearer token to send")->envname("RECHARGE_TOKEN");
  app.add_option("--secret-file", tool.secret_file, "File with the secret that signs callbacks")
      ->capture_default_str();
  app.add_flag("--json", tool.json, "Print the server's reply as it is");
  add_order_verbs(app, tool);
  add_payment_verbs(app, tool);
  add_callback_verbs(app, tool);
  add_account_verbs(app, tool);
  add_exception_verbs(app, tool);
  add_webhook_verbs(app, tool);
  add_load_verb(app, tool);
  add_dev_verb(app, tool);
  add_doctor_verb(app, tool);
  add_verify_verb(app, tool);
  add_backup_verbs(app, tool);
  add_token_verb(app, tool);
  add_completion_verb(app, tool);
}

std::string scratch_default() {
  const char* named = std::getenv("TMPDIR");
  return named != nullptr && *named != '\0' ? named : "/tmp";
}

ExitCode report(const ToolError& error) {
  std::cerr << "recharge: " << error.message << '\n';
  return error.code;
}

ExitCode run_tool(int argc, const char* const* argv) {
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app{"Talk to a recharged: place orders, send signed callbacks, read balances, measure.",
               "recharge"};
  app.footer("Exit codes: 0 done, 1 refused or failed, 2 usage, 3 bad configuration, 4 server unreachable.");
  Tool tool;
  add_verbs(app, tool);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);  // prints help and version on stdout, errors on stderr
    return code == 0 ? ExitCode::ok : ExitCode::usage;
  }
  const ExitCode code = tool.action();
  std::cout.flush();
  return code;
}

}  // namespace recharge
