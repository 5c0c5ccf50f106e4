// Purpose: the rules. decide() answers what a command does to the records that it is given, and changes
// nothing; apply() makes one fact true, in the running server and in recovery alike. Nothing else changes a
// record. Owner: the thread of the shard. Errors: refusals are outcomes; decide() has no other failure.
#pragma once

#include "core/command.h"
#include "core/fact.h"
#include "core/outcome.h"
#include "core/records.h"

namespace recharge {

// Where and when a command is executed. Within a shard `now` never goes back.
struct Circumstances {
  Time now;
  std::uint8_t shard = 0;
};

// REQUIRES: is_change(command); `records` is what gather() found in `source`; `facts` is empty.
void decide(const Command& command, const Records& records, RecordSource& source, Circumstances circumstances,
            Outcome& outcome, Facts& facts);

// The order's own part of it.
void apply_to_order(const OrderChanged& fact, Order& order) noexcept;

// REQUIRES: the records that the fact changes exist in the sink.
void apply(const Fact& fact, RecordSink& sink) noexcept;

}  // namespace recharge
