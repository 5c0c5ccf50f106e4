// Purpose: the figures of a measured phase, for people and as JSON. Lifetime: pure functions over values.
#pragma once

#include <optional>
#include <string>

#include "tools/load_books.h"
#include "tools/load_options.h"
#include "tools/load_phase.h"

namespace recharge {

struct LoadReport {
  LoadOptions options;
  PhaseResult phase;
  std::optional<PhaseResult> beside;  // of the other server, with the same requests
  std::string first_unexpected;       // "403 {...}", empty where every reply was the expected one
  std::optional<BooksCheck> books;    // none where they were not looked at
};

std::string describe_report(const LoadReport& report);
std::string report_as_json(const LoadReport& report);
// "books: balanced (...)", or what disagrees.
std::string describe_books(const BooksCheck& books);

}  // namespace recharge
