// Whom to ask, and what an answer proves: one named row each.
#include "core/recharge_steps.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/core/rule_driver.h"

namespace recharge::testing {
namespace {

using Answer = SupplierAnswerKind;
using Step = AnswerStep::Kind;

RechargeAttempt attempt(std::string_view supplier, AttemptState state) {
  RechargeAttempt made;
  made.supplier = text<SupplierName>(supplier);
  made.state = state;
  return made;
}

struct AnswerRow {
  const char* name;
  Answer answer;
  bool asked, nothing_left, has_other;
  Step step;
  AttemptState state;
};

TEST(RechargeSteps, AnAnswerProvesWhatItSaysAndSilenceNothing) {
  constexpr AnswerRow rows[] = {
      {"done", Answer::succeeded, true, true, true, Step::end, AttemptState::succeeded},
      {"done, found by a query", Answer::succeeded, false, false, false, Step::end, AttemptState::succeeded},
      {"refused", Answer::failed, true, false, true, Step::end, AttemptState::failed},
      {"refused for all", Answer::rejected, false, false, true, Step::end, AttemptState::rejected},
      {"in process", Answer::processing, true, false, true, Step::note, AttemptState::begun},
      {"silence", Answer::unknown, true, true, true, Step::note, AttemptState::begun},
      {"silence to a query", Answer::unknown, false, false, true, Step::note, AttemptState::begun},
      {"not there: the same again", Answer::not_found, false, false, true, Step::ask, AttemptState::begun},
      {"asked, and not there", Answer::not_found, true, false, true, Step::note, AttemptState::begun},
      {"never left, another is there", Answer::not_sent, true, true, true, Step::end, AttemptState::not_sent},
      {"never left, no other", Answer::not_sent, true, true, false, Step::note, AttemptState::begun},
      {"a repeat did not leave", Answer::not_sent, true, false, true, Step::note, AttemptState::begun},
      {"a query did not leave", Answer::not_sent, false, false, true, Step::note, AttemptState::begun},
  };
  for (const auto& row : rows) {
    const auto step = step_after(row.answer, row.asked, row.nothing_left, row.has_other);
    EXPECT_EQ(step.kind, row.step) << row.name;
    EXPECT_EQ(step.state, row.state) << row.name;
  }
}

TEST(RechargeSteps, WhatMayHaveLeftIsQueriedWhateverTheDeadline) {
  EXPECT_EQ(step_of_open(true, false), OpenAttemptStep::ask);
  EXPECT_EQ(step_of_open(true, true), OpenAttemptStep::end_as_not_sent);
  EXPECT_EQ(step_of_open(false, false), OpenAttemptStep::query);
  EXPECT_EQ(step_of_open(false, true), OpenAttemptStep::query);
}

struct ChoiceRow {
  const char* name;
  bool first_alone, second_alone, late;
  std::vector<RechargeAttempt> attempts;
  NextSupplier::Kind kind;
  std::size_t index;
};

TEST(RechargeSteps, TheFirstThatHasNotRefusedIsAsked) {
  using Kind = NextSupplier::Kind;
  using enum AttemptState;
  const ChoiceRow rows[] = {
      {"the preferred", false, false, false, {}, Kind::ask, 0},
      {"it is left alone", true, false, false, {}, Kind::ask, 1},
      {"both are", true, true, false, {}, Kind::wait, 0},
      {"it refused", false, false, false, {attempt("acme", failed)}, Kind::ask, 1},
      {"it refused, the other is left alone", false, true, false, {attempt("acme", failed)}, Kind::wait, 0},
      {"it was not reached", false, false, false, {attempt("acme", not_sent)}, Kind::ask, 1},
      {"neither was",
       false,
       false,
       false,
       {attempt("acme", not_sent), attempt("best", not_sent)},
       Kind::ask,
       0},
      {"both refused",
       false,
       false,
       false,
       {attempt("acme", failed), attempt("best", failed)},
       Kind::give_up,
       0},
      {"refused for all", false, false, false, {attempt("acme", rejected)}, Kind::give_up, 0},
      {"too late", false, false, true, {}, Kind::give_up, 0},
  };
  for (const auto& row : rows) {
    const std::vector<SupplierChoice> suppliers = {{text<SupplierName>("acme"), row.first_alone},
                                                   {text<SupplierName>("best"), row.second_alone}};
    const auto next = next_supplier(suppliers, row.attempts, row.late);
    EXPECT_EQ(next.kind, row.kind) << row.name;
    EXPECT_EQ(next.index, row.index) << row.name;
  }
}

TEST(RechargeSteps, AnotherChoiceIsNeitherTheSameNorRefusedNorLeftAlone) {
  const auto acme = text<SupplierName>("acme");
  const auto best = text<SupplierName>("best");
  EXPECT_FALSE(has_other_choice(std::vector<SupplierChoice>{{acme}}, {}, acme));
  EXPECT_TRUE(has_other_choice(std::vector<SupplierChoice>{{acme}, {best}}, {}, acme));
  EXPECT_FALSE(has_other_choice(std::vector<SupplierChoice>{{acme}, {best, true}}, {}, acme));
  const std::vector<RechargeAttempt> refused = {attempt("best", AttemptState::failed)};
  EXPECT_FALSE(has_other_choice(std::vector<SupplierChoice>{{acme}, {best}}, refused, acme));
}

}  // namespace
}  // namespace recharge::testing
