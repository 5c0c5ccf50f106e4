// An amount is read exactly or refused, and its text reads back as itself.
#include <cstring>

#include "core/money.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/money_judge.h"

namespace recharge {

void fuzz(FuzzBytes bytes) {
  const auto money = parse_money(text_of(bytes));
  const auto judged = judged_units(text_of(bytes));
  RECHARGE_CHECK(money.has_value() == judged.has_value());
  if (money) RECHARGE_CHECK(money->minor_units() == *judged);

  std::int64_t units = 0;
  if (bytes.size() < sizeof units) return;
  std::memcpy(&units, bytes.data(), sizeof units);
  const std::string text = to_text(Money::from_minor_units(units));
  const auto again = judged_units(units < 0 ? text.substr(1) : text);
  if (units != std::numeric_limits<std::int64_t>::min())
    RECHARGE_CHECK(again == (units < 0 ? -units : units));
}

}  // namespace recharge
