// Purpose: one fixed journal record for each kind of command, with every kind of fact among them: what the
// golden files say in bytes. Nothing here may change once a version is released; a new version adds its own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/core/rule_driver.h"

namespace recharge::testing {

struct GoldenRecord {
  std::string_view name;  // of its file: record_v1_NAME.hex
  JournalRecord record;
};

class GoldenRecords {
 public:
  std::vector<GoldenRecord> all() {
    return {{"place_order", place_order()},
            {"place_order_keyed", place_order_keyed()},
            {"simulate_payment", simulate_payment()},
            {"report_payment_credited", report_payment_credited()},
            {"report_payment_unknown", report_payment_unknown()},
            {"close_order", close_order()},
            {"expire_order", expire_order()},
            {"request_refund", request_refund()},
            {"settle_refund", settle_refund()},
            {"spend_balance", spend_balance()},
            {"resolve_exception", resolve_exception()},
            {"start_payment", start_payment()},
            {"note_payment_start", note_payment_start()},
            {"end_payment", end_payment()},
            {"settle_exception_refund", settle_exception_refund()},
            {"report_payment_by_policy", report_payment_by_policy()},
            {"report_payment_held", report_payment_held()},
            {"begin_attempt", begin_attempt()},
            {"note_attempt", note_attempt()},
            {"end_attempt", end_attempt()},
            {"fail_recharge", fail_recharge()},
            {"place_order_notify", place_order_notify()}};
  }

  RechargeAttempt attempt() const {
    RechargeAttempt attempt;
    attempt.order_id = order_;
    attempt.number = 300;
    attempt.supplier = text<SupplierName>("acme");
    attempt.begun_at = kNow;
    return attempt;
  }

 private:
  static constexpr Time kNow{1'700'000'123'456};
  static constexpr std::string_view kBody =
      R"({"order_id":"018bcfe7-4a40-7102-8304-050607080907","status":"success"})";

  static constexpr std::string_view kNotifyUrl = "https://shop.example:8443/told?order=77&key=%7B1%7D";

  OrderId order_ = OrderId::make(kNow, kShard, {1, 2, 3, 4, 5, 6, 7, 8, 9, 0});
  ExceptionId exception_ = ExceptionId::make(kNow, kShard, {9, 8, 7, 6, 5, 4, 3, 2, 1, 0});
  Account account_ = text<Account>("13812345678");
  GatewayName native_ = text<GatewayName>("native");
  TransactionId transaction_ = text<TransactionId>("txn_1");
  RefundId refund_ = text<RefundId>("refund-1");

  static JournalRecord record(Command command, Facts facts) {
    return {{kNow, kShard}, std::move(command), std::move(facts)};
  }
  LedgerAccount user() const { return LedgerAccount::of_user(account_); }
  LedgerAccount house(LedgerAccountKind kind) const { return LedgerAccount::of_house(kind, native_); }

  TransferPosted posted(TransferKind kind, const LedgerAccount& debit, const LedgerAccount& credit) const {
    TransferPosted fact;
    fact.transfer.id = EntryId::make(kNow, kShard, 300);
    fact.transfer.kind = kind;
    fact.transfer.debit = debit;
    fact.transfer.credit = credit;
    fact.transfer.amount = cents(5000);
    fact.transfer.debit_balance_after = cents(-123456);
    fact.transfer.credit_balance_after = cents(7000);
    fact.transfer.order_id = order_;
    fact.transfer.previous = EntryId::make(Time{kNow.ms - 1000}, kShard, 299);
    fact.transfer.currency = kCny;
    fact.users_after = cents(999'999'999'999'999);
    return fact;
  }
  OrderChanged changed(OrderEvent event, OrderStatus from, OrderStatus to) const {
    OrderChanged fact;
    fact.order_id = order_;
    fact.event = event;
    fact.from = from;
    fact.status = to;
    if (from != to) {
      fact.from_count_after = 127;
      fact.status_count_after = 128;
    }
    fact.whole = true;
    fact.account = account_;
    fact.amount = cents(5000);
    fact.expires_at = Time{kNow.ms + kExpireAfterMs};
    fact.subject = text<Subject>("100 分钟");
    fact.currency = kCny;
    fact.gateway = native_;
    return fact;
  }

