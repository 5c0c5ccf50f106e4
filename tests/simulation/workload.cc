#include "tests/simulation/workload.h"

#include <algorithm>

#include "core/check.h"
#include "tests/simulation/simulated_server.h"

namespace recharge::simulation {
namespace {

using testing::cents;
using testing::kExpireAfterMs;
using testing::kToleranceMs;
using testing::text;

constexpr std::uint64_t kAccounts = 5;
constexpr std::int64_t kShortRemark = 1500;
constexpr std::int64_t kLongRemark = 2700;

}  // namespace

Workload::Workload(std::uint64_t seed) : commands_(1, shard_map()) {
  Draws draws(seed);
  policies_.late = static_cast<PaymentPolicy>(draws.below(3));
  long_remarks_ = draws.one_in(4);
  for (auto* policy : {&policies_.duplicate, &policies_.over, &policies_.under})
    *policy = static_cast<PaymentPolicy>(draws.below(3));
  if (draws.one_in(3)) limits_.max_pending = 1 + static_cast<std::uint32_t>(draws.below(3));
  if (draws.one_in(3)) limits_.max_amount_a_day = cents(5'000 + draws.up_to(30'000));
  if (draws.one_in(3)) fulfilment_ = draws.one_in(4) ? Fulfilment::amqp : Fulfilment::http;
}

std::string Workload::account(Draws& draws) const { return "user-" + std::to_string(draws.below(kAccounts)); }

const Workload::Placed& Workload::placed(Draws& draws) const {
  // Mostly one of the newest: their payments and refunds are to meet.
  const auto back =
      draws.one_in(3) ? draws.below(placed_.size()) : draws.below(std::min(placed_.size(), std::size_t{3}));
  return placed_[placed_.size() - 1 - back];
}

Command Workload::place(Draws& draws) {
  const auto name = account(draws);
  const auto amount = draws.one_in(12) ? kMaxBalance.minor_units() - 4000 : 100 * (1 + draws.up_to(50));
  auto command = draws.one_in(4) ? commands_.place_with_key(name, "key-" + std::to_string(draws.below(2)),
                                                            kIdempotencyRetentionMs)
                                 : commands_.place(name, amount);
  if (!command.idempotency_key.is_nil() && draws.one_in(4)) command.request_body = digest_of("another body");
  if (draws.one_in(3)) {
    constexpr std::array kinds = {Gateway::native, Gateway::called};
    command.gateway =
        text<GatewayName>(draws.one_in(3) ? kSimulatedGateway : name_of(kinds[draws.below(kinds.size())]));
  }
  command.limits = limits_;
  if (placed_.size() % 4 == 1) command.notify_url = testing::kNotifyUrl;
  placed_.push_back(
      {command.order_id, command.amount.minor_units(), command.gateway.view() == name_of(Gateway::called)});
  return command;
}

Command Workload::change(Draws& draws) {
  const auto kind = placed_.empty() ? 0 : draws.below(20);
  if (kind < 7) return place(draws);
  const auto& [id, price, at_called] = placed(draws);
  const auto refund_id = "r-" + std::to_string(draws.below(3));
  switch (kind) {
    case 7:
    case 8:
      return SimulatePayment{id, text<GatewayName>(kSimulatedGateway),
                             text<TransactionId>("s-" + std::to_string(draws.below(3))), !draws.one_in(3)};
    case 9:
      return CloseOrder{id};
    case 10:
      return ExpireOrder{id};
    case 11:
    case 12:
    case 13: {
      auto refund = testing::Commands::refund(id, refund_id, 1 + draws.up_to(price), draws.one_in(2));
      if (draws.one_in(3)) refund.amount.reset();
      return refund;
    }
    case 14:
    case 15:
      return SettleRefund{id, text<RefundId>(refund_id), !draws.one_in(3)};
    case 16:
    case 17:
      return commands_.spend(account(draws), "d-" + std::to_string(draws.below(4)), 1 + draws.up_to(2500));
    default: {
      constexpr std::array actions = {ExceptionAction::credit, ExceptionAction::refund,
                                      ExceptionAction::dismiss};
      const auto action = actions[draws.below(actions.size())];
      if (exceptions_.empty()) return ResolveException{{}, action, {}};
      const auto back = draws.below(std::min(exceptions_.size(), std::size_t{8}));
      return ResolveException{exceptions_[exceptions_.size() - 1 - back], action, text<Note>("by hand")};
    }
  }
}

StartPayment Workload::start(Draws& draws) {
  StartPayment command;
  const Placed order =
      placed_.empty() ? Placed{commands_.place("user-0").order_id, 5000, false} : placed(draws);
  command.order_id = order.id;
  if (!order.at_called || !draws.one_in(4)) command.gateway = text<GatewayName>(name_of(Gateway::called));
  command.method = draws.one_in(3) ? PayMethod::h5 : PayMethod::qr;
  return command;
}

Command Workload::read(Draws& draws) {
  const auto name = account(draws);
  switch (placed_.empty() ? 2 : draws.below(6)) {
    case 0:
      return ReadOrder{placed(draws).id};
    case 1:
      return ExplainOrder{placed(draws).id};
    case 2:
      return testing::Commands::balance_of(name);
    case 3:
      return testing::Commands::orders_of(name, 100);
    case 4:
      return testing::Commands::entries_of(name, 100);
    default:
      return ListExceptions{draws.one_in(2), 100, {}};
  }
}

// The order's id in one of its forms; sometimes one that never was.
std::string Workload::reference(const OrderId& id, Draws& draws) {
  switch (draws.below(24)) {
    case 0:
      return "no-such-order-" + std::to_string(draws.below(3));
    case 1:
      return commands_.place(account(draws)).order_id.to_text();
    case 2:
    case 3:
      return id.to_hex();
    default:
      return id.to_text();
  }
}

