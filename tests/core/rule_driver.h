// Purpose: executes commands over MapRecords as the server does: gather, decide, encode, decode, and apply
// the facts as decoded; and watches that each step keeps its promises. Makes the ids and commands of tests.
// Owner: one test. Errors: broken promises are collected in `broken`, so that a test can demand them, too.
#pragma once

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "core/journal_record.h"
#include "core/transition.h"
#include "tests/core/ledger_invariants.h"
#include "tests/core/map_records.h"

namespace recharge::testing {

using Bytes = std::vector<std::byte>;

constexpr std::uint8_t kShard = 7;
constexpr Time kStart{1'700'000'000'000};
constexpr std::int64_t kExpireAfterMs = 30 * 60 * 1000;
constexpr std::int64_t kToleranceMs = 300 * 1000;
constexpr Currency kCny{156};

template <class Text>
Text text(std::string_view value) {
  Text result;
  RECHARGE_CHECK(result.assign(value));
  return result;
}
inline Money cents(std::int64_t units) { return Money::from_minor_units(units); }

// "changed transfer changed": the kinds of facts in their order.
inline std::string kinds_of(const Facts& facts) {
  constexpr std::array<std::string_view, std::variant_size_v<Fact>> names = {
      "placed", "changed", "transfer", "opened", "resolved", "refund", "debit", "work", "attempt", "notify"};
  std::string result;
  for (const auto& fact : facts) {
    if (!result.empty()) result += ' ';
    result += names[fact.index()];
  }
  return result;
}

inline bool same(const Facts& a, const Facts& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Fact& x, const Fact& y) { return testing::same(x, y); });
}

inline Bytes encoded(const Command& command, const Facts& facts, Circumstances at) {
  Bytes room(max_record_bytes(command));
  const auto size = encode_record(command, facts, at, room);
  RECHARGE_CHECK(size.has_value());
  room.resize(*size);
  return room;
}

class RuleDriver {
 public:
  MapRecords records;
  Time now = kStart;
  std::vector<Bytes> journal;         // one record a command, whether or not it has facts
  std::vector<MapRecords> snapshots;  // before each command, where keep_snapshots is set
  std::vector<std::string> broken;    // empty while every promise is kept
  bool keep_snapshots = false;
  std::function<void(MapRecords&)> sabotage;  // before each command; for broken builds
  std::function<void(const Fact&, RecordSink&)> apply_fact = &apply;  // likewise
  Outcome outcome;
  Facts facts;

  OutcomeCode execute(const Command& command) {
    if (sabotage) sabotage(records);
    if (keep_snapshots) snapshots.push_back(records);
    const MapRecords before = records;
    const Circumstances at{now, kShard};
    decide_on(command, at, outcome, facts);
    if (!testing::same(before, records)) broken.push_back("decide changed a record");
    journal.push_back(encoded(command, facts, at));
    JournalRecord decoded;
    if (!decode_record(journal.back(), decoded)) broken.push_back("an encoded record does not decode");
    if (!testing::same(facts, decoded.facts)) broken.push_back("facts changed by encoding");
    if (decoded.circumstances.now != now || decoded.circumstances.shard != kShard) {
      broken.push_back("circumstances changed by encoding");
    }
    Outcome again;
    // What is not stored can only have refused it, and then there would be no record.
    std::visit(
        [&](const auto& from) {
          auto& to = std::get<std::remove_cvref_t<decltype(from)>>(decoded.command);
          if constexpr (requires { from.only_account; }) to.only_account = from.only_account;
          if constexpr (requires { from.limits; }) to.limits = from.limits;
        },
        command);
    Facts facts_again;
    decide_on(decoded.command, at, again, facts_again);
    if (again.code != outcome.code || !testing::same(facts, facts_again)) {
      broken.push_back("the decoded command is decided differently");
    }
    for (const auto& fact : decoded.facts) apply_fact(fact, records);
    check_refusal();
    for (auto& violation : violations(records)) broken.push_back(std::move(violation));
    return outcome.code;
  }

  // Ids are fresh, and the same in every run.
  OrderId fresh_order_id() { return OrderId::make(now, kShard, fresh_entropy()); }
  ExceptionId fresh_exception_id() { return ExceptionId::make(now, kShard, fresh_entropy()); }

  const Order& order(const OrderId& id) const { return records.orders.at(id); }
  Money balance(std::string_view account) const {
    const auto found = records.accounts.find(text<Account>(account));
    return found == records.accounts.end() ? Money{} : found->second.balance;
  }
  Money house(LedgerAccountKind kind, std::string_view gateway) {
    return records.house_balance(kind, text<GatewayName>(gateway));
  }

 private:
  void decide_on(const Command& command, Circumstances at, Outcome& result, Facts& made) {
    made.clear();
    const auto found = gather(command, records);
    RECHARGE_CHECK(found.has_value());
    decide(command, *found, records, at, result, made);
  }

  // A refusal changes nothing but what it must: an expiry that was due, a payment kept, a failure recorded.
  void check_refusal() {
    if (outcome.code < OutcomeCode::order_not_found) return;
    for (const auto& fact : facts) {
      const auto* change = std::get_if<OrderChanged>(&fact);
      if (change != nullptr && change->event == OrderEvent::expired) continue;
      const bool keeps = outcome.code == OutcomeCode::order_not_found ||
                         outcome.code == OutcomeCode::stale_signature ||
                         outcome.code == OutcomeCode::payment_declined;
      if (!keeps) broken.push_back("a refused command changed something");
    }
  }

  std::array<std::uint8_t, 10> fresh_entropy() {
    std::array<std::uint8_t, 10> bytes{};
    ++ids_;
    for (std::size_t i = 0; i < 6; ++i) bytes[8 - i] = static_cast<std::uint8_t>(ids_ >> (8 * i));
    return bytes;
  }

  std::uint64_t ids_ = 0;
};

}  // namespace recharge::testing
