// Purpose: requests to recharged for the verbs that send a few of them, by libcurl.
// Owner: one thread; the connection is kept between requests. Errors: ExitCode::unreachable where no reply
// arrives,
//   with what libcurl says; a reply of any status is a value.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tools/tool_error.h"

namespace recharge {

struct HttpRequest {
  std::string method = "GET";
  std::string path;  // with the query
  std::string body;  // sent where the method is POST
  std::vector<std::string> headers;
};

struct HttpReply {
  int status = 0;
  std::string body;
};

class HttpClient {
 public:
  static constexpr long kConnectTimeoutMs = 3'000;
  static constexpr long kRequestTimeoutMs = 30'000;
  static constexpr std::size_t kMaxConcurrent = 256;  // connections of send_concurrently

  HttpClient(std::string server, std::string token);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  ToolResult<HttpReply> send(const HttpRequest& request);
  ToolResult<HttpReply> get(std::string path);
  ToolResult<HttpReply> post(std::string path, std::string body);

  // Sends all of them at the same time, each on a connection of its own up to kMaxConcurrent; replies in the
  // order of the requests.
  std::vector<ToolResult<HttpReply>> send_concurrently(const std::vector<HttpRequest>& requests);

 private:
  struct Transfer;
  void prepare(Transfer& transfer, const HttpRequest& request) const;
  ToolResult<HttpReply> finish(Transfer& transfer, int curl_code) const;

  std::string server_;
  std::string token_;
  std::unique_ptr<Transfer> transfer_;
  void* multi_ = nullptr;  // libcurl's, of send_concurrently: keeps its connections
};

// One path segment or query value, percent-encoded.
std::string percent_encode(std::string_view text);

}  // namespace recharge
