#include "tools/http_client.h"

#include <curl/curl.h>

#include <optional>
#include <utility>

#include "core/percent_text.h"
#include "tools/tls_channel.h"

namespace recharge {
namespace {

constexpr int kPollMs = 1'000;

std::size_t append_body(char* data, std::size_t size, std::size_t count, void* user) {
  static_cast<std::string*>(user)->append(data, size * count);
  return size * count;
}

struct CurlProcess {
  CurlProcess() { curl_global_init(CURL_GLOBAL_DEFAULT); }
};

std::string without_final_slash(std::string server) {
  while (!server.empty() && server.back() == '/') server.pop_back();
  return server;
}

}  // namespace

// One easy handle with what it points to.
struct HttpClient::Transfer {
  CURL* easy = curl_easy_init();
  curl_slist* headers = nullptr;
  std::string body;
  char error[CURL_ERROR_SIZE] = {};

  Transfer() = default;
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer() {
    curl_slist_free_all(headers);
    curl_easy_cleanup(easy);
  }
  void add_header(const std::string& line) { headers = curl_slist_append(headers, line.c_str()); }
};

HttpClient::HttpClient(std::string server, std::string token)
    : server_(without_final_slash(std::move(server))), token_(std::move(token)) {
  static const CurlProcess process;
  transfer_ = std::make_unique<Transfer>();
}

HttpClient::~HttpClient() {
  if (multi_ != nullptr) curl_multi_cleanup(multi_);
}

void HttpClient::prepare(Transfer& transfer, const HttpRequest& request) const {
  CURL* easy = transfer.easy;
  curl_easy_reset(easy);  // keeps the connection
  curl_slist_free_all(std::exchange(transfer.headers, nullptr));
  transfer.body.clear();
  transfer.error[0] = '\0';
  for (const std::string& header : request.headers) transfer.add_header(header);
  if (!token_.empty()) transfer.add_header("Authorization: Bearer " + token_);
  transfer.add_header("Expect:");  // bodies are small: no waiting for 100 Continue
  if (request.method == "POST") {
    transfer.add_header("Content-Type: application/json");
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request.body.c_str());
  }
  curl_easy_setopt(easy, CURLOPT_URL, (server_ + request.path).c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer.headers);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  if (!trusted_ca_file().empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, trusted_ca_file().c_str());
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, kRequestTimeoutMs);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.error);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, append_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer.body);
}

ToolResult<HttpReply> HttpClient::finish(Transfer& transfer, int curl_code) const {
  if (curl_code != CURLE_OK) {
    const auto code = static_cast<CURLcode>(curl_code);
    const std::string reason = transfer.error[0] != '\0' ? transfer.error : curl_easy_strerror(code);
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) {
      return ToolError{ExitCode::usage, "--server is not a URL of http or https: " + server_};
    }
    return ToolError{ExitCode::unreachable, "no reply from " + server_ + ": " + reason};
  }
  long status = 0;
  curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
  return HttpReply{static_cast<int>(status), std::move(transfer.body)};
}

ToolResult<HttpReply> HttpClient::send(const HttpRequest& request) {
  prepare(*transfer_, request);
  return finish(*transfer_, curl_easy_perform(transfer_->easy));
}

ToolResult<HttpReply> HttpClient::get(std::string path) { return send({"GET", std::move(path), {}, {}}); }

ToolResult<HttpReply> HttpClient::post(std::string path, std::string body) {
  return send({"POST", std::move(path), std::move(body), {}});
}

std::vector<ToolResult<HttpReply>> HttpClient::send_concurrently(const std::vector<HttpRequest>& requests) {
  if (multi_ == nullptr) {
    multi_ = curl_multi_init();
    curl_multi_setopt(multi_, CURLMOPT_MAX_TOTAL_CONNECTIONS, static_cast<long>(kMaxConcurrent));
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(kMaxConcurrent));
    curl_multi_setopt(multi_, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
  }
  std::vector<std::unique_ptr<Transfer>> transfers;
  std::vector<int> codes(requests.size(), CURLE_RECV_ERROR);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    transfers.push_back(std::make_unique<Transfer>());
    prepare(*transfers.back(), requests[i]);
    curl_easy_setopt(transfers.back()->easy, CURLOPT_PRIVATE, &codes[i]);
    curl_multi_add_handle(multi_, transfers.back()->easy);
  }
  int running = 1;
  while (running > 0) {
    if (curl_multi_perform(multi_, &running) != CURLM_OK) break;
    if (running > 0 && curl_multi_poll(multi_, nullptr, 0, kPollMs, nullptr) != CURLM_OK) break;
  }
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    char* code = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &code);
    if (code != nullptr) *reinterpret_cast<int*>(code) = message->data.result;
  }
  std::vector<ToolResult<HttpReply>> replies;
  for (std::size_t i = 0; i < transfers.size(); ++i) {
    replies.push_back(finish(*transfers[i], codes[i]));
    curl_multi_remove_handle(multi_, transfers[i]->easy);
  }
  return replies;
}

std::string percent_encode(std::string_view text) {
  std::string out;
  append_percent_encoded(out, text);
  return out;
}

}  // namespace recharge
