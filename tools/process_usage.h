// Purpose: how much processor time this process, or another one of the machine, has used so far.
// Units: nanoseconds of user and system time; another process's in steps of the clock tick (10 ms).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace recharge {

std::uint64_t own_cpu_ns() noexcept;
// None where there is no such process.
std::optional<std::uint64_t> process_cpu_ns(int pid);
// From the text of /proc/PID/stat, in clock ticks. Source: proc(5).
std::optional<std::uint64_t> cpu_ticks_in_stat(std::string_view stat) noexcept;

}  // namespace recharge
