// Purpose: one HTTP request as the handlers see it.
// Lifetime: the views point into the connection's buffer, and end when the next request is parsed.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace recharge {

enum class Method : std::uint8_t { get, head, post, other };

// Of more lines of X-Forwarded-For, the last ones count.
constexpr std::size_t kMaxForwardedLines = 4;

struct Request {
  Method method = Method::other;
  std::string_view path;   // from the target, still percent-encoded, without the query
  std::string_view query;  // without the question mark
  std::string_view body;
  std::string_view header_lines;     // as received, with the request line: for headers that one gateway has
  std::string_view request_id;       // X-Request-Id; empty: none, or more than one
  std::string_view idempotency_key;  // as sent, perhaps quoted
  std::string_view authorization;
  std::string_view traceparent;
  std::string_view webhook_id;
  std::string_view webhook_timestamp;
  std::string_view webhook_signature;
  std::array<std::string_view, kMaxForwardedLines> forwarded_lines;  // X-Forwarded-For, in their order
  std::uint8_t forwarded_count = 0;
  bool authorization_repeated = false;
  bool has_idempotency_key = false;
  bool idempotency_key_repeated = false;
  bool has_webhook_header = false;  // any header whose name starts with "webhook-"
  bool webhook_header_repeated = false;
  bool chunked = false;
  bool encoded = false;  // a Content-Encoding other than identity
  bool http_1_0 = false;
  bool keep_alive = true;

  std::span<const std::string_view> forwarded_for() const noexcept {
    return {forwarded_lines.data(), forwarded_count};
  }
};

}  // namespace recharge
