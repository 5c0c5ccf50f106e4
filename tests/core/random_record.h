// Purpose: journal records of random values, in the form in which records are kept: what a record does not
// write (an unset member, the digest of the evidence) has the value that reading gives it. Owner: one test; a
// made record's views point into itself.
#pragma once

#include <limits>
#include <memory>
#include <random>
#include <string>

#include "core/journal_record.h"
#include "tests/core/same.h"

namespace recharge::testing {

class RandomRecord {
 public:
  enum class Size { any, longest };
  struct Made {
    JournalRecord record;
    std::unique_ptr<std::string> evidence, headers, url;
  };

  explicit RandomRecord(std::uint64_t seed, Size size = Size::any) : random_(seed), size_(size) {}

  Made make(std::size_t command_index) {
    made_ = {};
    made_.evidence = std::make_unique<std::string>(bytes(300));
    made_.headers = std::make_unique<std::string>(bytes(100));
    made_.url = std::make_unique<std::string>(bytes(NotifyUrl::kCapacity));
    auto& record = made_.record;
    record.circumstances.now = time();
    record.circumstances.shard = number<std::uint8_t>();
    make_command<0>(command_index);
    const auto facts = longest() ? kMaxFacts : random_() % (kMaxFacts + 1);
    for (std::size_t i = 0; i < facts; ++i) {
      // The longest of all: an order placed, with its Idempotency-Key, and an exception kept.
      make_fact<0>(longest() ? (i % 2 == 0 ? 0 : 3) : random_() % std::variant_size_v<Fact>);
    }
    return std::move(made_);
  }

 private:
  bool longest() const { return size_ == Size::longest; }
  bool flag() { return longest() || random_() % 2 == 0; }
  const ReportPayment* payment() const { return std::get_if<ReportPayment>(&made_.record.command); }

  template <class T>
  T number() {
    if (longest()) return std::numeric_limits<T>::max();
    return static_cast<T>(random_() >> random_() % 64);
  }
  template <class T>
  T up_to(T last) {
    return static_cast<T>(random_() % (static_cast<unsigned>(last) + 1));
  }
  std::string bytes(std::size_t capacity) {
    std::string result(longest() ? capacity : random_() % (capacity + 1), ' ');
    for (auto& c : result) c = static_cast<char>(random_());
    return result;
  }
  Time time() { return Time{longest() ? std::numeric_limits<std::int64_t>::min() : number<std::int64_t>()}; }

  template <std::size_t N, class Tag>
  void fill(FixedText<N, Tag>& text) {
    RECHARGE_CHECK(text.assign(bytes(N)));
  }
  template <std::size_t N>
  void fill(std::array<std::uint8_t, N>& array) {
    for (auto& byte : array) byte = static_cast<std::uint8_t>(random_() | 1);
  }
  void fill(EntryId& id) { fill(id.bytes); }
  template <class Tag>
  void fill(Uuid<Tag>& id) {
    fill(id.bytes);
  }
  void fill(Money& money) { money = Money::from_minor_units(time().ms); }
  void fill(Time& value) { value = time(); }
  void fill(Currency& currency) { currency.number = number<std::uint16_t>(); }
  void fill(std::int64_t& value) { value = time().ms; }
  void fill(std::uint64_t& value) { value = number<std::uint64_t>(); }
  void fill(std::uint32_t& value) { value = number<std::uint32_t>(); }
  void fill(std::uint16_t& value) { value = number<std::uint16_t>(); }
  void fill(std::uint8_t& value) { value = number<std::uint8_t>(); }
  void fill(bool& value) { value = flag(); }
  void fill(OrderStatus& status) { status = up_to(kLastOrderStatus); }
  void fill(OrderEvent& event) { event = up_to(kLastOrderEvent); }
  void fill(RefundStatus& status) { status = up_to(RefundStatus::failed); }
  void fill(TransferKind& kind) { kind = up_to(kLastTransferKind); }
  void fill(ExceptionKind& kind) { kind = up_to(ExceptionKind::balance_limit); }
  void fill(ExceptionAction& action) { action = up_to(ExceptionAction::superseded); }
  void fill(PaymentPolicy& policy) { policy = up_to(PaymentPolicy::refund); }
  void fill(PayMethod& method) { method = up_to(PayMethod::intent); }
  void fill(GatewayWorkKind& kind) { kind = up_to(kLastGatewayWorkKind); }
  void fill(Fulfilment& fulfilment) { fulfilment = up_to(kLastFulfilment); }
  void fill(AttemptState& state) { state = up_to(kLastAttemptState); }
  void fill(SignatureScheme& scheme) { scheme = up_to(kLastSignatureScheme); }
  void fill(std::string_view&) {}
  void fill(LedgerAccount& account) {
    account = {};
    account.kind = up_to(kLastLedgerAccountKind);
    if (account.kind == LedgerAccountKind::user) {
      fill(account.user);
    } else {
      fill(account.gateway);
    }
  }
  template <class T>
  void fill(std::optional<T>& value) {
    if (flag()) fill(value.emplace());
  }
  // Every other struct: all of its members.
  template <class T>
  requires std::is_aggregate_v<T>
  void fill(T& value) {
    boost::pfr::for_each_field(value, [this](auto& member) { fill(member); });
  }

