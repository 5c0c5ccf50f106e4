// Purpose: random commands over few accounts, orders and transactions, so that they meet: repeats, reports in
// any order, and a clock that steps past expiry. The same seed makes the same history. Owner: one test.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "tests/core/rule_driver.h"

namespace recharge::testing {

class RandomHistory {
 public:
  RandomHistory(std::uint64_t seed, RuleDriver& driver) : random_(seed), driver_(driver) {
    unknown_ = driver.fresh_order_id();
  }

  // Steps the driver's clock and makes the next command.
  Command next() {
    if (chance(3)) driver_.now.ms += below(6) == 0 ? 20 * 60 * 1000 : below(1000);
    if (!past_.empty() && chance(5)) return again(past_[below(past_.size())]);
    past_.push_back(fresh());
    return past_.back();
  }

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  bool chance(std::uint64_t one_in) { return below(one_in) == 0; }

 private:
  static constexpr std::string_view kEvidence = R"({"amount":50.00,"status":"success"})";

  // The same request once more. What a server draws anew for each request is drawn anew.
  Command again(Command command) {
    if (auto* report = std::get_if<ReportPayment>(&command)) {
      report->exception_id = driver_.fresh_exception_id();
    } else if (auto* place = std::get_if<PlaceOrder>(&command)) {
      place->order_id = driver_.fresh_order_id();
      placed_.push_back({place->order_id, place->amount});
    }
    return command;
  }

  Command fresh() {
    if (placed_.empty() || (placed_.size() < 5 && chance(8))) return place();
    const auto& order = placed_[below(placed_.size())];
    switch (below(20)) {
      case 0:
      case 1:
        return SimulatePayment{order.id, text<GatewayName>("simulated"),
                               text<TransactionId>("s" + std::to_string(below(3))), !chance(3)};
      case 2:
        return CloseOrder{order.id};
      case 3:
        return ExpireOrder{order.id};
      case 4:
      case 5:
        return refund(order.id, order.amount);
      case 6:
        return SettleRefund{order.id, refund_id(), !chance(3)};
      case 7:
        return spend();
      case 8:
      case 9:
        return resolve();
      case 10:
      case 11:
        return StartPayment{order.id, text<GatewayName>(chance(5) ? "" : "other"), method()};
      case 12:
        return NotePaymentStart{order.id,
                                method(),
                                text<PayText>("https://pay.example/" + std::to_string(below(9))),
                                Time{driver_.now.ms + 1 + static_cast<std::int64_t>(below(kExpireAfterMs))},
                                {}};
      case 13:
        if (chance(2)) return EndPayment{order.id, method()};
        return SettleExceptionRefund{kept_id(), !chance(3)};
      default:
        return report(order.id, order.amount);
    }
  }

  Command place() {
    PlaceOrder command;
    command.order_id = driver_.fresh_order_id();
    command.account = account();
    command.amount = chance(6) ? cents(kMaxBalance.minor_units() - 4000) : cents(chance(2) ? 5000 : 1);
    if (chance(3)) command.gateway = text<GatewayName>(chance(2) ? "native" : "simulated");
    command.currency = kCny;
    command.expire_after_ms = kExpireAfterMs;
    if (placed_.size() % 3 == 1) command.notify_url = "https://shop.example/told";
    if (chance(3)) {
      command.idempotency_key = IdempotencyKey::make(command.account.view(), "", std::to_string(below(2)));
      command.request_body = digest_of(std::to_string(below(2)));
      command.idempotency_retention_ms = 24 * 3600 * 1000;
    }
    if (chance(4)) {
      command.limits.max_pending = static_cast<std::uint32_t>(below(3));
      command.limits.max_amount_a_day = cents(chance(2) ? 0 : 15'000);
    }
    placed_.push_back({command.order_id, command.amount});
    return command;
  }

  Command report(OrderId id, Money amount) {
    ReportPayment command;
    if (chance(12)) id = unknown_;
    command.order_id = id;
    command.reference = text<OrderReference>(id.to_text());
    const bool native = !chance(5);
    command.gateway = text<GatewayName>(native ? "native" : "other");
    command.transaction_id = text<TransactionId>((native ? "n" : "o") + std::to_string(below(2)));
    command.amount = chance(6) ? cents(chance(2) ? 4999 : amount.minor_units() + 1) : amount;
    if (!native) command.scheme = SignatureScheme::alipay;  // refunds of these are asked of their gateway
    command.success = !chance(6);
    command.sent_at = Time{driver_.now.ms - (chance(5) ? kToleranceMs + 1000 : 0)};
    command.tolerance_ms = kToleranceMs;
    if (chance(3)) command.paid_at = Time{kStart.ms + static_cast<std::int64_t>(below(4)) * 20 * 60 * 1000};
    command.policies = {policy(), policy(), policy(), policy()};
    command.exception_id = driver_.fresh_exception_id();
    command.currency = kCny;
    command.evidence = kEvidence;
    return command;
  }

  Command refund(const OrderId& id, Money amount) {
    RequestRefund command{id, refund_id(), {}, chance(2)};
    if (!chance(4))
      command.amount = cents(static_cast<std::int64_t>(below(3)) * amount.minor_units() / 3 + 1);
    return command;
  }

  Command spend() {
    SpendBalance command;
    command.account = account();
    command.debit_id = text<DebitId>("d" + std::to_string(below(4)));
    command.amount = cents(static_cast<std::int64_t>(below(3000)) + 1);
    command.currency = kCny;
    command.shard = kShard;
    return command;
  }

  Command resolve() {
    ResolveException command;
    constexpr std::array actions = {ExceptionAction::credit, ExceptionAction::refund,
                                    ExceptionAction::dismiss};
    command.action = actions[below(actions.size())];
    command.note = text<Note>("seen");
    command.exception_id = kept_id();
    return command;
  }

  ExceptionId kept_id() {
    const auto& kept = driver_.records.exceptions;
    return kept.empty() ? ExceptionId{}
                        : std::next(kept.begin(), static_cast<int>(below(kept.size())))->first;
  }
  PayMethod method() { return chance(2) ? PayMethod::qr : PayMethod::h5; }
  PaymentPolicy policy() {
    return chance(2) ? PaymentPolicy::review : chance(2) ? PaymentPolicy::credit : PaymentPolicy::refund;
  }

  Account account() { return text<Account>(chance(2) ? "13800000001" : "13800000002"); }
  RefundId refund_id() { return text<RefundId>("r" + std::to_string(below(3))); }

  struct Placed {
    OrderId id;  // asked for; an Idempotency-Key may have kept it from being placed
    Money amount;
  };

  std::mt19937_64 random_;
  RuleDriver& driver_;
  OrderId unknown_;
  std::vector<Placed> placed_;
  std::vector<Command> past_;
};

}  // namespace recharge::testing
