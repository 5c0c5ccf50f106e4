#include "tools/process_usage.h"

#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <iterator>
#include <string>

namespace recharge {
namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;

std::uint64_t to_ns(const timeval& time) noexcept {
  return static_cast<std::uint64_t>(time.tv_sec) * kSecondNs +
         static_cast<std::uint64_t>(time.tv_usec) * 1000;
}

}  // namespace

std::uint64_t own_cpu_ns() noexcept {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return to_ns(usage.ru_utime) + to_ns(usage.ru_stime);
}

std::optional<std::uint64_t> cpu_ticks_in_stat(std::string_view stat) noexcept {
  constexpr int kFieldsBeforeUtime = 11;  // from the state, which follows the name in parentheses
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos || name_end + 2 > stat.size()) return std::nullopt;
  std::string_view rest = stat.substr(name_end + 2);
  std::uint64_t sum = 0;
  for (int field = 0; field < kFieldsBeforeUtime + 2; ++field) {
    const std::size_t space = rest.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    if (field >= kFieldsBeforeUtime) {
      std::uint64_t ticks = 0;
      const auto [stop, error] = std::from_chars(rest.data(), rest.data() + space, ticks);
      if (error != std::errc{} || stop != rest.data() + space) return std::nullopt;
      sum += ticks;
    }
    rest.remove_prefix(space + 1);
  }
  return sum;
}

std::optional<std::uint64_t> process_cpu_ns(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string stat{std::istreambuf_iterator<char>(file), {}};
  const auto ticks = cpu_ticks_in_stat(stat);
  if (!ticks) return std::nullopt;
  return *ticks * (kSecondNs / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK)));
}

}  // namespace recharge
