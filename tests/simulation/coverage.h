// Purpose: counts what histories met, so that a run says what it proves. Lifetime: a value.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/command.h"
#include "core/outcome.h"

namespace recharge::simulation {

enum class Met : std::uint8_t {
  power_losses,
  kills,
  failed_writes,
  failed_flushes,
  full_disks,
  failed_commits,
  ends_in_recovery,
  restarts,
  torn_tails,
  lost_commands,  // that nobody was told of
  replies,        // acknowledged
  groups,
  checkpoints,
  failed_checkpoints,
  sweeps,
  flips_found,
  flips_harmless,
  forged_refused,
  repeats,
  overloaded,
  storage_full,
  gateway_calls,
  lost_calls,    // or their answers
  found_asking,  // payments that no callback reported
  events,
  told_again,
  dropped_segments,
  supplier_calls,
  lost_supplier_calls,  // or their answers
  never_sent,
  late_results,    // of suppliers
  late_arrivals,   // of requests that were taken for lost
  found_querying,  // recharges whose answer was lost
  other_suppliers,
  past_deadlines,
  ends_after_calls,  // before anything of it was recorded
  refused_again,     // refunds after one that the gateway refused
};
constexpr std::size_t kMet = 37;

std::string_view name_of(const Command& command) noexcept;
std::string_view name_of(OutcomeCode code) noexcept;

struct Coverage {
  std::uint64_t histories = 0;
  std::array<std::uint64_t, kMet> met{};
  std::array<std::uint64_t, std::variant_size_v<Command>> commands{};
  std::array<std::uint64_t, static_cast<std::size_t>(OutcomeCode::damaged) + 1> outcomes{};
  std::array<std::uint64_t, kExceptionKinds> exceptions{};  // by what was answered
  std::array<std::uint64_t, static_cast<std::size_t>(kLastAttemptState) + 1> attempts{};  // by how they ended

  void count(Met what, std::uint64_t times = 1) { met[static_cast<std::size_t>(what)] += times; }
  std::uint64_t of(Met what) const { return met[static_cast<std::size_t>(what)]; }
  void add(const Coverage& other);
  std::string to_text() const;
  // The first thing that was never met; empty: everything was.
  std::string missing() const;
};

}  // namespace recharge::simulation
