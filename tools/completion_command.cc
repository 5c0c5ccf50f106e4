// The verb that prints a shell's completion script, made from the tree of verbs itself.
#include <iostream>
#include <memory>

#include "tools/completion_script.h"
#include "tools/verbs.h"

namespace recharge {

void add_completion_verb(CLI::App& app, Tool& tool) {
  const auto shell = std::make_shared<std::string>();
  CLI::App* verb = app.add_subcommand("completion", "Print a completion script for a shell");
  verb->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  verb->callback([&app, &tool, shell] {
    tool.action = [&app, shell] {
      std::cout << completion_script(app, *shell);
      return ExitCode::ok;
    };
  });
}

}  // namespace recharge
