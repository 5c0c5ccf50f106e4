// Requests that two parsers could read differently, each with a whole request smuggled in behind it.
#include <gtest/gtest.h>

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <thread>

#include "tests/server/framing_vectors.h"
#include "tests/server/parser_stream.h"
#include "tests/server/test_server.h"

namespace recharge {
namespace {

namespace http = boost::beast::http;

const std::string kSmuggled = "GET /api/check_balance?account=13812345678 HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::size_t kLongVector = 1000;  // not split at every byte

// As a server without the guard would read: with Boost.Beast alone.
ParserStream read_with_beast(const std::string& bytes) {
  ParserStream reading;
  std::size_t at = 0;
  while (at < bytes.size()) {
    http::request_parser<http::string_body> parser;
    parser.eager(true);
    parser.header_limit(ParserLimits{}.header_bytes);
    parser.body_limit(ParserLimits{}.body_bytes);
    boost::beast::error_code error;
    std::size_t used = 0;
    do {  // it may stop after the header although more is there
      used = parser.put(boost::asio::buffer(bytes.data() + at, bytes.size() - at), error);
      at += used;
    } while (!error && !parser.is_done() && used > 0 && at < bytes.size());
    if (error && error != http::error::need_more) {
      reading.refused = 400;
      return reading;
    }
    if (!parser.is_done()) return reading;
    reading.requests.emplace_back(parser.get().target());
  }
  return reading;
}

// What is wrong with a reading of a vector and the request behind it; empty: nothing.
std::string fault_of(const ParserStream& reading) {
  if (!reading.requests.empty()) return "answered " + reading.requests.front();
  return reading.refused == 0 ? "not refused" : "";
}

TEST(FramingAttack, EveryVectorIsRefusedHoweverItIsSplit) {
  ASSERT_GE(framing_vectors().size(), 150U);
  std::size_t readings = 0;
  const auto check = [&](const FramingVector& vector, const std::vector<std::size_t>& pieces,
                         const std::string& how) {
    const ParserStream reading = read_stream(vector.bytes + kSmuggled, pieces);
    EXPECT_EQ(fault_of(reading), "") << vector.name << ", " << how;
    EXPECT_EQ(reading.refused, vector.status) << vector.name << ", " << how;
    ++readings;
  };
  for (const FramingVector& vector : framing_vectors()) {
    check(vector, {}, "whole");
    if (vector.bytes.size() > kLongVector) continue;
    for (std::size_t split = 1; split < vector.bytes.size() + kSmuggled.size(); ++split) {
      check(vector, {split}, "split at " + std::to_string(split));
    }
    check(vector, std::vector<std::size_t>(vector.bytes.size() + kSmuggled.size(), 1), "byte by byte");
  }
  std::printf("%zu vectors, %zu readings\n", framing_vectors().size(), readings);
}

// The request behind a good one is answered: what the vectors are judged by does see it.
TEST(FramingAttack, AHonestPipelineIsAnswered) {
  const std::string honest = post("Content-Length: 3\r\n", "abc");
  EXPECT_EQ(read_stream(honest + kSmuggled, {}).requests.size(), 2U);
  EXPECT_EQ(read_with_beast(honest + kSmuggled).requests.size(), 2U);
}

// The broken version: Beast without the guard, over the same vectors and judged in the same way.
TEST(FramingAttack, ThePlainParserLetsManyThrough) {
  std::size_t accepted = 0;
  std::size_t smuggled = 0;
  std::string names;
  for (const FramingVector& vector : framing_vectors()) {
    const ParserStream reading = read_with_beast(vector.bytes + kSmuggled);
    if (reading.requests.empty()) continue;
    ++accepted;
    if (reading.requests.size() > 1) ++smuggled;
    names.append(names.empty() ? "" : "; ").append(vector.name);
  }
  std::printf("without the guard %zu of %zu are taken, and %zu requests behind them answered: %s\n", accepted,
              framing_vectors().size(), smuggled, names.c_str());
  EXPECT_GE(accepted, 17U);
  EXPECT_GE(smuggled, 10U);
}

// One connection: the vector in two pieces, and what comes back.
void attack(const TestServer& server, const FramingVector& vector, std::size_t split) {
  const std::string bytes = vector.bytes + kSmuggled;
  RawClient client(server);
  ASSERT_TRUE(client.connected());
  client.send(bytes.substr(0, split));
  if (split < bytes.size()) {
    std::this_thread::sleep_for(std::chrono::microseconds(300));
    client.send(bytes.substr(split));
  }
  client.end_sending();
  const std::string replies = client.read_to_end();
  const std::string expected = "HTTP/1.1 " + std::to_string(vector.status) + " ";
  EXPECT_EQ(replies.substr(0, expected.size()), expected) << vector.name << " at " << split;
  EXPECT_EQ(replies.find("HTTP/1.1 ", 1), std::string::npos) << vector.name << " at " << split;
  EXPECT_NE(replies.find("\r\nConnection: close\r\n"), std::string::npos) << vector.name << " at " << split;
  EXPECT_TRUE(client.ended() || client.was_reset()) << vector.name << " at " << split;
}

TEST(FramingAttack, OverASocketNothingBehindAVectorIsAnswered) {
  constexpr std::size_t kEvery = 11;  // splits a share of all places; another share in each vector
  TestServer server;
  std::size_t connections = 0;
  std::size_t offset = 1;
  for (const FramingVector& vector : framing_vectors()) {
    attack(server, vector, vector.bytes.size() + kSmuggled.size());
    ++connections;
    if (vector.bytes.size() > kLongVector) continue;
    for (std::size_t split = offset; split < vector.bytes.size(); split += kEvery, ++connections) {
      attack(server, vector, split);
    }
    offset = offset % kEvery + 1;
  }
  EXPECT_EQ(server.engine.submitted(), 0U) << "a smuggled request was carried out";
  RawClient honest(server);
  honest.send(kSmuggled);
  EXPECT_EQ(honest.read_replies(1).substr(0, 15), "HTTP/1.1 200 OK");
  EXPECT_EQ(server.engine.submitted(), 1U);
  std::printf("%zu connections\n", connections);
}

}  // namespace
}  // namespace recharge
