#include "core/records.h"

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

  Done operator()(const PlaceOrder& command) {
    if (!command.idempotency_key.is_nil()) {
      RECHARGE_FETCH(records.idempotency, source.idempotency(command.idempotency_key));
      if (records.idempotency != nullptr) {
        RECHARGE_FETCH(records.order, source.order(records.idempotency->order_id));
      }
    }
    RECHARGE_FETCH(records.account, source.account(command.account));
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
    if (auto done = order_and_account(command.order_id); !done) return done;
    RECHARGE_FETCH(records.refund, source.refund(command.order_id, command.refund_id));
    return {};
  }

  Done operator()(const SettleRefund& command) {
    if (auto done = order_and_account(command.order_id); !done) return done;
    RECHARGE_FETCH(records.refund, source.refund(command.order_id, command.refund_id));
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
