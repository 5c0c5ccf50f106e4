#include "tools/reply_parser.h"

#include <gtest/gtest.h>

#include <string>

namespace recharge {
namespace {

const std::string kReply =
    "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 11\r\n"
    "Content-Type: application/json\r\n\r\nhello world";

TEST(ReplyParser, ReadsStatusAndBody) {
  const ParsedReply reply = parse_reply(kReply);
  ASSERT_EQ(reply.state, ReplyState::complete);
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, "hello world");
  EXPECT_EQ(reply.consumed, kReply.size());
  EXPECT_TRUE(reply.keep_alive);
}

TEST(ReplyParser, WaitsForTheRestWhereverItIsCut) {
  for (std::size_t cut = 0; cut < kReply.size(); ++cut) {
    EXPECT_EQ(parse_reply(std::string_view(kReply).substr(0, cut)).state, ReplyState::need_more) << cut;
  }
}

TEST(ReplyParser, EndsBeforeThePipelinedReplyBehindWhereverThatIsCut) {
  const std::string second = "HTTP/1.1 404 Not Found\r\ncontent-length:0\r\n\r\n";
  const std::string both = kReply + second;
  for (std::size_t cut = kReply.size(); cut <= both.size(); ++cut) {
    const ParsedReply first = parse_reply(std::string_view(both).substr(0, cut));
    ASSERT_EQ(first.state, ReplyState::complete) << cut;
    EXPECT_EQ(first.consumed, kReply.size()) << cut;
  }
  const ParsedReply last = parse_reply(std::string_view(both).substr(kReply.size()));
  ASSERT_EQ(last.state, ReplyState::complete);
  EXPECT_EQ(last.status, 404);
  EXPECT_EQ(last.body, "");
  EXPECT_EQ(last.consumed, second.size());
}

struct Case {
  std::string name;
  std::string bytes;
  ReplyState state;
  bool keep_alive = true;
};

class ReplyForms : public testing::TestWithParam<Case> {};

TEST_P(ReplyForms, AreTakenOrRefused) {
  const ParsedReply reply = parse_reply(GetParam().bytes);
  EXPECT_EQ(reply.state, GetParam().state);
  if (reply.state == ReplyState::complete) {
    EXPECT_EQ(reply.keep_alive, GetParam().keep_alive);
  }
}

const std::string kOk = "HTTP/1.1 200 OK\r\n";

INSTANTIATE_TEST_SUITE_P(
    Replies, ReplyForms,
    testing::Values(
        Case{"close", kOk + "Connection: close\r\nContent-Length: 0\r\n\r\n", ReplyState::complete, false},
        Case{"close_in_capitals", kOk + "CONNECTION: Close\r\nCONTENT-LENGTH: 0\r\n\r\n",
             ReplyState::complete, false},
        Case{"http_1_0", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", ReplyState::complete, false},
        Case{"http_1_0_kept", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
             ReplyState::complete},
        Case{"no_content_needs_no_length", "HTTP/1.1 204 No Content\r\n\r\n", ReplyState::complete},
        Case{"empty_reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", ReplyState::complete},
        Case{"space_around_length", kOk + "Content-Length:  0 \r\n\r\n", ReplyState::complete},
        Case{"no_length", kOk + "Server: x\r\n\r\nbody", ReplyState::malformed},
        Case{"no_headers", "HTTP/1.1 200 OK\r\n\r\n", ReplyState::malformed},
        Case{"length_twice", kOk + "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", ReplyState::malformed},
        Case{"length_not_a_number", kOk + "Content-Length: 1x\r\n\r\n", ReplyState::malformed},
        Case{"length_negative", kOk + "Content-Length: -1\r\n\r\n", ReplyState::malformed},
        Case{"length_empty", kOk + "Content-Length: \r\n\r\n", ReplyState::malformed},
        Case{"length_beyond_the_limit", kOk + "Content-Length: 99999999999\r\n\r\n", ReplyState::malformed},
        Case{"chunked", kOk + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ReplyState::malformed},
        Case{"line_without_colon", kOk + "nonsense\r\nContent-Length: 0\r\n\r\n", ReplyState::malformed},
        Case{"interim", "HTTP/1.1 100 Continue\r\n\r\n", ReplyState::malformed},
        Case{"status_not_a_number", "HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n", ReplyState::malformed},
        Case{"status_too_high", "HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n", ReplyState::malformed},
        Case{"not_http", "SSH-2.0-OpenSSH\r\n", ReplyState::malformed},
        Case{"not_http_from_the_first_byte", "x", ReplyState::malformed},
        Case{"endless_headers", kOk + std::string(kMaxReplyHeaderBytes, 'a'), ReplyState::malformed}),
    [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace recharge
