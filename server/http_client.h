// Purpose: calls to other servers over HTTP and TLS, with kept connections, away from the threads that serve.
// Proxies and redirects are not followed, certificates are always verified. Nothing is sent twice by itself,
// but where a kept connection had been closed before any byte of an answer came.
// Owner threads: submit() and stop() on any thread; completions are called on the client's own thread, must
// not block it, and post to wherever they belong. Lifetime: the destructor stops. Units: bytes, milliseconds.
// Errors: within answers; the constructor throws std::runtime_error where libcurl cannot start.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/thread_role.h"

namespace recharge {

struct HttpClientLimits {
  std::size_t max_calls = 4096;  // waiting and under way
  unsigned max_connections = 128;
  unsigned max_connections_per_host = 16;
  std::size_t max_answer_bytes = 1 << 20;
  std::size_t max_header_bytes = 64 << 10;
  std::chrono::milliseconds connect_timeout{3'000};
  std::chrono::milliseconds timeout{10'000};  // of a call as a whole, its wait for a connection included
};

struct HttpClientOptions {
  HttpClientLimits limits;
  std::string ca_file;     // PEM, instead of the system's authorities; empty: the system's
  std::string user_agent;  // empty: recharge/VERSION
  // Asked with every address before it is connected to, on the client's thread; false: not allowed. Not
  // asked again while a connection is kept. Empty: all are allowed.
  std::function<bool(const sockaddr&)> allow_address;
  const char* thread_name = "http client";  // at most 15 characters
  Urgency urgency = Urgency::normal;        // of its thread
};

struct HttpCall {
  std::string method;  // GET or POST
  std::string url;     // http or https, sent as it stands
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::chrono::milliseconds timeout{0};  // 0: that of the client
};

struct HttpAnswer {
  enum class Kind : std::uint8_t {
    answered,   // whole
    not_sent,   // nothing of the request has left: it had no effect
    no_answer,  // sent at least in part; what came of it is not known
  };
  Kind kind = Kind::not_sent;
  unsigned status = 0;
  std::string header_lines;  // "Name: value" CRLF …, of the last answer
  std::string body;
  std::string error;  // unless answered: why; holds no header and no body
  std::chrono::milliseconds took{0};
};

class HttpClient {
 public:
  using Completion = std::function<void(HttpAnswer&& answer)>;

  explicit HttpClient(HttpClientOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // False: too many calls, or stopped; then the completion is never called. Else it is called just once.
  [[nodiscard]] bool submit(HttpCall call, Completion completion);

  // Ends what waits and what is under way, with answers that say so; then no completion is called any more.
  // Not on the client's thread.
  void stop();

  std::size_t calls() const;  // waiting and under way

 private:
  class Worker;
  std::unique_ptr<Worker> worker_;
};

}  // namespace recharge
