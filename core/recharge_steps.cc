#include "core/recharge_steps.h"

#include <algorithm>

#include "core/check.h"

namespace recharge {

bool has_refused(const SupplierName& supplier, std::span<const RechargeAttempt> attempts) noexcept {
  return std::any_of(attempts.begin(), attempts.end(), [&](const RechargeAttempt& attempt) {
    return attempt.supplier == supplier && attempt.state == AttemptState::failed;
  });
}

NextSupplier next_supplier(std::span<const SupplierChoice> suppliers,
                           std::span<const RechargeAttempt> attempts, bool is_past_deadline) noexcept {
  RECHARGE_CHECK(attempts.empty() || !attempts.back().is_open());
  NextSupplier next;
  if (is_past_deadline) return next;
  if (!attempts.empty() && attempts.back().state == AttemptState::rejected) return next;
  std::ptrdiff_t fewest = 0;
  for (std::size_t i = 0; i < suppliers.size(); ++i) {
    const SupplierChoice& one = suppliers[i];
    if (has_refused(one.name, attempts)) continue;
    if (next.kind == NextSupplier::Kind::give_up) next.kind = NextSupplier::Kind::wait;
    if (one.is_left_alone) continue;
    const auto missed = std::count_if(attempts.begin(), attempts.end(), [&](const RechargeAttempt& attempt) {
      return attempt.supplier == one.name && attempt.state == AttemptState::not_sent;
    });
    if (next.kind == NextSupplier::Kind::ask && missed >= fewest) continue;
    next = {NextSupplier::Kind::ask, i};
    fewest = missed;
  }
  return next;
}

// Whatever may have left may have been done, the deadline or not: only an answer settles it.
OpenAttemptStep step_of_open(bool nothing_left, bool is_past_deadline) noexcept {
  if (!nothing_left) return OpenAttemptStep::query;
  return is_past_deadline ? OpenAttemptStep::end_as_not_sent : OpenAttemptStep::ask;
}

AnswerStep step_after(SupplierAnswerKind answer, bool asked, bool nothing_left,
                      bool has_other_choice) noexcept {
  switch (answer) {
    case SupplierAnswerKind::succeeded:
      return {AnswerStep::Kind::end, AttemptState::succeeded};
    case SupplierAnswerKind::failed:
      return {AnswerStep::Kind::end, AttemptState::failed};
    case SupplierAnswerKind::rejected:
      return {AnswerStep::Kind::end, AttemptState::rejected};
    case SupplierAnswerKind::not_sent:
      // Of what was never sent, somebody else may take care.
      if (nothing_left && has_other_choice) return {AnswerStep::Kind::end, AttemptState::not_sent};
      break;
    case SupplierAnswerKind::not_found:
      // What was sent may still arrive: under the same request id it is done once.
      if (!asked) return {AnswerStep::Kind::ask};
      break;
    case SupplierAnswerKind::processing:
      break;
    case SupplierAnswerKind::unknown:
      return {AnswerStep::Kind::note};  // silence proves nothing
  }
  return {AnswerStep::Kind::note};
}

bool has_other_choice(std::span<const SupplierChoice> suppliers, std::span<const RechargeAttempt> attempts,
                      const SupplierName& than) noexcept {
  return std::any_of(suppliers.begin(), suppliers.end(), [&](const SupplierChoice& one) {
    return one.name != than && !one.is_left_alone && !has_refused(one.name, attempts);
  });
}

}  // namespace recharge
