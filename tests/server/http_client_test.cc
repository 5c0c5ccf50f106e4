#include "server/http_client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <future>

#include "tests/server/small_http_server.h"

namespace recharge {
namespace {

using namespace std::chrono_literals;
using Kind = HttpAnswer::Kind;

std::string reply(const std::string& body, const std::string& status = "200 OK",
                  const std::string& headers = {}) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + headers +
         "\r\n" + body;
}

HttpClientOptions quick() {
  HttpClientOptions options;
  options.limits.connect_timeout = 2'000ms;
  options.limits.timeout = 5'000ms;
  return options;
}

std::future<HttpAnswer> begin(HttpClient& client, HttpCall call) {
  auto promise = std::make_shared<std::promise<HttpAnswer>>();
  EXPECT_TRUE(client.submit(std::move(call),
                            [promise](HttpAnswer&& answer) { promise->set_value(std::move(answer)); }));
  return promise->get_future();
}
HttpAnswer ask(HttpClient& client, HttpCall call) { return begin(client, std::move(call)).get(); }

// Lets requests wait until it is opened.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

TEST(HttpClient, SendsWhatItWasGivenAndGivesBackTheWholeAnswer) {
  std::string seen;
  SmallHttpServer server([&](const std::string& request) {
    seen = request;
    return "HTTP/1.1 103 Early Hints\r\nX-Interim: 1\r\n\r\n" +
           reply("answer", "201 Created", "X-A: b c\r\n");
  });
  HttpClient client(quick());
  const HttpAnswer answer = ask(
      client, {"POST", server.url("/a/../b?x=%2F"), {{"Content-Type", "text/x"}, {"X-Empty", ""}}, "body"});
  EXPECT_EQ(answer.kind, Kind::answered) << answer.error;
  EXPECT_EQ(answer.status, 201U);
  EXPECT_EQ(answer.body, "answer");
  EXPECT_NE(answer.header_lines.find("X-A: b c\r\n"), std::string::npos);
  EXPECT_EQ(answer.header_lines.find("X-Interim"), std::string::npos);
  EXPECT_TRUE(seen.starts_with("POST /a/../b?x=%2F HTTP/1.1\r\n")) << seen;
  EXPECT_NE(seen.find("Content-Type: text/x\r\n"), std::string::npos) << seen;
  EXPECT_NE(seen.find("X-Empty:\r\n"), std::string::npos) << seen;
  EXPECT_EQ(seen.find("Expect"), std::string::npos) << seen;
  EXPECT_TRUE(seen.ends_with("\r\n\r\nbody")) << seen;
}

TEST(HttpClient, KeepsConnectionsAndFollowsNoRedirect) {
  SmallHttpServer server(
      [](const std::string&) { return reply("", "302 Found", "Location: http://127.0.0.1:1/\r\n"); });
  HttpClient client(quick());
  for (int i = 0; i < 5; ++i) {
    const HttpAnswer answer = ask(client, {"GET", server.url(), {}, {}});
    EXPECT_EQ(answer.kind, Kind::answered) << answer.error;
    EXPECT_EQ(answer.status, 302U);
  }
  EXPECT_EQ(server.connections(), 1U);
}

TEST(HttpClient, OpensNoMoreConnectionsToAHostThanAllowed) {
  Gate gate;
  SmallHttpServer server([&](const std::string&) {
    gate.wait();
    return reply("late");
  });
  HttpClientOptions options = quick();
  options.limits.max_connections_per_host = 2;
  options.limits.max_calls = 6;
  HttpClient client(options);
  std::vector<std::future<HttpAnswer>> answers;
  for (int i = 0; i < 6; ++i) answers.push_back(begin(client, {"GET", server.url(), {}, {}}));
  EXPECT_FALSE(client.submit({"GET", server.url(), {}, {}}, [](HttpAnswer&&) { ADD_FAILURE(); }))
      << "the seventh is one too many";
  EXPECT_EQ(client.calls(), 6U);
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(server.connections(), 2U);
  gate.open();
  for (auto& answer : answers) EXPECT_EQ(answer.get().body, "late");
  EXPECT_EQ(server.connections(), 2U);
  for (int i = 0; i < 100 && client.calls() > 0; ++i) std::this_thread::sleep_for(10ms);
  EXPECT_EQ(client.calls(), 0U);
}

TEST(HttpClient, TellsWhatWasNotSentFromWhatWasNotAnswered) {
  Gate gate;
  SmallHttpServer server([&](const std::string& request) {
    if (request.find("/slow") != std::string::npos) gate.wait();
    return request.find("/large") != std::string::npos ? reply(std::string(5'000, 'x')) : std::string();
  });
  HttpClientOptions options = quick();
  options.limits.max_answer_bytes = 4'096;
  HttpClient client(options);
  const struct {
    const char* name;
    HttpCall call;
    Kind kind;
    const char* error;
  } cases[] = {
      {"nobody listens", {"GET", "http://127.0.0.1:1/", {}, {}}, Kind::not_sent, "connect"},
      {"no such host", {"GET", "http://nowhere.invalid/", {}, {}}, Kind::not_sent, "resolve"},
      {"a file", {"GET", "file:///etc/hostname", {}, {}}, Kind::not_sent, "neither http"},
      {"another scheme", {"GET", "gopher://127.0.0.1/", {}, {}}, Kind::not_sent, "neither http"},
      {"another method", {"DELETE", server.url(), {}, {}}, Kind::not_sent, "neither GET"},
      {"a password in the URL", {"GET", "http://a:b@127.0.0.1/", {}, {}}, Kind::not_sent, ""},
      {"a line break in the URL", {"GET", server.url("/\r\nX: y"), {}, {}}, Kind::not_sent, "encoded"},
      {"a line break in a header", {"GET", server.url(), {{"X", "a\r\nY: b"}}, {}}, Kind::not_sent, "header"},
      {"closed without an answer", {"POST", server.url("/closed"), {}, "b"}, Kind::no_answer, ""},
      {"too slow", {"GET", server.url("/slow"), {}, {}, 200ms}, Kind::no_answer, "imeout"},
      {"too large", {"GET", server.url("/large"), {}, {}}, Kind::no_answer, "too large"},
  };
  for (const auto& row : cases) {
    const HttpAnswer answer = ask(client, row.call);
    EXPECT_EQ(answer.kind, row.kind) << row.name << ": " << answer.error;
    EXPECT_FALSE(answer.error.empty()) << row.name;
    EXPECT_NE(answer.error.find(row.error), std::string::npos) << row.name << ": " << answer.error;
    EXPECT_TRUE(answer.body.empty()) << row.name;
  }
  gate.open();
}

TEST(HttpClient, AsksBeforeItConnectsToAnAddress) {
  SmallHttpServer server([](const std::string&) { return reply("ok"); });
  HttpClientOptions options = quick();
  options.allow_address = [](const sockaddr& address) {
    if (address.sa_family != AF_INET) return false;
    const void* plain = &address;
    return static_cast<const sockaddr_in*>(plain)->sin_addr.s_addr != htonl(INADDR_LOOPBACK);
  };
  HttpClient client(options);
  for (const std::string host :
       {"127.0.0.1", "localhost", "2130706433"}) {  // the last: the same, as one number
    const HttpAnswer answer = ask(client, {"GET", server.url("/", host), {}, {}});
    EXPECT_EQ(answer.kind, Kind::not_sent) << host;
    EXPECT_EQ(answer.error, "the address is not allowed") << host;
  }
  EXPECT_EQ(server.connections(), 0U);
}

TEST(HttpClient, AsksNoProxy) {
  SmallHttpServer server([](const std::string&) { return reply("direct"); });
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  HttpClient client(quick());
  EXPECT_EQ(ask(client, {"GET", server.url(), {}, {}}).body, "direct");
  ::unsetenv("http_proxy");
}

TEST(HttpClient, StopsAtOnceAndAnswersWhatWasUnderWay) {
  Gate gate;
  SmallHttpServer server([&](const std::string&) {
    gate.wait();
    return reply("late");
  });
  HttpClientOptions options = quick();
  options.limits.max_connections_per_host = 1;
  HttpClient client(options);
  auto sent = begin(client, {"GET", server.url(), {}, {}});
  while (server.connections() == 0) std::this_thread::sleep_for(1ms);
  std::this_thread::sleep_for(50ms);
  auto waiting = begin(client, {"GET", server.url(), {}, {}});
  const auto before = std::chrono::steady_clock::now();
  client.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - before, 1s);
  EXPECT_EQ(sent.get().kind, Kind::no_answer);
  const HttpAnswer never = waiting.get();
  EXPECT_EQ(never.kind, Kind::not_sent);
  EXPECT_EQ(never.error, "stopped");
  EXPECT_FALSE(client.submit({"GET", server.url(), {}, {}}, [](HttpAnswer&&) { ADD_FAILURE(); }));
  gate.open();
}

TEST(HttpClient, TrustsOnlyTheAuthorityThatItWasGiven) {
  const auto folder = std::filesystem::temp_directory_path() / ("http_client_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const std::string key = folder / "key.pem";
  const std::string certificate = folder / "certificate.pem";
  const std::string command =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
      "-addext subjectAltName=DNS:localhost -keyout " +
      key + " -out " + certificate + " 2>/dev/null";
  ASSERT_EQ(std::system(command.c_str()), 0);
  {
    SmallHttpServer server([](const std::string&) { return reply("sealed"); }, certificate, key);
    HttpClientOptions trusting = quick();
    trusting.ca_file = certificate;
    HttpClient client(trusting);
    HttpClient stranger(quick());
    EXPECT_EQ(ask(client, {"GET", server.url("/", "localhost"), {}, {}}).body, "sealed");
    const HttpAnswer unknown = ask(stranger, {"GET", server.url("/", "localhost"), {}, {}});
    EXPECT_EQ(unknown.kind, Kind::not_sent);
    EXPECT_NE(unknown.error.find("ertificate"), std::string::npos) << unknown.error;
    const HttpAnswer misnamed = ask(client, {"GET", server.url("/", "127.0.0.1"), {}, {}});
    EXPECT_EQ(misnamed.kind, Kind::not_sent);
    EXPECT_NE(misnamed.error.find("ertificate"), std::string::npos) << misnamed.error;
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace recharge
