// Purpose: what a request is answered with, and its bytes on the wire.
// Owner: one io thread, which uses one Reply again and again. Lifetime: filled by a handler, then rendered.
// Source: RFC 9110, RFC 9112.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/fixed_text.h"

namespace recharge {

using RequestId = FixedText<128, struct RequestIdTag>;

constexpr unsigned kRetryAfterSeconds = 1;

struct Reply {
  unsigned status = 200;
  std::string_view content_type = "application/json";
  std::string_view fixed_body;  // of static lifetime; used where it is not empty
  std::string body;
  std::string_view error;  // the stable name of a failure; then `message` makes the body
  std::string message;
  std::string_view allow;    // with 405
  std::string headers;       // further header lines, each with its end
  bool retry_after = false;  // with 429 and 503
  unsigned retry_after_s = kRetryAfterSeconds;
  bool replayed = false;  // the first reply to an Idempotency-Key again
  bool close = false;     // the connection ends after it
  bool stream = false;    // it has no end of its own: the body is its beginning
  bool upgrade = false;   // the connection becomes a WebSocket instead

  void clear() noexcept;
  void fail(unsigned code, std::string_view slug, std::string_view text);
  void invalid_request(std::string_view text) { fail(400, "invalid_request", text); }
};

// How a reply leaves, beside what it says.
struct ReplyFrame {
  std::string_view request_id;
  std::string_view date;  // the whole header line, with its end
  bool head = false;      // no body
  bool http_1_0 = false;
  bool close = false;
};

// Appends the reply's bytes. An error's body is made here, for it carries the request id.
void render(Reply& reply, const ReplyFrame& frame, std::string& out);

std::string_view reason_phrase(unsigned status) noexcept;

}  // namespace recharge
