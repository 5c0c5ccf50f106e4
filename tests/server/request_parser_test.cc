#include "server/request_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/server/framing_vectors.h"

namespace recharge {
namespace {

struct Parsed {
  RequestParser::Status status = RequestParser::Status::need_more;
  unsigned failure = 0;
  std::string error;
  std::string body;
  std::string path;
  std::string query;
  std::string rest;  // what belongs to the next request

  friend bool operator==(const Parsed&, const Parsed&) = default;
};

// Feeds the bytes in two pieces, through a buffer that moves between them.
Parsed parse_split(const std::string& bytes, std::size_t split) {
  RequestParser parser(ParserLimits{});
  std::string first = bytes.substr(0, split);
  std::size_t size = first.size();
  RequestParser::Status status = parser.parse(first.data(), size);
  std::string all;
  if (status == RequestParser::Status::need_more) {
    all = first.substr(0, size) + bytes.substr(split);
    size = all.size();
    status = parser.parse(all.data(), size);
    all.resize(size);
  } else {
    all = first.substr(0, size) + bytes.substr(split);
  }
  Parsed parsed{status, 0, {}, {}, {}, {}, {}};
  if (status == RequestParser::Status::failed) {
    parsed.failure = parser.failure().status;
    parsed.error = parser.failure().error;
  } else if (status == RequestParser::Status::complete) {
    parsed.body = parser.request().body;
    parsed.path = parser.request().path;
    parsed.query = parser.request().query;
    parsed.rest = all.substr(parser.consumed());
  }
  return parsed;
}

struct Acceptance {
  const char* name;
  std::string bytes;
  std::string path;
  std::string body;
  std::string rest;
};

const std::vector<Acceptance>& acceptances() {
  static const std::vector<Acceptance> all = {
      {"get", "GET /a?b=c HTTP/1.1\r\nHost: a\r\n\r\n", "/a", "", ""},
      {"empty line first", "\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n", "/a", "", ""},
      {"sized body", post("Content-Length: 3\r\n", "abcGET"), "/p", "abc", "GET"},
      {"sized body with zeros", post("Content-Length: 00003\r\n", "abc"), "/p", "abc", ""},
      {"chunks", chunked("3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\nNEXT"), "/p", "abcde", "NEXT"},
      {"chunks, upper-case coding", post("Transfer-Encoding: Chunked\r\n", "A\r\n0123456789\r\n0\r\n\r\n"),
       "/p", "0123456789", ""},
      {"empty chunked", chunked("0\r\n\r\n"), "/p", "", ""},
      {"trailers are read over", chunked("1\r\nz\r\n0\r\nwebhook-id: x\r\nHost: b\r\n\r\n"), "/p", "z", ""},
      {"absolute target", "GET http://A/x?y HTTP/1.1\r\nHost: a\r\n\r\n", "/x", "", ""},
      {"absolute target without path", "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", "/", "", ""},
      {"HTTP/1.0 without Host", "GET /a HTTP/1.0\r\n\r\n", "/a", "", ""},
      {"tab in a value", "GET /a HTTP/1.1\r\nHost: a\r\nX: a\tb\r\n\r\n", "/a", "", ""},
  };
  return all;
}

TEST(RequestParser, ReadsWhatIsRightSplitAtEveryByte) {
  for (const Acceptance& row : acceptances()) {
    for (std::size_t split = 0; split <= row.bytes.size(); ++split) {
      const Parsed parsed = parse_split(row.bytes, split);
      ASSERT_EQ(parsed.status, RequestParser::Status::complete)
          << row.name << " at " << split << parsed.error;
      EXPECT_EQ(parsed.path, row.path) << row.name;
      EXPECT_EQ(parsed.body, row.body) << row.name;
      EXPECT_EQ(parsed.rest, row.rest) << row.name;
    }
  }
}

TEST(RequestParser, ReadsOneByteAtATime) {
  for (const Acceptance& row : acceptances()) {
    RequestParser parser(ParserLimits{});
    std::string buffer;
    std::size_t fed = 0;
    RequestParser::Status status = RequestParser::Status::need_more;
    while (status == RequestParser::Status::need_more && fed < row.bytes.size()) {
      buffer.push_back(row.bytes[fed++]);
      std::size_t size = buffer.size();
      status = parser.parse(buffer.data(), size);
      buffer.resize(size);
    }
    ASSERT_EQ(status, RequestParser::Status::complete) << row.name;
    EXPECT_EQ(parser.request().body, row.body) << row.name;
  }
}

TEST(RequestParser, TrailersAreNeverHeaders) {
  const std::string bytes = chunked("0\r\nwebhook-id: x\r\nX-Request-Id: y\r\nIdempotency-Key: z\r\n\r\n");
  RequestParser parser(ParserLimits{});
  std::string buffer = bytes;
  std::size_t size = buffer.size();
  ASSERT_EQ(parser.parse(buffer.data(), size), RequestParser::Status::complete);
  EXPECT_FALSE(parser.request().has_webhook_header);
  EXPECT_FALSE(parser.request().has_idempotency_key);
  EXPECT_TRUE(parser.request().request_id.empty());
  EXPECT_TRUE(parser.request().chunked);
}

TEST(RequestParser, CollectsTheHeadersThatMatter) {
  std::string bytes = post(
      "Webhook-Id: i\r\nwebhook-timestamp: 1\r\nWEBHOOK-SIGNATURE: v1,x\r\nX-Request-Id: r\r\n"
      "Idempotency-Key: \"k\"\r\nContent-Encoding: gzip\r\nConnection: close\r\nContent-Length: 1\r\n",
      "b");
  RequestParser parser(ParserLimits{});
  std::size_t size = bytes.size();
  ASSERT_EQ(parser.parse(bytes.data(), size), RequestParser::Status::complete);
  const Request& request = parser.request();
  EXPECT_EQ(request.method, Method::post);
  EXPECT_EQ(request.webhook_id, "i");
  EXPECT_EQ(request.webhook_timestamp, "1");
  EXPECT_EQ(request.webhook_signature, "v1,x");
  EXPECT_EQ(request.request_id, "r");
  EXPECT_EQ(request.idempotency_key, "\"k\"");
  EXPECT_TRUE(request.has_webhook_header);
  EXPECT_FALSE(request.webhook_header_repeated);
  EXPECT_TRUE(request.encoded);
  EXPECT_FALSE(request.keep_alive);
}

TEST(RequestParser, NoticesRepeatedWebhookHeaders) {
  std::string bytes = post("webhook-signature: v1,a\r\nwebhook-signature: v1,b\r\n");
  RequestParser parser(ParserLimits{});
  std::size_t size = bytes.size();
  ASSERT_EQ(parser.parse(bytes.data(), size), RequestParser::Status::complete);
  EXPECT_TRUE(parser.request().webhook_header_repeated);
}

TEST(RequestParser, SaysWhenTheClientWaitsForContinue) {
  std::string bytes = post("Expect: 100-continue\r\nContent-Length: 5\r\n");
  RequestParser parser(ParserLimits{});
  std::size_t size = bytes.size();
  EXPECT_EQ(parser.parse(bytes.data(), size), RequestParser::Status::need_more);
  EXPECT_TRUE(parser.wants_continue());
  EXPECT_EQ(parser.known_bytes(), bytes.size() + 5);
}

TEST(RequestParser, ManySmallChunksFitALimitedBuffer) {
  std::string wire;
  for (int i = 0; i < 60000; ++i) wire += "1\r\na\r\n";
  wire += "0\r\n\r\n";
  std::string buffer = chunked("");
  RequestParser parser(ParserLimits{});
  std::size_t fed = 0;
  RequestParser::Status status = RequestParser::Status::need_more;
  while (status == RequestParser::Status::need_more && fed < wire.size()) {
    const std::size_t take = std::min<std::size_t>(1000, wire.size() - fed);
    buffer.append(wire, fed, take);
    fed += take;
    std::size_t size = buffer.size();
    status = parser.parse(buffer.data(), size);
    buffer.resize(size);
    ASSERT_LE(buffer.size(), 70000U);
  }
  ASSERT_EQ(status, RequestParser::Status::complete);
  EXPECT_EQ(parser.request().body, std::string(60000, 'a'));
}

}  // namespace
}  // namespace recharge
