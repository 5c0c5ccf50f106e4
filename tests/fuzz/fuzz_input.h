// Purpose: what the fuzz targets share: a name for the bytes that libFuzzer hands in, and what a target says
// where a rule does not hold. Every target is one function that must return for any input.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/check.h"

namespace recharge {

using FuzzBytes = std::span<const std::uint8_t>;

inline std::string_view text_of(FuzzBytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline std::span<const std::byte> bytes_of(FuzzBytes bytes) { return std::as_bytes(bytes); }

// Replaces each mark, a byte from 1 on, by the text of that number: so that what the fuzzer cannot guess,
// such as a valid signature, stands in its inputs.
inline std::string with_marks_replaced(std::string_view text, std::span<const std::string> replacements) {
  std::string replaced;
  for (char c : text) {
    const auto mark = static_cast<unsigned char>(c);
    if (mark >= 1 && mark <= replacements.size()) {
      replaced += replacements[mark - 1];
    } else {
      replaced += c;
    }
  }
  return replaced;
}

void fuzz(FuzzBytes bytes);  // each target's own

}  // namespace recharge

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  recharge::fuzz({data, size});
  return 0;
}
