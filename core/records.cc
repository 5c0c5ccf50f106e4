#include "core/records.h"

#include <algorithm>

namespace recharge {
namespace {

#define RECHARGE_FETCH(target, expression) \
  do {                                     \
    auto fetched = (expression);           \
    if (!fetched) return fetched.error();  \
    (target) = *fetched;                   \
  } while (false)

struct Gatherer {
  RecordSource& source;
  Records records;

  using Done = Result<void>;

  Done order_and_account(const OrderId& id) {
    RECHARGE_FETCH(records.order, source.order(id));
    if (records.order != nullptr) RECHARGE_FETCH(records.account, source.account(records.order->account));
    return {};
  }

  // And what is known of its recharge by a supplier, if it is still to be performed.
  Done held_order(const OrderId& id) {
    if (auto done = order_and_account(id); !done) return done;
    if (records.order == nullptr || !records.order->is_held()) return {};
    RECHARGE_FETCH(records.recharge, source.gateway_work(GatewayWorkKey::of_recharge(id)));
    return {};
  }
  Done latest_attempt(const OrderId& id) {
    if (auto done = held_order(id); !done) return done;
    if (records.recharge == nullptr || records.recharge->attempts == 0) return {};
    RECHARGE_FETCH(records.attempt, source.attempt(id, records.recharge->attempts));
    return {};
  }
  Done named_attempt(const OrderId& id, std::uint16_t number) {
    if (auto done = held_order(id); !done) return done;
    RECHARGE_FETCH(records.attempt, source.attempt(id, number));
    return {};
  }

  // The replayed order comes last: a source may keep no more than the order that was read last.
  Done operator()(const PlaceOrder& command) {
    RECHARGE_FETCH(records.account, source.account(command.account));
    if (!command.limits.empty() && records.account != nullptr) {
      if (auto done = count_placed(command, records.account->newest_order); !done) return done;
    }
    if (command.idempotency_key.is_nil()) return {};
    RECHARGE_FETCH(records.idempotency, source.idempotency(command.idempotency_key));
    if (records.idempotency != nullptr) {
      RECHARGE_FETCH(records.order, source.order(records.idempotency->order_id));
    }
    return {};
  }

  // A pending order counts while it can be paid, an amount for a day; older ones end the search.
  Done count_placed(const PlaceOrder& command, OrderId at) {
    const Time now = command.order_id.time();
    const std::int64_t matters_ms =
        std::max(command.limits.max_pending > 0 ? command.expire_after_ms : 0,
                 command.limits.max_amount_a_day.is_positive() ? AccountLimits::kDayMs : 0);
    PlacedLately& placed = records.placed_lately;
    for (std::uint32_t examined = 0; !at.is_nil(); ++examined) {
      const Order* order = nullptr;
      RECHARGE_FETCH(order, source.order(at));
      if (order == nullptr) return Errc::damaged;
      const std::int64_t age_ms = now.ms - order->created_at().ms;
      if (age_ms > matters_ms) return {};  // at the end of its time an order still waits
      if (examined == AccountLimits::kMaxExamined) {
        placed.too_many = true;
        return {};
      }
      const bool ended = order->is_overdue(now) || order->status == OrderStatus::failed ||
                         order->status == OrderStatus::closed || order->status == OrderStatus::expired;
      if (order->status == OrderStatus::pending && !ended) ++placed.pending;
      if (!ended && age_ms < AccountLimits::kDayMs) {
        const auto sum = add(placed.amount, order->amount);
        placed.too_many = placed.too_many || !sum;
        if (sum) placed.amount = *sum;
      }
      at = order->previous;
    }
    return {};
  }

  Done operator()(const SimulatePayment& command) { return order_and_account(command.order_id); }
  Done operator()(const CloseOrder& command) { return order_and_account(command.order_id); }
  Done operator()(const ExpireOrder& command) { return order_and_account(command.order_id); }

  Done operator()(const ReportPayment& command) {
    if (!command.order_id.is_nil()) {
      if (auto done = order_and_account(command.order_id); !done) return done;
    }
    // Only an order that something was kept for, or none at all, can have met this payment as an exception.
    if (!command.success || (records.order != nullptr && records.order->exceptions == 0)) return {};
    for (std::size_t kind = 0; kind < kExceptionKinds; ++kind) {
      const auto key = exception_key(command, static_cast<ExceptionKind>(kind));
      RECHARGE_FETCH(records.kept[kind], source.exception(key));
    }
    return {};
  }

  Done operator()(const RequestRefund& command) {
    if (auto done = held_order(command.order_id); !done) return done;
    RECHARGE_FETCH(records.refund, source.refund(command.order_id, command.refund_id));
    return {};
  }

  Done operator()(const SettleRefund& command) {
    if (auto done = held_order(command.order_id); !done) return done;
    RECHARGE_FETCH(records.refund, source.refund(command.order_id, command.refund_id));
    RECHARGE_FETCH(records.work,
                   source.gateway_work(GatewayWorkKey::of_refund(command.order_id, command.refund_id)));
    return {};
  }

  Done operator()(const SpendBalance& command) {
    RECHARGE_FETCH(records.account, source.account(command.account));
    RECHARGE_FETCH(records.debit, source.debit(command.account, command.debit_id));
    if (records.debit != nullptr) RECHARGE_FETCH(records.entry, source.transfer(records.debit->entry_id));
    return {};
  }

  Done operator()(const ResolveException& command) {
    RECHARGE_FETCH(records.exception, source.exception(command.exception_id));
    if (records.exception != nullptr && !records.exception->account.empty()) {
      RECHARGE_FETCH(records.account, source.account(records.exception->account));
    }
    return {};
  }

  Done operator()(const StartPayment& command) {
    if (auto done = order_and_account(command.order_id); !done) return done;
    RECHARGE_FETCH(records.work,
                   source.gateway_work(GatewayWorkKey::of_payment(command.order_id, command.method)));
    return {};
  }
  Done operator()(const NotePaymentStart& command) {
    if (auto done = order_and_account(command.order_id); !done) return done;
    RECHARGE_FETCH(records.work,
                   source.gateway_work(GatewayWorkKey::of_payment(command.order_id, command.method)));
    return {};
  }
  Done operator()(const EndPayment& command) {
    RECHARGE_FETCH(records.work,
                   source.gateway_work(GatewayWorkKey::of_payment(command.order_id, command.method)));
    return {};
  }
  Done operator()(const SettleExceptionRefund& command) {
    RECHARGE_FETCH(records.exception, source.exception(command.exception_id));
    RECHARGE_FETCH(records.work, source.gateway_work(GatewayWorkKey::of_exception(command.exception_id)));
    return {};
  }

  Done operator()(const BeginAttempt& command) { return latest_attempt(command.order_id); }
  Done operator()(const FailRecharge& command) { return latest_attempt(command.order_id); }
  Done operator()(const NoteAttempt& command) { return named_attempt(command.order_id, command.number); }
  Done operator()(const EndAttempt& command) { return named_attempt(command.order_id, command.number); }

  template <class Read>
  Done operator()(const Read&) {
    return Errc::out_of_range;  // reads are no changes
  }
};

#undef RECHARGE_FETCH

}  // namespace

Result<Records> gather(const Command& command, RecordSource& source) {
  Gatherer gatherer{source, {}};
  auto done = std::visit(gatherer, command);
  if (!done) return done.error();
  return gatherer.records;
}

}  // namespace recharge
