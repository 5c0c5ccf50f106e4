#include "tests/simulation/oracle.h"

#include <algorithm>

#include "tests/simulation/simulated_server.h"

namespace recharge::simulation {
namespace {

// The records of one shard beside its model. The first difference stays.
class Comparison {
 public:
  Comparison(const OrderModel& model, ShardRecords& records, Time now)
      : model_(model), records_(records), now_(now) {}

  // The sums first: they tell most differences at once.
  void run() {
    sums();
    if (!difference.empty()) return;
    for (const auto& [id, entry] : model_.orders) order(id, entry);
    for (const auto& [name, balance] : model_.balances) {
      const auto* account = found(records_.account(name));
      require((account == nullptr ? 0 : account->balance.minor_units()) == balance, [&] {
        return "the balance of " + std::string(name.view()) + " is not " + std::to_string(balance);
      });
    }
    for (const auto& [key, payment] : model_.payments) payment_kept(key, payment);
    for (const auto& [key, amount] : model_.debits) {
      const auto* debit = found(records_.debit(key.first, key.second));
      require(debit != nullptr && debit->amount.minor_units() == amount, [] { return "a debit is missing"; });
    }
    std::size_t kept = 0;
    const auto counted = records_.visit_exceptions({}, [&](const PaymentException&) { return ++kept > 0; });
    damaged |= !counted.has_value();
    require(kept == model_.kept(), [] { return "the number of exceptions is another"; });
    for (const auto& [key, expected] : model_.works) work(key, expected);
    const auto open = records_.open_gateway_work();
    damaged |= !open.has_value();
    require(open && open->size() == model_.works.size(), [] { return "the number of works is another"; });
    for (const auto& [key, expected] : model_.remembered) remembered(key, expected);
  }

  std::string difference;
  bool damaged = false;

 private:
  template <class Record>
  const Record* found(Result<const Record*> record) {
    if (!record) damaged = true;
    return record ? *record : nullptr;
  }
  void require(bool condition, auto what) {
    if (!condition && difference.empty()) difference = what();
  }

  void order(const OrderId& id, const OrderModel::Entry& entry) {
    const auto* order = found(records_.order(id));
    const auto text = [&](const char* what) {
      return [&, what] { return "order " + id.to_text() + " has another " + what; };
    };
    require(order != nullptr, [&] { return "order " + id.to_text() + " is missing"; });
    if (order == nullptr) return;
    require(order->account == entry.account && order->amount.minor_units() == entry.amount, text("content"));
    const auto status = order->is_overdue(now_) ? OrderStatus::expired : order->status;
    require(status == entry.status_at(now_.ms), [&] {
      return "order " + id.to_text() + " is " + std::string(to_text(status)) + ", not " +
             std::string(to_text(entry.status_at(now_.ms)));
    });
    require(order->transaction_id.view() == entry.transaction, text("transaction"));
    require(order->gateway.view() == entry.gateway, text("gateway"));
    require(order->refunded.minor_units() == entry.refunded, text("sum of refunds"));
    require((order->fulfilment != Fulfilment::wallet) == entry.by_supplier, text("fulfilment"));
    if (entry.by_supplier) attempts(id, entry);
    if (order->is_paid_for()) {
      const auto refunds = records_.refunds_of(id);
      damaged |= !refunds.has_value();
      require(refunds && refunds->size() == entry.refunds.size(), text("number of refunds"));
    }
    for (const auto& [refund_id, expected] : entry.refunds) {
      const auto* refund = found(records_.refund(id, refund_id));
      require(refund != nullptr && refund->amount.minor_units() == expected.first &&
                  refund->status == expected.second,
              text("refund"));
    }
  }

