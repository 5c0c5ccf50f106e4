// Purpose: the listeners and io threads of one server.
// Owner: the main thread. Lifetime: shared state first, then threads; the engine outlives it.
// Errors: ListenError where the address cannot be listened on.
#pragma once

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "server/io_thread.h"

namespace recharge {

class ListenError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class HttpServer {
 public:
  // inherited: a listening socket to be used instead of one of its own, taken over; -1: none.
  HttpServer(const Settings& settings, Engine& engine, ServiceState& service, const Reloaded& first,
             int inherited = -1);
  ~HttpServer();

  const ListenAddress& address() const noexcept { return address_; }  // with the port that was picked
  // Of operators; where the settings have it.
  const std::optional<ListenAddress>& operators_address() const noexcept { return operators_address_; }
  void start();
  // Or soon will be.
  bool is_draining() const noexcept {
    return shared_.leaving.load(std::memory_order_relaxed) ||
           shared_.draining.load(std::memory_order_relaxed);
  }
  void announce_drain() noexcept { shared_.leaving.store(true, std::memory_order_relaxed); }
  void begin_drain();
  // False where the threads have not ended in time.
  bool wait(std::chrono::milliseconds at_most);
  void take_over(std::shared_ptr<const Reloaded> reloaded);
  // Any thread: an operation of that io thread which was answered elsewhere.
  void deliver(unsigned thread, Operation& operation) { io_threads_[thread]->deliver(operation); }
  // What a worker reports of a recharge, on any thread; settled as FulfilmentDesk says.
  void take_result(const RechargeResult& result, std::function<void(bool recorded)> settled) {
    io_threads_[result.request.order_id.shard() % io_threads_.size()]->take_result(result,
                                                                                   std::move(settled));
  }
  void deliver(unsigned thread, LiveEvents events) { io_threads_[thread]->deliver(std::move(events)); }
  void deliver_missed(unsigned thread, std::uint64_t listener, bool complete, LiveEvents events) {
    io_threads_[thread]->deliver_missed(listener, complete, std::move(events));
  }
  std::vector<const ThreadMetrics*> metrics() const;
  std::int64_t oldest_beat_ms() const noexcept;  // of the loops

 private:
  SharedState shared_;
  ListenAddress address_;
  std::optional<ListenAddress> operators_address_;
  std::vector<std::unique_ptr<IoThread>> io_threads_;
  std::unique_ptr<HttpClient> gateway_client_;   // ends before the threads that it posts to
  std::unique_ptr<HttpClient> supplier_client_;  // likewise
  std::vector<std::thread> threads_;
  std::atomic<unsigned> running_{0};
};

}  // namespace recharge
