// The verbs about endpoints that are told of events: list, show, resend, pause, resume, restart.
#include <memory>

#include "tools/json_text.h"
#include "tools/reply_printer.h"
#include "tools/verbs.h"

namespace recharge {
namespace {

struct WebhookOptions {
  std::string name, event_id;
};

std::string path_of(const WebhookOptions& options) { return "/api/webhooks/" + percent_encode(options.name); }

ExitCode list_webhooks(const Tool& tool) {
  return print_reply(tool, HttpClient(tool.server, tool.token).get("/api/webhooks"),
                     [](const std::string& body) {
                       return describe_list(json_member(body, "data").value_or("[]"),
                                            {"name", "state", "delivered", "failed", "waiting", "after"});
                     });
}

ExitCode show_webhook(const Tool& tool, const WebhookOptions& options) {
  return print_reply(
      tool, HttpClient(tool.server, tool.token).get(path_of(options)), [](const std::string& body) {
        const auto webhook = json_member(body, "webhook").value_or("{}");
        return describe_list("[" + webhook + "]",
                             {"name", "state", "delivered", "failed", "waiting", "after"}) +
               describe_list(json_member(webhook, "deliveries").value_or("[]"),
                             {"event_id", "type", "state", "attempts", "next_attempt_at", "last_error"});
      });
}

ExitCode change_webhook(const Tool& tool, const WebhookOptions& options, const std::string& action) {
  JsonWriter body;
  body.text("action", action);
  if (!options.event_id.empty()) body.text("event_id", options.event_id);
  return print_reply(tool, HttpClient(tool.server, tool.token).post(path_of(options), body.finish()),
                     [](const std::string& text) { return json_member(text, "msg").value_or("") + "\n"; });
}

}  // namespace

void add_webhook_verbs(CLI::App& app, Tool& tool) {
  const auto options = std::make_shared<WebhookOptions>();
  CLI::App* webhooks = app.add_subcommand("webhook", "Endpoints that are told what happens");
  webhooks->require_subcommand(1);
  webhooks->add_subcommand("list", "All of them, and how far they are")->callback([&tool] {
    tool.action = [&tool] { return list_webhooks(tool); };
  });
  CLI::App* show = webhooks->add_subcommand("show", "What waits to be tried again, and what was given up");
  show->add_option("name", options->name, "Which one")->required();
  show->callback(
      [&tool, options] { tool.action = [&tool, options] { return show_webhook(tool, *options); }; });
  for (const auto& [action, help] :
       {std::pair("resend", "Try again what was given up"), std::pair("pause", "Tell it nothing for now"),
        std::pair("resume", "Go on, also after its endpoint answered 410"),
        std::pair("restart", "Begin anew with the oldest event that is kept")}) {
    CLI::App* verb = webhooks->add_subcommand(action, help);
    verb->add_option("name", options->name, "Which one")->required();
    if (action == std::string_view("resend"))
      verb->add_option("event_id", options->event_id, "This one alone; without it, all");
    verb->callback([&tool, options, action = std::string(action)] {
      tool.action = [&tool, options, action] { return change_webhook(tool, *options, action); };
    });
  }
}

}  // namespace recharge
