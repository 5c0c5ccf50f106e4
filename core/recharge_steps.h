// Purpose: what comes next for an order that suppliers recharge: whom to ask, and what an answer, or silence,
// proves. Whoever makes the calls follows these: the desk of the server, and simulated histories. Another
// supplier is asked only when it is known that the one before did nothing. Lifetime: values. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/recharge_attempt.h"

namespace recharge {

enum class SupplierAnswerKind : std::uint8_t {
  succeeded,
  failed,      // it did not, and will not under this request id
  rejected,    // likewise, and nobody else can
  processing,  // it has the request, and may do it yet
  not_found,   // it does not have it: what was sent may still arrive
  unknown,     // no answer, or none that proves anything
  not_sent,    // nothing has left
};

struct SupplierChoice {
  SupplierName name;
  bool is_left_alone = false;  // for now, for it did not answer
};

// Whether it said that it did not recharge the order of these attempts.
bool has_refused(const SupplierName& supplier, std::span<const RechargeAttempt> attempts) noexcept;

struct NextSupplier {
  enum class Kind : std::uint8_t { ask, wait, give_up };
  Kind kind = Kind::give_up;
  std::size_t index = 0;  // of whom to ask
};
// Of those in the order of preference, the first that has not refused it and is not left alone; those that
// were not reached come after the others. REQUIRES: no attempt is open.
NextSupplier next_supplier(std::span<const SupplierChoice> suppliers,
                           std::span<const RechargeAttempt> attempts, bool is_past_deadline) noexcept;

enum class OpenAttemptStep : std::uint8_t { ask, query, end_as_not_sent };
// `nothing_left`: it is known that no byte of its request has left; of every other one it is not.
OpenAttemptStep step_of_open(bool nothing_left, bool is_past_deadline) noexcept;

struct AnswerStep {
  enum class Kind : std::uint8_t { end, ask, note };
  Kind kind = Kind::note;
  AttemptState state = AttemptState::begun;  // with `end`
};
// `asked`: it answers the request itself, and no query for it. `nothing_left`: as above, before this call.
// `has_other_choice`: somebody else could be asked now.
AnswerStep step_after(SupplierAnswerKind answer, bool asked, bool nothing_left,
                      bool has_other_choice) noexcept;

// Whether another one than this could be asked now.
bool has_other_choice(std::span<const SupplierChoice> suppliers, std::span<const RechargeAttempt> attempts,
                      const SupplierName& than) noexcept;

}  // namespace recharge
