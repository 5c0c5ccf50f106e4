#include "tools/load_loop.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "tests/tools/scripted_server.h"
#include "tools/load_phase.h"

namespace recharge {
namespace {

// Counts how often each request was asked for and answered.
class Counting final : public Workload {
 public:
  explicit Counting(std::uint32_t requests) : answered_(requests) {}
  bool next(std::uint32_t& token, std::string_view& bytes) override {
    if (next_ == answered_.size()) return false;
    token = next_++;
    bytes_ = "GET /" + std::to_string(token) + " HTTP/1.1\r\nHost: h\r\n\r\n";
    bytes = bytes_;
    return true;
  }
  void on_reply(std::uint32_t token, const ParsedReply& reply) override {
    EXPECT_EQ(reply.body, "ok");
    ++answered_[token];
  }
  bool each_answered_once() const {
    return std::ranges::all_of(answered_, [](int count) { return count == 1; });
  }
  int answers() const { return std::accumulate(answered_.begin(), answered_.end(), 0); }

 private:
  std::uint32_t next_ = 0;
  std::vector<int> answered_;
  std::string bytes_;
};

LoopResult run_loop(const ScriptedServer& server, Workload& workload, std::size_t connections,
                    std::size_t pipeline, double rate = 0, double duration_s = 0) {
  PhaseSettings settings;
  settings.endpoint = *resolve_endpoint(server.url());
  settings.connections = connections;
  settings.pipeline = pipeline;
  settings.rate = rate;
  settings.duration_s = duration_s;
  auto phase = run_phase(settings, {&workload});
  EXPECT_TRUE(phase);
  return phase->loops;
}

TEST(LoadLoop, GetsOneReplyForEveryRequest) {
  for (const std::size_t pipeline : {1U, 4U, 16U}) {
    const ScriptedServer server({});
    Counting workload(1'000);
    const LoopResult result = run_loop(server, workload, 3, pipeline);
    EXPECT_TRUE(workload.each_answered_once()) << pipeline;
    EXPECT_EQ(result.requests, 1'000U);
    EXPECT_EQ(result.replies_by_status[200], 1'000U);
    EXPECT_EQ(result.latency.count(), 1'000U);
    EXPECT_EQ(result.lost + result.disconnects + result.malformed, 0U);
    EXPECT_FALSE(result.server_gone);
  }
}

TEST(LoadLoop, PutsRepliesTogetherThatArriveByteByByte) {
  ServerScript script;
  script.byte_by_byte = true;
  const ScriptedServer server(script);
  Counting workload(100);
  const LoopResult result = run_loop(server, workload, 2, 4);
  EXPECT_TRUE(workload.each_answered_once());
  EXPECT_EQ(result.malformed, 0U);
}

TEST(LoadLoop, OpensConnectionsAgainAndCountsWhatWasLost) {
  ServerScript script;
  script.end_connection_after = 10;
  const ScriptedServer server(script);
  Counting workload(200);
  const LoopResult result = run_loop(server, workload, 2, 4);
  EXPECT_EQ(result.requests, 200U);
  EXPECT_EQ(result.replies + result.lost, 200U);
  EXPECT_GT(result.lost, 0U);
  EXPECT_GT(result.disconnects, 5U);
  EXPECT_EQ(static_cast<std::uint64_t>(workload.answers()), result.replies);
  EXPECT_FALSE(result.server_gone);
}

TEST(LoadLoop, AnAnnouncedEndLosesNothing) {
  ServerScript script;
  script.end_connection_after = 10;
  script.announce_end = true;
  const ScriptedServer server(script);
  Counting workload(105);
  const LoopResult result = run_loop(server, workload, 1, 1);
  EXPECT_TRUE(workload.each_answered_once());
  EXPECT_EQ(result.lost + result.disconnects, 0U);
}

TEST(LoadLoop, EndsWhenTheServerIsGone) {
  ServerScript script;
  script.stop_listening_after = 50;
  const ScriptedServer server(script);
  Counting workload(1'000'000);
  const LoopResult result = run_loop(server, workload, 2, 2);
  EXPECT_TRUE(result.server_gone);
  EXPECT_GE(result.replies, 50U);
  EXPECT_EQ(result.replies + result.lost, result.requests);
}

TEST(LoadLoop, CountsRepliesThatItCannotRead) {
  ServerScript script;
  script.reply = "HTTP/1.1 200 OK\r\n\r\n";
  const ScriptedServer server(script);
  Counting workload(3);
  const LoopResult result = run_loop(server, workload, 1, 1);
  EXPECT_EQ(result.malformed, 3U);
  EXPECT_EQ(result.replies, 0U);
  EXPECT_EQ(result.lost, 3U);
}

TEST(LoadLoop, StopsAfterItsDuration) {
  const ScriptedServer server({});
  Counting workload(100'000'000 / 100);
  const LoopResult result = run_loop(server, workload, 1, 1, 0, 0.2);
  EXPECT_GT(result.replies, 0U);
  EXPECT_LT(result.finished_ns - result.started_ns, 2'000'000'000U);
  EXPECT_EQ(result.replies, result.requests);
}

// Requests that wait behind a slow reply are late, though each is answered at once when it is sent at last.
TEST(LoadLoop, CountsLatencyFromTheIntendedTime) {
  ServerScript script;
  script.first_reply_after = std::chrono::milliseconds(300);
  const ScriptedServer server(script);
  Counting workload(20);
  const LoopResult result = run_loop(server, workload, 1, 1, 100);
  EXPECT_TRUE(workload.each_answered_once());
  EXPECT_GE(result.latency.max_ns(), 290'000'000U);
  EXPECT_GE(result.latency.percentile_ns(50), 150'000'000U);
}

TEST(LoadLoop, KeepsItsRate) {
  const ScriptedServer server({});
  Counting workload(100);
  const LoopResult result = run_loop(server, workload, 4, 1, 200);
  EXPECT_TRUE(workload.each_answered_once());
  const std::uint64_t took_ms = (result.finished_ns - result.started_ns) / 1'000'000;
  EXPECT_GE(took_ms, 490U);
}

TEST(Endpoint, TakesUrlsOfHttpAlone) {
  EXPECT_NE(resolve_endpoint("https://127.0.0.1:8443")->tls, nullptr);
  EXPECT_EQ(resolve_endpoint("http://127.0.0.1:8080")->tls, nullptr);
  EXPECT_EQ(resolve_endpoint("http://127.0.0.1:8080/")->host_header, "127.0.0.1:8080");
  EXPECT_EQ(resolve_endpoint("http://[::1]:8080")->host_header, "[::1]:8080");
  for (const char* url : {"", "127.0.0.1:80", "ftp://127.0.0.1", "http://", "http://:80", "http://127.0.0.1:",
                          "http://127.0.0.1:80x", "http://[::1", "http://127.0.0.1:999999"}) {
    const auto endpoint = resolve_endpoint(url);
    ASSERT_FALSE(endpoint) << url;
    EXPECT_EQ(endpoint.error().code, ExitCode::usage) << url;
  }
}

}  // namespace
}  // namespace recharge
