// The reads of ShardGroup: they follow the chains that records form, newest first.
#include <algorithm>
#include <iterator>

#include "core/check.h"
#include "storage/shard_group.h"

namespace recharge {
namespace {

#define RECHARGE_GET(name, expression)              \
  auto name##_result = (expression);                \
  if (!name##_result) return name##_result.error(); \
  auto name = *name##_result

// The transfers of an order carry its own transaction, unless they say another.
bool takes_transaction_of_order(const Transfer& transfer) noexcept {
  return transfer.transaction_id.empty() && !transfer.order_id.is_nil();
}

void show_as_expired(Outcome& outcome, Time now) noexcept {
  const auto expire = [now](Order& order) {
    if (!order.is_overdue(now)) return;
    order.status = OrderStatus::expired;
    order.ended_at = order.expires_at;
  };
  if (auto* order = std::get_if<Order>(&outcome.shown)) expire(*order);
  if (auto* explanation = std::get_if<Explanation>(&outcome.shown)) {
    if (explanation->order) expire(*explanation->order);
  }
  if (auto* page = std::get_if<OrderPage>(&outcome.shown)) {
    for (auto& order : page->orders) expire(order);
  }
  if (auto* work = std::get_if<GatewayWorkAndOrder>(&outcome.shown)) {
    if (work->order) expire(*work->order);
  }
}

}  // namespace

std::uint64_t ShardGroup::execute_read(const Command& command, Outcome& outcome) {
  std::uint64_t waits_for = 0;
  if (const auto* list = std::get_if<ListExceptions>(&command)) {
    if (!read_exceptions(*list, outcome, waits_for)) outcome.code = OutcomeCode::damaged;
    return waits_for;
  }
  if (const auto* list = std::get_if<ListGatewayWork>(&command)) {
    if (!read_gateway_work(*list, outcome, waits_for)) outcome.code = OutcomeCode::damaged;
    return waits_for;
  }
  auto* records = shards_[map_.of_command(command)].get();
  RECHARGE_CHECK(records != nullptr);
  overdue_.clear();
  for (;;) {
    records->begin_command();
    const auto done = std::visit(
        [&](const auto& c) -> Result<void> {
          if constexpr (requires { read(*records, c, outcome); }) {
            return read(*records, c, outcome);
          } else {
            return Errc::out_of_range;
          }
        },
        command);
    waits_for = std::max(waits_for, records->read_number());
    if (!done) {
      outcome.code = OutcomeCode::damaged;
      outcome.shown = std::monostate{};
    }
    if (overdue_.empty()) return waits_for;
    // Whoever touches an order past its time expires it first. Then the read begins again.
    Outcome expiry;
    for (const auto& id : std::exchange(overdue_, {})) {
      waits_for = std::max(waits_for, execute_change(ExpireOrder{id}, expiry));
      if (expiry.code != OutcomeCode::order_expired) {
        show_as_expired(outcome, now_);  // the fact has no room now; reads go on all the same
        return waits_for;
      }
    }
  }
}

Result<void> ShardGroup::read(ShardRecords& records, const ReadOrder& command, Outcome& outcome) {
  RECHARGE_GET(order, records.order(command.order_id));
  if (order != nullptr && !is_visible(*order, command.only_account)) order = nullptr;
  outcome.code = order == nullptr ? OutcomeCode::order_not_found : OutcomeCode::found;
  if (order == nullptr) return {};
  if (order->is_overdue(now_)) overdue_.push_back(order->id);
  outcome.shown = *order;
  return {};
}

Result<void> ShardGroup::read(ShardRecords& records, const ExplainOrder& command, Outcome& outcome) {
  RECHARGE_GET(order, records.order(command.order_id));
  const bool hidden =
      order == nullptr ? !command.only_account.empty() : !is_visible(*order, command.only_account);
  if (hidden) {
    outcome.code = OutcomeCode::order_not_found;
    return {};
  }
  Explanation explanation;
  explanation.order_id = command.order_id;
  if (order != nullptr) {
    if (order->is_overdue(now_)) overdue_.push_back(order->id);
    explanation.order = *order;
  }
  for (const PayMethod method : {PayMethod::qr, PayMethod::h5, PayMethod::intent}) {
    if (!explanation.order) break;
    RECHARGE_GET(work, records.gateway_work(GatewayWorkKey::of_payment(command.order_id, method)));
    if (work != nullptr) explanation.payments.push_back(*work);
  }
  if (explanation.order && explanation.order->is_paid_for()) {  // a refund that failed leaves no amount
    RECHARGE_GET(refunds, records.refunds_of(command.order_id));
    explanation.refunds = std::move(refunds);
  }
  if (explanation.order && explanation.order->fulfilment != Fulfilment::wallet) {
    RECHARGE_GET(attempts, records.attempts_of(command.order_id));
    explanation.attempts = std::move(attempts);
  }
  if (!explanation.order || explanation.order->exceptions > 0) {
    OrderReference reference;
    RECHARGE_CHECK(reference.assign(command.order_id.to_text()));
    RECHARGE_GET(exceptions, records.exceptions_of(reference));
    explanation.exceptions = std::move(exceptions);
  }
  const bool known = explanation.order || !explanation.exceptions.empty();
  outcome.code = known ? OutcomeCode::found : OutcomeCode::order_not_found;
  if (known) outcome.shown = std::move(explanation);
  return {};
}

Result<void> ShardGroup::read(ShardRecords& records, const ReadBalance& command, Outcome& outcome) {
  RECHARGE_GET(account, records.account(command.account));
  outcome.code = OutcomeCode::found;
  outcome.shown = account == nullptr ? Money{} : account->balance;
  return {};
}

Result<void> ShardGroup::read(ShardRecords& records, const ReadGatewayWork& command, Outcome& outcome) {
  RECHARGE_GET(work, records.gateway_work(command.key));
  outcome.code = work == nullptr ? OutcomeCode::payment_ended : OutcomeCode::found;
  if (work == nullptr) return {};
  GatewayWorkAndOrder shown{*work, std::nullopt};
  if (auto done = add_order(records, shown); !done) return done.error();
  if (shown.order && shown.order->is_overdue(now_)) overdue_.push_back(shown.order->id);
  outcome.shown = std::move(shown);
  return {};
}

Result<void> ShardGroup::add_order(ShardRecords& records, GatewayWorkAndOrder& shown) {
  if (shown.work.order_id.is_nil()) return {};
  RECHARGE_GET(order, records.order(shown.work.order_id));
  if (order != nullptr) shown.order = *order;
  if (shown.work.key.kind == GatewayWorkKind::recharge) {
    RECHARGE_GET(attempts, records.attempts_of(shown.work.order_id));
    shown.attempts = std::move(attempts);
  }
  return {};
}

// Payments that are waited for are no trouble: left out.
Result<void> ShardGroup::read_gateway_work(const ListGatewayWork& command, Outcome& outcome,
                                           std::uint64_t& waits_for) {
  GatewayWorkPage merged;
  for (auto& shard : shards_) {
    if (!shard) continue;
    shard->begin_command();
    RECHARGE_GET(keys, shard->open_gateway_work());
    GatewayWorkPage page;
    for (const GatewayWorkKey& key : keys) {
      if (key.kind == GatewayWorkKind::payment || key <= command.after) continue;
      page.more = page.works.size() == command.limit;
      if (page.more) break;
      RECHARGE_GET(work, shard->gateway_work(key));
      if (work == nullptr) return Errc::damaged;
      auto& shown = page.works.emplace_back(GatewayWorkAndOrder{*work, std::nullopt});
      if (auto done = add_order(*shard, shown); !done) return done.error();
    }
    waits_for = std::max(waits_for, shard->read_number());
    merge_gateway_work(merged, std::move(page), command.limit);
  }
  outcome.code = OutcomeCode::found;
  outcome.shown = std::move(merged);
  return {};
}

void merge_gateway_work(GatewayWorkPage& into, GatewayWorkPage&& other, unsigned limit) {
  auto& all = into.works;
  std::move(other.works.begin(), other.works.end(), std::back_inserter(all));
  std::sort(all.begin(), all.end(), [](const GatewayWorkAndOrder& a, const GatewayWorkAndOrder& b) {
    return a.work.key < b.work.key;
  });
  into.more = into.more || other.more || all.size() > limit;
  if (all.size() > limit) all.resize(limit);
}

Result<void> ShardGroup::read(ShardRecords& records, const ListOrders& command, Outcome& outcome) {
  OrderPage page;
  OrderId at = command.from;
  if (at.is_nil()) {
    RECHARGE_GET(account, records.account(command.account));
    if (account != nullptr) at = account->newest_order;
  }
  for (unsigned examined = 0; !at.is_nil(); ++examined) {
    if (page.orders.size() == command.limit || examined == kMaxExaminedByFilter) break;
    RECHARGE_GET(order, records.order(at));
    if (order == nullptr || order->account != command.account) {
      at = {};  // the cursor is of another account
      break;
    }
    if (order->is_overdue(now_)) overdue_.push_back(order->id);
    // As it will be shown: also where its expiry finds no room in the journal.
    const auto status = order->is_overdue(now_) ? OrderStatus::expired : order->status;
    if (!command.status || status == *command.status) page.orders.push_back(*order);
    at = order->previous;
  }
  page.next = at;
  outcome.code = OutcomeCode::found;
  outcome.shown = std::move(page);
  return {};
}

Result<void> ShardGroup::read(ShardRecords& records, const ListEntries& command, Outcome& outcome) {
  EntryPage page;
  EntryId at = command.from;
  if (at.is_nil()) {
    RECHARGE_GET(account, records.account(command.account));
    if (account != nullptr) at = account->newest_entry;
  }
  while (!at.is_nil() && page.entries.size() < command.limit) {
    RECHARGE_GET(transfer, records.transfer(at));
    if (transfer == nullptr || transfer->user() == nullptr || *transfer->user() != command.account) {
      at = {};
      break;
    }
    auto& entry = page.entries.emplace_back(*transfer);
    at = entry.previous;
    if (takes_transaction_of_order(entry)) {
      RECHARGE_GET(order, records.order(entry.order_id));
      if (order != nullptr) entry.transaction_id = order->transaction_id;
    }
  }
  page.next = at;
  outcome.code = OutcomeCode::found;
  outcome.shown = std::move(page);
  return {};
}

Result<void> ShardGroup::read_exceptions(const ListExceptions& command, Outcome& outcome,
                                         std::uint64_t& waits_for) {
  ExceptionPage merged;
  for (auto& shard : shards_) {
    if (!shard) continue;
    ExceptionPage page;
    ExceptionId examined_last;
    unsigned examined = 0;
    bool more = false;
    shard->begin_command();
    const auto done = shard->visit_exceptions(command.before, [&](const PaymentException& exception) {
      if (page.exceptions.size() == command.limit || examined == kMaxExaminedByFilter) {
        more = true;
        return false;
      }
      ++examined;
      examined_last = exception.id;
      if (!command.only_open || exception.is_open()) page.exceptions.push_back(exception);
      return true;
    });
    if (!done) return done.error();
    waits_for = std::max(waits_for, shard->read_number());
    if (more) page.next = examined_last;
    merge_exceptions(merged, std::move(page), command.limit);
  }
  outcome.code = OutcomeCode::found;
  outcome.shown = std::move(merged);
  return {};
}

// `next` of a page: everything above it was examined, and something below it was not.
void merge_exceptions(ExceptionPage& into, ExceptionPage&& other, unsigned limit) {
  auto& all = into.exceptions;
  all.insert(all.end(), other.exceptions.begin(), other.exceptions.end());
  std::sort(all.begin(), all.end(),
            [](const PaymentException& a, const PaymentException& b) { return a.id > b.id; });
  into.next = std::max(into.next, other.next);
  if (!into.next.is_nil()) {
    std::erase_if(all, [&](const PaymentException& exception) { return exception.id < into.next; });
  }
  if (all.size() > limit) {
    all.resize(limit);
    into.next = all.back().id;
  }
}

#undef RECHARGE_GET

}  // namespace recharge
