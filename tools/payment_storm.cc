#include "tools/payment_storm.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <queue>
#include <set>
#include <thread>
#include <tuple>

#include "core/names.h"
#include "core/payment_exception.h"
#include "tools/gateway_verdict.h"
#include "tools/http_client.h"
#include "tools/json_text.h"
#include "tools/made_ids.h"
#include "tools/storm_bills.h"

namespace recharge {
namespace {

using Kind = PlannedTrade::Kind;

constexpr std::size_t kAtOnce = 128;
constexpr std::uint64_t kLostPercent = 10;  // of callbacks, and of their acknowledgements

Time wall_now() {
  return Time{std::chrono::duration_cast<std::chrono::milliseconds>(
                  std::chrono::system_clock::now().time_since_epoch())
                  .count()};
}

std::string account_name(std::uint64_t number) { return std::to_string(13'700'000'000 + number); }

struct Later {
  bool operator()(const PlannedSending& a, const PlannedSending& b) const noexcept {
    return std::tie(a.at_ms, a.trade) > std::tie(b.at_ms, b.trade);
  }
};

struct OrderSeen {
  std::string status;
  std::string transaction_id;
};

class Storm {
 public:
  Storm(const StormOptions& options, const SimulatedAccounts& accounts)
      : options_(options),
        accounts_(accounts),
        client_(options.server, options.token),
        draws_(options.seed ^ 0x9e3779b97f4a7c15),
        plan_(make_storm_plan(options.seed, options.payments, options.accounts, options.faults)) {}

  ToolResult<StormReport> run() {
    const auto begin = std::chrono::steady_clock::now();
    began_ = wall_now();
    if (auto done = note_balances(balances_before_); !done) return done.error();
    if (auto done = place_orders(); !done) return done.error();
    make_trades();
    if (auto done = send_callbacks(); !done) return done.error();
    if (auto done = judge_orders(); !done) return done.error();
    if (auto done = judge_balances(); !done) return done.error();
    if (auto done = judge_exceptions(); !done) return done.error();
    if (auto done = judge_storm_bills(options_, trades_, began_, draws_, report_); !done) return done.error();
    report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return report_;
  }

 private:
  // Replies in the order of the requests, of which any number may be asked for.
  ToolResult<std::vector<HttpReply>> send_all(const std::vector<HttpRequest>& requests) {
    std::vector<HttpReply> all;
    for (std::size_t first = 0; first < requests.size(); first += kAtOnce) {
      const auto end = std::min(first + kAtOnce, requests.size());
      for (auto& reply : client_.send_concurrently({requests.begin() + static_cast<std::ptrdiff_t>(first),
                                                    requests.begin() + static_cast<std::ptrdiff_t>(end)})) {
        if (!reply) return reply.error();
        all.push_back(std::move(*reply));
      }
    }
    return all;
  }

  ToolResult<void> place_orders() {
    std::vector<HttpRequest> requests;
    for (const PlannedOrder& order : plan_.orders) {
      JsonWriter body;
      body.text("account", account_name(order.account))
          .raw("amount", to_text(order.amount))
          .text("gateway", to_text(order.gateway));
      requests.push_back({"POST", "/api/place_order", body.finish(), {}});
    }
    const auto replies = send_all(requests);
    if (!replies) return replies.error();
    for (const HttpReply& reply : *replies) {
      const auto id = OrderId::parse(json_member(reply.body, "order_id").value_or(""));
      if (reply.status != 200 || !id)
        return ToolError{ExitCode::failure, "an order was refused: " + reply.body};
      orders_.push_back(*id);
    }
    report_.orders = orders_.size();
    return {};
  }

  void make_trades() {
    const Time now = wall_now();
    const std::string run = random_hex(4);
    for (const PlannedTrade& planned : plan_.trades) {
      StormTrade trade;
      trade.plan = planned;
      const std::string number = run + std::to_string(100'000'000 + trades_.size());
      trade.paid.transaction_id = (planned.gateway == SimulatedGateway::stripe ? "pi_" : "42") + number;
      trade.paid.order_id = orders_[planned.order];
      if (planned.kind == Kind::unknown_order) {
        std::array<std::uint8_t, 10> random{};
        for (auto& byte : random) byte = static_cast<std::uint8_t>(draws_.below(256));
        trade.paid.order_id = OrderId::make(now, trade.paid.order_id.shard(), random);
      }
      trade.paid.amount = planned.amount;
      trade.paid.paid_at = Time{now.ms / 1000 * 1000};
      if (planned.kind != Kind::unpaid) ++report_.trades;
      trades_.push_back(std::move(trade));
    }
  }

  CallbackMessage message_of(StormTrade& trade, SendingFault fault) {
    const bool same_again = trade.plan.gateway == SimulatedGateway::alipay && fault == SendingFault::none;
    if (same_again && trade.kept) return *trade.kept;
    CallbackMessage message =
        payment_message(trade.plan.gateway, accounts_, trade.paid, fault, wall_now(), random_hex(12));
    if (same_again) trade.kept = message;
    return message;
  }

  ToolResult<void> send_callbacks() {
    std::priority_queue<PlannedSending, std::vector<PlannedSending>, Later> due(Later(),
                                                                                std::move(plan_.sendings));
    const auto begin = std::chrono::steady_clock::now();
    while (!due.empty()) {
      if (options_.time_factor > 0) {
        const auto wait = static_cast<double>(due.top().at_ms) / options_.time_factor;
        std::this_thread::sleep_until(begin + std::chrono::milliseconds(static_cast<std::int64_t>(wait)));
      }
      std::vector<PlannedSending> sendings;
      std::vector<HttpRequest> requests;
      while (!due.empty() && sendings.size() < kAtOnce) {
        const PlannedSending sending = due.top();
        due.pop();
        StormTrade& trade = trades_[sending.trade];
        if (options_.faults && sending.fault == SendingFault::none && draws_.chance(kLostPercent)) {
          ++report_.lost;
          send_again(due, sending);
          continue;
        }
        CallbackMessage message = message_of(trade, sending.fault);
        requests.push_back({"POST", "/api/callbacks/" + std::string(to_text(trade.plan.gateway)),
                            std::move(message.body), std::move(message.headers)});
        sendings.push_back(sending);
      }
      const auto replies = client_.send_concurrently(requests);
      for (std::size_t i = 0; i < replies.size(); ++i) {
        if (!replies[i]) return replies[i].error();
        take_reply(due, sendings[i], *replies[i]);
      }
    }
    return {};
  }

  template <class Queue>
  void send_again(Queue& due, PlannedSending sending) {
    const auto delays = retry_delays_s(trades_[sending.trade].plan.gateway);
    if (sending.attempt >= delays.size()) return;
    sending.at_ms += delays[sending.attempt] * 1000;
    ++sending.attempt;
    due.push(sending);
  }

  template <class Queue>
  void take_reply(Queue& due, const PlannedSending& sending, const HttpReply& reply) {
    StormTrade& trade = trades_[sending.trade];
    ++report_.callbacks;
    ++report_.sent[static_cast<std::size_t>(sending.fault)];
    const bool acknowledged = is_acknowledged(trade.plan.gateway, reply.status, reply.body);
    if (sending.fault != SendingFault::none) {
      if (acknowledged != (sending.fault == SendingFault::refund))
        report_.violate(std::string(to_text(sending.fault)) + " callback " +
                        (acknowledged ? "acknowledged: " : "refused: ") + name(trade));
      return;
    }
    trade.told = true;
    if (options_.faults && draws_.chance(kLostPercent)) {
      ++report_.lost;
      return send_again(due, sending);
    }
    if (acknowledged) {
      if (!trade.acknowledged) ++report_.acknowledged;
      trade.acknowledged = true;
    } else {
      send_again(due, sending);
    }
  }

  static std::string name(const StormTrade& trade) {
    return std::string(to_text(trade.plan.gateway)) + " " + trade.paid.transaction_id + " of order " +
           trade.paid.order_id.to_text();
  }

  // --- what the server says ---

  ToolResult<void> judge_orders() {
    std::vector<HttpRequest> requests;
    for (const OrderId& id : orders_) requests.push_back({"GET", "/api/orders/" + id.to_text(), {}, {}});
    const auto replies = send_all(requests);
    if (!replies) return replies.error();
    for (const HttpReply& reply : *replies) {
      const std::string order = json_member(reply.body, "order").value_or("");
      seen_.push_back(
          {json_member(order, "status").value_or(""), json_member(order, "transaction_id").value_or("")});
    }
    // What may have credited each order: payments of its gateway and amount.
    std::vector<std::vector<const StormTrade*>> valid(orders_.size());
    for (const StormTrade& trade : trades_) {
      if (trade.plan.kind == Kind::right || trade.plan.kind == Kind::second)
        valid[trade.plan.order].push_back(&trade);
    }
    for (StormTrade& trade : trades_)
      trade.credited = seen_[trade.plan.order].transaction_id == trade.paid.transaction_id;
    for (std::size_t i = 0; i < orders_.size(); ++i) judge_order(i, valid[i]);
    return {};
  }

  void judge_order(std::size_t index, const std::vector<const StormTrade*>& valid) {
    const OrderSeen& seen = seen_[index];
    const bool told =
        std::any_of(valid.begin(), valid.end(), [](const StormTrade* trade) { return trade->told; });
    const bool paid =
        std::any_of(valid.begin(), valid.end(), [](const StormTrade* trade) { return trade->credited; });
    const std::string where = "order " + orders_[index].to_text() + " is " + seen.status;
    if (seen.status == "recharged") {
      ++report_.credited;
      credited_[plan_.orders[index].account] += plan_.orders[index].amount.minor_units();
      if (!paid) report_.violate(where + " by " + seen.transaction_id + ", which nobody paid");
      if (!told) report_.violate(where + ", though nobody told of its payment");
    } else if (told) {
      report_.violate(where + ", though its payment was told");
    } else if (seen.status != "pending") {
      report_.violate(where);
    }
    for (const StormTrade* trade : valid) {
      if (!told && !paid && trade->plan.silent) ++report_.never_told;
    }
  }

  ToolResult<void> note_balances(std::map<std::uint64_t, std::int64_t>& balances) {
    std::vector<HttpRequest> requests;
    for (std::uint64_t i = 0; i < options_.accounts; ++i)
      requests.push_back({"GET", "/api/check_balance?account=" + account_name(i), {}, {}});
    const auto replies = send_all(requests);
    if (!replies) return replies.error();
    for (std::uint64_t i = 0; i < options_.accounts; ++i) {
      const auto balance = parse_money(json_member((*replies)[i].body, "balance").value_or(""));
      if (!balance) return ToolError{ExitCode::failure, "no balance: " + (*replies)[i].body};
      balances[i] = balance->minor_units();
    }
    return {};
  }

  ToolResult<void> judge_balances() {
    std::map<std::uint64_t, std::int64_t> after;
    if (auto done = note_balances(after); !done) return done.error();
    for (const auto& [account, balance] : after) {
      const std::int64_t credited = balance - balances_before_[account];
      if (credited != credited_[account]) {
        report_.violate("account " + account_name(account) + " was credited " +
                        to_text(Money::from_minor_units(credited)) + " instead of " +
                        to_text(Money::from_minor_units(credited_[account])));
      }
    }
    return {};
  }

  // Kind and transaction of every payment that must have been kept.
  std::multiset<std::pair<std::string, std::string>> expected_exceptions() const {
    std::multiset<std::pair<std::string, std::string>> expected;
    for (const StormTrade& trade : trades_) {
      if (!trade.told) continue;
      std::optional<ExceptionKind> kind;
      if (trade.plan.kind == Kind::wrong_amount) kind = ExceptionKind::amount_mismatch;
      if (trade.plan.kind == Kind::wrong_gateway) kind = ExceptionKind::gateway_mismatch;
      if (trade.plan.kind == Kind::unknown_order) kind = ExceptionKind::unknown_order;
      const bool valid = trade.plan.kind == Kind::right || trade.plan.kind == Kind::second;
      if (valid && !trade.credited) kind = ExceptionKind::duplicate_payment;
      if (kind) expected.emplace(to_text(*kind), trade.paid.transaction_id);
    }
    return expected;
  }

  ToolResult<void> judge_exceptions() {
    std::multiset<std::pair<std::string, std::string>> kept;
    std::set<std::string> ours;
    for (const StormTrade& trade : trades_) ours.insert(trade.paid.transaction_id);
    const auto all = kept_payments(client_);
    if (!all) return all.error();
    for (const auto& [transaction, kind] : *all) {
      if (ours.contains(transaction)) kept.emplace(kind, transaction);
    }
    report_.kept = kept.size();
    std::vector<std::pair<std::string, std::string>> differ;
    const auto expected = expected_exceptions();
    std::set_symmetric_difference(kept.begin(), kept.end(), expected.begin(), expected.end(),
                                  std::back_inserter(differ));
    for (const auto& [kind, transaction] : differ) {
      const bool missing = expected.contains({kind, transaction});
      report_.violate(kind + (missing ? " was not kept: " : " was kept, and nothing was wrong: ") +
                      transaction);
    }
    return {};
  }

  const StormOptions& options_;
  const SimulatedAccounts& accounts_;
  HttpClient client_;
  StormDraws draws_;
  StormPlan plan_;
  StormReport report_;
  Time began_;
  std::vector<OrderId> orders_;
  std::vector<StormTrade> trades_;
  std::vector<OrderSeen> seen_;
  std::map<std::uint64_t, std::int64_t> balances_before_;
  std::map<std::uint64_t, std::int64_t> credited_;
};

}  // namespace

void StormReport::violate(std::string what) {
  ++violations_total;
  if (violations.size() < kMaxViolations) violations.push_back(std::move(what));
}

ToolResult<StormReport> run_payment_storm(const StormOptions& options, const SimulatedAccounts& accounts) {
  return Storm(options, accounts).run();
}

}  // namespace recharge
