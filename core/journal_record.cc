#include "core/journal_record.h"

#include <algorithm>

#include "core/check.h"
#include "core/record_fields.h"

namespace recharge {
namespace {

constexpr std::size_t kMaxFactBytes = 768;
constexpr std::size_t kMaxCommandBytes = 1024;  // without the evidence
static_assert(sizeof(Fact) < kMaxFactBytes);
constexpr std::size_t kWalletCommands = 13;  // known to version 2

template <class T, class U>
concept Is = std::is_same_v<std::remove_const_t<T>, U>;

// Two bits each; the lowest alone in the first records.
template <class A, class T>
void policy_fields(A& archive, T& policies) noexcept {
  const std::array all = {&policies.late, &policies.duplicate, &policies.over, &policies.under};
  std::uint8_t bits = 0;
  if constexpr (!A::kReads) {
    for (unsigned i = 0; i < 4; ++i)
      bits = static_cast<std::uint8_t>(bits | static_cast<unsigned>(*all[i]) << (2 * i));
  }
  field(archive, bits);
  if constexpr (A::kReads) {
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned value = bits >> (2 * i) & 3U;
      if (value > static_cast<unsigned>(PaymentPolicy::refund)) archive.fail();
      *all[i] = static_cast<PaymentPolicy>(value);
    }
  }
}

template <class A, Is<PlaceOrder> T>
void fields(A& archive, T& command) noexcept {
  field(archive, command.order_id);
  field(archive, command.account);
  field(archive, command.amount);
  field(archive, command.gateway);
  field(archive, command.subject);
  field(archive, command.currency);
  field(archive, command.merchant);
  field(archive, command.expire_after_ms);
  bool keyed = !command.idempotency_key.is_nil();
  field(archive, keyed);
  if (!keyed) return;
  field(archive, command.idempotency_key.bytes);
  if (command.idempotency_key.is_nil()) return archive.fail();  // never written so
  field(archive, command.request_body);
  field(archive, command.idempotency_retention_ms);
}

template <class A, Is<SimulatePayment> T>
void fields(A& archive, T& command) noexcept {
  field(archive, command.order_id);
  field(archive, command.gateway);
  field(archive, command.transaction_id);
  field(archive, command.approved);
}

template <class A, Is<ReportPayment> T>
void fields(A& archive, T& command) noexcept {
  bool has_id = !command.order_id.is_nil();  // then the reference is its text
  field(archive, has_id);
  if (has_id) {
    field(archive, command.order_id);
  } else {
    field(archive, command.reference);
  }
  if constexpr (A::kReads) {
    if (has_id) static_cast<void>(command.reference.assign(command.order_id.to_text()));
  }
  field(archive, command.gateway);
  field(archive, command.transaction_id);
  field(archive, command.amount);
  field(archive, command.success);
  optional_field(archive, command.sent_at);
  field(archive, command.tolerance_ms);
  optional_field(archive, command.paid_at);
  policy_fields(archive, command.policies);
  field(archive, command.currency);
  field(archive, command.merchant);
  enumerated(archive, command.scheme, kLastSignatureScheme);
  field(archive, command.key_id);
  field(archive, command.evidence);
  field(archive, command.evidence_headers);
}

// Since later versions than the first.
template <class A, Is<ReportPayment> T>
void later_fields(A& archive, T& command, std::uint8_t version) noexcept {
  if (version >= kSupplierRecordVersion) enumerated(archive, command.fulfilment, kLastFulfilment);
}

template <class A, Is<PlaceOrder> T>
void later_fields(A& archive, T& command, std::uint8_t version) noexcept {
  if (version < kRecordVersion) return;
  field(archive, command.notify_url);
  if (command.notify_url.size() > NotifyUrl::kCapacity) archive.fail();
}

template <class A, Is<BeginAttempt> T>
void fields(A& archive, T& command) noexcept {
  field(archive, command.order_id);
  field(archive, command.number);
  field(archive, command.supplier);
}

template <class A, Is<NoteAttempt> T>
void fields(A& archive, T& command) noexcept {
  field(archive, command.order_id);
  field(archive, command.number);
  field(archive, command.reason);
}

template <class A, Is<EndAttempt> T>
void fields(A& archive, T& command) noexcept {
  field(archive, command.order_id);
  field(archive, command.number);
  enumerated(archive, command.state, kLastAttemptState);
  field(archive, command.reference);
  field(archive, command.reason);
}

template <class A, class T>
requires Is<T, CloseOrder> || Is<T, ExpireOrder> || Is<T, FailRecharge>
void fields(A& archive, T& command) noexcept { field(archive, command.order_id); }

template <class A, Is<RequestRefund> T>
void fields(A& archive, T& command) noexcept {
  field(archive, command.order_id);
  field(archive, command.refund_id);
  optional_field(archive, command.amount);
  field(archive, command.settle_now);
}

template <class A, Is<SettleRefund> T>
void fields(A& archive, T& command) noexcept {
  field(archive, command.order_id);
  field(archive, command.refund_id);
  field(archive, command.succeeded);
}

template <class A, Is<SpendBalance> T>
void fields(A& archive, T& command) noexcept {
  field(archive, command.account);
  field(archive, command.debit_id);
  field(archive, command.amount);
  field(archive, command.memo);
  field(archive, command.currency);
  field(archive, command.merchant);
  field(archive, command.shard);
}

template <class A, Is<ResolveException> T>
void fields(A& archive, T& command) noexcept {
  field(archive, command.exception_id);
  enumerated(archive, command.action, ExceptionAction::dismiss);
  field(archive, command.note);
}

template <class A, Is<StartPayment> T>
void fields(A& archive, T& command) noexcept {
  field(archive, command.order_id);
  field(archive, command.gateway);
  enumerated(archive, command.method, PayMethod::intent);
}

template <class A, Is<NotePaymentStart> T>
void fields(A& archive, T& command) noexcept {
  field(archive, command.order_id);
  enumerated(archive, command.method, PayMethod::intent);
  field(archive, command.pay_text);
  field(archive, command.pay_text_until);
  field(archive, command.gateway_id);
}

template <class A, Is<EndPayment> T>
void fields(A& archive, T& command) noexcept {
  field(archive, command.order_id);
  enumerated(archive, command.method, PayMethod::intent);
}

template <class A, Is<SettleExceptionRefund> T>
void fields(A& archive, T& command) noexcept {
  field(archive, command.exception_id);
  field(archive, command.succeeded);
}

// What facts share with the command of their record is not written twice.
template <class A>
void field_known(A& archive, auto& value, const auto& known) noexcept {
  bool same = false;
  if constexpr (!A::kReads) same = value == known;
  field(archive, same);
  if (!same) {
    field(archive, value);
  } else if constexpr (A::kReads) {
    value = known;
  }
}

struct Known {
  OrderId order_id;
  TransactionId transaction_id;
  GatewayName gateway;
  const ReportPayment* payment = nullptr;
  std::string_view notify_url;
  Time now;
  std::uint8_t version = kRecordVersion;
};

template <class A, Is<OrderPlaced> T>
void fact_fields(A& archive, T& fact, const Known& known) noexcept {
  field_known(archive, fact.order.id, known.order_id);
  field(archive, fact.order.account);
  field(archive, fact.order.amount);
  field(archive, fact.order.expires_at);
  field(archive, fact.order.gateway);
  field(archive, fact.order.subject);
  field(archive, fact.order.previous);
  field(archive, fact.order.currency);
  field(archive, fact.order.merchant);
  field(archive, fact.pending_after);
  bool keyed = !fact.idempotency.key.is_nil();
  field(archive, keyed);
  if (keyed) fields(archive, fact.idempotency);
  if (keyed && fact.idempotency.key.is_nil()) archive.fail();
}

// Version 1: what changed, and nothing else.
template <class A, Is<OrderChanged> T>
void changed_fields(A& archive, T& fact, const Known& known) noexcept {
  if (fact.fields & kGatewayField) field(archive, fact.gateway);
  if (fact.fields & kTransactionField) field_known(archive, fact.transaction_id, known.transaction_id);
  if (fact.fields & kPaidAtField) field_known(archive, fact.paid_at, known.now);
  if (fact.fields & kRechargedAtField) field_known(archive, fact.recharged_at, known.now);
  if (fact.fields & kEndedAtField) field_known(archive, fact.ended_at, known.now);
  if (fact.fields & kRefundFields) {
    field(archive, fact.refunded);
    field(archive, fact.refund_reserved);
  }
  if (fact.fields & kExceptionsField) field(archive, fact.exceptions);
}

template <class A, Is<OrderChanged> T>
void whole_fields(A& archive, T& fact, const Known& known) noexcept {
  field(archive, fact.account);
  field(archive, fact.amount);
  field(archive, fact.expires_at);
  field(archive, fact.subject);
  field(archive, fact.currency);
  field(archive, fact.merchant);
  field_known(archive, fact.gateway, known.gateway);
  field_known(archive, fact.transaction_id, known.transaction_id);
  field_known(archive, fact.paid_at, known.now);
  field_known(archive, fact.recharged_at, known.now);
  field_known(archive, fact.ended_at, known.now);
  field(archive, fact.refunded);
  field(archive, fact.refund_reserved);
  field(archive, fact.exceptions);
}

template <class A, Is<OrderChanged> T>
void fact_fields(A& archive, T& fact, const Known& known) noexcept {
  field_known(archive, fact.order_id, known.order_id);
  enumerated(archive, fact.event, kLastOrderEvent);
  field(archive, fact.fields);
  enumerated(archive, fact.from, kLastOrderStatus);
  enumerated(archive, fact.status, kLastOrderStatus);
  if (fact.from != fact.status) {
    field(archive, fact.from_count_after);
    field(archive, fact.status_count_after);
  }
  if (known.version == kFirstRecordVersion) {
    changed_fields(archive, fact, known);
  } else {
    whole_fields(archive, fact, known);
  }
  if (known.version >= kSupplierRecordVersion) enumerated(archive, fact.fulfilment, kLastFulfilment);
  if constexpr (A::kReads) {
    fact.whole = known.version != kFirstRecordVersion;
    if ((fact.fields & kEvidenceFields) == 0) return;
    if (known.payment == nullptr) return archive.fail();
    fact.evidence = digest_of(known.payment->evidence);
    fact.evidence_key = known.payment->key_id;
    fact.evidence_at = known.now;
    fact.evidence_scheme = known.payment->scheme;
  }
}

template <class A, Is<TransferPosted> T>
void fact_fields(A& archive, T& fact, const Known& known) noexcept {
  auto& transfer = fact.transfer;
  field(archive, transfer.id);
  enumerated(archive, transfer.kind, kLastTransferKind);
  field(archive, transfer.debit);
  field(archive, transfer.credit);
  field(archive, transfer.amount);
  field(archive, transfer.debit_balance_after);
  field(archive, transfer.credit_balance_after);
  field_known(archive, transfer.order_id, known.order_id);
  field(archive, transfer.transaction_id);
  field(archive, transfer.previous);
  field(archive, transfer.currency);
  field(archive, transfer.merchant);
  field(archive, fact.users_after);
}

template <class A, Is<ExceptionOpened> T>
void fact_fields(A& archive, T& fact, const Known& known) noexcept {
  fields(archive, fact.exception);
  field(archive, fact.open_after);
  if constexpr (A::kReads) {  // taken from the command
    if (known.payment == nullptr) return;
    fact.exception.sent_at = known.payment->sent_at.value_or(Time{});
    fact.exception.evidence_scheme = known.payment->scheme;
  }
}

template <class A, Is<ExceptionResolved> T>
void fact_fields(A& archive, T& fact, const Known& known) noexcept {
  if (known.version == kFirstRecordVersion) {
    field(archive, fact.exception.id);
    enumerated(archive, fact.exception.kind, ExceptionKind::balance_limit);
    enumerated(archive, fact.exception.action, ExceptionAction::superseded);
    field(archive, fact.exception.resolved_at);
    field(archive, fact.exception.note);
  } else {
    fields(archive, fact.exception);
  }
  field(archive, fact.open_after);
}

template <class A, Is<RefundRecorded> T>
void fact_fields(A& archive, T& fact, const Known&) noexcept {
  fields(archive, fact.refund);
}

template <class A, Is<DebitRecorded> T>
void fact_fields(A& archive, T& fact, const Known&) noexcept {
  fields(archive, fact.debit);
}

template <class A, Is<GatewayWorkChanged> T>
void fact_fields(A& archive, T& fact, const Known&) noexcept {
  fields(archive, fact.work);
}

template <class A, Is<AttemptRecorded> T>
void fact_fields(A& archive, T& fact, const Known&) noexcept {
  fields(archive, fact.attempt);
}

template <class A, Is<NotifyAddressKept> T>
void fact_fields(A& archive, T& fact, const Known& known) noexcept {
  field_known(archive, fact.address.order_id, known.order_id);
  bool same = false;  // as field_known, but the command has a view
  if constexpr (!A::kReads) same = fact.address.url.view() == known.notify_url;
  field(archive, same);
  if (!same) {
    field(archive, fact.address.url);
  } else if constexpr (A::kReads) {
    if (!fact.address.url.assign(known.notify_url)) archive.fail();
  }
  if (fact.address.url.empty()) archive.fail();  // never written so
}

bool is_of_supplier(const OrderChanged& fact) noexcept {
  return fact.fulfilment != Fulfilment::wallet || fact.from == OrderStatus::recharging ||
         fact.status == OrderStatus::recharging || fact.event > OrderEvent::payment_started;
}
bool is_of_supplier(const TransferPosted& fact) noexcept {
  return fact.transfer.kind > TransferKind::exception_dismissed ||
         fact.transfer.debit.kind > LedgerAccountKind::spending ||
         fact.transfer.credit.kind > LedgerAccountKind::spending;
}
bool is_of_supplier(const GatewayWorkChanged& fact) noexcept {
  return fact.work.key.kind == GatewayWorkKind::recharge;
}
bool is_of_supplier(const AttemptRecorded&) noexcept { return true; }
template <class Other>
bool is_of_supplier(const Other&) noexcept {
  return false;
}

Known known_of(const Command& command, Time now, std::uint8_t version) noexcept {
  Known known;
  known.now = now;
  known.version = version;
  std::visit(
      [&](const auto& c) {
        if constexpr (requires { c.order_id; }) known.order_id = c.order_id;
        if constexpr (requires { c.transaction_id; }) known.transaction_id = c.transaction_id;
        if constexpr (requires { c.gateway; }) known.gateway = c.gateway;
        if constexpr (requires { c.notify_url; }) known.notify_url = c.notify_url;
      },
      command);
  known.payment = std::get_if<ReportPayment>(&command);
  return known;
}

// A command's fresh exception id is not written with it: it stands in the fact, if it was used.
void restore_exception_id(JournalRecord& record) noexcept {
  auto* payment = std::get_if<ReportPayment>(&record.command);
  if (payment == nullptr) return;
  for (const auto& fact : record.facts) {
    if (const auto* opened = std::get_if<ExceptionOpened>(&fact))
      payment->exception_id = opened->exception.id;
  }
}

// Reads the alternative of the variant that stands at `index`.
template <std::size_t I = 0, class Variant, class Read>
bool read_alternative(std::size_t index, std::size_t alternatives, Variant& variant,
                      const Read& read) noexcept {
  if constexpr (I < std::variant_size_v<Variant>) {
    if (index >= alternatives) return false;
    if (index != I) return read_alternative<I + 1>(index, alternatives, variant, read);
    read(variant.template emplace<I>());
    return true;
  } else {
    return false;
  }
}

}  // namespace

