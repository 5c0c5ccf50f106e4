// Purpose: turns the bytes of a connection into requests, and refuses every framing that two parsers could
// read differently. Boost.Beast parses the header block; this adds the checks that it leaves out, and reads
// the body. Owner: one connection. Lifetime: reset() after each request. Units: bytes. Errors: a failure()
// says what to answer; the connection closes after it, for its framing cannot be trusted. Source: RFC 9110,
// RFC 9112.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "server/request.h"

namespace recharge {

struct ParserLimits {
  std::size_t header_bytes = 16384;
  std::size_t body_bytes = 65536;
};

constexpr std::size_t kMaxChunkLineBytes = 272;  // 16 hex digits and a short extension
constexpr std::size_t kMaxTrailerBytes = 4096;

struct ParseFailure {
  unsigned status = 400;
  std::string_view error;  // the stable name
  std::string_view message;
};

class RequestParser {
 public:
  enum class Status { need_more, complete, failed };

  explicit RequestParser(ParserLimits limits) noexcept : limits_(limits) {}

  // Reads on in the bytes that start with this request's first. Chunk framing is taken out in place, by which
  // `size` becomes smaller; nothing else is changed. The bytes may have moved since the last call.
  Status parse(char* data, std::size_t& size) noexcept;

  // REQUIRES: complete, and the bytes have not moved since.
  const Request& request() const noexcept { return request_; }
  std::size_t consumed() const noexcept { return position_; }
  const ParseFailure& failure() const noexcept { return failure_; }

  // The header is there, the body is not, and the client waits for 100 (Continue).
  bool wants_continue() const noexcept { return expects_continue_ && state_ > State::header; }
  // How many bytes the request is known to have so far; zero while the header is incomplete.
  std::size_t known_bytes() const noexcept;
  // Path and query, in the same bytes; empty while the header is incomplete.
  std::string_view target(const char* data) const noexcept { return spans_.target.in(data); }

  void reset() noexcept;

 private:
  enum class State : std::uint8_t {
    header,
    sized_body,
    chunk_line,
    chunk_data,
    chunk_end,
    trailers,
    done,
    failed
  };
  // Offsets instead of pointers, for the bytes may move while the body arrives.
  struct Span {
    std::uint32_t offset = 0;
    std::uint32_t size = 0;
    std::string_view in(const char* data) const noexcept { return {data + offset, size}; }
  };
  struct Spans {
    Span target, host, request_id, idempotency_key, webhook_id, webhook_timestamp, webhook_signature;
    std::array<Span, kMaxForwardedLines> forwarded;  // a ring
    Span content_length, transfer_encoding, content_encoding, authorization, traceparent;
  };
  friend class HeaderHandler;

  bool scan_header(const char* data,
                   std::size_t size) noexcept;  // true once the whole block is there and clean
  bool too_large() noexcept;
  bool check_line(std::string_view line) noexcept;
  bool read_header(const char* data) noexcept;
  bool check_framing(const char* data) noexcept;
  bool check_target(const char* data) noexcept;
  bool read_length(std::string_view text) noexcept;
  void read_chunks(char* data, std::size_t& size) noexcept;
  bool read_chunk_line(std::string_view bytes) noexcept;
  bool read_trailers(std::string_view bytes) noexcept;
  void finish(const char* data) noexcept;
  bool fail(unsigned status, std::string_view error, std::string_view message) noexcept;
  bool malformed(std::string_view message) noexcept { return fail(400, "invalid_request", message); }

  ParserLimits limits_;
  Request request_;
  ParseFailure failure_;
  Spans spans_;
  std::size_t position_ = 0;      // raw bytes read
  std::size_t line_start_ = 0;    // of the header line that is being scanned
  std::size_t start_ = 0;         // of the request line, after empty lines
  std::size_t header_bytes_ = 0;  // up to and with the empty line
  std::size_t length_ = 0;        // of the body, so far when chunked
  std::size_t chunk_left_ = 0;
  std::size_t trailer_bytes_ = 0;
  std::uint32_t lines_ = 0;
  std::uint16_t hosts_ = 0, lengths_ = 0, codings_ = 0, request_ids_ = 0, keys_ = 0, encodings_ = 0;
  std::uint16_t authorizations_ = 0, forwarded_ = 0;
  bool expects_continue_ = false;
  State state_ = State::header;
};

}  // namespace recharge
