#include "tools/load_books.h"

#include "tools/reply_value.h"

namespace recharge {

void BooksCheck::disagree(std::string what) {
  ++disagreements;
  if (shown.size() < kMaxShown) shown.push_back(std::move(what));
}

void check_order(LoadMix mix, const LoadOrders& orders, std::uint32_t index, LoadOrder& order,
                 const ParsedReply& reply, BooksCheck& check) {
  ++check.orders;
  const std::string name = "order " + std::string(order.order_id());
  if (reply.status != 200) {
    return check.disagree(name + ": the look-up answers " + std::to_string(reply.status));
  }
  const std::string_view status = reply_value(reply.body, "status");
  const std::string_view amount = reply_value(reply.body, "amount");
  const std::string_view account = reply_value(reply.body, "account");
  if (amount != LoadOrders::amount_text(order) || account != LoadOrders::account_text(order.account)) {
    return check.disagree(name + ": other amount or account than placed");
  }
  order.recharged = status == "recharged";
  const bool may_be_credited = mix == LoadMix::callback || mix == LoadMix::duplicate;
  if (order.recharged && !may_be_credited)
    return check.disagree(name + ": credited without a right signature");
  if (order.acknowledged && !order.recharged && may_be_credited) {
    return check.disagree(name + ": acknowledged, but " + std::string(status));
  }
  if (order.recharged && reply_value(reply.body, "transaction_id") != orders.transaction_id(index)) {
    return check.disagree(name + ": recharged under another transaction");
  }
  if (mix == LoadMix::place && status != "pending") {
    return check.disagree(name + ": placed, but " + std::string(status));
  }
  if (order.recharged && !order.acknowledged) ++check.credited_unacknowledged;
}

void check_balances(const LoadOrders& orders, const std::vector<std::int64_t>& before,
                    const std::vector<std::int64_t>& after, BooksCheck& check) {
  std::vector<std::int64_t> expected = before;
  for (const LoadOrder& order : orders.all()) {
    if (order.recharged) expected[order.account] += order.amount;
  }
  check.accounts = expected.size();
  for (std::uint32_t i = 0; i < expected.size(); ++i) {
    if (before[i] == BalanceWorkload::kUnread || after[i] == BalanceWorkload::kUnread) {
      check.disagree("account " + LoadOrders::account_text(i) + ": its balance could not be read");
    } else if (after[i] != expected[i]) {
      check.disagree("account " + LoadOrders::account_text(i) + ": balance " +
                     to_text(Money::from_minor_units(after[i])) + ", its orders make " +
                     to_text(Money::from_minor_units(expected[i])));
    }
  }
}

OrderLookup::OrderLookup(LoadMix mix, LoadOrders& orders, Share share, const RequestBytes& requests)
    : ExpectingWorkload(200),
      mix_(mix),
      orders_(orders),
      next_(share.first),
      step_(share.step),
      requests_(requests) {}

bool OrderLookup::next(std::uint32_t& token, std::string_view& bytes) {
  for (; next_ < orders_.all().size(); next_ += step_) {
    const LoadOrder& order = orders_.all()[next_];
    if (!(mix_ == LoadMix::place ? order.placed() : order.sent)) continue;
    token = static_cast<std::uint32_t>(next_);
    bytes_.clear();
    requests_.append_get(bytes_, "/api/orders/" + std::string(order.order_id()));
    bytes = bytes_;
    next_ += step_;
    return true;
  }
  return false;
}

void OrderLookup::on_reply(std::uint32_t token, const ParsedReply& reply) {
  check_order(mix_, orders_, token, orders_.all()[token], reply, check_);
}

}  // namespace recharge
