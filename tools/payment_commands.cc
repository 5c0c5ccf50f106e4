// The verb that starts a payment.
#include <unistd.h>

#include <memory>

#include "core/qr_code.h"
#include "tools/json_text.h"
#include "tools/reply_printer.h"
#include "tools/verbs.h"

namespace recharge {
namespace {

struct PayOptions {
  std::string order_id, gateway, method;
  bool qr = false;
};

// Dark on light whatever the terminal's own colours are; without a terminal, as on paper.
std::string drawn_code(const std::string& reply) {
  const auto text = json_member(reply, "qr_code");
  const auto code = QrCode::make(text.value_or(""));
  if (!code) return "no code to scan: this gateway was paid, or is paid in another way\n";
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  std::string out;
  for (const std::string& line : code->to_lines())
    out += terminal ? "\x1b[38;5;16;48;5;231m" + line + "\x1b[0m\n" : line + '\n';
  return out;
}

ExitCode pay(const Tool& tool, const PayOptions& options) {
  if (options.qr && options.method == "h5")
    return report({ExitCode::usage, "--qr draws a code, and --method h5 has none"});
  JsonWriter body;
  body.text("order_id", options.order_id);
  if (!options.gateway.empty()) body.text("gateway", options.gateway);
  if (!options.method.empty() || options.qr) body.text("method", options.qr ? "qr" : options.method);
  return print_reply(tool, HttpClient(tool.server, tool.token).post("/api/pay", body.finish()),
                     [&options](const std::string& text) {
                       const auto msg = json_member(text, "msg");
                       const std::string lines = (msg ? *msg + '\n' : std::string{}) + describe_object(text);
                       return options.qr ? lines + drawn_code(text) : lines;
                     });
}

}  // namespace

void add_payment_verbs(CLI::App& app, Tool& tool) {
  const auto options = std::make_shared<PayOptions>();
  CLI::App* verb = app.add_subcommand("pay", "Start the payment of an order");
  verb->add_option("order_id", options->order_id, "The order")->required();
  verb->add_option("--gateway", options->gateway, "The gateway that takes the payment");
  verb->add_option("--method", options->method, "qr or h5")->check(CLI::IsMember({"qr", "h5"}));
  verb->add_flag("--qr", options->qr, "By method qr, and draw the code in the terminal");
  verb->callback([&tool, options] { tool.action = [&tool, options] { return pay(tool, *options); }; });
}

}  // namespace recharge