  // Each attempt that ever was, and no other.
  void attempts(const OrderId& id, const OrderModel::Entry& entry) {
    const auto asked = records_.attempts_of(id);
    damaged |= !asked.has_value();
    const bool same = asked && asked->size() == entry.attempts.size() &&
                      std::equal(asked->begin(), asked->end(), entry.attempts.begin(),
                                 [](const RechargeAttempt& a, const OrderModel::Attempt& b) {
                                   return a.supplier == b.supplier && a.state == b.state &&
                                          a.calls == b.calls && a.reference.view() == b.reference &&
                                          a.reason.view() == b.reason;
                                 });
    require(same, [&] { return "order " + id.to_text() + " has other attempts to recharge"; });
    if (!entry.is_held()) return;
    const auto* work = found(records_.gateway_work(GatewayWorkKey::of_recharge(id)));
    require(work != nullptr && work->attempts == entry.attempts.size() && work->failed == entry.given_up,
            [&] { return "the recharge of order " + id.to_text() + " stands elsewhere"; });
  }

  void work(const GatewayWorkKey& key, const OrderModel::Work& expected) {
    const auto* work = found(records_.gateway_work(key));
    require(work != nullptr && !work->ended, [] { return "work at a gateway is missing"; });
    require(work == nullptr ||
                (work->gateway.view() == expected.gateway && work->pay_text.view() == expected.pay_text &&
                 work->pay_text_until.ms == expected.pay_text_until),
            [] { return "a started payment has another content"; });
    require(work == nullptr ||
                (work->transaction_id.view() == expected.transaction &&
                 work->refund_id.view() == expected.refund && work->amount.minor_units() == expected.amount &&
                 work->total.minor_units() == expected.total),
            [] { return "a refund at a gateway has another content"; });
  }

  void remembered(const IdempotencyKey& key, const OrderModel::Remembered& expected) {
    if (now_.ms - expected.at >= expected.retention_ms) return;
    const auto* record = found(records_.idempotency(key));
    require(record != nullptr, [] { return "a remembered key is forgotten"; });
    require(record == nullptr || (record->body == expected.body && record->order_id == expected.order),
            [] { return "a remembered key stands for another request"; });
  }

  void payment_kept(const std::pair<std::string, std::string>& key, const OrderModel::Payment& payment) {
    if (payment.kinds.empty()) return;
    const auto* exception = found(records_.exception(payment.id));
    const auto text = [&](const char* what) {
      return [&, what] { return "the payment " + key.second + " of " + key.first + " is " + what; };
    };
    require(exception != nullptr, text("not kept"));
    if (exception == nullptr) return;
    require(exception->is_open() == payment.open, text(payment.open ? "not open" : "not resolved"));
    require(!payment.current || exception->kind == *payment.current, text("kept for another reason"));
    require(exception->amount.minor_units() == payment.amount, text("kept with another amount"));
  }

  // Nothing that the model does not know, and no money that comes from nowhere.
  void sums() {
    std::array<std::int64_t, kLedgerAccountKinds> house{};
    std::int64_t all = 0;
    for (const auto& account : records_.house()) {
      house[static_cast<std::size_t>(account.kind)] += account.balance.minor_units();
      all += account.balance.minor_units();
    }
    std::int64_t users = 0;
    for (const auto& [name, balance] : model_.balances) users += balance;
    const auto& totals = records_.totals();
    const auto of = [&](LedgerAccountKind kind) { return house[static_cast<std::size_t>(kind)]; };
    require(totals.users.minor_units() == users, [] { return "the users' sum is another"; });
    require(all + users == 0, [] { return "the sum over all accounts is not zero"; });
    require(of(LedgerAccountKind::suspense) == model_.in_suspense(),
            [] { return "the sum in suspense is another"; });
    require(of(LedgerAccountKind::in_transit) == model_.in_transit(),
            [] { return "the sum in transit is another"; });
    require(of(LedgerAccountKind::fulfilment) == model_.held(),
            [] { return "the sum held for suppliers is another"; });
    require(of(LedgerAccountKind::supplied) == model_.supplied(),
            [] { return "the sum that suppliers recharged is another"; });
    require(of(LedgerAccountKind::spending) == model_.spent(), [] { return "the sum of debits is another"; });
    std::size_t orders = 0;
    for (const auto count : totals.orders) orders += count;
    require(orders == model_.orders.size(), [] { return "the number of orders is another"; });
  }

