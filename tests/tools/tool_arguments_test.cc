// Command lines that must not get as far as a server, and what the tool ends with when there is none.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tools/completion_script.h"
#include "tools/tool.h"

namespace recharge {
namespace {

// Nothing listens on port 1 of this machine.
constexpr const char* kNoServer = "http://127.0.0.1:1";

struct Ending {
  ExitCode code;
  std::string out;
  std::string err;
};

Ending run(const std::vector<std::string>& words) {
  std::vector<const char*> arguments{"recharge"};
  for (const std::string& word : words) arguments.push_back(word.c_str());
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const ExitCode code = run_tool(static_cast<int>(arguments.size()), arguments.data());
  return {code, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
}

struct Case {
  std::string name;
  std::vector<std::string> words;
  ExitCode code;
};

class Arguments : public testing::TestWithParam<Case> {};

TEST_P(Arguments, EndWithTheirExitCode) {
  const Ending result = run(GetParam().words);
  EXPECT_EQ(result.code, GetParam().code) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_NE(result.err, "");
}

INSTANTIATE_TEST_SUITE_P(
    Lines, Arguments,
    testing::Values(
        Case{"no_verb", {}, ExitCode::usage}, Case{"unknown_verb", {"bogus"}, ExitCode::usage},
        Case{"unknown_option", {"balance", "13812345678", "--nonsense"}, ExitCode::usage},
        Case{"group_without_verb", {"order"}, ExitCode::usage},
        Case{"create_without_amount", {"order", "create", "--account", "13812345678"}, ExitCode::usage},
        Case{"list_with_limit_101", {"order", "list", "--account", "a", "--limit", "101"}, ExitCode::usage},
        Case{"debit_without_amount", {"debit", "13812345678"}, ExitCode::usage},
        Case{"callback_with_other_status", {"callback", "x", "--status", "maybe"}, ExitCode::usage},
        Case{"callback_zero_times", {"callback", "x", "--times", "0"}, ExitCode::usage},
        Case{"resolve_without_action", {"exceptions", "resolve", "x"}, ExitCode::usage},
        Case{
            "resolve_with_other_action", {"exceptions", "resolve", "x", "--action", "keep"}, ExitCode::usage},
        Case{"pay_by_page_with_qr", {"pay", "x", "--qr", "--method", "h5"}, ExitCode::usage},
        Case{"pay_by_other_method", {"pay", "x", "--method", "cash"}, ExitCode::usage},
        Case{"completion_of_another_shell", {"completion", "csh"}, ExitCode::usage},
        Case{"load_of_another_mix", {"load", "--mix", "chaos"}, ExitCode::usage},
        Case{"load_without_connections", {"load", "--connections", "0"}, ExitCode::usage},
        Case{"load_with_text_for_a_number", {"load", "--rate", "fast"}, ExitCode::usage},
        Case{"load_with_more_threads_than_connections",
             {"load", "--threads", "4", "--connections", "2"},
             ExitCode::usage},
        Case{"load_with_more_requests_than_orders",
             {"load", "--requests", "9", "--orders", "3"},
             ExitCode::usage},
        Case{"load_emits_no_look_ups", {"load", "--mix", "balance", "--emit-wrk", "/tmp/x"}, ExitCode::usage},
        Case{"load_beside_of_orders",
             {"load", "--mix", "place", "--duration", "1", "--beside", "http://127.0.0.1:1"},
             ExitCode::usage},
        Case{"load_by_tls",
             {"--server", "https://127.0.0.1:1", "load", "--mix", "balance"},
             ExitCode::unreachable},
        Case{"ca_file_missing",
             {"--server", "https://127.0.0.1:1", "--ca-file", "/nonexistent", "load", "--mix", "balance"},
             ExitCode::usage},
        Case{"server_is_no_url", {"--server", "ftp://127.0.0.1", "balance", "13812345678"}, ExitCode::usage},
        Case{"secret_file_missing",
             {"--secret-file", "/nonexistent", "callback", "x"},
             ExitCode::bad_configuration},
        Case{"sign_without_secret",
             {"--secret-file", "/nonexistent", "sign", "-"},
             ExitCode::bad_configuration},
        Case{"load_without_secret",
             {"--server", kNoServer, "--secret-file", "/nonexistent", "load"},
             ExitCode::bad_configuration},
        Case{"balance_unreachable", {"--server", kNoServer, "balance", "13812345678"}, ExitCode::unreachable},
        Case{"show_unreachable", {"order", "show", "x", "--server", kNoServer}, ExitCode::unreachable},
        Case{"load_unreachable", {"--server", kNoServer, "load", "--mix", "balance"}, ExitCode::unreachable}),
    [](const auto& row) { return row.param.name; });

TEST(Tool, ShowsHelpOfEveryVerb) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"--help"},
                                             {"order", "--help"},
                                             {"order", "create", "--help"},
                                             {"load", "--help"},
                                             {"dev", "--help"}}) {
    const Ending result = run(words);
    EXPECT_EQ(result.code, ExitCode::ok);
    EXPECT_NE(result.out, "");
    EXPECT_EQ(result.err, "");
  }
}

TEST(Tool, DoctorSaysHowToFixAnUnreachableServer) {
  const Ending result = run({"--server", kNoServer, "doctor"});
  EXPECT_EQ(result.code, ExitCode::unreachable);
  EXPECT_NE(result.out.find("FAIL  reachable"), std::string::npos);
  EXPECT_NE(result.out.find("fix: "), std::string::npos);
}

TEST(Completion, KnowsVerbsAndOptionsInEveryShell) {
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    const Ending result = run({"completion", shell});
    EXPECT_EQ(result.code, ExitCode::ok);
    for (const char* word :
         {"order", "create", "--idempotency-key", "exceptions", "--server", "completion"}) {
      EXPECT_NE(result.out.find(word), std::string::npos) << shell << " " << word;
    }
  }
}

}  // namespace
}  // namespace recharge
