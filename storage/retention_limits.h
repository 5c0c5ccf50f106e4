// Purpose: what of the journal is kept. Lifetime: a plain value. Units: bytes, milliseconds (_ms).
#pragma once

#include <cstdint>
#include <optional>

namespace recharge {

struct RetentionLimits {
  std::optional<std::int64_t> age_ms;  // a segment goes when all its records are older
  std::optional<std::uint64_t> bytes;  // the oldest go while all take more

  bool keep_all() const noexcept { return !age_ms && !bytes; }
};

}  // namespace recharge
