#include "server/request_parser.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <cstring>
#include <limits>

namespace recharge {

namespace http = boost::beast::http;
using boost::beast::iequals;

namespace {

constexpr std::size_t kMaxLeadingEmptyLines = 2;

// The characters of a class, by their bytes.
using Characters = std::array<bool, 256>;

constexpr Characters characters(std::string_view members) noexcept {
  Characters all{};
  for (const char c : members) all[static_cast<unsigned char>(c)] = true;
  return all;
}

constexpr Characters kNotInHost = characters(" \t,/?#@\\");

constexpr Characters controls() noexcept {
  Characters all{};
  for (unsigned byte = 0; byte < 0x20; ++byte) all[byte] = byte != '\t';
  all[0x7f] = true;
  return all;
}

constexpr Characters kControl = controls();

bool has_control(std::string_view text) noexcept {
  bool found = false;
  for (const char c : text) found |= kControl[static_cast<unsigned char>(c)];
  return found;
}

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

// Collects where the few headers stand that matter here, without a container of fields.
class HeaderHandler final : public http::basic_parser<true> {
 public:
  HeaderHandler(RequestParser& parser, const char* base) noexcept : parser_(parser), base_(base) {}

 private:
  using View = boost::core::string_view;
  using Error = boost::beast::error_code;
  using Span = RequestParser::Span;

  Span span(View text) const noexcept {
    return {static_cast<std::uint32_t>(text.data() - base_), static_cast<std::uint32_t>(text.size())};
  }

  void on_request_impl(http::verb verb, View, View target, int version, Error&) override {
    Request& request = parser_.request_;
    request.method = verb == http::verb::get    ? Method::get
                     : verb == http::verb::head ? Method::head
                     : verb == http::verb::post ? Method::post
                                                : Method::other;
    request.http_1_0 = version == 10;
    parser_.spans_.target = span(target);
  }

  void on_field_impl(http::field field, View name, View value, Error&) override {
    auto& spans = parser_.spans_;
    switch (field) {
      case http::field::host:
        ++parser_.hosts_, spans.host = span(value);
        return;
      case http::field::content_length:
        ++parser_.lengths_, spans.content_length = span(value);
        return;
      case http::field::transfer_encoding:
        ++parser_.codings_, spans.transfer_encoding = span(value);
        return;
      case http::field::content_encoding:
        ++parser_.encodings_, spans.content_encoding = span(value);
        return;
      case http::field::authorization:
        ++parser_.authorizations_, spans.authorization = span(value);
        return;
      case http::field::expect:
        parser_.expects_continue_ = iequals(value, "100-continue");
        return;
      case http::field::unknown:
        on_other_field(name, value);
        return;
      default:
        return;
    }
  }

  void on_other_field(View name, View value) noexcept {
    auto& spans = parser_.spans_;
    Request& request = parser_.request_;
    if (name.size() >= 8 && iequals(name.substr(0, 8), "webhook-")) {
      request.has_webhook_header = true;
      const View rest = name.substr(8);
      Span* known = iequals(rest, "id")          ? &spans.webhook_id
                    : iequals(rest, "timestamp") ? &spans.webhook_timestamp
                    : iequals(rest, "signature") ? &spans.webhook_signature
                                                 : nullptr;
      if (known == nullptr) return;
      if (known->offset != 0) request.webhook_header_repeated = true;
      *known = span(value);
    } else if (iequals(name, "x-request-id")) {
      ++parser_.request_ids_;
      spans.request_id = span(value);
    } else if (iequals(name, "traceparent")) {
      spans.traceparent = span(value);
    } else if (iequals(name, "x-forwarded-for")) {
      spans.forwarded[parser_.forwarded_++ % kMaxForwardedLines] = span(value);
    } else if (iequals(name, "idempotency-key")) {
      ++parser_.keys_;
      spans.idempotency_key = span(value);
    }
  }

