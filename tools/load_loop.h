// Purpose: sends requests over many connections as fast as one core can, or at a steady rate, and measures
// how
//   long each reply takes. Closed loop: every connection keeps `pipeline` requests open. Open loop (rate >
//   0): request i is due at start + i / rate whatever the server does, and its latency counts from then, so
//   that waiting for a slow server is measured and not left out.
// Owner: one thread for each loop. Errors: see LoopResult; a lost connection is opened again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/endpoint.h"
#include "tools/latency_histogram.h"
#include "tools/reply_parser.h"

namespace recharge {

// What one loop sends. A token names a request until its reply.
class Workload {
 public:
  virtual ~Workload() = default;
  // False where nothing is left for now. `bytes` stay valid until the next call.
  virtual bool next(std::uint32_t& token, std::string_view& bytes) = 0;
  virtual void on_reply(std::uint32_t token, const ParsedReply& reply) = 0;
};

struct LoopSettings {
  Endpoint endpoint;
  std::size_t connections = 1;
  std::size_t pipeline = 1;
  double rate = 0;                // requests per second of this loop; 0: closed loop
  std::uint64_t duration_ns = 0;  // 0: until the workload is used up
};

struct LoopResult {
  static constexpr std::size_t kStatuses = 600;
  LatencyHistogram latency;
  std::array<std::uint64_t, kStatuses> replies_by_status{};
  std::uint64_t requests = 0;
  std::uint64_t replies = 0;
  std::uint64_t lost = 0;         // sent, and the connection ended before the reply
  std::uint64_t disconnects = 0;  // ends of connections that nobody asked for
  std::uint64_t malformed = 0;    // replies that could not be read
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t started_ns = 0;   // monotonic
  std::uint64_t finished_ns = 0;  // the last reply
  bool server_gone = false;       // no connection could be opened again

  void merge(const LoopResult& other) noexcept;
};

std::uint64_t monotonic_ns() noexcept;

class LoadLoop {
 public:
  static constexpr std::uint64_t kDrainTimeoutNs = 10'000'000'000;  // for the last replies
  static constexpr std::uint64_t kMaxDisconnects = 10'000;
  static constexpr std::size_t kReadBytes = 64 * 1024;
  static constexpr int kEventsPerWait = 256;

  LoadLoop(LoopSettings settings, Workload& workload);
  ~LoadLoop();
  LoadLoop(const LoadLoop&) = delete;
  LoadLoop& operator=(const LoadLoop&) = delete;

  // Opens the connections; the clock is not on yet.
  std::optional<ToolError> connect();
  LoopResult run();

 private:
  struct OpenRequest {
    std::uint32_t token;
    std::uint64_t start_ns;
  };
  struct Connection {
    int fd = -1;
    std::unique_ptr<TlsChannel> tls;  // null: plain
    bool wants_write = false;
    std::size_t first = 0;  // of the open requests, a ring of `pipeline`
    std::size_t open = 0;
    std::vector<OpenRequest> requests;
    std::string unsent;
    std::size_t unsent_offset = 0;
    std::string partial;  // the beginning of a reply

    ssize_t receive_bytes(char* to, std::size_t room) noexcept;
    ssize_t send_bytes(std::string_view bytes) noexcept;
  };

  std::optional<ToolError> open_connection(std::size_t index);
  void watch(std::size_t index, int operation, std::uint32_t events) noexcept;
  void handle(std::size_t index, std::uint32_t events);
  void receive(std::size_t index);
  bool take_replies(Connection& connection, std::string_view bytes, std::size_t& consumed, bool& keep_alive);
  void fill(std::size_t index);  // closed loop
  void send_due();               // open loop
  bool submit(Connection& connection, std::uint64_t start_ns, bool at_once);
  void flush(std::size_t index);
  void end_connection(std::size_t index, bool asked_for);
  bool finished() const noexcept;
  std::uint64_t due_ns(std::uint64_t request) const noexcept;
  std::int64_t wait_ns() const noexcept;

  LoopSettings settings_;
  Workload& workload_;
  LoopResult result_;
  std::vector<Connection> connections_;
  std::deque<std::size_t> free_;  // open loop: one entry for each request that a connection can take
  std::vector<char> buffer_;
  int epoll_ = -1;
  std::size_t alive_ = 0;
  std::size_t open_requests_ = 0;
  std::uint64_t now_ns_ = 0;
  std::uint64_t stop_ns_ = 0;
  bool used_up_ = false;
};

}  // namespace recharge
