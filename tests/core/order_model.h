// Purpose: what orders and balances must come to, written a second time from what users are promised, without
// facts, ledger or records: the yardstick for random histories. Owner: one test.
// A payment is known by its order and transaction id; histories give each gateway transaction ids of its own.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>

#include "core/command.h"
#include "core/transition.h"

namespace recharge::testing {

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
  };
  std::map<OrderId, Entry> orders;
  std::map<Account, std::int64_t> balances;

  std::int64_t in_suspense() const {
    std::int64_t sum = 0;
    for (const auto& [key, payment] : payments_) sum += payment.open ? payment.amount : 0;
    return sum;
  }

  void execute(const Command& command, std::int64_t now_ms) {
    now_ = now_ms;
    std::visit([this](const auto& c) { on(c); }, command);
  }

 private:
  struct Payment {
    std::set<ExceptionKind> kinds;         // every reason for which it was ever kept
    std::optional<ExceptionKind> current;  // the newest, until it is credited
    bool open = false;
    bool settled = false;  // credited or returned by hand or by policy
    std::int64_t amount = 0;
    ExceptionId id;
  };
  struct Remembered {
    Digest body;
    std::int64_t at;
  };

  Entry* find(const OrderId& id) {
    const auto found = orders.find(id);
    if (found == orders.end()) return nullptr;
    Entry& order = found->second;
    const bool unpaid = order.status == OrderStatus::pending || order.status == OrderStatus::failed;
    if (unpaid && now_ > order.expires_ms) order.status = OrderStatus::expired;
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

  void on(const PlaceOrder& c) {
    if (!c.idempotency_key.is_nil()) {
      const auto found = remembered_.find(c.idempotency_key);
      if (found != remembered_.end() && now_ - found->second.at < c.idempotency_retention_ms) return;
      remembered_[c.idempotency_key] = {c.request_body, now_};
    }
    Entry order;
    order.amount = c.amount.minor_units();
    order.expires_ms = c.order_id.time().ms + c.expire_after_ms;
    order.account = c.account;
    order.gateway = c.gateway.view();
    orders[c.order_id] = order;
  }

  void on(const SimulatePayment& c) {
    Entry* order = find(c.order_id);
    if (order == nullptr) return;
    if (order->status != OrderStatus::pending && order->status != OrderStatus::failed) return;
    if (!order->gateway.empty() && order->gateway != c.gateway.view()) return;
    order->gateway = c.gateway.view();
    order->status = c.approved ? OrderStatus::paid : OrderStatus::failed;
    if (c.approved) order->transaction = c.transaction_id.view();
  }

  void on(const ReportPayment& c) {
    Entry* order = find(c.order_id);
    const bool was_credited = order != nullptr && credited(*order);
    const bool stale = c.sent_at && c.tolerance_ms > 0 &&
                       std::abs(c.sent_at->ms / 1000 - now_ / 1000) > c.tolerance_ms / 1000;
    if (!c.success) {
      if (order != nullptr && !stale && order->status == OrderStatus::pending &&
          accepts(*order, c.gateway.view())) {
        order->status = OrderStatus::failed;
      }
      return;
    }
    Payment& payment = payments_[{std::string(c.reference.view()), std::string(c.transaction_id.view())}];
    if (payment.settled) return;
    if (stale && !was_credited) return hold(payment, ExceptionKind::stale_callback, c);
    if (order == nullptr) return hold(payment, ExceptionKind::unknown_order, c);
    if (!accepts(*order, c.gateway.view())) return hold(payment, ExceptionKind::gateway_mismatch, c);
    if (c.amount.minor_units() != order->amount) return hold(payment, ExceptionKind::amount_mismatch, c);
    if (was_credited) {
      if (order->transaction != c.transaction_id.view()) hold(payment, ExceptionKind::duplicate_payment, c);
      return;
    }
    if (payment.kinds.contains(ExceptionKind::balance_limit)) return;
    const bool kept_late = payment.kinds.contains(ExceptionKind::late_payment);
    const bool on_time = c.paid_at && c.paid_at->ms <= order->expires_ms;
    const bool late =
        order->status == OrderStatus::closed || (order->status == OrderStatus::expired && !on_time);
    if (kept_late && (late || !payment.open)) return;
    if (late && c.late_policy != LatePolicy::credit) {
      hold(payment, ExceptionKind::late_payment, c);
      if (c.late_policy == LatePolicy::refund) settle(payment);
      return;
    }
    auto& balance = balances[order->account];
    if (balance + order->amount > kMaxBalance.minor_units()) {
      return hold(payment, ExceptionKind::balance_limit, c);
    }
    balance += order->amount;
    order->status = OrderStatus::recharged;
    order->transaction = c.transaction_id.view();
    if (order->gateway.empty()) order->gateway = c.gateway.view();
    payment.open = false;
    payment.current.reset();
  }

  // Once for each reason; only a stale report, or one of another amount, gives way to another reason.
  void hold(Payment& payment, ExceptionKind kind, const ReportPayment& c) {
    if (payment.kinds.contains(kind)) return;
    if (kind == ExceptionKind::stale_callback && !payment.kinds.empty()) return;
    if (payment.current && *payment.current != ExceptionKind::stale_callback &&
        *payment.current != ExceptionKind::amount_mismatch) {
      return;
    }
    payment.kinds.insert(kind);
    payment.current = kind;
    payment.open = true;
    payment.amount = c.amount.minor_units();
    payment.id = c.exception_id;
  }
  void settle(Payment& payment) {
    payment.open = false;
    payment.settled = true;
  }

  void on(const CloseOrder& c) {
    Entry* order = find(c.order_id);
    if (order == nullptr) return;
    if (order->status == OrderStatus::pending || order->status == OrderStatus::failed) {
      order->status = OrderStatus::closed;
    }
  }
  void on(const ExpireOrder& c) { find(c.order_id); }

  void on(const RequestRefund& c) {
    Entry* order = find(c.order_id);
    if (order == nullptr || !credited(*order) || order->refunds.contains(c.refund_id)) return;
    std::int64_t rest = order->amount;
    for (const auto& [id, refund] : order->refunds) {
      if (refund.second != RefundStatus::failed) rest -= refund.first;
    }
    const auto amount = c.amount ? c.amount->minor_units() : rest;
    auto& balance = balances[order->account];
    if (amount <= 0 || amount > rest || amount > balance) return;
    balance -= amount;
    order->refunds[c.refund_id] = {amount, RefundStatus::pending};
    if (c.settle_now) finish(*order, c.refund_id, true);
  }
  void on(const SettleRefund& c) {
    Entry* order = find(c.order_id);
    if (order == nullptr || !order->refunds.contains(c.refund_id)) return;
    if (order->refunds[c.refund_id].second == RefundStatus::pending) finish(*order, c.refund_id, c.succeeded);
  }
  void finish(Entry& order, const RefundId& id, bool succeeded) {
    auto& [amount, status] = order.refunds[id];
    auto& balance = balances[order.account];
    if (!succeeded) {
      if (balance + amount > kMaxBalance.minor_units()) return;
      balance += amount;
      status = RefundStatus::failed;
      return;
    }
    status = RefundStatus::succeeded;
    order.refunded += amount;
    order.status = order.refunded == order.amount ? OrderStatus::refunded : OrderStatus::partially_refunded;
  }

  void on(const SpendBalance& c) {
    auto& balance = balances[c.account];
    if (debits_.contains({c.account, c.debit_id}) || c.amount.minor_units() > balance) return;
    debits_.insert({c.account, c.debit_id});
    balance -= c.amount.minor_units();
  }

  void on(const ResolveException& c) {
    for (auto& [key, payment] : payments_) {
      if (!payment.open || payment.id != c.exception_id) continue;
      if (c.action == ExceptionAction::dismiss) {
        payment.open = false;
        return;
      }
      if (c.action == ExceptionAction::credit) {
        const auto id = OrderId::parse(key.first);
        const auto order = id ? orders.find(*id) : orders.end();
        if (order == orders.end()) return;
        auto& balance = balances[order->second.account];
        if (balance + payment.amount > kMaxBalance.minor_units()) return;
        balance += payment.amount;
      }
      return settle(payment);
    }
  }

  template <class Read>
  void on(const Read&) {}

  std::int64_t now_ = 0;
  std::map<std::pair<std::string, std::string>, Payment> payments_;
  std::map<IdempotencyKey, Remembered> remembered_;
  std::set<std::pair<Account, DebitId>> debits_;
};

}  // namespace recharge::testing
