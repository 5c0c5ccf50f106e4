#include "server/reply.h"

#include <charconv>

#include "server/json_text.h"

namespace recharge {
namespace {

void append_number(std::string& out, std::uint64_t number) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, static_cast<std::size_t>(end - digits));
}

void write_error(Reply& reply, std::string_view request_id) {
  reply.body.clear();
  JsonText json(reply.body);
  json.begin_object().name("code").integer(reply.status).name("msg").text(reply.message);
  json.name("error").text(reply.error).name("request_id").text(request_id).end_object();
}

}  // namespace

void Reply::clear() noexcept {
  status = 200;
  content_type = "application/json";
  fixed_body = {};
  body.clear();
  error = {};
  message.clear();
  allow = {};
  headers.clear();
  retry_after_s = kRetryAfterSeconds;
  retry_after = replayed = close = stream = false;
}

void Reply::fail(unsigned code, std::string_view slug, std::string_view text) {
  status = code;
  error = slug;
  message.assign(text);
  fixed_body = {};
  retry_after = code == 429 || code == 503;
}

void render(Reply& reply, const ReplyFrame& frame, std::string& out) {
  if (!reply.error.empty()) write_error(reply, frame.request_id);
  const std::string_view body = reply.fixed_body.empty() ? std::string_view(reply.body) : reply.fixed_body;
  if (reply.status == 200) {
    out.append("HTTP/1.1 200 OK\r\n");
  } else {
    out.append("HTTP/1.1 ");
    append_number(out, reply.status);
    out.append(" ").append(reason_phrase(reply.status)).append("\r\n");
  }
  out.append(frame.date).append("Content-Type: ").append(reply.content_type);
  out.append("\r\nX-Content-Type-Options: nosniff\r\nX-Request-Id: ");
  out.append(frame.request_id);
  if (reply.stream) {
    out.append("\r\nCache-Control: no-store\r\nX-Accel-Buffering: no");
  } else {
    out.append("\r\nContent-Length: ");
    append_number(out, body.size());
  }
  if (!reply.allow.empty()) out.append("\r\nAllow: ").append(reply.allow);
  if (reply.retry_after) {
    out.append("\r\nRetry-After: ");
    append_number(out, reply.retry_after_s);
  }
  if (!reply.headers.empty()) out.append("\r\n").append(reply.headers, 0, reply.headers.size() - 2);
  if (reply.replayed) out.append("\r\nIdempotency-Replayed: true");
  if (frame.close || reply.close) {
    out.append("\r\nConnection: close");
  } else if (frame.http_1_0) {
    out.append("\r\nConnection: keep-alive");
  }
  out.append("\r\n\r\n");
  if (!frame.head) out.append(body);
}

std::string_view reason_phrase(unsigned status) noexcept {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return "Unknown";
  }
}

}  // namespace recharge
