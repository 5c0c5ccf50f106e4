// Purpose: what orders and balances must come to, and what is answered, written a second time from what users
// are promised, without facts, ledger or records: the yardstick for random histories. Owner: one test.
// A payment is known by its order and transaction id; histories give each gateway transaction ids of its own.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>

#include "core/command.h"
#include "core/outcome.h"
#include "core/transition.h"

namespace recharge::testing {

// What is answered; `kind` counts where the payment is kept.
struct ModelReply {
  OutcomeCode code = OutcomeCode::nothing_to_do;
  ExceptionKind kind = ExceptionKind::late_payment;
};

class OrderModel {
 public:
  struct Entry {
    OrderStatus status = OrderStatus::pending;
    std::int64_t amount = 0;
    std::int64_t expires_ms = 0;
    Account account;
    std::string gateway;
    std::string transaction;
    std::int64_t refunded = 0;
    std::map<RefundId, std::pair<std::int64_t, RefundStatus>> refunds;

    bool is_overdue(std::int64_t now_ms) const {
      return (status == OrderStatus::pending || status == OrderStatus::failed) && now_ms > expires_ms;
    }
    OrderStatus status_at(std::int64_t now_ms) const {
      return is_overdue(now_ms) ? OrderStatus::expired : status;
    }
  };
  struct Payment {
    std::set<ExceptionKind> kinds;         // every reason for which it was ever kept
    std::optional<ExceptionKind> current;  // the newest, until it is credited
    bool open = false;
    bool settled = false;  // credited or returned by hand or by policy
    std::int64_t amount = 0;
    ExceptionId id;
  };
  std::map<OrderId, Entry> orders;
  std::map<Account, std::int64_t> balances;
  std::map<std::pair<std::string, std::string>, Payment> payments;  // reported as successes
  std::map<std::pair<Account, DebitId>, std::int64_t> debits;

  std::int64_t in_suspense() const {
    std::int64_t sum = 0;
    for (const auto& [key, payment] : payments) sum += payment.open ? payment.amount : 0;
    return sum;
  }
  // Exceptions that there are or were.
  std::size_t kept() const {
    std::size_t count = replaced_.size();
    for (const auto& [key, payment] : payments) count += payment.kinds.empty() ? 0 : 1;
    return count;
  }
  std::int64_t in_transit() const {
    std::int64_t sum = 0;
    for (const auto& [id, order] : orders) {
      for (const auto& [refund_id, refund] : order.refunds)
        sum += refund.second == RefundStatus::pending ? refund.first : 0;
    }
    return sum;
  }
  std::int64_t spent() const {
    std::int64_t sum = 0;
    for (const auto& [key, amount] : debits) sum += amount;
    return sum;
  }

  ModelReply execute(const Command& command, std::int64_t now_ms) {
    now_ = now_ms;
    changed_ = false;
    expired_ = false;
    return std::visit([this](const auto& c) { return on(c); }, command);
  }
  // Whether the last command changed anything, and whether it found its order past its time.
  bool changed() const { return changed_; }
  bool expired() const { return expired_; }

 private:
  using Code = OutcomeCode;
  struct Remembered {
    Digest body;
    std::int64_t at;
  };

  ModelReply change(Code code) {
    changed_ = true;
    return {code};
  }

  Entry* find(const OrderId& id) {
    const auto found = orders.find(id);
    if (found == orders.end()) return nullptr;
    Entry& order = found->second;
    if (order.is_overdue(now_)) {
      order.status = OrderStatus::expired;
      expired_ = true;
    }
    return &order;
  }
  static bool credited(const Entry& order) {
    return order.status == OrderStatus::recharged || order.status == OrderStatus::refunded ||
           order.status == OrderStatus::partially_refunded;
  }
  static bool accepts(const Entry& order, std::string_view gateway) {
    return order.gateway.empty() || order.gateway == gateway ||
           (order.gateway == "simulated" && gateway == "native");
  }

  ModelReply on(const PlaceOrder& c) {
    if (!c.idempotency_key.is_nil()) {
      const auto found = remembered_.find(c.idempotency_key);
      if (found != remembered_.end() && now_ - found->second.at < c.idempotency_retention_ms)
        return {found->second.body == c.request_body ? Code::order_replayed : Code::idempotency_mismatch};
      remembered_[c.idempotency_key] = {c.request_body, now_};
    }
    Entry order;
    order.amount = c.amount.minor_units();
    order.expires_ms = c.order_id.time().ms + c.expire_after_ms;
    order.account = c.account;
    order.gateway = c.gateway.view();
    orders[c.order_id] = order;
    return change(Code::order_placed);
  }

