#include "tools/reply_parser.h"

#include <strings.h>

#include <charconv>

namespace recharge {
namespace {

constexpr std::string_view kVersion = "HTTP/1.";
constexpr std::size_t kStatusLineMin = 12;  // "HTTP/1.1 200"

ParsedReply malformed() noexcept {
  ParsedReply reply;
  reply.state = ReplyState::malformed;
  return reply;
}

bool same_name(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

template <class Number>
bool parse_number(std::string_view text, Number& number) noexcept {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc{} && stop == end && !text.empty();
}

struct Headers {
  std::size_t content_length = 0;
  bool has_length = false;
  bool keep_alive = true;
  bool valid = true;
};

Headers read_headers(std::string_view lines, bool keep_alive) noexcept {
  Headers headers;
  headers.keep_alive = keep_alive;
  while (!lines.empty()) {
    const std::size_t end = lines.find("\r\n");
    const std::string_view line = lines.substr(0, end);
    lines = end == std::string_view::npos ? std::string_view{} : lines.substr(end + 2);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) {
      headers.valid = false;
      return headers;
    }
    const std::string_view name = line.substr(0, colon);
    if (same_name(name, "content-length")) {
      headers.valid = !headers.has_length &&
                      parse_number(trim(line.substr(colon + 1)), headers.content_length) &&
                      headers.content_length <= kMaxReplyBodyBytes;
      headers.has_length = true;
    } else if (same_name(name, "connection")) {
      const std::string_view value = trim(line.substr(colon + 1));
      if (same_name(value, "close")) headers.keep_alive = false;
      if (same_name(value, "keep-alive")) headers.keep_alive = true;
    } else if (same_name(name, "transfer-encoding")) {
      headers.valid = false;
    }
    if (!headers.valid) return headers;
  }
  return headers;
}

}  // namespace

ParsedReply parse_reply(std::string_view bytes) noexcept {
  const std::size_t compared = bytes.size() < kVersion.size() ? bytes.size() : kVersion.size();
  if (bytes.substr(0, compared) != kVersion.substr(0, compared)) return malformed();
  const std::size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    return bytes.size() > kMaxReplyHeaderBytes ? malformed() : ParsedReply{};
  }
  ParsedReply reply;
  const std::size_t line_end = bytes.find("\r\n");
  if (line_end < kStatusLineMin || bytes[8] != ' ' || !parse_number(bytes.substr(9, 3), reply.status)) {
    return malformed();
  }
  if (reply.status < 200 || reply.status > 599) return malformed();  // nothing asks for an interim reply
  const std::string_view lines =
      line_end == end ? std::string_view{} : bytes.substr(line_end + 2, end - line_end - 2);
  const Headers headers = read_headers(lines, bytes[7] != '0');
  const bool bodiless = reply.status == 204 || reply.status == 304;
  if (!headers.valid || (!headers.has_length && !bodiless)) return malformed();
  const std::size_t length = bodiless ? 0 : headers.content_length;
  reply.keep_alive = headers.keep_alive;
  if (bytes.size() - (end + 4) < length) return ParsedReply{};
  reply.body = bytes.substr(end + 4, length);
  reply.consumed = end + 4 + length;
  reply.state = ReplyState::complete;
  return reply;
}

}  // namespace recharge
