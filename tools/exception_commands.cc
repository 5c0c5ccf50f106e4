// The verbs about payments that wait for a decision: list, resolve.
#include <unistd.h>

#include <iostream>
#include <memory>

#include "core/money.h"
#include "tools/json_text.h"
#include "tools/reply_printer.h"
#include "tools/verbs.h"

namespace recharge {
namespace {

struct ExceptionOptions {
  std::string exception_id, action, note, cursor;
  std::string state = "open";
  int limit = 20;
  bool all = false;
  bool yes = false;
  std::string kind, gateway;
  std::size_t most = 1000;
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

// --- many at once ----------------------------------------------------------------------------------------

struct OpenException {
  std::string id, kind, order, amount, gateway;
};

// The open ones that are meant, newest first; more than `most` are not taken, so that what is decided was
// seen.
ToolResult<std::vector<OpenException>> find_open(const Tool& tool, const ExceptionOptions& options) {
  HttpClient server(tool.server, tool.token);
  std::vector<OpenException> found;
  std::string cursor;
  do {
    const auto reply =
        server.get("/api/exceptions?state=open&limit=100" + (cursor.empty() ? "" : "&cursor=" + cursor));
    if (!reply) return reply.error();
    if (reply->status != 200) return ToolError{ExitCode::failure, describe_error(*reply)};
    for (const std::string& one : json_elements(json_member(reply->body, "data").value_or("[]"))) {
      const auto member = [&](const char* name) { return json_member(one, name).value_or(""); };
      OpenException exception{member("exception_id"), member("kind"), member("order_id"), member("amount"),
                              member("gateway")};
      if (!options.kind.empty() && exception.kind != options.kind) continue;
      if (!options.gateway.empty() && exception.gateway != options.gateway) continue;
      found.push_back(std::move(exception));
    }
    cursor = percent_encode(json_member(reply->body, "next_cursor").value_or(""));
  } while (!cursor.empty() && found.size() <= options.most);
  if (found.size() > options.most)
    return ToolError{ExitCode::failure, "more than " + std::to_string(options.most) +
                                            " are open: name a --kind or --gateway, or allow more by --most"};
  return found;
}

// What is about to happen, in a line.
std::string sum_of(const std::vector<OpenException>& all, const std::string& action) {
  Money sum;
  for (const OpenException& one : all) {
    const auto amount = parse_money(one.amount);
    const auto added = amount ? add(sum, *amount) : amount;
    if (!added) return action + " " + std::to_string(all.size()) + " payments";
    sum = *added;
  }
  return action + " " + std::to_string(all.size()) + " payments of " + to_text(sum) + " in all";
}

bool is_confirmed(const std::string& what) {
  std::cerr << what << "? [y/N] " << std::flush;
  std::string answer;
  return std::getline(std::cin, answer) && (answer == "y" || answer == "Y" || answer == "yes");
}

// Each is a decision of its own, which the server audits. One that fails stops none of the others.
ExitCode resolve_all(const Tool& tool, const ExceptionOptions& options) {
  const auto found = find_open(tool, options);
  if (!found) return report(found.error());
  const std::string what = sum_of(*found, options.action);
  if (!options.yes && !found->empty()) {
    if (::isatty(STDIN_FILENO) != 1)
      return report({ExitCode::usage, what + ": without a terminal this needs --yes"});
    if (!is_confirmed(what)) return report({ExitCode::failure, "nothing was done"});
  }
  const std::string body = JsonWriter().text("action", options.action).text("note", options.note).finish();
  HttpClient server(tool.server, tool.token);
  std::size_t failed = 0;
  for (const OpenException& one : *found) {
    const auto reply = server.post("/api/exceptions/" + percent_encode(one.id) + "/resolve", body);
    const bool done = reply && reply->status == 200;
    if (!done) ++failed;
    std::cout << one.id << "  " << one.kind << "  " << one.amount << "  "
              << (done ? options.action : (reply ? describe_error(*reply) : reply.error().message)) << '\n';
    if (!reply) return report({reply.error().code, "stopped: no answer came"});
  }
  std::cerr << what << ": " << found->size() - failed << " done, " << failed << " refused\n";
  return failed == 0 ? ExitCode::ok : ExitCode::failure;
}

ExitCode resolve_exception(const Tool& tool, const ExceptionOptions& options) {
  if (options.all != options.exception_id.empty())
    return report({ExitCode::usage, "either the id of one exception, or --all, is needed"});
  if (options.all) return resolve_all(tool, options);
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
  resolve->add_option("exception_id", options->exception_id, "Which one; or --all");
  CLI::Option* all = resolve->add_flag("--all", options->all, "All that are open, after a question");
  resolve->add_option("--kind", options->kind, "With --all: of this kind alone")->needs(all);
  resolve->add_option("--gateway", options->gateway, "With --all: of this gateway alone")->needs(all);
  resolve->add_option("--most", options->most, "With --all: where more are open, nothing is done")
      ->needs(all)
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  resolve->add_flag("--yes", options->yes, "With --all: without the question")->needs(all);
  resolve->add_option("--action", options->action, "credit the account, refund the payer, or dismiss")
      ->required()
      ->check(CLI::IsMember({"credit", "refund", "dismiss"}));
  resolve->add_option("--note", options->note, "Why; kept with the decision");
  resolve->callback(
      [&tool, options] { tool.action = [&tool, options] { return resolve_exception(tool, *options); }; });
}

}  // namespace recharge