  ModelReply on(const SimulatePayment& c) {
    Entry* order = find(c.order_id);
    if (order == nullptr) return {Code::order_not_found};
    if (order->status == OrderStatus::paid || credited(*order)) return {Code::payment_simulated};
    if (order->status != OrderStatus::pending && order->status != OrderStatus::failed)
      return {Code::invalid_state};
    if (!order->gateway.empty() && order->gateway != c.gateway.view()) return {Code::gateway_mismatch};
    changed_ |= c.approved || order->status != OrderStatus::failed || order->gateway.empty();
    order->gateway = c.gateway.view();
    order->status = c.approved ? OrderStatus::paid : OrderStatus::failed;
    if (c.approved) order->transaction = c.transaction_id.view();
    return {c.approved ? Code::payment_simulated : Code::payment_declined};
  }

  ModelReply on(const ReportPayment& c) {
    Entry* order = find(c.order_id);
    const bool was_credited = order != nullptr && credited(*order);
    const bool stale = c.sent_at && c.tolerance_ms > 0 &&
                       std::abs(c.sent_at->ms / 1000 - now_ / 1000) > c.tolerance_ms / 1000;
    if (!c.success) {
      if (was_credited) return {Code::already_processed};
      if (stale) return {Code::stale_signature};
      if (order == nullptr) return {Code::order_not_found};
      if (order->status != OrderStatus::pending || !accepts(*order, c.gateway.view()))
        return {Code::already_processed};
      order->status = OrderStatus::failed;
      return change(Code::payment_failure_recorded);
    }
    // The same order is meant, whichever form of its id was sent.
    const auto reference = c.order_id.is_nil() ? std::string(c.reference.view()) : c.order_id.to_text();
    Payment& payment = payments[{reference, std::string(c.transaction_id.view())}];
    if (payment.settled) return {Code::already_processed};
    if (stale && !was_credited) return hold(payment, ExceptionKind::stale_callback, c);
    if (order == nullptr) return hold(payment, ExceptionKind::unknown_order, c);
    if (!accepts(*order, c.gateway.view())) return hold(payment, ExceptionKind::gateway_mismatch, c);
    if (c.amount.minor_units() != order->amount) return hold(payment, ExceptionKind::amount_mismatch, c);
    if (was_credited) {
      if (order->transaction == c.transaction_id.view()) return {Code::already_processed};
      return hold(payment, ExceptionKind::duplicate_payment, c);
    }
    if (payment.kinds.contains(ExceptionKind::balance_limit))
      return hold(payment, ExceptionKind::balance_limit, c);
    const bool kept_late = payment.kinds.contains(ExceptionKind::late_payment);
    const bool on_time = c.paid_at && c.paid_at->ms <= order->expires_ms;
    const bool late =
        order->status == OrderStatus::closed || (order->status == OrderStatus::expired && !on_time);
    if (kept_late && (late || !payment.open)) return hold(payment, ExceptionKind::late_payment, c);
    if (late && c.policies.late != PaymentPolicy::credit) {
      const auto reply = hold(payment, ExceptionKind::late_payment, c);
      if (c.policies.late == PaymentPolicy::refund) settle(payment);
      return reply;
    }
    return credit(*order, payment, c);
  }

  ModelReply credit(Entry& order, Payment& payment, const ReportPayment& c) {
    auto& balance = balances[order.account];
    if (balance + order.amount > kMaxBalance.minor_units())
      return hold(payment, ExceptionKind::balance_limit, c);
    balance += order.amount;
    order.status = OrderStatus::recharged;
    order.transaction = c.transaction_id.view();
    if (order.gateway.empty()) order.gateway = c.gateway.view();
    payment.open = false;
    payment.current.reset();
    return change(Code::recharge_succeeded);
  }

  // Once for each reason; only a stale report, or one of another amount, gives way to another reason.
  ModelReply hold(Payment& payment, ExceptionKind kind, const ReportPayment& c) {
    const Code code = kind == ExceptionKind::stale_callback  ? Code::stale_signature
                      : kind == ExceptionKind::unknown_order ? Code::order_not_found
                                                             : Code::kept_for_review;
    const auto again = [&](ExceptionKind held) -> ModelReply {
      const bool open = payment.open && payment.current == held;
      return {open || code != Code::kept_for_review ? code : Code::already_processed, held};
    };
    if (payment.kinds.contains(kind)) return again(kind);
    if (kind == ExceptionKind::stale_callback && !payment.kinds.empty()) return {code, kind};
    if (payment.current && *payment.current != ExceptionKind::stale_callback &&
        *payment.current != ExceptionKind::amount_mismatch) {
      return again(*payment.current);
    }
    if (!payment.kinds.empty()) replaced_.insert(payment.id);
    payment.kinds.insert(kind);
    payment.current = kind;
    payment.open = true;
    payment.amount = c.amount.minor_units();
    payment.id = c.exception_id;
    changed_ = true;
    return {code, kind};
  }
  void settle(Payment& payment) {
    payment.open = false;
    payment.settled = true;
    changed_ = true;
  }

