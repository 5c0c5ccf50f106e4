// Purpose: an engine without a store: answers each command with a canned outcome, at once or when it is
// released. Owner: one io thread, but for hold() and release(), which any thread may call.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "server/engine.h"

namespace recharge {

inline OrderId test_order_id(std::uint8_t shard = 7) {
  return OrderId::make(Time{1'700'000'000'000}, shard, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
}

inline Order test_order() {
  Order order;
  order.id = test_order_id();
  if (!order.account.assign("13812345678")) throw std::logic_error("account");
  order.amount = Money::from_minor_units(5000);
  order.currency = *currency_from_code("CNY");
  order.expires_at = Time{1'700'001'800'000};
  return order;
}

class FakeEngine final : public Engine {
 public:
  using Answer = std::function<void(Operation&)>;

  explicit FakeEngine(Answer answer = &FakeEngine::canned)
      : answer_(std::move(answer)), wake_fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  ~FakeEngine() override { ::close(wake_fd_); }

  static void canned(Operation& operation) {
    Outcome& outcome = operation.outcome;
    outcome.shown = std::monostate{};
    if (std::holds_alternative<ReportPayment>(operation.command)) {
      outcome.code = OutcomeCode::recharge_succeeded;
    } else if (std::holds_alternative<ReadBalance>(operation.command)) {
      outcome.code = OutcomeCode::found;
      outcome.shown = Money::from_minor_units(5000);
    } else if (std::holds_alternative<ListOrders>(operation.command)) {
      outcome.code = OutcomeCode::found;
      outcome.shown =
          OrderPage{std::vector<Order>(std::get<ListOrders>(operation.command).limit, test_order()), {}};
    } else {
      outcome.code = OutcomeCode::order_not_found;
    }
  }

  void hold() { held_ = true; }
  void release() {
    held_ = false;
    const std::uint64_t one = 1;
    if (::write(wake_fd_, &one, sizeof one) < 0) throw std::runtime_error("eventfd");
  }
  std::size_t submitted() const { return submitted_; }

  unsigned threads() const noexcept override { return 1; }
  void submit(unsigned, Operation& operation) noexcept override {
    waiting_.push_back(&operation);
    ++submitted_;
  }
  void begin_batch(unsigned) noexcept override {}
  bool is_writing_books() const noexcept override { return writing_books; }
  bool turn(unsigned) noexcept override {
    if (held_ || waiting_.empty()) return false;
    std::vector<Operation*> batch;
    batch.swap(waiting_);
    for (Operation* operation : batch) {
      answer_(*operation);
      operation->complete(*operation);
    }
    return true;
  }
  int wake_fd(unsigned) const noexcept override { return wake_fd_; }
  std::size_t in_flight(unsigned) const noexcept override { return waiting_.size(); }
  Time now(unsigned) const noexcept override { return now_value; }
  std::uint8_t shard_of(std::string_view account) const noexcept override {
    return static_cast<std::uint8_t>(account.size() % 64);
  }
  OrderId fresh_order_id(unsigned, std::uint8_t shard) noexcept override { return test_order_id(shard); }
  ExceptionId fresh_exception_id(unsigned, std::uint8_t shard) noexcept override {
    return ExceptionId::make(Time{1'700'000'000'000}, shard, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  }

  Time now_value{1'700'000'000'000};
  std::atomic<bool> writing_books{false};

 private:
  Answer answer_;
  int wake_fd_;
  std::atomic<bool> held_{false};
  std::atomic<std::size_t> submitted_{0};
  std::vector<Operation*> waiting_;
};

}  // namespace recharge