const Payment& Workload::payment(Draws& draws) {
  const Placed order =
      placed_.empty() ? Placed{commands_.place("user-0").order_id, 5000, false} : placed(draws);
  Payment payment;
  const auto sender = draws.below(8);
  payment.gateway = sender == 0 ? Gateway::other : sender == 1 ? Gateway::called : Gateway::native;
  if (order.at_called || gateway_.trade(order.id) != PaymentGateway::Trade::none)
    payment.gateway = sender == 0 ? Gateway::native : Gateway::called;
  if (payment.gateway == Gateway::called && gateway_.trade(order.id) == PaymentGateway::Trade::closed)
    payment.gateway = Gateway::native;  // nobody can pay there any more
  payment.order = reference(order.id, draws);
  // A payment pays for one order; a few come twice for it.
  payment.transaction_id = std::string(name_of(payment.gateway)) + "-" + order.id.to_hex().substr(18, 12) +
                           "-" + std::to_string(draws.below(3) / 2);
  payment.amount = draws.one_in(8) ? order.amount + 1 : order.amount;
  payment.success = !draws.one_in(8);
  if (draws.one_in(3)) payment.paid_at_s = (now().ms - draws.up_to(kExpireAfterMs)) / 1000;
  if (long_remarks_)
    payment.remark.assign(static_cast<std::size_t>(kShortRemark + draws.up_to(kLongRemark - kShortRemark)),
                          'x');
  if (payment.gateway == Gateway::called) pay_at_called(order, payment, draws);
  const auto& sent = payments_.emplace_back(std::move(payment));
  if (sent.gateway == Gateway::called && sent.success) gateway_.take_payment(order.id, sent);
  return sent;
}

Payment Workload::filler() {
  Payment payment;
  payment.order = "filler";
  payment.transaction_id = "filler-" + std::to_string(++fillers_);
  payment.amount = 100;
  payment.remark.assign(kLongRemark, 'x');
  return payment;
}

// There an order's number stands for one payment, and who pays twice does it by another way.
void Workload::pay_at_called(const Placed& order, Payment& payment, Draws& draws) const {
  const auto* paid = gateway_.payment(order.id);
  const bool again = paid != nullptr && (paid->unreported || !draws.one_in(4));
  payment.order = draws.one_in(4) ? order.id.to_hex() : order.id.to_text();
  payment.transaction_id = std::string(name_of(Gateway::called)) + "-" + order.id.to_hex().substr(18, 12) +
                           (paid == nullptr || again ? "-0" : "-1");
  if (paid == nullptr) return;
  if (!again) {
    payment.amount = order.amount;
    return;
  }
  payment.success = true;
  payment.amount = paid->amount;
  payment.paid_at_s = paid->paid_at_s;
}

const Payment* Workload::pay_what_was_started(Draws& draws) {
  const auto waiting = gateway_.waiting();
  if (waiting.empty()) return nullptr;
  const auto& id = waiting[draws.below(waiting.size())];
  const auto order =
      std::find_if(placed_.begin(), placed_.end(), [&](const Placed& p) { return p.id == id; });
  RECHARGE_CHECK(order != placed_.end());
  Payment payment;
  payment.gateway = Gateway::called;
  payment.amount = draws.one_in(8) ? order->amount + 1 : order->amount;
  if (draws.one_in(3)) payment.paid_at_s = now().ms / 1000;
  pay_at_called(*order, payment, draws);
  payment.unreported = draws.one_in(2);
  const auto& paid = payments_.emplace_back(std::move(payment));
  gateway_.take_payment(id, paid);
  return &paid;
}

std::int64_t Workload::sending_time_s(Draws& draws) const {
  return now().ms / 1000 - (draws.one_in(10) ? kToleranceMs / 1000 + 1 + draws.up_to(60) : draws.up_to(10));
}

ReportPayment Workload::report(const NativeCallback& callback, Callback sent) {
  const auto id = OrderId::parse(callback.order_id);
  const auto shard = id ? id->shard() : shard_map().of_text(callback.order_id);
  auto report = commands_.pay(id ? *id : OrderId::make(now(), shard, {}), callback.transaction_id,
                              callback.amount.minor_units());
  if (!id) report.order_id = {};
  report.reference = text<OrderReference>(callback.order_id);
  report.gateway = text<GatewayName>(name_of(sent.gateway));
  if (sent.gateway == Gateway::called) report.scheme = SignatureScheme::alipay;  // refunds_by_call()
  report.success = callback.success;
  report.sent_at = from_unix_seconds(*callback.timestamp_s);
  report.tolerance_ms = kToleranceMs;
  report.paid_at = callback.paid_at;
  sent_.push_back(std::move(sent));
  report.evidence = sent_.back().body;
  complete(report);
  return report;
}

void Workload::complete(ReportPayment& report) {
  report.policies = policies_;
  report.fulfilment = fulfilment_;
  exceptions_.push_back(report.exception_id);
}

ReportPayment Workload::report_of_answer(const OrderId& order, const Payment& payment) {
  auto report = commands_.pay(order, payment.transaction_id, payment.amount);
  report.gateway = text<GatewayName>(name_of(Gateway::called));
  report.scheme = SignatureScheme::alipay;
  report.key_id = text<KeyId>("query");
  if (payment.paid_at_s) report.paid_at = from_unix_seconds(*payment.paid_at_s);
  complete(report);
  return report;
}

}  // namespace recharge::simulation
