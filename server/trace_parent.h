// Purpose: the trace that a request belongs to, as the caller names it; taken over into the log, and handed
// on with calls that the request causes. Lifetime: a value. Source: W3C Trace Context, version 00.
#pragma once

#include <string>
#include <string_view>

#include "core/fixed_text.h"
#include "server/random_source.h"

namespace recharge {

struct TraceIdTag;

class TraceParent {
 public:
  static constexpr std::size_t kBytes = 55;  // 00-TRACE-PARENT-FLAGS

  // Empty where the header is none, or not of that form: then there is no trace.
  static TraceParent parse(std::string_view header) noexcept;

  bool empty() const noexcept { return text_.empty(); }
  std::string_view trace_id() const noexcept {
    return text_.view().substr(empty() ? 0 : 3, empty() ? 0 : 32);
  }
  // The header of a call that this request causes: the same trace, and a parent of our own.
  std::string child(RandomSource& random) const;

 private:
  FixedText<kBytes, TraceIdTag> text_;
};

}  // namespace recharge
