// The verb that runs a throw-away recharged with simulated gateways (Alipay, WeChat Pay, Stripe and Standard
// Webhooks) in a folder that goes away with it.
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "tools/gateway_simulator.h"
#include "tools/gateway_verdict.h"
#include "tools/verbs.h"

namespace recharge {
namespace {

struct DevOptions {
  int port = 8080;
  bool gateways = true;
  SimulatorOptions simulator;
  std::vector<std::string> server_arguments;
};

constexpr std::string_view kListening = "recharged listening on ";
constexpr std::int64_t kSettleMs = 5'000;  // Ctrl-C is not to take long

// The folder exists as long as this does.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "recharge-dev-XXXXXX").string();
    if (::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;  // nothing more can be done about it
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::filesystem::path beside_this_program(const std::string& name) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? std::filesystem::path(name) : self.parent_path() / name;
}

void print_first_steps(const std::string& url, const std::string& folder) {
  const std::string recharge = beside_this_program("recharge").string();
  const std::string options = " --server " + url;
  std::cout << "\nEverything is kept in " << folder
            << " and removed at the end (Ctrl-C). In another terminal:\n\n"
            << "  " << recharge << options << " order create --account 13812345678 --amount 50.00\n"
            << "  " << recharge << options << " pay ORDER_ID\n"
            << "  " << recharge << options << " --secret-file " << folder
            << "/callback.secret callback ORDER_ID\n"
            << "  " << recharge << options << " balance 13812345678\n\n";
  std::cout.flush();
}

void print_first_gateway_steps(const std::string& url, const std::string& folder,
                               const std::string& gateways) {
  const std::string recharge = beside_this_program("recharge").string();
  std::cout << "Simulated gateways (alipay, wechat, stripe, standard) are at " << gateways
            << "; keys and settings in\n"
            << folder
            << "/gateways. What they know is compared with the books at the end. Through one of them:\n\n"
            << "  " << recharge << " --server " << url
            << " order create --account 13812345678 --amount 50.00 --gateway alipay\n"
            << "  curl -X POST '" << gateways
            << "/cashier/alipay/ORDER_ID?amount=50.00'    # the payer pays\n"
            << "  " << recharge << " --server " << url << " order explain ORDER_ID\n\n";
  std::cout.flush();
}

// Only async-signal-safe calls: this is the child, between fork and exec.
[[noreturn]] void become_server(const char* program, char* const* arguments, int output, pid_t parent) {
  ::setpgid(0, 0);  // the terminal's Ctrl-C reaches the parent only, which forwards it once
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);
  ::dup2(output, STDOUT_FILENO);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::execv(program, arguments);
  constexpr char kMessage[] = "recharge: cannot run recharged beside this program\n";
  if (::write(STDERR_FILENO, kMessage, sizeof kMessage - 1) < 0) ::_exit(126);
  ::_exit(127);
}

// Passes the server's stdout on, and tells the first steps once it listens. Ends when the server closes it.
void relay_output(int input, const std::string& folder, GatewaySimulator* simulator) {
  std::FILE* stream = ::fdopen(input, "r");
  std::array<char, 4096> line{};
  while (std::fgets(line.data(), static_cast<int>(line.size()), stream) != nullptr) {
    std::string_view text(line.data());
    std::cout << text << std::flush;
    if (!text.starts_with(kListening)) continue;
    text.remove_prefix(kListening.size());
    const std::string url(text.substr(0, text.find_last_not_of("\r\n") + 1));
    print_first_steps(url, folder);
    if (simulator != nullptr) {
      simulator->call_back_to(url);
      print_first_gateway_steps(url, folder, simulator->url());
    }
  }
  std::fclose(stream);
}

// Waits for signals in a thread of its own. The server gets each of them, once the simulated gateways, where
// there are such, were compared with it.
class SignalRelay {
 public:
  SignalRelay(const sigset_t& signals, pid_t server, std::function<ExitCode()> verdict)
      : signals_(signals), server_(server), verdict_(std::move(verdict)), thread_([this] { run(); }) {}
  // REQUIRES: the server has ended. What the verdict came to.
  ExitCode finish() {
    ended_ = true;
    ::pthread_kill(thread_.native_handle(), SIGTERM);
    thread_.join();
    return result_;
  }

 private:
  void run() {
    while (true) {
      int number = 0;
      ::sigwait(&signals_, &number);
      if (ended_) return;
      if (verdict_) result_ = std::exchange(verdict_, nullptr)();
      ::kill(server_, number);
    }
  }

