// Purpose: the commands of the storage tests, with the values that nearly every test wants, and random
// histories of them. Ids are fresh, and the same in every run of the same seed. Owner: one test.
#pragma once

#include <random>
#include <vector>

#include "core/command.h"
#include "storage/shard_map.h"
#include "tests/core/rule_driver.h"

namespace recharge::testing {

constexpr unsigned kTestShards = 8;
constexpr std::array<std::uint8_t, 16> kTestHashKey{0xc0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
inline const std::string kEvidence = R"({"status":"success"})";
inline const std::string kNotifyUrl = "https://shop.example/told?order=1";

class Commands {
 public:
  Time now = kStart;

  explicit Commands(std::uint64_t seed = 1, const ShardMap& map = ShardMap(kTestHashKey, kTestShards))
      : map_(map), random_(seed) {}

  PlaceOrder place(std::string_view account, std::int64_t amount = 5000) {
    PlaceOrder command;
    command.account = text<Account>(account);
    command.order_id = OrderId::make(now, map_.of_text(account), fresh_entropy());
    command.amount = cents(amount);
    command.subject = text<Subject>("Top-up");
    command.currency = kCny;
    command.expire_after_ms = kExpireAfterMs;
    return command;
  }
  PlaceOrder place_with_key(std::string_view account, std::string_view key, std::int64_t retention_ms) {
    auto command = place(account);
    command.idempotency_key = IdempotencyKey::make(account, "", key);
    command.request_body = digest_of("body");
    command.idempotency_retention_ms = retention_ms;
    return command;
  }
  ReportPayment pay(const OrderId& id, std::string_view transaction, std::int64_t amount = 5000) {
    ReportPayment command;
    command.order_id = id;
    command.reference = text<OrderReference>(id.to_text());
    command.gateway = text<GatewayName>(kNativeGateway);
    command.transaction_id = text<TransactionId>(transaction);
    command.amount = cents(amount);
    command.exception_id = ExceptionId::make(now, id.shard(), fresh_entropy());
    command.currency = kCny;
    command.key_id = text<KeyId>("key-1");
    command.evidence = kEvidence;
    return command;
  }
  // For an order that never was: kept as an exception of this account's shard.
  ReportPayment pay_unknown(std::string_view account, std::string_view transaction) {
    return pay(OrderId::make(now, map_.of_text(account), fresh_entropy()), transaction);
  }
  SpendBalance spend(std::string_view account, std::string_view debit_id, std::int64_t amount) {
    SpendBalance command;
    command.account = text<Account>(account);
    command.debit_id = text<DebitId>(debit_id);
    command.amount = cents(amount);
    command.currency = kCny;
    command.shard = map_.of_text(account);
    return command;
  }
  static RequestRefund refund(const OrderId& id, std::string_view refund_id, std::int64_t amount,
                              bool settle_now = true) {
    return {id, text<RefundId>(refund_id), cents(amount), settle_now};
  }
  static ListOrders orders_of(std::string_view account, unsigned limit = 20, OrderId from = {}) {
    return {text<Account>(account), std::nullopt, limit, from};
  }
  static ListEntries entries_of(std::string_view account, unsigned limit = 20, EntryId from = {}) {
    return {text<Account>(account), limit, from};
  }
  static ReadBalance balance_of(std::string_view account) { return {text<Account>(account)}; }

  // Anything that a client or a gateway may do next; sometimes time passes before it.
  Command any() {
    if (draw(20) == 0) now.ms += static_cast<std::int64_t>(draw(kExpireAfterMs));
    now.ms += static_cast<std::int64_t>(draw(50));
    const auto account = "user-" + std::to_string(draw(12));
    const auto kind = orders_.empty() ? 0 : draw(25);
    if (kind < 5) {
      auto command = draw(3) == 0 ? place_with_key(account, "key-" + std::to_string(draw(4)), kExpireAfterMs)
                                  : place(account, amount());
      if (orders_.size() % 4 == 1) command.notify_url = kNotifyUrl;
      orders_.push_back({command.order_id, command.amount.minor_units()});
      return command;
    }
    const auto& [id, price] = orders_[draw(2) == 0 ? orders_.size() - 1 : draw(orders_.size())];
    if (kind < 11) return any_report(id, price);
    if (kind < 12)
      return SimulatePayment{id, text<GatewayName>(kSimulatedGateway), transaction(id), draw(3) > 0};
    if (kind < 13) return CloseOrder{id};
    if (kind < 14) return ExpireOrder{id};
    if (kind < 16) return refund(id, "r-" + std::to_string(draw(4)), amount(), draw(2) == 0);
    if (kind < 17) return SettleRefund{id, text<RefundId>("r-" + std::to_string(draw(4))), draw(2) == 0};
    if (kind < 18) return spend(account, "d-" + std::to_string(draw(30)), amount());
    if (kind > 21) return any_step_of_supplier(id);
    if (kind > 19) return any_start(id);
    if (kind < 19 || exceptions_.empty()) return ReadOrder{id};
    constexpr std::array actions = {ExceptionAction::credit, ExceptionAction::refund,
                                    ExceptionAction::dismiss};
    return ResolveException{exceptions_[draw(exceptions_.size())], actions[draw(3)], text<Note>("by hand")};
  }

  std::uint64_t draw(std::uint64_t below) { return random_() % below; }

 private:
  struct Placed {
    OrderId id;
    std::int64_t amount;
  };

  Command any_step_of_supplier(const OrderId& id) {
    const auto number = static_cast<std::uint16_t>(1 + draw(3));
    switch (draw(6)) {
      case 0:
        return NoteAttempt{id, number, text<AttemptReason>("no answer")};
      case 1:
        return EndAttempt{id, number, static_cast<AttemptState>(1 + draw(4)), text<TransactionId>("ref"), {}};
      case 2:
        return FailRecharge{id};
      default:
        return BeginAttempt{id, number, text<SupplierName>(draw(2) == 0 ? "acme" : "other")};
    }
  }
  Command any_start(const OrderId& id) {
    const auto method = static_cast<PayMethod>(draw(2));
    switch (draw(4)) {
      case 0:
        return NotePaymentStart{id,
                                method,
                                text<PayText>("https://pay.example/" + std::to_string(draw(9))),
                                Time{now.ms + kExpireAfterMs},
                                {}};
      case 1:
        return EndPayment{id, method};
      default:
        return StartPayment{id, text<GatewayName>(draw(4) == 0 ? std::string_view("other") : kNativeGateway),
                            method};
    }
  }
  Command any_report(const OrderId& id, std::int64_t price) {
    auto command = draw(12) == 0 ? pay_unknown("user-1", "t-unknown") : pay(id, "", price);
    command.transaction_id = transaction(command.order_id);
    if (draw(10) == 0) command.amount = cents(price + 1);
    if (draw(10) == 0) command.success = false;
    if (draw(10) == 0) command.gateway = text<GatewayName>("other");
    if (draw(3) == 0) command.paid_at = Time{now.ms - static_cast<std::int64_t>(draw(kExpireAfterMs))};
    if (draw(10) == 0) {
      command.sent_at = Time{now.ms - 2 * kToleranceMs};
      command.tolerance_ms = kToleranceMs;
    }
    command.policies.late = static_cast<PaymentPolicy>(draw(3));
    command.fulfilment = static_cast<Fulfilment>(draw(3));
    exceptions_.push_back(command.exception_id);
    return command;
  }
  std::int64_t amount() { return 100 * static_cast<std::int64_t>(1 + draw(60)); }
  // A payment pays for one order; gateways repeat themselves.
  TransactionId transaction(const OrderId& id) {
    return text<TransactionId>("t-" + id.to_hex().substr(20) + "-" + std::to_string(draw(3)));
  }

  std::array<std::uint8_t, 10> fresh_entropy() {
    std::array<std::uint8_t, 10> bytes{};
    ++ids_;
    for (std::size_t i = 0; i < 6; ++i) bytes[8 - i] = static_cast<std::uint8_t>(ids_ >> (8 * i));
    return bytes;
  }

  ShardMap map_;
  std::mt19937_64 random_;
  std::uint64_t ids_ = 0;
  std::vector<Placed> orders_;
  std::vector<ExceptionId> exceptions_;
};

}  // namespace recharge::testing