  ModelReply on(const CloseOrder& c) {
    Entry* order = find(c.order_id);
    if (order == nullptr) return {Code::order_not_found};
    if (order->status == OrderStatus::closed) return {Code::order_closed};
    if (order->status != OrderStatus::pending && order->status != OrderStatus::failed)
      return {Code::invalid_state};
    order->status = OrderStatus::closed;
    return change(Code::order_closed);
  }
  ModelReply on(const ExpireOrder& c) {
    if (find(c.order_id) == nullptr) return {Code::order_not_found};
    return {expired_ ? Code::order_expired : Code::nothing_to_do};
  }

  ModelReply on(const RequestRefund& c) {
    Entry* order = find(c.order_id);
    if (order == nullptr) return {Code::order_not_found};
    if (const auto earlier = order->refunds.find(c.refund_id); earlier != order->refunds.end()) {
      const bool same = !c.amount || c.amount->minor_units() == earlier->second.first;
      return {same ? Code::refund_requested : Code::idempotency_mismatch};
    }
    if (!credited(*order)) return {Code::invalid_state};
    std::int64_t rest = order->amount;
    for (const auto& [id, refund] : order->refunds) {
      if (refund.second != RefundStatus::failed) rest -= refund.first;
    }
    const auto amount = c.amount ? c.amount->minor_units() : rest;
    auto& balance = balances[order->account];
    if (amount <= 0 || amount > rest) return {Code::refund_exceeds_payment};
    if (amount > balance) return {Code::insufficient_balance};
    balance -= amount;
    order->refunds[c.refund_id] = {amount, RefundStatus::pending};
    if (c.settle_now) return finish(*order, c.refund_id, true);
    return change(Code::refund_requested);
  }
  ModelReply on(const SettleRefund& c) {  // no order with a refund can expire
    const auto order = orders.find(c.order_id);
    if (order == orders.end()) return {Code::order_not_found};
    const auto refund = order->second.refunds.find(c.refund_id);
    if (refund == order->second.refunds.end()) return {Code::refund_not_found};
    if (refund->second.second != RefundStatus::pending) return {Code::refund_settled};
    return finish(order->second, c.refund_id, c.succeeded);
  }
  ModelReply finish(Entry& order, const RefundId& id, bool succeeded) {
    auto& [amount, status] = order.refunds[id];
    auto& balance = balances[order.account];
    if (!succeeded) {
      if (balance + amount > kMaxBalance.minor_units()) return {Code::balance_limit};
      balance += amount;
      status = RefundStatus::failed;
      return change(Code::refund_settled);
    }
    status = RefundStatus::succeeded;
    order.refunded += amount;
    order.status = order.refunded == order.amount ? OrderStatus::refunded : OrderStatus::partially_refunded;
    return change(Code::refund_settled);
  }

  ModelReply on(const SpendBalance& c) {
    const auto earlier = debits.find({c.account, c.debit_id});
    if (earlier != debits.end()) {
      const bool same = earlier->second == c.amount.minor_units();
      return {same ? Code::balance_spent : Code::idempotency_mismatch};
    }
    auto& balance = balances[c.account];
    if (c.amount.minor_units() > balance) return {Code::insufficient_balance};
    debits[{c.account, c.debit_id}] = c.amount.minor_units();
    balance -= c.amount.minor_units();
    return change(Code::balance_spent);
  }

  ModelReply on(const ResolveException& c) {
    if (replaced_.contains(c.exception_id)) return {Code::invalid_state};
    for (auto& [key, payment] : payments) {
      if (payment.kinds.empty() || payment.id != c.exception_id) continue;
      if (!payment.open) return {Code::invalid_state};
      if (c.action == ExceptionAction::dismiss) {
        payment.open = false;
        return change(Code::exception_resolved);
      }
      if (c.action == ExceptionAction::credit) {
        const auto id = OrderId::parse(key.first);
        const auto order = id ? orders.find(*id) : orders.end();
        if (order == orders.end()) return {Code::not_creditable};
        auto& balance = balances[order->second.account];
        if (balance + payment.amount > kMaxBalance.minor_units()) return {Code::balance_limit};
        balance += payment.amount;
      }
      settle(payment);
      return {Code::exception_resolved};
    }
    return {Code::exception_not_found};
  }

  template <class Read>
  ModelReply on(const Read&) {
    return {Code::found};
  }

  std::int64_t now_ = 0;
  bool changed_ = false;
  bool expired_ = false;
  std::map<IdempotencyKey, Remembered> remembered_;
  std::set<ExceptionId> replaced_;  // of payments that are kept for another reason since
};

}  // namespace recharge::testing