  void on_header_impl(Error&) override {}
  void on_body_init_impl(boost::optional<std::uint64_t> const&, Error&) override {}
  std::size_t on_body_impl(View body, Error&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, View, Error&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, View body, Error&) override { return body.size(); }
  void on_finish_impl(Error&) override {}
  // Only for responses, but pure.
  void on_response_impl(int, View, int, Error&) override {}

  RequestParser& parser_;
  const char* base_;
};

bool RequestParser::fail(unsigned status, std::string_view error, std::string_view message) noexcept {
  failure_ = ParseFailure{status, error, message};
  state_ = State::failed;
  return false;
}

void RequestParser::reset() noexcept { *this = RequestParser(limits_); }

std::size_t RequestParser::known_bytes() const noexcept {
  return state_ == State::header ? 0 : header_bytes_ + length_;
}

RequestParser::Status RequestParser::parse(char* data, std::size_t& size) noexcept {
  if (state_ == State::header && scan_header(data, size) && read_header(data)) {
    position_ = header_bytes_;
    state_ = request_.chunked ? State::chunk_line : State::sized_body;
  }
  if (state_ == State::sized_body && size - header_bytes_ >= length_) {
    position_ = header_bytes_ + length_;
    finish(data);
  } else if (state_ > State::sized_body && state_ < State::done) {
    read_chunks(data, size);
  }
  if (state_ == State::failed) return Status::failed;
  return state_ == State::done ? Status::complete : Status::need_more;
}

bool RequestParser::scan_header(const char* data, std::size_t size) noexcept {
  while (true) {
    const void* found = std::memchr(data + position_, '\n', size - position_);
    if (found == nullptr) {
      position_ = size;
      return size - start_ > limits_.header_bytes && too_large();
    }
    const auto end = static_cast<std::size_t>(static_cast<const char*>(found) - data);
    position_ = end + 1;
    if (position_ - start_ > limits_.header_bytes) return too_large();
    if (end == line_start_ || data[end - 1] != '\r') return malformed("Malformed request: bare line feed");
    const std::string_view line(data + line_start_, end - 1 - line_start_);
    line_start_ = position_;
    if (line.empty() && lines_ == 0) {  // empty lines before a request are skipped
      start_ = position_;
      if (start_ > 2 * kMaxLeadingEmptyLines) return malformed("Malformed request: no request line");
      continue;
    }
    if (line.empty()) {
      header_bytes_ = position_;
      return true;
    }
    if (!check_line(line)) return false;
    ++lines_;
  }
}

// Whatever else is wrong with the header: so that it does not matter how the bytes were split.
bool RequestParser::too_large() noexcept {
  if (lines_ == 0) return fail(414, "uri_too_long", "Request target too long");
  return fail(431, "headers_too_large", "Request header too large");
}

bool RequestParser::check_line(std::string_view line) noexcept {
  if (has_control(line)) return malformed("Malformed request: control character in the header");
  if (lines_ == 0) return true;
  if (line.front() == ' ' || line.front() == '\t') return malformed("Malformed request: folded header line");
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0)
    return malformed("Malformed request: header line without a name");
  if (line[colon - 1] == ' ' || line[colon - 1] == '\t') {
    return malformed("Malformed request: space before the colon of a header");
  }
  return true;
}

bool RequestParser::read_header(const char* data) noexcept {
  HeaderHandler handler(*this, data);
  handler.header_limit(std::numeric_limits<std::uint32_t>::max());
  handler.body_limit(boost::none);
  boost::beast::error_code error;
  handler.put(boost::asio::const_buffer(data + start_, header_bytes_ - start_), error);
  if (error && error != http::error::need_more) return malformed("Malformed request header");
  if (!handler.is_header_done()) return malformed("Malformed request header");
  request_.keep_alive = handler.keep_alive();
  return check_framing(data) && check_target(data);
}

bool RequestParser::check_framing(const char* data) noexcept {
  if (hosts_ > 1 || (hosts_ == 0 && !request_.http_1_0))
    return malformed("Malformed request: exactly one Host is needed");
  for (const char c : spans_.host.in(data)) {
    if (kNotInHost[static_cast<unsigned char>(c)]) return malformed("Malformed request: Host");
  }
  if (lengths_ > 0 && codings_ > 0)
    return malformed("Malformed request: Content-Length with Transfer-Encoding");
  if (lengths_ > 1) return malformed("Malformed request: repeated Content-Length");
  if (lengths_ == 1 && !read_length(spans_.content_length.in(data))) return false;
  if (codings_ > 0) {
    const std::string_view coding = spans_.transfer_encoding.in(data);
    if (codings_ > 1 || !iequals(coding, "chunked")) return malformed("Malformed request: Transfer-Encoding");
    if (request_.http_1_0) return malformed("Malformed request: Transfer-Encoding under HTTP/1.0");
    request_.chunked = true;
  }
  const std::string_view encoding = spans_.content_encoding.in(data);
  request_.encoded =
      encodings_ > 1 || (encodings_ == 1 && !encoding.empty() && !iequals(encoding, "identity"));
  if (request_.http_1_0 || (lengths_ == 1 && length_ == 0)) expects_continue_ = false;
  return true;
}

bool RequestParser::read_length(std::string_view text) noexcept {
  if (text.empty()) return malformed("Malformed request: Content-Length");
  std::uint64_t length = 0;
  bool too_large = false;
  for (char c : text) {
    if (c < '0' || c > '9') return malformed("Malformed request: Content-Length");
    if (length > limits_.body_bytes) too_large = true;
    if (!too_large) length = length * 10 + static_cast<unsigned>(c - '0');
  }
  if (too_large || length > limits_.body_bytes) return fail(413, "body_too_large", "Request body too large");
  length_ = length;
  return true;
}

// The path and query of an origin-form or absolute-form target; others have no place here.
bool RequestParser::check_target(const char* data) noexcept {
  std::string_view target = spans_.target.in(data);
  for (char c : target) {
    if (c <= 0x20 || c > 0x7e || c == '#') return malformed("Malformed request target");
  }
  if (!target.empty() && target.front() != '/' && target != "*") {
    const std::size_t scheme = target.find("://");
    if (scheme == std::string_view::npos) return malformed("Malformed request target");
    const std::string_view name = target.substr(0, scheme);
    if (!iequals(name, "http") && !iequals(name, "https")) return malformed("Malformed request target");
    const std::size_t authority = scheme + 3;
    const std::size_t path = std::min(target.find_first_of("/?", authority), target.size());
    if (path == authority ||
        (hosts_ == 1 && !iequals(target.substr(authority, path - authority), spans_.host.in(data)))) {
      return malformed("Malformed request: the target contradicts Host");
    }
    target.remove_prefix(path);
  }
  spans_.target = {static_cast<std::uint32_t>(target.data() - data),
                   static_cast<std::uint32_t>(target.size())};
  return true;
}

void RequestParser::read_chunks(char* data, std::size_t& size) noexcept {
  std::size_t read = position_;
  std::size_t write = header_bytes_ + length_;
  while (state_ < State::done) {
    const std::string_view rest(data + read, size - read);
    position_ = read;
    if (state_ == State::chunk_line) {
      if (!read_chunk_line(rest)) break;
      read = position_;
    } else if (state_ == State::chunk_data) {
      const std::size_t take = std::min(chunk_left_, rest.size());
      std::memmove(data + write, rest.data(), take);
      read += take, write += take, length_ += take, chunk_left_ -= take;
      if (chunk_left_ > 0) break;
      state_ = State::chunk_end;
    } else if (state_ == State::chunk_end) {
      if (!rest.empty() && (rest[0] != '\r' || (rest.size() > 1 && rest[1] != '\n'))) {
        malformed("Malformed request: chunk without its end");
        break;
      }
      if (rest.size() < 2) break;
      read += 2;
      state_ = State::chunk_line;
    } else {
      if (!read_trailers(rest)) break;
      read = position_;
    }
  }
  if (state_ == State::failed) return;
  // Close the gap that the framing left, so that what is still to come fits the buffer.
  if (read != write) {
    std::memmove(data + write, data + read, size - read);
    size -= read - write;
  }
  position_ = write;
  if (state_ == State::done) finish(data);
}

// True once the line was read; false where bytes are missing, or it failed.
bool RequestParser::read_chunk_line(std::string_view bytes) noexcept {
  const std::size_t end = bytes.substr(0, kMaxChunkLineBytes).find('\n');
  const std::string_view seen = bytes.substr(0, std::min(end, kMaxChunkLineBytes));
  std::size_t digits = 0;
  std::uint64_t length = 0;
  while (digits < seen.size() && hex_digit(seen[digits]) >= 0) {
    if (digits == 16) return malformed("Malformed request: chunk size");
    length = length << 4 | static_cast<unsigned>(hex_digit(seen[digits++]));
    // At the digit that goes too far, so that it does not matter how the bytes were split.
    if (length > limits_.body_bytes - length_) return fail(413, "body_too_large", "Request body too large");
  }
  const bool complete = end != std::string_view::npos;
  if (digits < seen.size() || complete) {
    if (digits == 0 || digits == seen.size()) return malformed("Malformed request: chunk size");
    if (seen[digits] != ';' && seen[digits] != '\r') return malformed("Malformed request: chunk size");
  }
  if (!complete) {
    if (bytes.size() >= kMaxChunkLineBytes) return malformed("Malformed request: chunk extension too long");
    return false;
  }
  if (seen.back() != '\r') return malformed("Malformed request: bare line feed");
  if (has_control(seen.substr(digits, seen.size() - 1 - digits)))
    return malformed("Malformed request: control character in a chunk extension");
  position_ += end + 1;
  chunk_left_ = length;
  state_ = length == 0 ? State::trailers : State::chunk_data;
  return true;
}

// Trailers are read over: none of them ever counts as a header. One line a call.
bool RequestParser::read_trailers(std::string_view bytes) noexcept {
  const std::size_t end = bytes.find('\n');
  const std::size_t taken = end == std::string_view::npos ? bytes.size() : end + 1;
  if (trailer_bytes_ + taken > kMaxTrailerBytes)
    return fail(431, "headers_too_large", "Request trailer too large");
  if (end == std::string_view::npos) return false;
  if (end == 0 || bytes[end - 1] != '\r') return malformed("Malformed request: bare line feed");
  const std::string_view line = bytes.substr(0, end - 1);
  position_ += taken;
  trailer_bytes_ += taken;
  if (line.empty()) {
    state_ = State::done;
    return true;
  }
  return check_line(line);  // as strict as a header line
}

void RequestParser::finish(const char* data) noexcept {
  const std::string_view target = spans_.target.in(data);
  const std::size_t question = target.find('?');
  request_.path = target.substr(0, question);
  if (request_.path.empty()) request_.path = "/";
  request_.query = question == std::string_view::npos ? std::string_view() : target.substr(question + 1);
  request_.body = {data + header_bytes_, length_};
  request_.header_lines = {data + start_, header_bytes_ - start_};
  if (request_ids_ == 1) request_.request_id = spans_.request_id.in(data);
  request_.authorization = spans_.authorization.in(data);
  request_.traceparent = spans_.traceparent.in(data);
  request_.authorization_repeated = authorizations_ > 1;
  const std::size_t lines = std::min<std::size_t>(forwarded_, kMaxForwardedLines);
  for (std::size_t i = 0; i < lines; ++i) {
    request_.forwarded_lines[i] = spans_.forwarded[(forwarded_ - lines + i) % kMaxForwardedLines].in(data);
  }
  request_.forwarded_count = static_cast<std::uint8_t>(lines);
  request_.has_idempotency_key = keys_ > 0;
  request_.idempotency_key_repeated = keys_ > 1;
  request_.idempotency_key = spans_.idempotency_key.in(data);
  request_.webhook_id = spans_.webhook_id.in(data);
  request_.webhook_timestamp = spans_.webhook_timestamp.in(data);
  request_.webhook_signature = spans_.webhook_signature.in(data);
  state_ = State::done;
}

}  // namespace recharge
