#include "server/command_line.h"

#include <CLI/CLI.hpp>
#include <iostream>

#include "server/exit_code.h"
#include "server/version.h"

namespace recharge {

CommandLine parse_command_line(int argc, const char* const* argv) {
  CommandLine line;
  std::string config, listen, data_dir;
  unsigned threads = 0;
  CLI::App app("Takes top-up orders and credits each verified payment exactly once.", "recharged");
  app.set_version_flag("--version", "recharged " + std::string(kVersion));
  app.add_option("--config", config, "settings file (TOML)")->type_name("FILE");
  app.add_option("--listen", listen, "address to listen on; port 0 picks a free one [127.0.0.1:8080]")
      ->type_name("HOST:PORT");
  app.add_option("--data-dir", data_dir, "folder of the books and the journal [./data]")->type_name("DIR");
  app.add_option("--threads", threads, "io threads [one per core]")->type_name("N")->check(CLI::Range(1, 64));
  CLI::App* check = app.add_subcommand("check-config", "check the settings and exit: 0 fine, 3 not");
  check->fallthrough();
  check->add_flag("--show", line.show, "print the settings, and where each came from; secrets are left out");
  app.footer(
      "Settings: flag, then environment (RECHARGED_SECTION__KEY), then file, then default.\n"
      "Exit codes: 0 clean stop, 1 failure while running, 2 usage, 3 bad configuration, 4 store.");
  try {
    app.parse(argc, argv);
    if (!config.empty()) line.flags.config = config;
    if (!data_dir.empty()) line.flags.data_dir = data_dir;
    if (threads != 0) line.flags.threads = threads;
    if (!listen.empty()) {
      line.flags.listen = parse_listen(listen);
      if (!line.flags.listen)
        throw CLI::ValidationError("--listen", "must be HOST:PORT with a numeric address");
    }
    line.check_config = check->parsed();
  } catch (const CLI::ParseError& error) {
    line.exit_code = app.exit(error, std::cout, std::cerr) == 0 ? kExitClean : kExitUsage;
  }
  return line;
}

}  // namespace recharge
