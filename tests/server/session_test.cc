#include "server/session.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "tests/server/test_server.h"

namespace recharge {
namespace {

using namespace std::chrono_literals;

std::string get(const std::string& path, const std::string& headers = {}) {
  return "GET " + path + " HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n";
}
std::string balance(const std::string& id) {
  return get("/api/check_balance?account=13812345678", "X-Request-Id: " + id + "\r\n");
}
std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}
bool wait_for(const std::function<bool()>& condition) {
  for (int i = 0; i < 500; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

TEST(Session, AnswersInOrderWhateverIsReadyFirst) {
  TestServer server;
  server.engine.hold();
  RawClient client(server);
  client.send(balance("one") + get("/livez", "X-Request-Id: two\r\n") + balance("three") +
              get("/nothing", "X-Request-Id: four\r\n"));
  ASSERT_TRUE(wait_for([&] { return server.engine.submitted() == 2; }));
  EXPECT_EQ(client.read_replies(1, 100), "") << "the second reply must wait for the first";
  server.engine.release();
  const std::string replies = client.read_replies(4);
  const std::size_t at[] = {replies.find("X-Request-Id: one"), replies.find("X-Request-Id: two"),
                            replies.find("X-Request-Id: three"), replies.find("X-Request-Id: four")};
  for (int i = 0; i < 4; ++i) ASSERT_NE(at[i], std::string::npos) << i;
  EXPECT_TRUE(at[0] < at[1] && at[1] < at[2] && at[2] < at[3]);
  EXPECT_EQ(count_of(replies, "HTTP/1.1 200 OK"), 3U);
  EXPECT_EQ(count_of(replies, "HTTP/1.1 404 Not Found"), 1U);
}

TEST(Session, HoldsNoMoreThanSixteenRequestsUnderWay) {
  TestServer server;
  server.engine.hold();
  RawClient client(server);
  std::string requests;
  for (int i = 0; i < 40; ++i) requests += balance("r" + std::to_string(i));
  client.send(requests);
  ASSERT_TRUE(wait_for([&] { return server.engine.submitted() == kMaxPipelined; }));
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(server.engine.submitted(), kMaxPipelined);
  server.engine.release();
  const std::string replies = client.read_replies(40);
  EXPECT_EQ(count_of(replies, "HTTP/1.1 200 OK"), 40U);
  std::size_t before = 0;
  for (int i = 0; i < 40; ++i) {
    const std::size_t at = replies.find("X-Request-Id: r" + std::to_string(i) + "\r\n");
    ASSERT_NE(at, std::string::npos);
    EXPECT_GE(at, before);
    before = at;
  }
}

// Their replies are sent by one call; each of them has more requests waiting than may be under way.
TEST(Session, ConnectionsThatAreAnsweredTogetherGetAllTheirReplies) {
  constexpr unsigned kClients = SendBatch::kMaxSends + 3;
  TestServer server;
  server.engine.hold();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (unsigned client = 0; client < kClients; ++client) {
    clients.push_back(std::make_unique<RawClient>(server));
    std::string requests;
    for (int i = 0; i < 40; ++i) requests += balance("c" + std::to_string(client) + "-" + std::to_string(i));
    clients.back()->send(requests);
  }
  ASSERT_TRUE(wait_for([&] { return server.engine.submitted() == kClients * kMaxPipelined; }));
  server.engine.release();
  for (unsigned client = 0; client < kClients; ++client) {
    const std::string replies = clients[client]->read_replies(40);
    EXPECT_EQ(count_of(replies, "HTTP/1.1 200 OK"), 40U) << client;
    EXPECT_EQ(count_of(replies, "X-Request-Id: c" + std::to_string(client) + "-"), 40U) << client;
  }
}

TEST(Session, SlowReadersAndThoseThatVanishedAreInNobodysWay) {
  TestServer server;
  server.engine.hold();
  RawClient slow(server, 4096);
  RawClient gone(server);
  RawClient quick(server);
  std::string requests;
  for (int i = 0; i < 40; ++i) requests += get("/api/orders?account=13812345678&limit=100");
  for (RawClient* client : {&slow, &gone, &quick}) client->send(requests);
  ASSERT_TRUE(wait_for([&] { return server.engine.submitted() == 3 * kMaxPipelined; }));
  gone.close();
  server.engine.release();
  EXPECT_EQ(count_of(quick.read_replies(40), "HTTP/1.1 200 OK"), 40U);
  EXPECT_EQ(count_of(slow.read_replies(40), "HTTP/1.1 200 OK"), 40U);
}

TEST(Session, ReadsARequestSplitAtEveryByte) {
  TestServer server;
  const std::string body = R"({"action":"dismiss"})";
  const std::string request =
      "POST /api/exceptions/x/resolve HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) +
      "\r\n\r\n" + body;
  RawClient client(server);
  for (std::size_t split = 1; split < request.size(); ++split) {
    client.send(request.substr(0, split));
    std::this_thread::sleep_for(1ms);
    client.send(request.substr(split));
    ASSERT_NE(client.read_replies(1).find("exception_not_found"), std::string::npos) << split;
  }
}

TEST(Session, HeadHasTheHeadersOfGetAndNoBody) {
  TestServer server;
  RawClient client(server);
  client.send("HEAD /livez HTTP/1.1\r\nHost: a\r\n\r\n" + get("/livez", "Connection: close\r\n"));
  const std::string replies = client.read_to_end();
  EXPECT_EQ(count_of(replies, "Content-Length: 26"), 2U);
  EXPECT_EQ(count_of(replies, R"({"code":200,"msg":"Alive"})"), 1U);
}

TEST(Session, SendsContinueOnlyWhereItIsWaitedFor) {
  TestServer server;
  RawClient client(server);
  client.send("POST /api/pay HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.read_replies(1), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("{}");
  EXPECT_NE(client.read_replies(1).find("order_id: missing"), std::string::npos);
}

TEST(Session, RefusesALargeBodyBeforeItIsSent) {
  TestServer server;
  RawClient client(server);
  client.send("POST /api/pay HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 70000\r\n\r\n");
  const std::string reply = client.read_to_end();
  EXPECT_NE(reply.find("413 Content Too Large"), std::string::npos);
  EXPECT_EQ(reply.find("100 Continue"), std::string::npos);
  EXPECT_NE(reply.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(client.ended());
}

TEST(Session, AnErrorReplyIsNotLostToUnreadBytes) {
  for (int i = 0; i < 20; ++i) {
    TestServer server;
    RawClient client(server);
    client.send("POST /api/pay HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n" +
                std::string(70000, 'x'));
    EXPECT_NE(client.read_to_end().find("413"), std::string::npos);
    EXPECT_TRUE(client.ended());
    EXPECT_FALSE(client.was_reset());
  }
}

TEST(Session, OldClientsAreClosedUnlessTheyAskOtherwise) {
  TestServer server;
  RawClient client(server);
  client.send("GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_NE(client.read_replies(1).find("Connection: keep-alive"), std::string::npos);
  client.send("GET /livez HTTP/1.0\r\n\r\n");
  EXPECT_NE(client.read_to_end().find("Connection: close"), std::string::npos);
  EXPECT_TRUE(client.ended());
}

TEST(Session, AHalfClosedClientGetsItsReplies) {
  TestServer server;
  server.engine.hold();
  RawClient client(server);
  client.send(balance("a") + balance("b"));
  client.end_sending();
  ASSERT_TRUE(wait_for([&] { return server.engine.submitted() == 2; }));
  server.engine.release();
  EXPECT_EQ(count_of(client.read_to_end(), "HTTP/1.1 200 OK"), 2U);
  EXPECT_TRUE(client.ended());
}

// More requests than are under way at once, with the end behind them: none of them is forgotten.
TEST(Session, AHalfClosedClientGetsTheRepliesToAllThatItSent) {
  TestServer server;
  RawClient client(server);
  constexpr unsigned kRequests = 5 * kMaxPipelined;
  std::string requests;
  for (unsigned i = 0; i < kRequests; ++i) requests += balance("a");
  client.send(requests);
  client.end_sending();
  EXPECT_EQ(count_of(client.read_to_end(), "HTTP/1.1 200 OK"), kRequests);
  EXPECT_TRUE(client.ended());
}

TEST(Session, SurvivesAClientThatVanishesWithRequestsUnderWay) {
  TestServer server;
  server.engine.hold();
  for (int i = 0; i < 10; ++i) {
    RawClient client(server);
    client.send(balance("a") + balance("b"));
    ASSERT_TRUE(wait_for([&] { return server.engine.submitted() == 2U * static_cast<unsigned>(i + 1); }));
  }
  server.engine.release();
  const ThreadMetrics& metrics = *server.server->metrics().front();
  EXPECT_TRUE(wait_for([&] { return metrics.connections.get() == 0; }));
}

TEST(Session, ASlowRequestIsRefusedAtItsDeadlineInTotal) {
  Settings settings = test_settings();
  settings.server.request_timeout_ms = 400;
  TestServer server(settings);
  RawClient client(server);
  const auto start = std::chrono::steady_clock::now();
  std::thread drip([&] {
    for (const char c : std::string("GET /livez HTTP/1.1\r\n")) {
      client.send(std::string(1, c));
      std::this_thread::sleep_for(50ms);
    }
  });
  const std::string reply = client.read_to_end();
  const auto taken = std::chrono::steady_clock::now() - start;
  drip.join();
  EXPECT_NE(reply.find("408 Request Timeout"), std::string::npos);
  EXPECT_NE(reply.find("request_timeout"), std::string::npos);
  EXPECT_LT(taken, 1400ms);
}

TEST(Session, AnIdleConnectionEndsSilently) {
  Settings settings = test_settings();
  settings.server.idle_timeout_ms = 300;
  TestServer server(settings);
  RawClient client(server);
  client.send(get("/livez"));
  EXPECT_NE(client.read_replies(1).find("200 OK"), std::string::npos);
  EXPECT_EQ(client.read_to_end(), "");
  EXPECT_TRUE(client.ended());
}

TEST(Session, AClientThatDoesNotReadIsClosedAndTakesNoMemory) {
  Settings settings = test_settings();
  settings.server.request_timeout_ms = 500;
  TestServer server(settings);
  RawClient client(server, 4096);
  std::string requests;
  for (int i = 0; i < 2000; ++i) requests += get("/api/orders?account=13812345678&limit=100");
  client.send(requests);
  const ThreadMetrics& metrics = *server.server->metrics().front();
  EXPECT_TRUE(wait_for([&] { return metrics.timed_out.get() == 1 && metrics.connections.get() == 0; }));
  EXPECT_LT(server.engine.submitted(), 2000U) << "what is not read must stop further requests";
}

TEST(Session, ASlowReaderGetsEverything) {
  TestServer server;
  RawClient client(server, 4096);
  std::string requests;
  for (int i = 0; i < 100; ++i) requests += get("/api/orders?account=13812345678&limit=100");
  client.send(requests);
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(count_of(client.read_replies(100), "HTTP/1.1 200 OK"), 100U);
}

TEST(Session, DrainFinishesWhatHasBegunAndEndsCleanly) {
  TestServer server;
  server.engine.hold();
  RawClient busy(server), idle(server), half(server);
  idle.send(get("/livez"));
  idle.read_replies(1);
  busy.send(balance("busy"));
  half.send("GET /livez HTTP/1.1\r\nHo");
  ASSERT_TRUE(wait_for([&] { return server.engine.submitted() == 1; }));
  std::this_thread::sleep_for(50ms);
  server.server->begin_drain();
  EXPECT_EQ(idle.read_to_end(), "");
  EXPECT_TRUE(idle.ended());
  half.send("st: a\r\n\r\n");
  const std::string half_reply = half.read_to_end();
  EXPECT_NE(half_reply.find("200 OK"), std::string::npos);
  EXPECT_NE(half_reply.find("Connection: close"), std::string::npos);
  server.engine.release();
  const std::string busy_reply = busy.read_to_end();
  EXPECT_NE(busy_reply.find("X-Request-Id: busy"), std::string::npos);
  EXPECT_NE(busy_reply.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(busy.ended() && half.ended());
  EXPECT_FALSE(busy.was_reset() || half.was_reset() || idle.was_reset());
  busy.close(), idle.close(), half.close();
  EXPECT_TRUE(server.server->wait(3000ms));
  EXPECT_FALSE(RawClient(server).connected());
}

TEST(Session, ARequestThatDoesNotArriveDuringDrainIsToldSo) {
  Settings settings = test_settings();
  settings.server.drain_timeout_ms = 600;
  TestServer server(settings);
  RawClient client(server);
  client.send("POST /api/pay HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{");
  std::this_thread::sleep_for(100ms);
  server.server->begin_drain();
  const std::string reply = client.read_to_end();
  EXPECT_NE(reply.find("503 Service Unavailable"), std::string::npos);
  EXPECT_NE(reply.find("\"draining\""), std::string::npos);
  EXPECT_NE(reply.find("Retry-After: "), std::string::npos);
  EXPECT_TRUE(client.ended());
}

TEST(Session, ReadyzTellsOfTheDrain) {
  TestServer server;
  RawClient client(server);
  client.send(get("/readyz"));
  EXPECT_NE(client.read_replies(1).find("200 OK"), std::string::npos);
  client.send("GET /readyz HTTP/1.1\r\n");
  std::this_thread::sleep_for(100ms);
  server.server->begin_drain();
  std::this_thread::sleep_for(100ms);
  client.send("Host: a\r\n\r\n");
  EXPECT_NE(client.read_to_end().find("503 Service Unavailable"), std::string::npos);
}

// A request that would wait too long is refused at once, callbacks last; probes never are. Over again once
// the engine has caught up.
TEST(Session, AServerThatIsBehindRefusesEarlyAndCallbacksLast) {
  Settings settings = test_settings();
  settings.server.max_latency_ms = 1000;
  TestServer server(settings);
  server.engine.hold();
  const auto answers = [&server](const std::string& request) {
    RawClient client(server);
    const std::size_t before = server.engine.submitted();
    client.send(request);
    std::string reply = client.read_replies(1, 150);
    return server.engine.submitted() > before ? "taken" : reply;
  };
  const std::string callback =
      "POST /api/payment_callback HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";
  RawClient first(server);
  first.send(balance("first"));
  ASSERT_TRUE(wait_for([&] { return server.engine.submitted() == 1; }));
  EXPECT_EQ(answers(balance("early")), "taken");
  std::string refused;
  ASSERT_TRUE(wait_for([&] { return (refused = answers(balance("late"))) != "taken"; }));
  EXPECT_NE(refused.find("503 Service Unavailable"), std::string::npos);
  EXPECT_NE(refused.find("Retry-After: "), std::string::npos);
  EXPECT_NE(refused.find("\"overloaded\""), std::string::npos);
  EXPECT_NE(answers(callback).find("403 Forbidden"), std::string::npos) << "its signature is looked at still";
  ASSERT_TRUE(
      wait_for([&] { return answers(callback).find("503 Service Unavailable") != std::string::npos; }));
  EXPECT_NE(answers(get("/livez")).find("200 OK"), std::string::npos);
  server.engine.release();
  EXPECT_NE(first.read_replies(1).find("200 OK"), std::string::npos);
  ASSERT_TRUE(wait_for([&] { return answers(balance("again")) == "taken"; }));
}

// Behind whoever writes them it would wait until the scheduler looks again.
TEST(Session, WaitsForItsTurnOnTheCoreUnlessTheBooksAreWritten) {
  std::atomic<int> policy{-1};
  TestServer server(test_settings(), [&policy](Operation& operation) {
    policy = ::sched_getscheduler(0);
    FakeEngine::canned(operation);
  });
  RawClient client(server);
  for (const bool writing : {false, true, false}) {
    server.engine.writing_books = writing;
    client.send(balance("a"));
    ASSERT_NE(client.read_replies(1), "");
    EXPECT_EQ(policy, writing ? SCHED_OTHER : SCHED_BATCH);
  }
}

TEST(Session, CountsAndAnswersUnknownPathsAndMethods) {
  TestServer server;
  RawClient client(server);
  client.send("DELETE /api/orders HTTP/1.1\r\nHost: a\r\n\r\n" + get("/api/pay") + get("/api/orders/%zz") +
              "POST /livez HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n");
  const std::string replies = client.read_replies(4);
  EXPECT_EQ(count_of(replies, "405 Method Not Allowed"), 3U);
  EXPECT_EQ(count_of(replies, "Allow: GET, HEAD\r\n"), 2U);
  EXPECT_EQ(count_of(replies, "Allow: POST\r\n"), 1U);
  EXPECT_EQ(count_of(replies, "400 Bad Request"), 1U);
}

}  // namespace
}  // namespace recharge
