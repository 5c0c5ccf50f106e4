// Purpose: takes commands from io threads, has each executed by the thread that owns its shard, and hands the
// outcome back when everything that it shows is durable.
// Owner threads: every method with a `thread` argument is called on that io thread only.
// Lifetime: outlives the io threads. Errors: within outcomes; submit() itself cannot fail.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/command.h"
#include "server/operation.h"

namespace recharge {

class Engine {
 public:
  virtual ~Engine() = default;

  virtual unsigned threads() const noexcept = 0;

  // Starts the operation. Its complete() is called from a later turn() of the same thread.
  virtual void submit(unsigned thread, Operation& operation) noexcept = 0;

  // The thread woke and begins a poll batch. What it submits in it shares one flush of the journal.
  virtual void begin_batch(unsigned thread) noexcept = 0;

  // Once after each poll batch: executes what other threads sent, publishes the journal records of the batch,
  // wakes whom that concerns, and completes operations. True where anything was completed or executed: then
  // turn() is called again before the thread sleeps. False: from now on, whoever has something for it writes
  // to wake_fd().
  virtual bool turn(unsigned thread) noexcept = 0;

  // An eventfd that becomes readable when turn(thread) has something to do. The loop reads it empty, then
  // turns.
  virtual int wake_fd(unsigned thread) const noexcept = 0;

  // Operations of this thread that were submitted and not completed.
  virtual std::size_t in_flight(unsigned thread) const noexcept = 0;

  // Keys of the thread's open work at gateways: at first of all that is open, then of what was opened or
  // changed since. Not durable yet: a read of it is. Between begin_batch() and turn().
  virtual std::vector<GatewayWorkKey> take_gateway_work(unsigned thread) {
    static_cast<void>(thread);
    return {};
  }

  // A thread of lower priority uses the processors for the books. Any thread.
  virtual bool is_writing_books() const noexcept { return false; }

  // The thread's time: that of the current batch, and never before an earlier one.
  virtual Time now(unsigned thread) const noexcept = 0;

  // Pure look-ups, on any thread.
  virtual std::uint8_t shard_of(std::string_view account) const noexcept = 0;
  virtual OrderId fresh_order_id(unsigned thread, std::uint8_t shard) noexcept = 0;
  virtual ExceptionId fresh_exception_id(unsigned thread, std::uint8_t shard) noexcept = 0;
};

}  // namespace recharge
