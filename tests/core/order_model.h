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
#include <vector>

#include "core/check.h"
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
  // What one supplier was asked for under one request id.
  struct Attempt {
    SupplierName supplier;
    AttemptState state = AttemptState::begun;
    std::uint32_t calls = 0;  // that settled nothing
    std::string reference;
    std::string reason;
    bool is_open() const { return state == AttemptState::begun; }
  };
  struct Entry {
    OrderStatus status = OrderStatus::pending;
    std::int64_t amount = 0;
    std::int64_t expires_ms = 0;
    Account account;
    std::string gateway;
    std::string transaction;
    std::int64_t refunded = 0;
    std::map<RefundId, std::pair<std::int64_t, RefundStatus>> refunds;
    bool by_call = false;      // its payment came from a gateway that is called for refunds
    bool by_supplier = false;  // its payment is held until somebody has recharged, or nobody can
    bool by_workers = false;   // asked by events
    bool given_up = false;     // nobody can
    std::vector<Attempt> attempts;

    bool is_held() const {
      return by_supplier && (status == OrderStatus::paid || status == OrderStatus::recharging);
    }
    bool may_be_done() const { return !attempts.empty() && attempts.back().is_open(); }
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
    std::string gateway;
    bool by_call = false;
    bool returning = false;  // its gateway was asked to give it back, and has not answered
    bool returned = false;   // and has
  };
  // What is to be done at a gateway, from before the first call until an answer ends it.
  struct Work {
    std::string gateway;
    std::string pay_text;
    std::int64_t pay_text_until = 0;
    std::string transaction;
    std::string refund;  // what its number at the gateway is made of
    std::int64_t amount = 0;
    std::int64_t total = 0;
  };
  struct Remembered {
    Digest body;
    std::int64_t at;
    std::int64_t retention_ms;
    OrderId order;
  };
  std::map<OrderId, Entry> orders;
  std::map<Account, std::int64_t> balances;
  std::map<std::pair<std::string, std::string>, Payment> payments;  // reported as successes
  std::map<std::pair<Account, DebitId>, std::int64_t> debits;
  std::map<GatewayWorkKey, Work> works;
  std::map<IdempotencyKey, Remembered> remembered;

  // Of payments whose recharge is not ended: neither done, nor on its way back to the payer.
  std::int64_t held() const {
    std::int64_t sum = 0;
    for (const auto& [id, order] : orders) {
      if (!order.is_held()) continue;
      sum += order.amount;
      for (const auto& [refund_id, refund] : order.refunds)
        sum -= refund.second == RefundStatus::pending ? refund.first : 0;
    }
    return sum;
  }
  std::int64_t supplied() const {
    std::int64_t sum = 0;
    for (const auto& [id, order] : orders)
      sum += order.by_supplier && order.status == OrderStatus::recharged ? order.amount : 0;
    return sum;
  }
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
    for (const auto& [key, payment] : payments) sum += payment.returning ? payment.amount : 0;
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
  static bool paid_for(const Entry& order) { return credited(order) || order.is_held(); }
  static bool accepts(const Entry& order, std::string_view gateway) {
    return order.gateway.empty() || order.gateway == gateway ||
           (order.gateway == "simulated" && gateway == "native");
  }

  ModelReply on(const PlaceOrder& c) {
    if (!c.idempotency_key.is_nil()) {
      const auto found = remembered.find(c.idempotency_key);
      if (found != remembered.end() && now_ - found->second.at < c.idempotency_retention_ms)
        return {found->second.body == c.request_body ? Code::order_replayed : Code::idempotency_mismatch};
    }
    if (const auto refused = over_limits(c)) return {*refused};
    if (!c.idempotency_key.is_nil())
      remembered[c.idempotency_key] = {c.request_body, now_, c.idempotency_retention_ms, c.order_id};
    Entry order;
    order.amount = c.amount.minor_units();
    order.expires_ms = c.order_id.time().ms + c.expire_after_ms;
    order.account = c.account;
    order.gateway = c.gateway.view();
    orders[c.order_id] = order;
    return change(Code::order_placed);
  }

  // So many may wait for their payment; and so much in a day, without those that came to nothing.
  std::optional<Code> over_limits(const PlaceOrder& c) const {
    constexpr std::int64_t kDayMs = 24 * 60 * 60 * 1000;
    if (c.limits.max_pending == 0 && c.limits.max_amount_a_day.minor_units() == 0) return std::nullopt;
    const std::int64_t now = c.order_id.time().ms;
    std::uint32_t waiting = 0;
    std::int64_t sum = c.amount.minor_units();
    for (const auto& [id, order] : orders) {
      if (order.account != c.account) continue;
      const auto status = order.status_at(now);
      if (status == OrderStatus::pending) ++waiting;
      if (status != OrderStatus::failed && status != OrderStatus::closed && status != OrderStatus::expired &&
          now - id.time().ms < kDayMs)
        sum += order.amount;
    }
    if (c.limits.max_pending > 0 && waiting >= c.limits.max_pending) return Code::too_many_pending;
    const auto limit = c.limits.max_amount_a_day.minor_units();
    if (limit > 0 && sum > limit) return Code::day_amount_exceeded;
    return std::nullopt;
  }

  ModelReply on(const SimulatePayment& c) {
    Entry* order = find(c.order_id);
    if (order == nullptr) return {Code::order_not_found};
    if (order->status == OrderStatus::paid || paid_for(*order)) return {Code::payment_simulated};
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
    const bool was_credited = order != nullptr && paid_for(*order);
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
    if (c.amount.minor_units() != order->amount) {
      const bool more = c.amount.minor_units() > order->amount;
      return hold_by(more ? c.policies.over : c.policies.under, *order, payment,
                     ExceptionKind::amount_mismatch, c);
    }
    if (was_credited) {
      if (order->transaction == c.transaction_id.view()) return {Code::already_processed};
      return hold_by(c.policies.duplicate, *order, payment, ExceptionKind::duplicate_payment, c);
    }
    if (payment.kinds.contains(ExceptionKind::balance_limit))
      return hold(payment, ExceptionKind::balance_limit, c);
    const bool kept_late = payment.kinds.contains(ExceptionKind::late_payment);
    const bool on_time = c.paid_at && c.paid_at->ms <= order->expires_ms;
    const bool late =
        order->status == OrderStatus::closed || (order->status == OrderStatus::expired && !on_time);
    if (kept_late && (late || !payment.open)) return hold(payment, ExceptionKind::late_payment, c);
    if (late && c.policies.late != PaymentPolicy::credit)
      return hold_by(c.policies.late, *order, payment, ExceptionKind::late_payment, c);
    return credit(*order, payment, c);
  }

  ModelReply credit(Entry& order, Payment& payment, const ReportPayment& c) {
    if (c.fulfilment != Fulfilment::wallet) return hold_for_supplier(order, payment, c);
    auto& balance = balances[order.account];
    if (balance + order.amount > kMaxBalance.minor_units())
      return hold(payment, ExceptionKind::balance_limit, c);
    balance += order.amount;
    order.status = OrderStatus::recharged;
    order.transaction = c.transaction_id.view();
    order.by_call = refunds_by_call(c.scheme);
    if (order.gateway.empty()) order.gateway = c.gateway.view();
    payment.open = false;
    payment.current.reset();
    return change(Code::recharge_succeeded);
  }

  ModelReply hold_for_supplier(Entry& order, Payment& payment, const ReportPayment& c) {
    order.by_supplier = true;
    order.by_workers = c.fulfilment == Fulfilment::amqp;
    order.status = OrderStatus::paid;
    order.transaction = c.transaction_id.view();
    order.by_call = refunds_by_call(c.scheme);
    if (order.gateway.empty()) order.gateway = c.gateway.view();
    payment.open = false;
    payment.current.reset();
    Work work;
    work.gateway = order.gateway;
    work.amount = order.amount;
    works[GatewayWorkKey::of_recharge(c.order_id)] = work;
    return change(Code::payment_held);
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
    payment.gateway = c.gateway.view();
    payment.by_call = refunds_by_call(c.scheme);
    changed_ = true;
    return {code, kind};
  }
  // And settled at once, as the policy says; where the balance has no room for it, it stays open.
  ModelReply hold_by(PaymentPolicy policy, Entry& order, Payment& payment, ExceptionKind kind,
                     const ReportPayment& c) {
    const bool held_before = payment.kinds.contains(kind);
    const auto reply = hold(payment, kind, c);
    if (held_before || payment.current != kind) return reply;
    if (policy == PaymentPolicy::refund) give_back(payment);
    if (policy == PaymentPolicy::credit) give_to(order.account, payment);
    return reply;
  }
  void settle(Payment& payment) {
    payment.open = false;
    payment.settled = true;
    changed_ = true;
  }
  bool give_to(const Account& account, Payment& payment) {
    auto& balance = balances[account];
    if (balance + payment.amount > kMaxBalance.minor_units()) return false;
    balance += payment.amount;
    settle(payment);
    return true;
  }
  void give_back(Payment& payment) {
    settle(payment);
    if (!payment.by_call) return;
    payment.returning = true;
    Work work;
    work.gateway = payment.gateway;
    for (const auto& [key, other] : payments) {
      if (&other == &payment) work.transaction = key.second;
    }
    work.refund = "exception-" + payment.id.to_text();
    work.amount = work.total = payment.amount;
    works[GatewayWorkKey::of_exception(payment.id)] = work;
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
    const bool by_supplier = order->by_supplier;
    if (by_supplier ? !order->is_held() || !order->given_up : !credited(*order)) return {Code::invalid_state};
    std::int64_t rest = order->amount;
    for (const auto& [id, refund] : order->refunds) {
      if (refund.second != RefundStatus::failed) rest -= refund.first;
    }
    const auto amount = c.amount ? c.amount->minor_units() : rest;
    auto& balance = balances[order->account];
    if (amount <= 0 || amount > rest) return {Code::refund_exceeds_payment};
    if (by_supplier && amount != rest) return {Code::invalid_state};
    if (!by_supplier && amount > balance) return {Code::insufficient_balance};
    if (!by_supplier) balance -= amount;
    return begin_refund(c.order_id, *order, c.refund_id, amount, c.settle_now, Code::refund_requested);
  }
  ModelReply begin_refund(const OrderId& id, Entry& order, const RefundId& refund_id, std::int64_t amount,
                          bool settle_now, Code code) {
    order.refunds[refund_id] = {amount, RefundStatus::pending};
    if (order.by_call) {
      Work work;
      work.gateway = order.gateway;
      work.transaction = order.transaction;
      work.refund = refund_id.view();
      work.amount = amount;
      work.total = order.amount;
      works[GatewayWorkKey::of_refund(id, refund_id)] = work;
    } else if (settle_now) {
      return finish(id, order, refund_id, true);
    }
    return change(code);
  }
  ModelReply on(const SettleRefund& c) {  // no order with a refund can expire
    const auto order = orders.find(c.order_id);
    if (order == orders.end()) return {Code::order_not_found};
    const auto refund = order->second.refunds.find(c.refund_id);
    if (refund == order->second.refunds.end()) return {Code::refund_not_found};
    if (refund->second.second != RefundStatus::pending) return {Code::refund_settled};
    const auto reply = finish(c.order_id, order->second, c.refund_id, c.succeeded);
    if (reply.code == Code::refund_settled) works.erase(GatewayWorkKey::of_refund(c.order_id, c.refund_id));
    return reply;
  }
  ModelReply finish(const OrderId& order_id, Entry& order, const RefundId& id, bool succeeded) {
    auto& [amount, status] = order.refunds[id];
    auto& balance = balances[order.account];
    if (!succeeded && order.is_held()) {
      status = RefundStatus::failed;
      return change(Code::refund_settled);
    }
    if (order.is_held()) works.erase(GatewayWorkKey::of_recharge(order_id));
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
        if (!give_to(order->second.account, payment)) return {Code::balance_limit};
      } else {
        give_back(payment);
      }
      return {Code::exception_resolved};
    }
    return {Code::exception_not_found};
  }

  ModelReply on(const StartPayment& c) {
    Entry* order = find(c.order_id);
    if (order == nullptr) return {Code::order_not_found};
    if (order->status != OrderStatus::pending && order->status != OrderStatus::failed)
      return {Code::invalid_state};
    const std::string gateway(c.gateway.empty() ? std::string_view(order->gateway) : c.gateway.view());
    if (gateway.empty() || (!order->gateway.empty() && order->gateway != gateway))
      return {Code::gateway_mismatch};
    const auto key = GatewayWorkKey::of_payment(c.order_id, c.method);
    if (const auto found = works.find(key); found != works.end()) {
      const Work& work = found->second;
      return {!work.pay_text.empty() && work.pay_text_until > now_ ? Code::payment_started
                                                                   : Code::payment_to_start};
    }
    order->gateway = gateway;
    works[key].gateway = gateway;
    return change(Code::payment_to_start);
  }
  ModelReply on(const NotePaymentStart& c) {
    if (!orders.contains(c.order_id)) return {Code::order_not_found};
    const auto found = works.find(GatewayWorkKey::of_payment(c.order_id, c.method));
    if (found == works.end()) return {Code::invalid_state};
    found->second.pay_text = c.pay_text.view();
    found->second.pay_text_until = c.pay_text_until.ms;
    return change(Code::payment_started);
  }
  ModelReply on(const EndPayment& c) {
    changed_ = works.erase(GatewayWorkKey::of_payment(c.order_id, c.method)) > 0;
    return {Code::payment_ended};
  }
  // A payment that its gateway would not give back is where it was before.
  ModelReply on(const SettleExceptionRefund& c) {
    for (auto& [key, payment] : payments) {
      if (payment.kinds.empty() || payment.id != c.exception_id) continue;
      if (works.erase(GatewayWorkKey::of_exception(payment.id)) == 0) return {Code::refund_not_found};
      payment.returning = false;
      payment.returned = c.succeeded;
      payment.open = !c.succeeded;
      payment.settled = c.succeeded;
      return change(Code::refund_settled);
    }
    return {replaced_.contains(c.exception_id) ? Code::refund_not_found : Code::exception_not_found};
  }

  ModelReply on(const BeginAttempt& c) {
    const auto found = orders.find(c.order_id);
    if (found == orders.end()) return {Code::order_not_found};
    Entry& order = found->second;
    if (!order.is_held() || order.given_up || order.may_be_done() || c.number != order.attempts.size() + 1)
      return {Code::invalid_state};
    order.status = OrderStatus::recharging;
    order.attempts.push_back({c.supplier, AttemptState::begun, 0, "", ""});
    return change(Code::attempt_begun);
  }
  ModelReply on(const NoteAttempt& c) {
    const auto [attempt, reply] = attempt_of(c.order_id, c.number);
    if (attempt == nullptr || !attempt->is_open()) return reply;
    ++attempt->calls;
    attempt->reason = c.reason.view();
    return change(Code::attempt_noted);
  }
  ModelReply on(const EndAttempt& c) {
    const auto [attempt, reply] = attempt_of(c.order_id, c.number);
    if (attempt == nullptr || !attempt->is_open()) return reply;
    attempt->state = c.state;
    attempt->reference = c.reference.view();
    attempt->reason = c.reason.view();
    if (c.state != AttemptState::succeeded) return change(Code::attempt_ended);
    orders[c.order_id].status = OrderStatus::recharged;
    works.erase(GatewayWorkKey::of_recharge(c.order_id));
    return change(Code::recharge_succeeded);
  }
  std::pair<Attempt*, ModelReply> attempt_of(const OrderId& id, std::uint16_t number) {
    const auto found = orders.find(id);
    if (found == orders.end()) return {nullptr, {Code::order_not_found}};
    auto& attempts = found->second.attempts;
    if (number == 0 || number > attempts.size()) return {nullptr, {Code::attempt_not_found}};
    return {&attempts[number - 1], {Code::already_processed}};
  }
  // Never while somebody may have recharged.
  ModelReply on(const FailRecharge& c) {
    const auto found = orders.find(c.order_id);
    if (found == orders.end()) return {Code::order_not_found};
    Entry& order = found->second;
    if (!order.is_held() || order.given_up) return {Code::already_processed};
    if (order.may_be_done()) return {Code::invalid_state};
    order.given_up = true;
    RefundId refund_id;
    RECHARGE_CHECK(refund_id.assign("recharge-failed"));
    return begin_refund(c.order_id, order, refund_id, order.amount, true, Code::recharge_failed);
  }

  template <class Read>
  ModelReply on(const Read&) {
    return {Code::found};
  }

  std::int64_t now_ = 0;
  bool changed_ = false;
  bool expired_ = false;
  std::set<ExceptionId> replaced_;  // of payments that are kept for another reason since
};

}  // namespace recharge::testing
