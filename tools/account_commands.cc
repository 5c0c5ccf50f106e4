// The verbs about accounts: balance, debit.
#include <memory>

#include "tools/json_text.h"
#include "tools/made_ids.h"
#include "tools/reply_printer.h"
#include "tools/verbs.h"

namespace recharge {
namespace {

struct AccountOptions {
  std::string account, amount, debit_id, memo;
};

ExitCode show_balance(const Tool& tool, const AccountOptions& options) {
  const std::string path = "/api/check_balance?account=" + percent_encode(options.account);
  return print_reply(tool, HttpClient(tool.server, tool.token).get(path), [](const std::string& body) {
    return json_member(body, "balance").value_or("?") + ' ' + json_member(body, "currency").value_or("") +
           '\n';
  });
}

ExitCode debit(const Tool& tool, const AccountOptions& options) {
  JsonWriter body;
  body.text("debit_id", options.debit_id.empty() ? made_id("debit") : options.debit_id);
  body.text("amount", options.amount);
  if (!options.memo.empty()) body.text("memo", options.memo);
  const std::string path = "/api/accounts/" + percent_encode(options.account) + "/debit";
  return print_reply(
      tool, HttpClient(tool.server, tool.token).post(path, body.finish()),
      [](const std::string& text) { return describe_object(json_member(text, "entry").value_or("")); });
}

}  // namespace

void add_account_verbs(CLI::App& app, Tool& tool) {
  const auto options = std::make_shared<AccountOptions>();
  CLI::App* balance = app.add_subcommand("balance", "Show an account's balance");
  balance->add_option("account", options->account, "Whose balance")->required();
  balance->callback(
      [&tool, options] { tool.action = [&tool, options] { return show_balance(tool, *options); }; });

  CLI::App* spend = app.add_subcommand("debit", "Spend from an account's balance");
  spend->add_option("account", options->account, "Whose balance")->required();
  spend->add_option("--amount", options->amount, "How much, as 9.90")->required();
  spend->add_option("--debit-id", options->debit_id, "Makes repeating harmless; made when absent");
  spend->add_option("--memo", options->memo, "What it was for");
  spend->callback([&tool, options] { tool.action = [&tool, options] { return debit(tool, *options); }; });
}

}  // namespace recharge
