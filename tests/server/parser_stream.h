// Purpose: what a connection makes of a stream of bytes that comes in pieces, without a socket: as a session
// reads it, with each piece in memory of exactly its size, so that a sanitizer sees every byte too far.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/request_parser.h"

namespace recharge {

// Everything that handlers see of a request, as text.
inline std::string shown(const Request& request) {
  std::string text;
  for (std::string_view part :
       {request.path, request.query, request.body, request.request_id, request.idempotency_key,
        request.webhook_id, request.webhook_timestamp, request.webhook_signature}) {
    text.append(std::to_string(part.size())).append(":").append(part).append(" ");
  }
  text += static_cast<char>('0' + static_cast<int>(request.method));
  for (bool flag : {request.has_idempotency_key, request.idempotency_key_repeated, request.has_webhook_header,
                    request.webhook_header_repeated, request.chunked, request.encoded, request.http_1_0,
                    request.keep_alive}) {
    text += flag ? '1' : '0';
  }
  return text;
}

struct ParserStream {
  std::vector<std::string> requests;  // shown()
  unsigned refused = 0;               // the status; zero: not refused
  std::string error;

  friend bool operator==(const ParserStream&, const ParserStream&) = default;
};

// The bytes in pieces of these sizes, and the rest at once. `left` holds what no request has used up.
inline ParserStream read_stream(std::string_view bytes, std::vector<std::size_t> pieces,
                                ParserLimits limits = {}) {
  ParserStream stream;
  RequestParser parser(limits);
  std::string left;
  pieces.push_back(bytes.size());
  for (std::size_t piece : pieces) {
    piece = std::min(piece, bytes.size());
    left.append(bytes.substr(0, piece));
    bytes.remove_prefix(piece);
    while (!left.empty()) {
      std::size_t size = left.size();
      const auto exact = std::make_unique_for_overwrite<char[]>(size);
      std::copy(left.begin(), left.end(), exact.get());
      const RequestParser::Status status = parser.parse(exact.get(), size);
      left.assign(exact.get(), size);
      if (status == RequestParser::Status::need_more) break;
      if (status == RequestParser::Status::failed) {
        stream.refused = parser.failure().status;
        stream.error = parser.failure().error;
        return stream;
      }
      stream.requests.push_back(shown(parser.request()));
      left.erase(0, parser.consumed());
      parser.reset();
    }
  }
  return stream;
}

}  // namespace recharge