  JournalRecord place_order() const {
    PlaceOrder command;
    command.order_id = order_;
    command.account = account_;
    command.amount = cents(5000);
    command.subject = text<Subject>("100 分钟");
    command.currency = kCny;
    command.expire_after_ms = kExpireAfterMs;
    OrderPlaced fact;
    fact.order.id = order_;
    fact.order.account = account_;
    fact.order.amount = cents(5000);
    fact.order.expires_at = Time{kNow.ms + kExpireAfterMs};
    fact.order.subject = command.subject;
    fact.order.currency = kCny;
    fact.pending_after = 1;
    return record(command, {fact});
  }
  JournalRecord place_order_keyed() const {
    auto result = place_order();
    auto& command = std::get<PlaceOrder>(result.command);
    auto& fact = std::get<OrderPlaced>(result.facts[0]);
    for (std::uint8_t i = 0; i < 16; ++i) command.idempotency_key.bytes[i] = static_cast<std::uint8_t>(i + 1);
    command.request_body = digest_of("{}");
    command.idempotency_retention_ms = 86'400'000;
    command.gateway = fact.order.gateway = native_;
    command.merchant = fact.order.merchant = 70'000;
    fact.order.previous = OrderId::make(kStart, kShard, {});
    fact.idempotency = {command.idempotency_key, command.request_body, order_, kNow};
    return result;
  }
  JournalRecord place_order_notify() const {
    auto result = place_order_keyed();
    auto& command = std::get<PlaceOrder>(result.command);
    command.notify_url = kNotifyUrl;
    result.facts.emplace_back(NotifyAddressKept{{order_, text<NotifyUrl>(kNotifyUrl)}});
    return result;
  }
  JournalRecord simulate_payment() const {
    auto fact = changed(OrderEvent::payment_simulated, OrderStatus::failed, OrderStatus::paid);
    fact.fields = kGatewayField | kTransactionField | kPaidAtField;
    fact.gateway = text<GatewayName>("simulated");
    fact.transaction_id = text<TransactionId>("sim_1");
    fact.paid_at = kNow;
    return record(SimulatePayment{order_, fact.gateway, fact.transaction_id, true}, {fact});
  }
  ReportPayment report() const {
    ReportPayment command;
    command.order_id = order_;
    command.reference = text<OrderReference>(order_.to_text());
    command.gateway = native_;
    command.transaction_id = transaction_;
    command.amount = cents(5000);
    command.sent_at = Time{kNow.ms - 456};
    command.tolerance_ms = kToleranceMs;
    command.policies.late = PaymentPolicy::refund;
    command.currency = kCny;
    command.key_id = text<KeyId>("key-1");
    command.evidence = kBody;
    return command;
  }
  JournalRecord report_payment_credited() const {
    auto command = report();
    command.paid_at = Time{kNow.ms - 5000};
    auto fact = changed(OrderEvent::recharged, OrderStatus::pending, OrderStatus::recharged);
    fact.fields = kTransactionField | kPaidAtField | kRechargedAtField | kEvidenceFields;
    fact.transaction_id = transaction_;
    fact.paid_at = *command.paid_at;
    fact.recharged_at = kNow;
    fact.evidence = digest_of(command.evidence);
    fact.evidence_key = command.key_id;
    fact.evidence_at = kNow;
    return record(command,
                  {posted(TransferKind::recharge, house(LedgerAccountKind::clearing), user()), fact});
  }
  JournalRecord report_payment_unknown() const {
    auto command = report();
    command.order_id = {};
    command.reference = text<OrderReference>("ORDER 66");
    command.sent_at.reset();
    command.scheme = SignatureScheme::standard_webhooks;
    command.evidence_headers = "webhook-id: msg_1\nwebhook-timestamp: 1700000123\n";
    command.exception_id = exception_;
    auto transfer = posted(TransferKind::payment_kept, house(LedgerAccountKind::clearing),
                           house(LedgerAccountKind::suspense));
    transfer.transfer.order_id = {};
    transfer.transfer.transaction_id = transaction_;
    transfer.transfer.previous = {};
    ExceptionOpened opened;
    opened.exception.id = exception_;
    opened.exception.kind = ExceptionKind::unknown_order;
    opened.exception.reference = command.reference;
    opened.exception.gateway = native_;
    opened.exception.transaction_id = transaction_;
    opened.exception.amount = command.amount;
    opened.exception.evidence = digest_of(command.evidence);
    opened.exception.evidence_key = command.key_id;
    opened.exception.evidence_scheme = command.scheme;
    opened.exception.currency = kCny;
    opened.open_after = 3;
    return record(command, {transfer, opened});
  }
  JournalRecord close_order() const {
    auto fact = changed(OrderEvent::closed, OrderStatus::pending, OrderStatus::closed);
    fact.fields = kEndedAtField;
    fact.ended_at = kNow;
    return record(CloseOrder{order_}, {fact});
  }
  JournalRecord expire_order() const {
    auto fact = changed(OrderEvent::expired, OrderStatus::failed, OrderStatus::expired);
    fact.fields = kEndedAtField | kExceptionsField;
    fact.ended_at = Time{kNow.ms - 1};
    fact.exceptions = 300;
    return record(ExpireOrder{order_}, {fact});
  }
  JournalRecord request_refund() const {
    auto fact = changed(OrderEvent::refund_reserved, OrderStatus::recharged, OrderStatus::recharged);
    fact.fields = kRefundFields;
    fact.refunded = cents(100);
    fact.refund_reserved = cents(5000);
    const Refund refund{order_, refund_, cents(5000), kNow, {}, RefundStatus::pending};
    return record(RequestRefund{order_, refund_, cents(5000), false},
                  {posted(TransferKind::refund_reserved, user(), house(LedgerAccountKind::in_transit)),
                   RefundRecorded{refund}, fact});
  }
  JournalRecord settle_refund() const {
    const Refund refund{order_, refund_, cents(5000), Time{kNow.ms - 9}, kNow, RefundStatus::failed};
    return record(SettleRefund{order_, refund_, false},
                  {posted(TransferKind::refund_released, house(LedgerAccountKind::in_transit), user()),
                   RefundRecorded{refund}});
  }
  JournalRecord spend_balance() const {
    SpendBalance command;
    command.account = account_;
    command.debit_id = text<DebitId>("debit_1");
    command.amount = cents(5000);
    command.memo = text<Memo>("call");
    command.currency = kCny;
    command.shard = kShard;
    auto transfer =
        posted(TransferKind::debit, user(), LedgerAccount::of_house(LedgerAccountKind::spending, {}));
    transfer.transfer.order_id = {};
    return record(command, {transfer, DebitRecorded{{account_, command.debit_id, cents(5000), command.memo,
                                                     transfer.transfer.id}}});
  }
  GatewayWork work() const {
    GatewayWork work;
    work.key = GatewayWorkKey::of_payment(order_, PayMethod::h5);
    work.gateway = text<GatewayName>("wechat");
    work.started_at = kNow;
    work.order_id = order_;
    return work;
  }
  JournalRecord start_payment() const {
    auto fact = changed(OrderEvent::payment_started, OrderStatus::pending, OrderStatus::pending);
    fact.fields = kGatewayField;
    fact.gateway = work().gateway;
    return record(StartPayment{order_, work().gateway, PayMethod::h5}, {fact, GatewayWorkChanged{work()}});
  }
  JournalRecord note_payment_start() const {
    NotePaymentStart command{order_, PayMethod::h5, text<PayText>("https://wx.example/?prepay_id=wx1"),
                             Time{kNow.ms + 240'000}, text<TransactionId>("pi_1")};
    auto noted = work();
    noted.pay_text = command.pay_text;
    noted.pay_text_until = command.pay_text_until;
    noted.gateway_id = command.gateway_id;
    return record(command, {GatewayWorkChanged{noted}});
  }
  JournalRecord end_payment() const {
    auto ended = work();
    ended.ended = true;
    return record(EndPayment{order_, PayMethod::h5}, {GatewayWorkChanged{ended}});
  }
  JournalRecord settle_exception_refund() const {
    GatewayWork ended;
    ended.key = GatewayWorkKey::of_exception(exception_);
    ended.ended = true;
    ended.gateway = text<GatewayName>("wechat");
    ended.started_at = Time{kNow.ms - 9};
    ended.transaction_id = transaction_;
    ended.refund_id = refund_id_of(exception_);
    ended.amount = ended.total = cents(5000);
    auto opened = std::get<ExceptionResolved>(resolve_exception().facts[1]);
    opened.exception.action = ExceptionAction::none;
    opened.exception.resolved_at = {};
    opened.exception.note = {};
    opened.open_after = 1;
    return record(SettleExceptionRefund{exception_, false},
                  {posted(TransferKind::payment_kept, house(LedgerAccountKind::in_transit),
                          house(LedgerAccountKind::suspense)),
                   opened, GatewayWorkChanged{ended}});
  }
  JournalRecord report_payment_by_policy() const {
    auto result = report_payment_unknown();
    std::get<ReportPayment>(result.command).policies = {PaymentPolicy::review, PaymentPolicy::refund,
                                                        PaymentPolicy::credit, PaymentPolicy::refund};
    return result;
  }
  GatewayWork recharge() const {
    GatewayWork work;
    work.key = GatewayWorkKey::of_recharge(order_);
    work.gateway = native_;
    work.started_at = kNow;
    work.order_id = order_;
    work.amount = cents(5000);
    return work;
  }
  OrderChanged held(OrderEvent event, OrderStatus from, OrderStatus to) const {
    auto fact = changed(event, from, to);
    fact.fulfilment = Fulfilment::http;
    fact.transaction_id = transaction_;
    return fact;
  }
  JournalRecord report_payment_held() const {
    auto command = report();
    command.fulfilment = Fulfilment::http;
    auto fact = held(OrderEvent::payment_held, OrderStatus::pending, OrderStatus::paid);
    fact.fields = kTransactionField | kPaidAtField | kEvidenceFields;
    fact.paid_at = kNow;
    fact.evidence = digest_of(command.evidence);
    fact.evidence_key = command.key_id;
    fact.evidence_at = kNow;
    return record(command, {posted(TransferKind::payment_held, house(LedgerAccountKind::clearing),
                                   house(LedgerAccountKind::fulfilment)),
                            fact, GatewayWorkChanged{recharge()}});
  }
  JournalRecord begin_attempt() const {
    auto work = recharge();
    work.attempts = 300;
    return record(BeginAttempt{order_, 300, attempt().supplier},
                  {AttemptRecorded{attempt()}, GatewayWorkChanged{work},
                   held(OrderEvent::recharge_begun, OrderStatus::paid, OrderStatus::recharging)});
  }
  JournalRecord note_attempt() const {
    auto noted = attempt();
    noted.begun_at = Time{kNow.ms - 9};
    noted.noted_at = kNow;
    noted.calls = 70'000;
    noted.reason = text<AttemptReason>("no answer");
    return record(NoteAttempt{order_, 300, noted.reason}, {AttemptRecorded{noted}});
  }
  JournalRecord end_attempt() const {
    auto ended = attempt();
    ended.state = AttemptState::succeeded;
    ended.ended_at = kNow;
    ended.reference = text<TransactionId>("acme-1");
    auto fact = held(OrderEvent::recharged, OrderStatus::recharging, OrderStatus::recharged);
    fact.fields = kRechargedAtField;
    fact.recharged_at = kNow;
    auto work = recharge();
    work.attempts = 300;
    work.ended = true;
    return record(EndAttempt{order_, 300, ended.state, ended.reference, {}},
                  {AttemptRecorded{ended},
                   posted(TransferKind::supplied, house(LedgerAccountKind::fulfilment),
                          LedgerAccount::of_house(LedgerAccountKind::supplied, ended.supplier)),
                   fact, GatewayWorkChanged{work}});
  }
  JournalRecord fail_recharge() const {
    auto work = recharge();
    work.failed = true;
    auto reserved = held(OrderEvent::refund_reserved, OrderStatus::recharging, OrderStatus::recharging);
    reserved.fields = kRefundFields;
    reserved.refund_reserved = cents(5000);
    const Refund refund{order_, refund_, cents(5000), kNow, {}, RefundStatus::pending};
    return record(FailRecharge{order_},
                  {GatewayWorkChanged{work},
                   held(OrderEvent::recharge_failed, OrderStatus::recharging, OrderStatus::recharging),
                   posted(TransferKind::recharge_failed, house(LedgerAccountKind::fulfilment),
                          house(LedgerAccountKind::in_transit)),
                   RefundRecorded{refund}, reserved});
  }
  JournalRecord resolve_exception() const {
    ExceptionResolved fact;
    fact.exception.id = exception_;
    fact.exception.kind = ExceptionKind::balance_limit;
    fact.exception.reference = text<OrderReference>(order_.to_text());
    fact.exception.order_id = order_;
    fact.exception.account = account_;
    fact.exception.gateway = native_;
    fact.exception.transaction_id = transaction_;
    fact.exception.amount = cents(5000);
    fact.exception.evidence = digest_of(kBody);
    fact.exception.evidence_key = text<KeyId>("key-1");
    fact.exception.currency = kCny;
    fact.exception.action = ExceptionAction::credit;
    fact.exception.resolved_at = kNow;
    fact.exception.note = text<Note>("checked by hand");
    fact.open_after = 0;
    return record(
        ResolveException{exception_, ExceptionAction::credit, fact.exception.note},
        {posted(TransferKind::exception_credited, house(LedgerAccountKind::suspense), user()), fact});
  }
};

}  // namespace recharge::testing
