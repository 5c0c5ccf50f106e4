#include "tools/gateway_verdict.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <ostream>
#include <thread>

#include "tools/json_text.h"
#include "tools/simulated_bill.h"
#include "tools/tool.h"

namespace recharge {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks{250};
constexpr std::chrono::seconds kBooksMayTake{20};  // until the next checkpoint, and longer
constexpr std::size_t kAtOnce = 128;
constexpr std::size_t kPrinted = 50;  // of what is wrong

std::string name_of(const SimulatedTrade& trade) {
  return std::string(to_text(trade.gateway)) + " " + trade.transaction_id + " of order " +
         trade.order_id.to_text();
}

class Judge {
 public:
  Judge(const VerdictOptions& options, SimulatorBooks books)
      : options_(options), client_(options.server, options.token) {
    verdict_.books = std::move(books);
    verdict_.wrong = verdict_.books.wrong;
  }

  ToolResult<GatewayVerdict> run() {
    auto kept = kept_payments(client_);
    if (!kept) return kept.error();
    kept_ = std::move(*kept);
    const std::deque<SimulatedTrade>& trades = verdict_.books.trades;
    for (std::size_t first = 0; first < trades.size(); first += kAtOnce) {
      const std::size_t end = std::min(first + kAtOnce, trades.size());
      std::vector<HttpRequest> requests;
      for (std::size_t i = first; i < end; ++i)
        requests.push_back({"GET", "/api/orders/" + trades[i].order_id.to_text(), {}, {}});
      const auto replies = client_.send_concurrently(requests);
      for (std::size_t i = first; i < end; ++i) {
        const auto& reply = replies[i - first];
        if (!reply) return reply.error();
        if (reply->status != 200 && reply->status != 404)
          return ToolError{ExitCode::failure, "no order: " + reply->body};
        judge(trades[i], reply->status == 200 ? json_member(reply->body, "order").value_or("") : "");
      }
    }
    verdict_.trades = trades.size();
    if (!options_.data_dir.empty()) {
      if (auto done = judge_bills(); !done) return done.error();
    }
    return std::move(verdict_);
  }

 private:
  // order: empty where the server knows none.
  void judge(const SimulatedTrade& trade, const std::string& order) {
    const std::string status = json_member(order, "status").value_or("unknown");
    const bool credited = json_member(order, "transaction_id") == trade.transaction_id &&
                          (status == "recharged" || status == "partially_refunded" || status == "refunded");
    const auto kept = kept_.find(trade.transaction_id);
    const std::string where = name_of(trade) + ", which is " + status + ": ";
    verdict_.refunds += trade.refunds.size();
    if (trade.state != SimulatedTrade::State::paid) {
      if (trade.state == SimulatedTrade::State::closed) ++verdict_.closed;
      if (credited || kept != kept_.end()) verdict_.wrong.push_back(where + "nobody paid");
      return;
    }
    ++verdict_.paid;
    if (credited) ++verdict_.credited;
    if (kept != kept_.end()) ++verdict_.kept;
    if (!credited && kept == kept_.end()) {
      if (trade.acknowledged) verdict_.wrong.push_back(where + "acknowledged, and neither credited nor kept");
      untold_.emplace(trade.gateway, trade.transaction_id);
      return;
    }
    if (!credited) return;
    const auto amount = parse_money(json_member(order, "amount").value_or(""));
    if (!amount || *amount != trade.amount)
      verdict_.wrong.push_back(where + "credited, though " + to_text(trade.amount) + " was paid");
    const auto refunded = parse_money(json_member(order, "refunded_amount").value_or(""));
    const bool called = trade.gateway != SimulatedGateway::standard;  // it is told of no refund
    if (called && (!refunded || *refunded != trade.refunded()))
      verdict_.wrong.push_back(where + to_text(trade.refunded()) + " was sent back");
  }

  ToolResult<void> judge_bills() {
    const BillTask task{options_.data_dir, options_.scratch_dir, options_.folder, verdict_.books.began};
    for (std::size_t i = 0; i < kSimulatedGateways; ++i) {
      const auto gateway = static_cast<SimulatedGateway>(i);
      FoundDifferences planted;
      for (auto [at, end] = untold_.equal_range(gateway); at != end; ++at)
        planted.emplace("missing_here", at->second);
      const auto compared = compare_simulated_bill(
          task, gateway, bill_of(verdict_.books.trades, gateway, {Time{0}, Time{INT64_MAX}}));
      if (!compared) return compared.error();
      if (!compared->complete) {
        verdict_.books_are_behind = true;
        verdict_.wrong.emplace_back("the books are behind");
        return {};
      }
      verdict_.planted += planted.size();
      verdict_.found += compared->found.size();
      FoundDifferences differ;
      std::set_symmetric_difference(compared->found.begin(), compared->found.end(), planted.begin(),
                                    planted.end(), std::inserter(differ, differ.end()));
      for (const auto& [kind, id] : differ) {
        verdict_.wrong.push_back("the reconciliation of " + std::string(to_text(gateway)) +
                                 (planted.contains({kind, id}) ? " did not find " : " found ") + kind + " " +
                                 id);
      }
    }
    verdict_.bills_compared = true;
    return {};
  }