  template <std::size_t I>
  void make_command(std::size_t index) {
    if constexpr (I < kChangeCommands) {
      if (index != I) return make_command<I + 1>(index);
      auto& command = made_.record.command.template emplace<I>();
      fill(command);
      if constexpr (requires { command.only_account; }) command.only_account = {};  // is not stored
      settle(command);
    }
  }
  template <class T>
  void settle(T&) {}
  void settle(PlaceOrder& command) {
    command.limits = {};  // are not stored
    if (flag()) command.notify_url = *made_.url;
    if (flag()) return;
    command.idempotency_key = {};
    command.request_body = {};
    command.idempotency_retention_ms = 0;
  }
  void settle(ReportPayment& command) {
    if (flag()) {
      command.reference = {};
      RECHARGE_CHECK(command.reference.assign(command.order_id.to_text()));
    } else {
      command.order_id = {};
    }
    command.exception_id = {};
    command.evidence = *made_.evidence;
    command.evidence_headers = *made_.headers;
  }
  void settle(ResolveException& command) { command.action = up_to(ExceptionAction::dismiss); }

  template <std::size_t I>
  void make_fact(std::size_t index) {
    if constexpr (I < std::variant_size_v<Fact>) {
      if (index != I) return make_fact<I + 1>(index);
      auto& fact = std::get<I>(made_.record.facts.emplace_back(std::variant_alternative_t<I, Fact>()));
      fill(fact);
      settle(fact);
    }
  }
  void settle(OrderPlaced& fact) {
    Order placed;
    placed.id = share(fact.order.id);
    placed.account = fact.order.account;
    placed.amount = fact.order.amount;
    placed.expires_at = fact.order.expires_at;
    placed.gateway = fact.order.gateway;
    placed.subject = fact.order.subject;
    placed.previous = fact.order.previous;
    placed.currency = fact.order.currency;
    placed.merchant = fact.order.merchant;
    fact.order = placed;
    if (!flag()) fact.idempotency = {};
  }
  void settle(OrderChanged& fact) {
    OrderChanged kept;
    kept.order_id = share(fact.order_id);
    kept.event = fact.event;
    kept.fields = fact.fields;
    if (payment() == nullptr) kept.fields &= static_cast<std::uint8_t>(~kEvidenceFields);
    kept.from = fact.from;
    kept.status = fact.status;
    if (kept.from != kept.status) {
      kept.from_count_after = fact.from_count_after;
      kept.status_count_after = fact.status_count_after;
    }
    const Time now = made_.record.circumstances.now;
    kept.whole = true;
    kept.account = fact.account;
    kept.amount = fact.amount;
    kept.expires_at = fact.expires_at;
    kept.subject = fact.subject;
    kept.currency = fact.currency;
    kept.merchant = fact.merchant;
    kept.gateway = payment() != nullptr && flag() ? payment()->gateway : fact.gateway;
    kept.transaction_id = payment() != nullptr && flag() ? payment()->transaction_id : fact.transaction_id;
    kept.paid_at = flag() ? now : fact.paid_at;
    kept.recharged_at = flag() ? now : fact.recharged_at;
    kept.ended_at = flag() ? now : fact.ended_at;
    kept.refunded = fact.refunded;
    kept.refund_reserved = fact.refund_reserved;
    kept.exceptions = fact.exceptions;
    kept.fulfilment = fact.fulfilment;
    if (kept.fields & kEvidenceFields) {
      kept.evidence = digest_of(payment()->evidence);
      kept.evidence_key = payment()->key_id;
      kept.evidence_at = now;
      kept.evidence_scheme = payment()->scheme;
    }
    fact = kept;
  }
  void settle(ExceptionResolved& fact) {
    fact.exception.sent_at = {};
    fact.exception.evidence_scheme = {};
  }
  void settle(GatewayWorkChanged& fact) {
    if (fact.work.key.kind == GatewayWorkKind::recharge) return;
    fact.work.attempts = 0;
    fact.work.failed = false;
  }
  void settle(AttemptRecorded&) {}
  void settle(NotifyAddressKept& fact) {
    fact.address.order_id = share(fact.address.order_id);
    const auto* placing = std::get_if<PlaceOrder>(&made_.record.command);
    const bool shared = placing != nullptr && !placing->notify_url.empty() && flag();
    RECHARGE_CHECK(fact.address.url.assign(shared ? placing->notify_url : "u" + bytes(511)));
  }
  void settle(TransferPosted& fact) { fact.transfer.order_id = share(fact.transfer.order_id); }
  void settle(ExceptionOpened& fact) {
    fact.exception.sent_at = {};
    fact.exception.evidence_scheme = {};
    auto* report = std::get_if<ReportPayment>(&made_.record.command);
    if (report == nullptr) return;
    report->exception_id = fact.exception.id;
    fact.exception.sent_at = report->sent_at.value_or(Time{});
    fact.exception.evidence_scheme = report->scheme;
  }

  // Mostly a record's facts speak of its command's order.
  OrderId share(const OrderId& other) {
    OrderId result = other;
    if (longest() || random_() % 4 == 0) return result;
    std::visit(
        [&](const auto& command) {
          if constexpr (requires { command.order_id; }) result = command.order_id;
        },
        made_.record.command);
    return result;
  }

  std::mt19937_64 random_;
  Size size_;
  Made made_;
};

}  // namespace recharge::testing
