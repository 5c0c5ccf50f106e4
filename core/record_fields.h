// Purpose: the fields of records, in the order in which they are stored, in the journal and in the books
// alike. Internal to the codecs. A change here is a change of format: see the golden files of the tests.
#pragma once

#include "core/codec.h"
#include "core/gateway_work.h"
#include "core/idempotency.h"
#include "core/ledger.h"
#include "core/notify_url.h"
#include "core/order.h"
#include "core/payment_exception.h"
#include "core/recharge_attempt.h"

namespace recharge {

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, LedgerAccount>
void field(A& archive, T& account) noexcept {
  enumerated(archive, account.kind, kLastLedgerAccountKind);
  if (account.kind == LedgerAccountKind::user) {
    field(archive, account.user);
  } else {
    field(archive, account.gateway);
  }
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, Refund>
void fields(A& archive, T& refund) noexcept {
  field(archive, refund.order_id);
  field(archive, refund.refund_id);
  field(archive, refund.amount);
  field(archive, refund.created_at);
  field(archive, refund.settled_at);
  enumerated(archive, refund.status, RefundStatus::failed);
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, Debit>
void fields(A& archive, T& debit) noexcept {
  field(archive, debit.account);
  field(archive, debit.debit_id);
  field(archive, debit.amount);
  field(archive, debit.memo);
  field(archive, debit.entry_id);
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, Transfer>
void fields(A& archive, T& transfer) noexcept {
  field(archive, transfer.id);
  enumerated(archive, transfer.kind, kLastTransferKind);
  field(archive, transfer.debit);
  field(archive, transfer.credit);
  field(archive, transfer.amount);
  field(archive, transfer.debit_balance_after);
  field(archive, transfer.credit_balance_after);
  field(archive, transfer.order_id);
  field(archive, transfer.transaction_id);
  field(archive, transfer.previous);
  field(archive, transfer.currency);
  field(archive, transfer.merchant);
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, IdempotencyRecord>
void fields(A& archive, T& record) noexcept {
  field(archive, record.key.bytes);
  field(archive, record.body);
  field(archive, record.order_id);
  field(archive, record.created_at);
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, GatewayWork>
void fields(A& archive, T& work) noexcept {
  enumerated(archive, work.key.kind, kLastGatewayWorkKind);
  field(archive, work.key.id);
  enumerated(archive, work.key.method, PayMethod::intent);
  field(archive, work.key.refund_id);
  field(archive, work.ended);
  field(archive, work.gateway);
  field(archive, work.started_at);
  field(archive, work.pay_text);
  field(archive, work.pay_text_until);
  field(archive, work.gateway_id);
  field(archive, work.order_id);
  field(archive, work.transaction_id);
  field(archive, work.refund_id);
  field(archive, work.amount);
  field(archive, work.total);
  if (work.key.kind != GatewayWorkKind::recharge) return;
  field(archive, work.attempts);
  field(archive, work.failed);
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, RechargeAttempt>
void fields(A& archive, T& attempt) noexcept {
  field(archive, attempt.order_id);
  field(archive, attempt.number);
  field(archive, attempt.supplier);
  enumerated(archive, attempt.state, kLastAttemptState);
  field(archive, attempt.begun_at);
  field(archive, attempt.noted_at);
  field(archive, attempt.calls);
  field(archive, attempt.ended_at);
  field(archive, attempt.reference);
  field(archive, attempt.reason);
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, NotifyAddress>
void fields(A& archive, T& address) noexcept {
  field(archive, address.order_id);
  field(archive, address.url);
  if (address.url.empty()) archive.fail();  // never written so
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, PaymentException>
void fields(A& archive, T& exception) noexcept {
  field(archive, exception.id);
  enumerated(archive, exception.kind, ExceptionKind::balance_limit);
  field(archive, exception.reference);
  field(archive, exception.order_id);
  field(archive, exception.account);
  field(archive, exception.gateway);
  field(archive, exception.transaction_id);
  field(archive, exception.amount);
  field(archive, exception.paid_at);
  field(archive, exception.evidence);
  field(archive, exception.evidence_key);
  enumerated(archive, exception.action, ExceptionAction::superseded);
  field(archive, exception.resolved_at);
  field(archive, exception.note);
  field(archive, exception.currency);
  field(archive, exception.merchant);
}

}  // namespace recharge
