// Purpose: the bytes of the load's requests: only the header fields that HTTP/1.1 asks for, and the token's.
// Lifetime: a value, used again for every request.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace recharge {

class RequestBytes {
 public:
  RequestBytes(std::string_view host, std::string_view token);

  // headers: more lines, "Name: value".
  void append_post(std::string& out, std::string_view path, std::string_view body,
                   std::span<const std::string> headers = {}) const;
  void append_get(std::string& out, std::string_view path) const;

 private:
  std::string fields_;  // after the request line
};

}  // namespace recharge