  const OrderModel& model_;
  ShardRecords& records_;
  const Time now_;
};

// The order that a command speaks of.
const OrderId* order_of(const Command& command) {
  return std::visit(
      [](const auto& c) -> const OrderId* {
        if constexpr (requires { c.order_id; }) {
          return &c.order_id;
        } else {
          return nullptr;
        }
      },
      command);
}

// The account whose balance it may change, as far as the command tells.
const Account* account_of(const Command& command, const OrderModel::Entry* order) {
  if (const auto* spend = std::get_if<SpendBalance>(&command)) return &spend->account;
  return order == nullptr ? nullptr : &order->account;
}

// The started payment that it speaks of: work beside the order, which changes without it.
std::optional<GatewayWorkKey> started_payment_of(const Command& command) {
  return std::visit(
      [](const auto& c) -> std::optional<GatewayWorkKey> {
        if constexpr (requires { c.method; }) return GatewayWorkKey::of_payment(c.order_id, c.method);
        return std::nullopt;
      },
      command);
}

// Of an attempt to recharge: the order is told of its first and its success alone.
bool is_of_attempt(const Command& command) {
  return std::holds_alternative<BeginAttempt>(command) || std::holds_alternative<NoteAttempt>(command) ||
         std::holds_alternative<EndAttempt>(command);
}

}  // namespace

Oracle::Oracle() : map_(shard_map()), shards_(kShards) {}

ModelReply Oracle::execute(const Command& command, Time now) {
  const unsigned index = map_.of_command(command);
  auto& shard = shards_[index];
  const auto* order_id = order_of(command);
  const auto* account = account_of(command, order_id == nullptr ? nullptr : order(*order_id));
  const auto balance = account == nullptr ? 0 : balance_of(*account);
  const auto work = started_payment_of(command);
  const bool of_attempt = is_of_attempt(command);
  const auto status = of_attempt && order(*order_id) != nullptr ? order(*order_id)->status : OrderStatus();
  const auto gateway = work && order(*order_id) != nullptr ? order(*order_id)->gateway : std::string();
  const auto reply = shard.live.execute(command, now.ms);
  shard.sent.push_back({command, now});
  if (shard.live.changed()) {  // an expiry needs no proof: the time is enough
    shown_ = {index, shard.sent.size()};
    if (work) shard.works_changed[*work] = shown_.commands;
    if (order_id != nullptr && (of_attempt || reply.code == OutcomeCode::payment_held))
      shard.works_changed[GatewayWorkKey::of_recharge(*order_id)] = shown_.commands;
    const bool order_changed = order_id != nullptr && (!work || order(*order_id)->gateway != gateway) &&
                               (!of_attempt || order(*order_id)->status != status);
    if (order_changed) shard.orders_changed[*order_id] = shown_.commands;
    if (account != nullptr && balance_of(*account) != balance)
      shard.balances_changed[*account] = shown_.commands;
  } else {
    shown_ = order_id != nullptr && order(*order_id) != nullptr ? moment_of(*order_id)
             : account != nullptr                               ? moment_of(*account)
                                                                : Mark{index, 0};
    if (work && reply.code == OutcomeCode::payment_started)
      shown_.commands = std::max(shown_.commands, moment_of(*work).commands);
  }
  return reply;
}

Oracle::Mark Oracle::moment_of(const OrderId& id) const {
  const unsigned index = shard_of(id);
  const auto found = shards_[index].orders_changed.find(id);
  return {index, found == shards_[index].orders_changed.end() ? 0 : found->second};
}

Oracle::Mark Oracle::moment_of(const Account& account) const {
  const unsigned index = map_.of_text(account.view());
  const auto found = shards_[index].balances_changed.find(account);
  return {index, found == shards_[index].balances_changed.end() ? 0 : found->second};
}

Oracle::Mark Oracle::moment_of(const GatewayWorkKey& key) const {
  const unsigned index = map_.of_command(ReadGatewayWork{key});
  const auto found = shards_[index].works_changed.find(key);
  return {index, found == shards_[index].works_changed.end() ? 0 : found->second};
}

const OrderModel::Entry* Oracle::order(const OrderId& id) const {
  const auto& orders = shards_[shard_of(id)].live.orders;
  const auto found = orders.find(id);
  return found == orders.end() ? nullptr : &found->second;
}

std::int64_t Oracle::balance_of(const Account& account) const {
  const auto& balances = shards_[map_.of_text(account.view())].live.balances;
  const auto found = balances.find(account);
  return found == balances.end() ? 0 : found->second;
}

std::size_t Oracle::orders_of(const Account& account) const {
  std::size_t count = 0;
  for (const auto& [id, entry] : shards_[map_.of_text(account.view())].live.orders)
    count += entry.account == account ? 1 : 0;
  return count;
}

std::size_t Oracle::open_exceptions() const {
  std::size_t count = 0;
  for (const auto& shard : shards_) {
    for (const auto& [key, payment] : shard.live.payments) count += payment.open ? 1 : 0;
  }
  return count;
}

const OrderModel::Work* Oracle::work(const GatewayWorkKey& key) const {
  const auto& works = shards_[map_.of_command(ReadGatewayWork{key})].live.works;
  const auto found = works.find(key);
  return found == works.end() ? nullptr : &found->second;
}

void Oracle::acknowledged(const Mark& mark) {
  auto& known = shards_[mark.shard].acknowledged;
  known = std::max(known, mark.commands);
}

Oracle::Verdict Oracle::find_moment(const Shard& shard, ShardRecords& records, Time now, OrderModel& model,
                                    std::size_t& moment) {
  Verdict verdict;
  for (moment = 0;; ++moment) {
    if (moment >= shard.acknowledged) {
      Comparison comparison(model, records, now);
      comparison.run();
      if (comparison.damaged) return {"", true, 0};
      if (comparison.difference.empty()) return {"", false, shard.sent.size() - moment};
      // Beside the state that must be reached at least, the difference says most.
      if (verdict.violation.empty()) verdict.violation = comparison.difference;
    }
    if (moment == shard.sent.size()) return verdict;
    model.execute(shard.sent[moment].command, shard.sent[moment].now.ms);
  }
}

Oracle::Verdict Oracle::examine(const ShardAt& shard_at, Time now) const {
  for (unsigned i = 0; i < kShards; ++i) {
    OrderModel model = shards_[i].base;
    std::size_t moment = 0;
    const auto verdict = find_moment(shards_[i], shard_at(i), now, model, moment);
    if (verdict.damaged || !verdict.violation.empty()) return verdict;
  }
  return {};
}

Oracle::Verdict Oracle::resume(const ShardAt& shard_at, Time now) {
  Verdict all;
  for (unsigned i = 0; i < kShards; ++i) {
    auto& shard = shards_[i];
    std::size_t moment = 0;
    const auto verdict = find_moment(shard, shard_at(i), now, shard.base, moment);
    if (verdict.damaged || !verdict.violation.empty()) return verdict;
    all.lost += verdict.lost;
    shard.live = shard.base;
    shard.sent.clear();
    shard.acknowledged = 0;
    shard.orders_changed.clear();
    shard.balances_changed.clear();
    shard.works_changed.clear();
  }
  return all;
}

std::string Oracle::difference(const ShardAt& shard_at, Time now) const {
  for (unsigned i = 0; i < kShards; ++i) {
    Comparison comparison(shards_[i].live, shard_at(i), now);
    comparison.run();
    if (comparison.damaged) return "a record is damaged";
    if (!comparison.difference.empty()) return comparison.difference;
  }
  return {};
}

}  // namespace recharge::simulation
