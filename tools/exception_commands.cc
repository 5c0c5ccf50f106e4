// The verbs about payments that wait for a decision: list, resolve.
#include <memory>

#include "tools/json_text.h"
#include "tools/reply_printer.h"
#include "tools/verbs.h"

namespace recharge {
namespace {

struct ExceptionOptions {
  std::string exception_id, action, note, cursor;
  std::string state = "open";
  int limit = 20;
};

ExitCode list_exceptions(const Tool& tool, const ExceptionOptions& options) {
  std::string path = "/api/exceptions?limit=" + std::to_string(options.limit);
  if (options.state != "all") path += "&state=" + options.state;
  if (!options.cursor.empty()) path += "&cursor=" + percent_encode(options.cursor);
  return print_reply(tool, HttpClient(tool.server, tool.token).get(path), [](const std::string& body) {
    std::string out = describe_list(
        json_member(body, "data").value_or("[]"),
        {"exception_id", "kind", "state", "amount", "order_id", "transaction_id", "gateway", "created_at"});
    if (const auto cursor = json_member(body, "next_cursor")) out += "more: --cursor " + *cursor + '\n';
    return out;
  });
}

ExitCode resolve_exception(const Tool& tool, const ExceptionOptions& options) {
  JsonWriter body;
  body.text("action", options.action).text("note", options.note);
  const std::string path = "/api/exceptions/" + percent_encode(options.exception_id) + "/resolve";
  return print_reply(
      tool, HttpClient(tool.server, tool.token).post(path, body.finish()),
      [](const std::string& text) { return describe_object(json_member(text, "exception").value_or("")); });
}

}  // namespace

void add_exception_verbs(CLI::App& app, Tool& tool) {
  const auto options = std::make_shared<ExceptionOptions>();
  CLI::App* exceptions = app.add_subcommand("exceptions", "Payments that were kept but not credited");
  exceptions->require_subcommand(1);
  CLI::App* list = exceptions->add_subcommand("list", "List them, newest first");
  list->add_option("--state", options->state, "open or all")
      ->check(CLI::IsMember({"open", "all"}))
      ->capture_default_str();
  list->add_option("--limit", options->limit, "How many")->check(CLI::Range(1, 100))->capture_default_str();
  list->add_option("--cursor", options->cursor, "Go on where the last list ended");
  list->callback(
      [&tool, options] { tool.action = [&tool, options] { return list_exceptions(tool, *options); }; });

  CLI::App* resolve = exceptions->add_subcommand("resolve", "Decide where the money goes");
  resolve->add_option("exception_id", options->exception_id, "Which one")->required();
  resolve->add_option("--action", options->action, "credit the account, refund the payer, or dismiss")
      ->required()
      ->check(CLI::IsMember({"credit", "refund", "dismiss"}));
  resolve->add_option("--note", options->note, "Why; kept with the decision");
  resolve->callback(
      [&tool, options] { tool.action = [&tool, options] { return resolve_exception(tool, *options); }; });
}

}  // namespace recharge