std::size_t max_record_bytes(const Command& command) noexcept {
  std::size_t size = kMaxCommandBytes + kMaxFacts * kMaxFactBytes;
  if (const auto* payment = std::get_if<ReportPayment>(&command)) {
    size += payment->evidence.size() + payment->evidence_headers.size();
  } else if (const auto* placing = std::get_if<PlaceOrder>(&command)) {
    size += placing->notify_url.size();
  }
  return size;
}

std::uint8_t record_version(const Command& command, const Facts& facts) noexcept {
  const auto* placing = std::get_if<PlaceOrder>(&command);
  if (placing != nullptr && !placing->notify_url.empty()) return kRecordVersion;
  const auto* payment = std::get_if<ReportPayment>(&command);
  bool by_supplier =
      (payment != nullptr && payment->fulfilment != Fulfilment::wallet) || command.index() >= kWalletCommands;
  for (const auto& fact : facts) {
    if (std::holds_alternative<NotifyAddressKept>(fact)) return kRecordVersion;
    by_supplier = by_supplier || std::visit([](const auto& f) { return is_of_supplier(f); }, fact);
  }
  return by_supplier ? kSupplierRecordVersion : kWalletRecordVersion;
}

Result<std::size_t> encode_record(const Command& command, const Facts& facts, Circumstances circumstances,
                                  std::span<std::byte> room, std::uint8_t version) noexcept {
  RECHARGE_CHECK(version >= kFirstRecordVersion && version <= kRecordVersion);
  ByteWriter writer(room);
  writer.fixed(version);
  writer.fixed(static_cast<std::uint8_t>(command.index()));
  writer.fixed(circumstances.shard);
  field(writer, std::as_const(circumstances.now));
  std::visit(
      [&](const auto& c) {
        if constexpr (requires { fields(writer, c); }) {
          fields(writer, c);
          if constexpr (requires { later_fields(writer, c, version); }) later_fields(writer, c, version);
        } else {
          writer.fail();  // reads are not journaled
        }
      },
      command);
  const Known known = known_of(command, circumstances.now, version);
  writer.fixed(static_cast<std::uint8_t>(facts.size()));
  for (const auto& fact : facts) {
    writer.fixed(static_cast<std::uint8_t>(fact.index()));
    std::visit([&](const auto& f) { fact_fields(writer, f, known); }, fact);
  }
  if (!writer.ok()) return Errc::full;
  return writer.size();
}

