// Purpose: which requests share an allowance. No class takes from another: callbacks never wait for reads.
// Lifetime: values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace recharge {

enum class LimitClass : std::uint8_t { none, callback, write, read, admin };
constexpr std::size_t kLimitClasses = static_cast<std::size_t>(LimitClass::admin) + 1;
constexpr std::string_view kLimitClassNames[kLimitClasses] = {"none", "callback", "write", "read", "admin"};

}  // namespace recharge
