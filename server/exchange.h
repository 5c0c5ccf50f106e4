// Purpose: one request and its reply while they are under way, and a thread's stock of them.
// Owner: the io thread of the connection; the engine has its operation between submit and complete.
// Lifetime: taken from the stock when a request has arrived, given back when its reply was written.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "server/operation.h"
#include "server/reply.h"
#include "server/routes.h"
#include "server/trace_parent.h"

namespace recharge {

class Session;

struct Exchange {
  Operation operation;
  Session* session = nullptr;
  const Route* route = nullptr;  // null: no such route
  RequestId request_id;
  std::uint64_t arrived_us = 0;
  std::uint64_t submitted_us = 0;  // zero: the engine does not have it
  unsigned status = 0;             // of a rendered reply
  bool decided = false;            // its outcome is the engine's
  TraceParent trace;
  bool ready = false;  // its outcome, or its rendered reply, is there
  bool rendered = false;
  bool followed_up = false;
  bool message = false;  // of a WebSocket, instead of a request
  bool head = false;
  bool http_1_0 = false;
  bool close = false;
  std::string text;  // the rendered reply, where it had to wait for those before it
  std::unique_ptr<Exchange> next;
};

class ExchangeStock {
 public:
  static constexpr std::size_t kKept = 1024;

  std::unique_ptr<Exchange> take() {
    if (!first_) return std::make_unique<Exchange>();
    std::unique_ptr<Exchange> exchange = std::move(first_);
    first_ = std::move(exchange->next);
    --kept_;
    return exchange;
  }
  void give(std::unique_ptr<Exchange> exchange) noexcept {
    if (kept_ == kKept) return;
    exchange->text.clear();
    exchange->ready = exchange->rendered = exchange->followed_up = exchange->decided = false;
    exchange->message = false;
    exchange->submitted_us = 0;
    exchange->trace = TraceParent();
    exchange->next = std::move(first_);
    first_ = std::move(exchange);
    ++kept_;
  }
  ~ExchangeStock() {
    while (first_) first_ = std::move(first_->next);
  }

 private:
  std::unique_ptr<Exchange> first_;
  std::size_t kept_ = 0;
};

}  // namespace recharge
