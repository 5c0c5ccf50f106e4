// The verbs about orders: create, show, list, explain, close, refund; and those that are stuck.
#include <iostream>
#include <memory>

#include "tools/json_text.h"
#include "tools/made_ids.h"
#include "tools/reply_printer.h"
#include "tools/verbs.h"

namespace recharge {
namespace {

struct OrderOptions {
  std::string order_id, account, amount, gateway, subject, notify_url, idempotency_key, status, cursor,
      refund_id;
  int limit = 20;
};

std::string order_path(const std::string& order_id, std::string_view action = {}) {
  return "/api/orders/" + percent_encode(order_id) + std::string(action);
}

std::string show_order(const std::string& body) {
  return describe_object(json_member(body, "order").value_or(""));
}

std::string show_orders(const std::string& body) {
  std::string out = describe_list(json_member(body, "data").value_or("[]"),
                                  {"order_id", "amount", "status", "created_at", "transaction_id"});
  if (const auto cursor = json_member(body, "next_cursor")) out += "more: --cursor " + *cursor + '\n';
  return out;
}

std::string show_stuck(const std::string& body) {
  std::string out = describe_list(
      json_member(body, "data").value_or("[]"),
      {"order_id", "kind", "status", "amount", "since", "attempts", "supplier", "calls", "waits_for"});
  if (const auto cursor = json_member(body, "next_cursor")) out += "more: --cursor " + *cursor + '\n';
  return out;
}

// A step's line, and below it what there is of its details.
std::string show_step(const std::string& step) {
  std::string out =
      json_member(step, "at").value_or("-") + "  " + json_member(step, "event").value_or("-") + '\n';
  const auto add = [&out](const std::string& name, const std::string& text) {
    out += "    " + name + std::string(10 - name.size(), ' ') + text + '\n';
  };
  for (const char* name : {"expected", "came"}) {
    if (const auto text = json_member(step, name)) add(name, *text);
  }
  const std::string evidence = json_member(step, "evidence").value_or("");
  std::string known;
  for (const char* name : {"gateway", "key_id", "scheme", "digest"}) {
    const auto text = json_member(evidence, name);
    if (text) known += (known.empty() ? "" : ", ") + std::string(name) + " " + *text;
  }
  if (!known.empty()) add("evidence", known);
  return out;
}

std::string show_explanation(const std::string& body) {
  std::string out = json_member(body, "order_id").value_or("-") + "  " +
                    json_member(body, "status").value_or("no such order") + '\n';
  for (const auto& step : json_elements(json_member(body, "steps").value_or("[]"))) out += show_step(step);
  if (const auto missing = json_member(body, "missing")) out += "missing      " + *missing + '\n';
  if (const auto next = json_member(body, "next_action")) out += "next action  " + *next + '\n';
  return out;
}

ExitCode create_order(const Tool& tool, const OrderOptions& options) {
  JsonWriter body;
  body.text("account", options.account).text("amount", options.amount);
  if (!options.gateway.empty()) body.text("gateway", options.gateway);
  if (!options.subject.empty()) body.text("subject", options.subject);
  if (!options.notify_url.empty()) body.text("notify_url", options.notify_url);
  HttpRequest request{"POST", "/api/place_order", body.finish(), {}};
  if (!options.idempotency_key.empty())
    request.headers.push_back("Idempotency-Key: " + options.idempotency_key);
  return print_reply(tool, HttpClient(tool.server, tool.token).send(request), describe_object);
}

ExitCode list_orders(const Tool& tool, const OrderOptions& options) {
  std::string path = "/api/orders?account=" + percent_encode(options.account);
  path += "&limit=" + std::to_string(options.limit);
  if (!options.status.empty()) path += "&status=" + percent_encode(options.status);
  if (!options.cursor.empty()) path += "&cursor=" + percent_encode(options.cursor);
  return print_reply(tool, HttpClient(tool.server, tool.token).get(path), show_orders);
}

ExitCode refund_order(const Tool& tool, const OrderOptions& options) {
  JsonWriter body;
  body.text("refund_id", options.refund_id.empty() ? made_id("refund") : options.refund_id);
  if (!options.amount.empty()) body.text("amount", options.amount);
  const auto reply =
      HttpClient(tool.server, tool.token).post(order_path(options.order_id, "/refund"), body.finish());
  return print_reply(tool, reply, [](const std::string& text) {
    return describe_object(json_member(text, "refund").value_or(""));
  });
}

// A verb about one order that only needs its id.
CLI::App* add_verb_on_order(CLI::App& parent, const std::string& name, const std::string& help,
                            OrderOptions& options) {
  CLI::App* verb = parent.add_subcommand(name, help);
  verb->add_option("order_id", options.order_id, "The order")->required();
  return verb;
}

}  // namespace

void add_order_verbs(CLI::App& app, Tool& tool) {
  const auto options = std::make_shared<OrderOptions>();
  CLI::App* order = app.add_subcommand("order", "Place, read, close and refund orders");
  order->require_subcommand(1);

  CLI::App* create = order->add_subcommand("create", "Place an order");
  create->add_option("--account", options->account, "Whose balance to top up")->required();
  create->add_option("--amount", options->amount, "How much, as 50 or 50.00")->required();
  create->add_option("--gateway", options->gateway, "The gateway that will take the payment");
  create->add_option("--subject", options->subject, "What the payer is shown");
  create->add_option("--notify-url", options->notify_url, "Where each event of the order is sent");
  create->add_option("--idempotency-key", options->idempotency_key, "Makes repeating this command harmless");
  create->callback(
      [&tool, options] { tool.action = [&tool, options] { return create_order(tool, *options); }; });

  add_verb_on_order(*order, "show", "Show an order", *options)->callback([&tool, options] {
    tool.action = [&tool, options] {
      return print_reply(tool, HttpClient(tool.server, tool.token).get(order_path(options->order_id)),
                         show_order);
    };
  });
  CLI::App* list = order->add_subcommand("list", "List an account's orders, newest first");
  list->add_option("--account", options->account, "Whose orders")->required();
  list->add_option("--status", options->status, "Only those with this status");
  list->add_option("--limit", options->limit, "How many")->check(CLI::Range(1, 100))->capture_default_str();
  list->add_option("--cursor", options->cursor, "Go on where the last list ended");
  list->callback(
      [&tool, options] { tool.action = [&tool, options] { return list_orders(tool, *options); }; });

  add_verb_on_order(*order, "explain", "Tell what happened to an order, and what is missing", *options)
      ->callback([&tool, options] {
        tool.action = [&tool, options] {
          const std::string path = order_path(options->order_id, "/explain");
          return print_reply(tool, HttpClient(tool.server, tool.token).get(path), show_explanation);
        };
      });
  add_verb_on_order(*order, "close", "Close an order that is not paid", *options)->callback([&tool, options] {
    tool.action = [&tool, options] {
      const std::string path = order_path(options->order_id, "/close");
      return print_reply(tool, HttpClient(tool.server, tool.token).post(path, ""),
                         [options](const std::string& body) {
                           const std::string lines = describe_object(body);
                           return lines.empty() ? "closed " + options->order_id + '\n' : lines;
                         });
    };
  });
  CLI::App* orders = app.add_subcommand("orders", "Look at all orders");
  orders->require_subcommand(1);
  CLI::App* stuck = orders->add_subcommand("stuck", "List recharges and refunds that are not ended, and why");
  stuck->add_option("--limit", options->limit, "How many")->check(CLI::Range(1, 100))->capture_default_str();
  stuck->add_option("--cursor", options->cursor, "Go on where the last list ended");
  stuck->callback([&tool, options] {
    tool.action = [&tool, options] {
      std::string path = "/api/orders/stuck?limit=" + std::to_string(options->limit);
      if (!options->cursor.empty()) path += "&cursor=" + percent_encode(options->cursor);
      return print_reply(tool, HttpClient(tool.server, tool.token).get(path), show_stuck);
    };
  });

  CLI::App* refund = add_verb_on_order(*order, "refund", "Pay a recharged order back", *options);
  refund->add_option("--amount", options->amount, "How much; without it, all that is left");
  refund->add_option("--refund-id", options->refund_id, "Makes repeating harmless; made when absent");
  refund->callback(
      [&tool, options] { tool.action = [&tool, options] { return refund_order(tool, *options); }; });
}

}  // namespace recharge
