// The verb that stands in for a supplier of recharges: simulate supplier.
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <mutex>

#include "core/base64.h"
#include "tools/simulated_supplier.h"
#include "tools/simulator_server.h"
#include "tools/verbs.h"

namespace recharge {
namespace {

struct Options {
  std::string listen = "127.0.0.1:9191";
  std::string name = "acme";
  std::string secret_file;
  SupplierOptions supplier;
};

Time wall_now() {
  return Time{std::chrono::duration_cast<std::chrono::milliseconds>(
                  std::chrono::system_clock::now().time_since_epoch())
                  .count()};
}

ToolError failed(const std::string& file, const std::string& what) {
  return {ExitCode::bad_configuration, file + ": " + what};
}

// Made where it is not there, for its owner alone.
ToolResult<std::string> secret_of(const std::string& file) {
  if (!std::filesystem::exists(file)) {
    std::array<std::uint8_t, 32> random;
    randombytes_buf(random.data(), random.size());
    const std::string text = "whsec_" + encode_base64(random) + "\n";
    const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return failed(file, "cannot be made");
    const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    if (::close(fd) != 0 || !written) return failed(file, "cannot be written");
  }
  std::ifstream in(file, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (!in) return failed(file, "cannot be read");
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  return text;
}

ExitCode serve(const Options& options) {
  if (sodium_init() < 0) return ExitCode::failure;
  const std::string file = options.secret_file.empty() ? options.name + ".secret" : options.secret_file;
  const auto secret = secret_of(file);
  if (!secret) return report(secret.error());
  auto supplier = SimulatedSupplier::make(*secret, options.supplier);
  if (!supplier) return report(supplier.error());
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);  // also of the server's thread
  auto server = SimulatorServer::listen(options.listen, [&supplier](const ApiRequest& request) {
    ApiReply reply = supplier->answer(request, wall_now());
    if (!supplier->happened().empty())
      std::cout << to_rfc3339(wall_now()) << "  " << supplier->happened() << std::endl;
    return reply;
  });
  if (!server) return report(server.error());
  std::cout << "simulated supplier at " << (*server)->url() << "\nsettings for recharged:\n\n"
            << "[fulfilment]\nkind = \"http\"\n\n[supplier." << options.name << "]\nurl = \""
            << (*server)->url() << "\"\nsecret_file = \"" << std::filesystem::absolute(file).string()
            << "\"\n"
            << std::endl;
  int number = 0;
  ::sigwait(&signals, &number);
  server->reset();
  std::cout << supplier->books() << std::endl;
  return ExitCode::ok;
}

}  // namespace

void add_supplier_verb(CLI::App& simulate, Tool& tool) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = simulate.add_subcommand("supplier", "Stand in for a supplier that performs recharges");
  verb->add_option("--listen", options->listen, "Where it is called")->capture_default_str();
  verb->add_option("--name", options->name, "What recharged calls it")->capture_default_str();
  verb->add_option("--secret-file", options->secret_file,
                   "Its secret; made where it is not there (NAME.secret)");
  verb->add_option("--seed", options->supplier.seed, "Of everything that is drawn")->capture_default_str();
  verb->add_option("--faults", options->supplier.fault_percent,
                   "Per cent of the requests that are done, or lost, without a good answer")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  verb->add_option("--failing", options->supplier.fail_percent,
                   "Per cent of the requests that it does not perform")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  verb->add_option("--silence-ms", options->supplier.silence_ms,
                   "How long it is silent where it never answers")
      ->capture_default_str();
  verb->add_option("--late-ms", options->supplier.late_ms, "How long it is in process where it answers late")
      ->capture_default_str();
  verb->footer(
      "GET /books shows everything that it was asked and did; so does its end, by SIGINT or SIGTERM.");
  verb->callback([&tool, options] { tool.action = [options] { return serve(*options); }; });
}

}  // namespace recharge