  const VerdictOptions& options_;
  HttpClient client_;
  GatewayVerdict verdict_;
  std::multimap<std::string, std::string> kept_;
  std::multimap<SimulatedGateway, std::string> untold_;  // paid, and known to the gateway alone
};

void print_json(const GatewayVerdict& verdict, const CustomerReport* customers, std::ostream& out) {
  std::string wrong;
  for (const std::string& one : verdict.wrong) wrong += (wrong.empty() ? "" : ",") + json_string(one);
  JsonWriter writer;
  writer.count("trades", verdict.trades)
      .count("paid", verdict.paid)
      .count("credited", verdict.credited)
      .count("kept", verdict.kept)
      .count("refunds", verdict.refunds)
      .count("closed", verdict.closed)
      .count("callbacks", verdict.books.callbacks)
      .count("refund_notices", verdict.books.refund_notices)
      .count("lost", verdict.books.lost)
      .count("answers_bent", verdict.books.answers_bent)
      .raw("bills_compared", verdict.bills_compared ? "true" : "false")
      .count("planted", verdict.planted)
      .count("found", verdict.found);
  if (customers != nullptr) {
    JsonWriter theirs;
    theirs.count("customers", customers->customers)
        .count("tries_again", customers->tries_again)
        .count("asked", customers->asked)
        .count("refunds", customers->refunds)
        .count("closed", customers->closed);
    writer.raw("customers", theirs.finish());
  }
  out << writer.raw("wrong", "[" + wrong + "]").finish() << '\n';
}

void print_text(const GatewayVerdict& verdict, const CustomerReport* customers, std::ostream& out) {
  if (customers != nullptr) {
    out << customers->customers << " customers: " << customers->asked
        << " asked for payments that nobody told of, " << customers->refunds << " sent something back, "
        << customers->closed << " closed; " << customers->tries_again << " tries again\n";
  }
  out << verdict.trades << " payments started: " << verdict.paid << " paid, " << verdict.credited
      << " credited, " << verdict.kept << " kept for review, " << verdict.refunds << " refunds, "
      << verdict.closed << " closed\n"
      << verdict.books.callbacks << " callbacks, " << verdict.books.refund_notices
      << " of them notices of refunds, " << verdict.books.lost << " lost on the way; "
      << verdict.books.answers_bent << " answers lost, late, forged or refused\n";
  if (verdict.bills_compared) {
    out << verdict.planted << " payments that the server was not told of, " << verdict.found
        << " differences in the bills\n";
  } else {
    out << "bills were not compared: --data-dir says where the books are\n";
  }
  for (const std::string& one : verdict.wrong) out << "WRONG " << one << '\n';
  out << (verdict.wrong.empty() ? "server and gateways agree\n" : "server and gateways DO NOT agree\n");
}

}  // namespace

ToolResult<GatewayVerdict> judge_gateways(const VerdictOptions& options, const GatewaySimulator& simulator) {
  const auto settled = std::chrono::steady_clock::now() + std::chrono::milliseconds(options.settle_ms);
  while (true) {
    auto verdict = Judge(options, simulator.books()).run();
    if (!verdict || verdict->wrong.size() == verdict->books.wrong.size()) return verdict;
    const auto end = verdict->books_are_behind ? settled + kBooksMayTake : settled;
    if (std::chrono::steady_clock::now() >= end) return verdict;
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

ExitCode conclude(const VerdictOptions& options, const GatewaySimulator& simulator,
                  const CustomerReport* customers, bool json, std::ostream& out) {
  GatewayVerdict verdict;
  if (!simulator.books().trades.empty()) {
    auto judged = judge_gateways(options, simulator);
    if (!judged) return report(judged.error());
    verdict = std::move(*judged);
  }
  if (customers != nullptr)
    verdict.wrong.insert(verdict.wrong.end(), customers->wrong.begin(), customers->wrong.end());
  const std::uint64_t wrong = verdict.wrong.size();
  if (wrong > kPrinted) {
    verdict.wrong.resize(kPrinted);
    verdict.wrong.push_back("and " + std::to_string(wrong - kPrinted) + " more");
  }
  json ? print_json(verdict, customers, out) : print_text(verdict, customers, out);
  out.flush();
  return verdict.wrong.empty() ? ExitCode::ok : ExitCode::failure;
}

ToolResult<std::multimap<std::string, std::string>> kept_payments(HttpClient& client) {
  std::multimap<std::string, std::string> kept;
  std::string cursor;
  do {
    const auto reply = client.get("/api/exceptions?limit=100" + (cursor.empty() ? "" : "&cursor=" + cursor));
    if (!reply) return reply.error();
    if (reply->status != 200) return ToolError{ExitCode::failure, "no list of exceptions: " + reply->body};
    for (const std::string& one : json_elements(json_member(reply->body, "data").value_or("[]")))
      kept.emplace(json_member(one, "transaction_id").value_or(""), json_member(one, "kind").value_or(""));
    cursor = json_member(reply->body, "next_cursor").value_or("");
  } while (!cursor.empty());
  return kept;
}

}  // namespace recharge
