// The verbs that play the gateway: callback, sign.
#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

#include "tools/callback_body.h"
#include "tools/json_text.h"
#include "tools/reply_printer.h"
#include "tools/verbs.h"

namespace recharge {
namespace {

constexpr std::size_t kMaxBodyBytes = 1024 * 1024;

struct CallbackOptions {
  std::string order_id, transaction_id, amount;
  std::string status = "success";
  int times = 1;
  bool concurrent = false;
  std::string file;
};

std::int64_t unix_seconds_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

// The payment's own id: the order's where it has one, else the same at every repetition of the command.
std::string transaction_of(const CallbackOptions& options, const std::string& order) {
  if (!options.transaction_id.empty()) return options.transaction_id;
  if (auto known = json_member(order, "transaction_id")) return *std::move(known);
  std::string id = "txn_";
  for (const char c : options.order_id) {
    if (c != '-') id += c;
  }
  return id;
}

// Quoted, so that even an amount that is no number is sent as it was typed, for the server to refuse.
std::string amount_of(const CallbackOptions& options, const std::string& order) {
  return options.amount.empty() ? json_member(order, "amount").value_or("0") : json_string(options.amount);
}

ToolResult<std::string> make_body(const CallbackOptions& options, const std::string& order,
                                  CallbackSigner& signer) {
  JsonWriter body;
  body.text("order_id", options.order_id).text("transaction_id", transaction_of(options, order));
  body.raw("amount", amount_of(options, order)).text("status", options.status);
  body.raw("timestamp", std::to_string(unix_seconds_now()));
  return signer.sign_body(body.finish());
}

ExitCode print_callback_reply(const Tool& tool, const ToolResult<HttpReply>& reply) {
  if (!reply) return report(reply.error());
  const bool success = reply->status >= 200 && reply->status < 300;
  if (tool.json) {
    std::cout << reply->body << (reply->body.ends_with('\n') ? "" : "\n");
  } else if (success) {
    std::cout << reply->status << ' ' << json_member(reply->body, "msg").value_or("");
    if (const auto kind = json_member(reply->body, "exception")) std::cout << " (" << *kind << ')';
    std::cout << '\n';
  }
  std::cout.flush();
  if (success) return ExitCode::ok;
  return report({ExitCode::failure, std::to_string(reply->status) + ' ' + describe_error(*reply)});
}

ExitCode send_callback(const Tool& tool, const CallbackOptions& options) {
  auto signer = CallbackSigner::from_file(tool.secret_file);
  if (!signer) return report(signer.error());
  HttpClient client(tool.server, tool.token);
  const auto found = client.get("/api/orders/" + percent_encode(options.order_id));
  if (!found) return report(found.error());
  if (found->status != 200) return report({ExitCode::failure, describe_error(*found)});
  const std::string order = json_member(found->body, "order").value_or("{}");

  std::vector<ToolResult<HttpReply>> replies;
  std::vector<HttpRequest> requests;
  for (int i = 0; i < options.times; ++i) {
    auto body = make_body(options, order, *signer);
    if (!body) return report(body.error());
    requests.push_back({"POST", "/api/payment_callback", *std::move(body), {}});
    if (!options.concurrent) replies.push_back(client.send(requests.back()));
  }
  if (options.concurrent) replies = client.send_concurrently(requests);
  ExitCode worst = ExitCode::ok;
  for (const auto& reply : replies) {
    const ExitCode code = print_callback_reply(tool, reply);
    if (code > worst) worst = code;
  }
  return worst;
}

ToolResult<std::string> read_text(const std::string& file) {
  std::ifstream stream;
  if (file != "-") {
    stream.open(file, std::ios::binary);
    if (!stream) return ToolError{ExitCode::bad_configuration, "cannot read " + file};
  }
  std::istream& source = file == "-" ? std::cin : stream;
  std::string text(kMaxBodyBytes + 1, '\0');
  source.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (source.bad()) return ToolError{ExitCode::bad_configuration, "cannot read " + file};
  text.resize(static_cast<std::size_t>(source.gcount()));
  if (text.size() > kMaxBodyBytes) return ToolError{ExitCode::failure, file + " is longer than 1 MiB"};
  return text;
}

ExitCode sign_file(const Tool& tool, const CallbackOptions& options) {
  auto signer = CallbackSigner::from_file(tool.secret_file);
  if (!signer) return report(signer.error());
  const auto text = read_text(options.file);
  if (!text) return report(text.error());
  const auto body = signer->sign_body(*text);
  if (!body) return report(body.error());
  std::cout << *body << '\n';
  return ExitCode::ok;
}

}  // namespace

void add_callback_verbs(CLI::App& app, Tool& tool) {
  const auto options = std::make_shared<CallbackOptions>();
  CLI::App* callback =
      app.add_subcommand("callback", "Send the signed callback of an order, as its gateway would");
  callback->add_option("order_id", options->order_id, "The order")->required();
  callback->add_option("--status", options->status, "success or fail")
      ->check(CLI::IsMember({"success", "fail"}))
      ->capture_default_str();
  callback->add_option("--amount", options->amount, "Another amount than the order's");
  callback->add_option("--transaction-id", options->transaction_id,
                       "The payment's id; by default the order's");
  callback->add_option("--times", options->times, "Send it so often")->check(CLI::Range(1, 10'000));
  callback->add_flag("--concurrent", options->concurrent, "Send them all at the same time");
  callback->callback(
      [&tool, options] { tool.action = [&tool, options] { return send_callback(tool, *options); }; });

  CLI::App* sign = app.add_subcommand("sign", "Print a callback body with its signature added");
  sign->add_option("file", options->file, "The unsigned JSON body; - reads stdin")->required();
  sign->callback([&tool, options] { tool.action = [&tool, options] { return sign_file(tool, *options); }; });
}

}  // namespace recharge
