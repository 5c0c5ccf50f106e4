// What is asked, and what must be answered.
#include <algorithm>

#include "tests/simulation/history.h"

namespace recharge::simulation {
namespace {

bool refused_by_machine(OutcomeCode code) {
  return code == OutcomeCode::overloaded || code == OutcomeCode::storage_full;
}

// Expiry has no reply of its own: whoever touched the order before may have expired it.
bool is_expiry(OutcomeCode code) {
  return code == OutcomeCode::order_expired || code == OutcomeCode::nothing_to_do;
}

// "close 018b..." or "debit user-1": what a reader of a shrunk history has to know.
std::string text_of(const Command& command) {
  std::string text(name_of(command));
  std::visit(
      [&](const auto& c) {
        if constexpr (requires { c.order_id; }) text += " " + c.order_id.to_text();
        if constexpr (requires { c.account; }) text.append(" ").append(c.account.view());
        if constexpr (requires { c.exception_id; }) text += " exception " + c.exception_id.to_text();
        if constexpr (requires { c.refund_id; }) text.append(" ").append(c.refund_id.view());
        if constexpr (requires { c.amount.minor_units(); }) text += " " + to_text(c.amount);
      },
      command);
  return text;
}

}  // namespace

void History::receive(Callback callback, bool forged) {
  const auto reported = gateways_.verify(callback);
  if (!reported) {
    note("callback refused: ", callback.body.substr(0, 120));
    coverage_.count(Met::forged_refused);
    if (!forged) violate("a signed callback was refused");
    return;
  }
  if (forged) return violate("a forged callback was accepted: " + callback.body);
  note("callback ", callback.body.substr(0, 120));
  execute(workload_.report(*reported, std::move(callback)));
}

void History::execute(const Command& command) {
  ++coverage_.commands[command.index()];
  if (const auto* list = std::get_if<ListExceptions>(&command)) return list_exceptions(*list);
  const auto executed = executed_ = server_->execute(command, outcome_);
  ++coverage_.outcomes[static_cast<std::size_t>(outcome_.code)];
  if (tracing_) note(text_of(command) + ": ", name_of(outcome_.code));
  if (outcome_.code == OutcomeCode::kept_for_review)
    ++coverage_.exceptions[static_cast<std::size_t>(outcome_.exception_kind)];
  if (outcome_.code == OutcomeCode::stale_signature)
    ++coverage_.exceptions[static_cast<std::size_t>(ExceptionKind::stale_callback)];
  if (outcome_.code == OutcomeCode::order_not_found && std::holds_alternative<ReportPayment>(command))
    ++coverage_.exceptions[static_cast<std::size_t>(ExceptionKind::unknown_order)];
  if (outcome_.code == OutcomeCode::damaged) return violate("a record is damaged");
  if (refused_by_machine(outcome_.code)) {
    coverage_.count(outcome_.code == OutcomeCode::overloaded ? Met::overloaded : Met::storage_full);
    if (!is_change(command)) violate("a read was refused");
    return;
  }
  if (is_change(command)) {
    check_change(command, executed);
  } else {
    check_read(command, executed);
  }
}

void History::check_change(const Command& command, SimulatedServer::Executed executed) {
  const auto expected = oracle_.execute(command, server_->group(executed.thread).now());
  replies_.push_back({executed, oracle_.shown()});
  if (is_expiry(expected.code) && is_expiry(outcome_.code)) return;
  if (expected.code != outcome_.code) {
    return violate(text_of(command) + " answers " + std::string(name_of(outcome_.code)) + ", not " +
                   std::string(name_of(expected.code)));
  }
  if (outcome_.code == OutcomeCode::kept_for_review && expected.kind != outcome_.exception_kind)
    violate("kept as " + std::string(to_text(outcome_.exception_kind)) + ", not " +
            std::string(to_text(expected.kind)));
}

void History::check_shown(const Order& order) {
  const auto* found = oracle_.order(order.id);
  if (found == nullptr) return violate("an order that nobody placed is shown");
  const auto& expected = *found;
  if (order.status != expected.status_at(workload_.now().ms))
    return violate("an order is shown as " + std::string(to_text(order.status)) + ", not " +
                   std::string(to_text(expected.status_at(workload_.now().ms))));
  if (order.transaction_id.view() != expected.transaction ||
      order.refunded.minor_units() != expected.refunded)
    violate("an order is shown with another content");
}

void History::check_work(const GatewayWorkKey& key, SimulatedServer::Executed executed) {
  const auto* expected = oracle_.work(key);
  const auto* shown = std::get_if<GatewayWorkAndOrder>(&outcome_.shown);
  if ((expected != nullptr) != (outcome_.code == OutcomeCode::found))
    return violate("other work at a gateway is shown");
  replies_.push_back({executed, oracle_.moment_of(key)});
  if (shown == nullptr) return;
  // The number of a refund is left to the gateway to judge.
  if (shown->work.pay_text.view() != expected->pay_text ||
      shown->work.amount.minor_units() != expected->amount)
    return violate("work at a gateway is shown with another content");
  if (!shown->order) return;
  check_shown(*shown->order);
  replies_.push_back({executed, oracle_.moment_of(shown->order->id)});
}

void History::check_read(const Command& command, SimulatedServer::Executed executed) {
  if (const auto* work = std::get_if<ReadGatewayWork>(&command)) return check_work(work->key, executed);
  Oracle::Mark shows;
  if (const auto* order = std::get_if<Order>(&outcome_.shown)) {
    check_shown(*order);
    shows = oracle_.moment_of(order->id);
  } else if (const auto* explanation = std::get_if<Explanation>(&outcome_.shown)) {
    if (explanation->order) {
      check_shown(*explanation->order);
      shows = oracle_.moment_of(explanation->order->id);
    } else if (explanation->exceptions.empty()) {
      return violate("an explanation of nothing is shown");
    }
  } else if (const auto* balance = std::get_if<Money>(&outcome_.shown)) {
    const auto& account = std::get<ReadBalance>(command).account;
    shows = oracle_.moment_of(account);
    if (balance->minor_units() != oracle_.balance_of(account)) violate("another balance is shown");
  } else if (const auto* page = std::get_if<EntryPage>(&outcome_.shown)) {
    const auto& account = std::get<ListEntries>(command).account;
    shows = oracle_.moment_of(account);
    std::int64_t sum = 0;
    for (const auto& entry : page->entries) sum += entry.signed_amount().minor_units();
    if (sum != oracle_.balance_of(account)) violate("the entries do not sum up to the balance");
  } else if (const auto* orders = std::get_if<OrderPage>(&outcome_.shown)) {
    const auto& account = std::get<ListOrders>(command).account;
    for (const auto& shown : orders->orders) {
      check_shown(shown);
      replies_.push_back({executed, oracle_.moment_of(shown.id)});
    }
    if (orders->orders.size() != oracle_.orders_of(account)) violate("a list is not of all orders");
    return;
  } else if (outcome_.code != OutcomeCode::order_not_found) {
    return violate("a read shows nothing");
  } else if (const auto* read = std::get_if<ReadOrder>(&command)) {
    if (oracle_.order(read->order_id) != nullptr) violate("an order is not found");
    return;
  }
  replies_.push_back({executed, shows});
}

// Over all shards: each thread answers for its own.
void History::list_exceptions(const ListExceptions& command) {
  std::size_t shown = 0;
  for (unsigned thread = 0; thread < threads_; ++thread) {
    server_->group(thread).execute(command, outcome_);
    ++coverage_.outcomes[static_cast<std::size_t>(outcome_.code)];
    const auto* page = std::get_if<ExceptionPage>(&outcome_.shown);
    if (page == nullptr) return violate("a list of exceptions shows nothing");
    for (const auto& exception : page->exceptions) shown += exception.is_open() ? 1 : 0;
  }
  if (shown != oracle_.open_exceptions()) violate("another number of open exceptions is shown");
}

void History::deliver_replies() {
  std::erase_if(replies_, [&](const Reply& reply) {
    if (!server_->is_durable(reply.executed)) return false;
    oracle_.acknowledged(reply.shows);
    coverage_.count(Met::replies);
    return true;
  });
}

}  // namespace recharge::simulation
