// Purpose: finds the end of one HTTP/1.1 reply in bytes that may be cut anywhere: status line, Content-Length
// and
//   keep-alive, nothing else. The load generator sends millions of requests and must cost little itself.
// Lifetime: a pure function; `body` points into the bytes given. Source: RFC 9112, sections 4, 6 and 9.
#pragma once

#include <cstddef>
#include <string_view>

namespace recharge {

enum class ReplyState { need_more, complete, malformed };

struct ParsedReply {
  ReplyState state = ReplyState::need_more;
  int status = 0;
  bool keep_alive = true;
  std::string_view body;
  std::size_t consumed = 0;  // bytes of this reply, where complete
};

// A reply without Content-Length is malformed here, unless its status never has a body; so is a chunked one:
// recharged always sends the length.
constexpr std::size_t kMaxReplyHeaderBytes = 16 * 1024;
constexpr std::size_t kMaxReplyBodyBytes = 16 * 1024 * 1024;

ParsedReply parse_reply(std::string_view bytes) noexcept;

}  // namespace recharge
