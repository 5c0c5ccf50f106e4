#include "tools/request_bytes.h"

namespace recharge {

RequestBytes::RequestBytes(std::string_view host, std::string_view token) {
  fields_ = " HTTP/1.1\r\nHost: " + std::string(host) + "\r\n";
  if (!token.empty()) fields_ += "Authorization: Bearer " + std::string(token) + "\r\n";
}

void RequestBytes::append_post(std::string& out, std::string_view path, std::string_view body,
                               std::span<const std::string> headers) const {
  out.append("POST ").append(path).append(fields_);
  for (const std::string& header : headers) out.append(header).append("\r\n");
  out.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n\r\n").append(body);
}

void RequestBytes::append_get(std::string& out, std::string_view path) const {
  out.append("GET ").append(path).append(fields_).append("\r\n");
}

}  // namespace recharge
