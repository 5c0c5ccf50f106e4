// Planted bugs, one for each thing that fuzzing has to notice.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/money_judge.h"

namespace recharge {
namespace {

// Memory: the length of a text is believed.
[[maybe_unused]] void read_text_without_bound(FuzzBytes bytes) {
  if (bytes.size() < 6 || std::memcmp(bytes.data(), "RCHG", 4) != 0) return;
  const auto exact = std::make_unique<char[]>(bytes.size());
  std::memcpy(exact.get(), bytes.data(), bytes.size());
  const std::string text(exact.get() + 5, bytes[4]);
  RECHARGE_CHECK(text.size() == bytes[4]);
}

// Undefined behaviour: the sum of two amounts is not checked.
[[maybe_unused]] void add_unchecked(FuzzBytes bytes) {
  std::int64_t amounts[2];
  if (bytes.size() < sizeof amounts) return;
  std::memcpy(amounts, bytes.data(), sizeof amounts);
  volatile std::int64_t sum = amounts[0] + amounts[1];
  static_cast<void>(sum);
}

// A wrong answer: an amount is read as a binary fraction.
[[maybe_unused]] void read_money_as_double(FuzzBytes bytes) {
  const std::string text(text_of(bytes));
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  const bool read = !text.empty() && end == text.c_str() + text.size() && value >= 0 && value < 9e16;
  const auto judged = judged_units(text);
  RECHARGE_CHECK(read == judged.has_value());
  if (read) RECHARGE_CHECK(static_cast<std::int64_t>(value * 100) == *judged);
}

}  // namespace

void fuzz(FuzzBytes bytes) {
#if RECHARGE_CANARY_memory
  read_text_without_bound(bytes);
#elif RECHARGE_CANARY_undefined
  add_unchecked(bytes);
#else
  read_money_as_double(bytes);
#endif
}

}  // namespace recharge