  const sigset_t signals_;
  const pid_t server_;
  std::function<ExitCode()> verdict_;
  std::atomic<bool> ended_ = false;
  ExitCode result_ = ExitCode::ok;
  std::thread thread_;
};

ExitCode exit_code_of(int status) {
  if (WIFEXITED(status) && WEXITSTATUS(status) <= 4) return static_cast<ExitCode>(WEXITSTATUS(status));
  return ExitCode::failure;
}

// Adds the settings that it made to the server's command line.
ToolResult<std::unique_ptr<GatewaySimulator>> start_gateways(const DevOptions& options,
                                                             const std::string& folder,
                                                             std::vector<std::string>& words) {
  if (sodium_init() < 0) return ToolError{ExitCode::failure, "libsodium cannot be used"};
  auto accounts = SimulatedAccounts::open(folder + "/gateways");
  if (!accounts) return accounts.error();
  auto simulator = GatewaySimulator::start(std::move(*accounts), options.simulator, &std::cerr);
  if (!simulator) return simulator.error();
  const std::string server = "http://127.0.0.1:" + std::to_string(options.port);
  const auto file =
      write_gateway_settings(folder + "/gateways", (*simulator)->accounts(), (*simulator)->url(), server);
  if (!file) return file.error();
  words.insert(words.end(), {"--config", *file});
  return simulator;
}

ExitCode run_dev(const DevOptions& options) {
  const std::string program = beside_this_program("recharged").string();
  if (::access(program.c_str(), X_OK) != 0) {
    return report({ExitCode::bad_configuration, "no recharged beside this program: " + program});
  }
  const TemporaryFolder folder;
  if (folder.path().empty()) {
    return report(
        {ExitCode::failure, std::string("cannot make a temporary folder: ") + std::strerror(errno)});
  }
  std::vector<std::string> words{program, "--data-dir", folder.path(), "--listen",
                                 "127.0.0.1:" + std::to_string(options.port)};

  // In every thread, and waited for in one.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  std::unique_ptr<GatewaySimulator> simulator;
  if (options.gateways) {
    ::setenv("RECHARGED_STORE__CHECKPOINT_INTERVAL_MS", "500", 0);  // the verdict waits for the books
    auto started = start_gateways(options, folder.path(), words);
    if (!started) return report(started.error());
    simulator = std::move(*started);
  }
  words.insert(words.end(), options.server_arguments.begin(), options.server_arguments.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return report({ExitCode::failure, std::strerror(errno)});
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) become_server(program.c_str(), arguments.data(), ends[1], parent);
  ::close(ends[1]);
  if (child < 0) {
    ::close(ends[0]);
    return report({ExitCode::failure, std::string("cannot start recharged: ") + std::strerror(errno)});
  }
  std::function<ExitCode()> verdict;
  if (simulator) {
    verdict = [&] {
      const std::string server = simulator->merchant();
      if (server.empty()) return ExitCode::ok;  // it did not listen yet
      return conclude({server, "", folder.path(), folder.path(), scratch_default(), kSettleMs}, *simulator,
                      nullptr, false, std::cout);
    };
  }
  SignalRelay relay(signals, child, std::move(verdict));
  relay_output(ends[0], folder.path(), simulator.get());
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  const ExitCode judged = relay.finish();
  const ExitCode ended = exit_code_of(status);
  return ended == ExitCode::ok ? judged : ended;
}

}  // namespace

void add_dev_verb(CLI::App& app, Tool& tool) {
  const auto options = std::make_shared<DevOptions>();
  options->simulator.listen = "127.0.0.1:0";
  CLI::App* verb = app.add_subcommand("dev", "Run a throw-away recharged with simulated gateways");
  verb->add_option("--port", options->port, "Where it listens on 127.0.0.1; 0 picks a free port")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  verb->add_flag("--gateways,!--no-gateways", options->gateways,
                 "With simulated Alipay, WeChat Pay, Stripe and Standard Webhooks, which is the default");
  verb->add_option("--gateways-listen", options->simulator.listen,
                   "Where those are called; port 0 picks a free one")
      ->capture_default_str();
  verb->add_flag("--faults", options->simulator.faults, "Their callbacks come twice, late, forged, or never");
  verb->add_option("arguments", options->server_arguments, "More arguments for recharged, after --");
  verb->callback([&tool, options] { tool.action = [options] { return run_dev(*options); }; });
}

}  // namespace recharge
