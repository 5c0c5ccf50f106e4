// The verb that starts a payment.
#include <iostream>
#include <memory>

#include "tools/json_text.h"
#include "tools/reply_printer.h"
#include "tools/verbs.h"

namespace recharge {
namespace {

struct PayOptions {
  std::string order_id, gateway, method;
  bool qr = false;
};

ExitCode pay(const Tool& tool, const PayOptions& options) {
  if (options.qr) return report({ExitCode::usage, "--qr is not in this build"});
  JsonWriter body;
  body.text("order_id", options.order_id);
  if (!options.gateway.empty()) body.text("gateway", options.gateway);
  if (!options.method.empty()) body.text("method", options.method);
  return print_reply(tool, HttpClient(tool.server, tool.token).post("/api/pay", body.finish()),
                     [](const std::string& text) {
                       const auto msg = json_member(text, "msg");
                       return (msg ? *msg + '\n' : std::string{}) + describe_object(text);
                     });
}

}  // namespace

void add_payment_verbs(CLI::App& app, Tool& tool) {
  const auto options = std::make_shared<PayOptions>();
  CLI::App* verb = app.add_subcommand("pay", "Start the payment of an order");
  verb->add_option("order_id", options->order_id, "The order")->required();
  verb->add_option("--gateway", options->gateway, "The gateway that takes the payment");
  verb->add_option("--method", options->method, "qr or h5")->check(CLI::IsMember({"qr", "h5"}));
  verb->add_flag("--qr", options->qr, "Draw the QR code in the terminal");
  verb->callback([&tool, options] { tool.action = [&tool, options] { return pay(tool, *options); }; });
}

}  // namespace recharge