Result<void> decode_record(std::span<const std::byte> bytes, JournalRecord& record) noexcept {
  ByteReader reader(bytes);
  const auto version = reader.fixed<std::uint8_t>();
  if (reader.ok() && version > kRecordVersion) return Errc::newer_format;
  if (version < kFirstRecordVersion) return Errc::damaged;
  const auto kind = reader.fixed<std::uint8_t>();
  record.circumstances.shard = reader.fixed<std::uint8_t>();
  field(reader, record.circumstances.now);
  const bool known_kind = read_alternative(kind, kChangeCommands, record.command, [&](auto& command) {
    if constexpr (requires { fields(reader, command); }) fields(reader, command);
    if constexpr (requires { later_fields(reader, command, version); }) {
      later_fields(reader, command, version);
    }
  });
  if (!known_kind || !reader.ok()) return Errc::damaged;
  const Known known = known_of(record.command, record.circumstances.now, version);
  const auto count = reader.fixed<std::uint8_t>();
  if (count > kMaxFacts) return Errc::damaged;
  record.facts.clear();
  for (unsigned i = 0; i < count && reader.ok(); ++i) {
    const auto index = reader.fixed<std::uint8_t>();
    auto& fact = record.facts.emplace_back();
    if (!read_alternative(index, std::variant_size_v<Fact>, fact,
                          [&](auto& f) { fact_fields(reader, f, known); })) {
      return Errc::damaged;
    }
  }
  if (!reader.at_end()) return Errc::damaged;
  const auto written_as = record_version(record.command, record.facts);
  if (std::max(version, kWalletRecordVersion) != written_as) return Errc::damaged;  // never written so
  restore_exception_id(record);
  return {};
}

}  // namespace recharge
