#include "tests/simulation/coverage.h"

namespace recharge::simulation {
namespace {

constexpr std::array<std::string_view, kMet> kMetNames = {"power losses",
                                                          "kills",
                                                          "failed writes",
                                                          "failed flushes",
                                                          "full disks",
                                                          "failed commits",
                                                          "ends in recovery",
                                                          "restarts",
                                                          "torn tails",
                                                          "lost commands",
                                                          "replies",
                                                          "groups",
                                                          "checkpoints",
                                                          "failed checkpoints",
                                                          "sweeps",
                                                          "bit flips found",
                                                          "bit flips harmless",
                                                          "forged refused",
                                                          "repeats",
                                                          "overloaded",
                                                          "storage full",
                                                          "gateway calls",
                                                          "lost calls",
                                                          "payments found by asking",
                                                          "events",
                                                          "events told again",
                                                          "dropped segments",
                                                          "supplier calls",
                                                          "lost supplier calls",
                                                          "supplier calls never sent",
                                                          "late results",
                                                          "late arrivals",
                                                          "recharges found by querying",
                                                          "other suppliers asked",
                                                          "recharges past their deadline",
                                                          "ends after a supplier's call",
                                                          "refunds asked for again"};

constexpr std::array<std::string_view, std::variant_size_v<Command>> kCommandNames = {
    "place",       "pay",           "callback",        "close",         "expire",
    "refund",      "settle refund", "debit",           "resolve",       "start payment",
    "note start",  "end payment",   "settle return",   "begin attempt", "note attempt",
    "end attempt", "fail recharge", "read order",      "explain order", "read balance",
    "list orders", "list entries",  "list exceptions", "read work",     "list work"};

constexpr std::array<std::string_view, static_cast<std::size_t>(OutcomeCode::damaged) + 1> kOutcomeNames = {
    "order_placed",
    "order_replayed",
    "payment_simulated",
    "recharge_succeeded",
    "already_processed",
    "payment_failure_recorded",
    "kept_for_review",
    "order_closed",
    "order_expired",
    "refund_requested",
    "refund_settled",
    "balance_spent",
    "exception_resolved",
    "payment_to_start",
    "payment_started",
    "payment_ended",
    "payment_held",
    "attempt_begun",
    "attempt_noted",
    "attempt_ended",
    "recharge_failed",
    "found",
    "nothing_to_do",
    "order_not_found",
    "exception_not_found",
    "refund_not_found",
    "attempt_not_found",
    "stale_signature",
    "gateway_mismatch",
    "idempotency_mismatch",
    "too_many_pending",
    "day_amount_exceeded",
    "invalid_state",
    "payment_declined",
    "payment_refused",
    "refund_exceeds_payment",
    "insufficient_balance",
    "balance_limit",
    "not_creditable",
    "overloaded",
    "storage_full",
    "draining",
    "gateway_unavailable",
    "ledger_unbalanced",
    "damaged"};

const std::size_t kListGatewayWork = Command(ListGatewayWork()).index();

template <class Counts>
void add_to(Counts& counts, const Counts& others) {
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += others[i];
}

template <class Name, class Counts>
void append(std::string& text, std::string_view title, const Counts& counts, Name name) {
  text.append(title).append(":");
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    text.append(text.back() == ':' ? " " : ", ").append(name(i)).append(" ");
    text.append(std::to_string(counts[i]));
  }
  text.append("\n");
}

std::string_view attempt_name(std::size_t i) { return to_text(static_cast<AttemptState>(i)); }
std::string_view exception_name(std::size_t i) { return to_text(static_cast<ExceptionKind>(i)); }

}  // namespace

std::string_view name_of(const Command& command) noexcept { return kCommandNames[command.index()]; }
std::string_view name_of(OutcomeCode code) noexcept { return kOutcomeNames[static_cast<std::size_t>(code)]; }

void Coverage::add(const Coverage& other) {
  histories += other.histories;
  add_to(met, other.met);
  add_to(commands, other.commands);
  add_to(outcomes, other.outcomes);
  add_to(exceptions, other.exceptions);
  add_to(attempts, other.attempts);
}

std::string Coverage::to_text() const {
  std::string text;
  append(text, "met", met, [](std::size_t i) { return kMetNames[i]; });
  append(text, "commands", commands, [](std::size_t i) { return kCommandNames[i]; });
  append(text, "outcomes", outcomes, [](std::size_t i) { return kOutcomeNames[i]; });
  append(text, "exceptions", exceptions, exception_name);
  append(text, "attempts", attempts, attempt_name);
  return text;
}

std::string Coverage::missing() const {
  for (std::size_t i = 0; i < met.size(); ++i) {
    if (met[i] == 0) return std::string(kMetNames[i]);
  }
  for (std::size_t i = 0; i < commands.size(); ++i) {
    if (i == kListGatewayWork) continue;
    if (commands[i] == 0) return std::string(kCommandNames[i]);
  }
  for (std::size_t i = 0; i < exceptions.size(); ++i) {
    if (exceptions[i] == 0) return std::string(exception_name(i));
  }
  for (std::size_t i = 1; i < attempts.size(); ++i) {
    if (attempts[i] == 0) return "an attempt that " + std::string(attempt_name(i));
  }
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    // The server drains, watches the ledger and tells what a gateway answered to a payer, and a damaged
    // record is shown to whoever looks at a flipped bit.
    const auto code = static_cast<OutcomeCode>(i);
    if (code == OutcomeCode::draining || code == OutcomeCode::ledger_unbalanced ||
        code == OutcomeCode::damaged || code == OutcomeCode::payment_refused ||
        code == OutcomeCode::gateway_unavailable)
      continue;
    if (outcomes[i] == 0) return std::string(kOutcomeNames[i]);
  }
  return {};
}

}  // namespace recharge::simulation
