// Purpose: what all decisions share: running copies of the records and balances that a decision changes, and
// the facts that say so. Owner: one call of decide(). Internal to core.
#pragma once

#include <boost/container/static_vector.hpp>
#include <initializer_list>
#include <optional>

#include "core/check.h"
#include "core/transition.h"

namespace recharge {

class Decider {
 public:
  Decider(const Records& records, RecordSource& source, Circumstances circumstances, Outcome& outcome,
          Facts& facts)
      : records_(records),
        source_(source),
        at_(circumstances),
        outcome_(outcome),
        facts_(facts),
        totals_(source.totals()) {
    if (records.order != nullptr) order_ = *records.order;
    if (records.account != nullptr) account_ = *records.account;
  }

  void operator()(const PlaceOrder& command);
  void operator()(const SimulatePayment& command);
  void operator()(const ReportPayment& command);
  void operator()(const CloseOrder& command);
  void operator()(const ExpireOrder& command);
  void operator()(const RequestRefund& command);
  void operator()(const SettleRefund& command);
  void operator()(const SpendBalance& command);
  void operator()(const ResolveException& command);
  void operator()(const StartPayment& command);
  void operator()(const NotePaymentStart& command);
  void operator()(const EndPayment& command);
  void operator()(const SettleExceptionRefund& command);
  void operator()(const BeginAttempt& command);
  void operator()(const NoteAttempt& command);
  void operator()(const EndAttempt& command);
  void operator()(const FailRecharge& command);
  template <class Read>
  void operator()(const Read&) {
    RECHARGE_CHECK(!"a read is no change");
  }

 private:
  bool has_order() const noexcept { return records_.order != nullptr; }
  bool has_order_for(const Account& only) const noexcept { return has_order() && is_visible(order_, only); }
  Time now() const noexcept { return at_.now; }
  void end(OutcomeCode code) noexcept { outcome_.code = code; }
  void show_order(OutcomeCode code) {
    outcome_.code = code;
    outcome_.shown = order_;
  }
  void show_refund(OutcomeCode code, const Refund& refund) {
    outcome_.code = code;
    outcome_.shown = RefundAndOrder{refund, order_};
  }

  std::optional<OutcomeCode> over_limits(const PlaceOrder& command) const noexcept;

  // Payments (payment_transition.cc).
  void report_success(const ReportPayment& command);
  void report_failure(const ReportPayment& command);
  void report_late(const ReportPayment& command);
  void keep_by(PaymentPolicy policy, const ReportPayment& command, ExceptionKind kind);
  void credit_order(const ReportPayment& command);
  void keep(const ReportPayment& command, ExceptionKind kind, OutcomeCode code);
  const PaymentException* kept_as(ExceptionKind kind, const ReportPayment& command) const noexcept;
  const PaymentException* kept_for_good(const ReportPayment& command) const noexcept;
  bool was_settled_by_operator(const ReportPayment& command) const noexcept;
  bool was_kept(const ReportPayment& command) const noexcept;
  [[nodiscard]] bool supersede(std::initializer_list<ExceptionKind> kinds, const ReportPayment& command);
  void settle(Refund refund, bool succeeded);
  void reserve_refund(const RefundId& refund_id, Money amount, TransferKind kind, const LedgerAccount& from,
                      bool settle_now, OutcomeCode code);
  void reopen(PaymentException exception);
  void end_work(const GatewayWork* work) noexcept;

  // Recharges by suppliers (recharge_transition.cc).
  void hold_payment(const ReportPayment& command);
  void end_recharge() noexcept;
  LedgerAccount held() const noexcept { return house(LedgerAccountKind::fulfilment, order_.gateway); }
  bool is_failed_for_good() const noexcept {
    return records_.recharge != nullptr && records_.recharge->failed;
  }
  void show_work(OutcomeCode code, const GatewayWork& work) {
    outcome_.code = code;
    outcome_.shown = GatewayWorkAndOrder{work, order_};
  }
  void show_attempt(const GatewayWork& work, const RechargeAttempt& attempt) {
    outcome_.code = OutcomeCode::attempt_begun;
    outcome_.shown = GatewayWorkAndOrder{work, order_, {attempt}};
  }
  GatewayName gateway_of(const ReportPayment& command) const noexcept;
  OrderChanged order_change(OrderEvent event, OrderStatus status) noexcept;
  void take_evidence(OrderChanged& change, const ReportPayment& command) noexcept;
  void bind_gateway(OrderChanged& change, const GatewayName& gateway) noexcept;

  // Shared by all (decider.cc). expire_if_overdue() comes before every other look at an order's state.
  void expire_if_overdue() noexcept;
  void change_order(const OrderChanged& change) noexcept;
  // False, and nothing posted, where a balance cannot hold the result or the user's would go below zero.
  [[nodiscard]] bool post(TransferKind kind, const LedgerAccount& debit, const LedgerAccount& credit,
                          Money amount, const OrderId& order_id,
                          const TransactionId& transaction_id) noexcept;
  [[nodiscard]] bool settle_exception(const PaymentException& exception, ExceptionAction action,
                                      const Note& note) noexcept;
  Money& balance_of(const LedgerAccount& account) noexcept;
  LedgerAccount user() const noexcept { return LedgerAccount::of_user(account_.account); }
  static LedgerAccount house(LedgerAccountKind kind, const GatewayName& gateway) noexcept {
    return LedgerAccount::of_house(kind, gateway);
  }

  const Records& records_;
  RecordSource& source_;
  Circumstances at_;
  Outcome& outcome_;
  Facts& facts_;
  ShardTotals totals_;
  Order order_;
  UserAccount account_;
  boost::container::static_vector<HouseAccount, 8> house_;
};

}  // namespace recharge
