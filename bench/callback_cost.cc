// Runs signed callbacks through the single-threaded way, for bench/instructions to count what each stage
// takes: recharge_callback_cost CALLBACKS. The first few, which grow buffers and fill caches, run under
// another name.
#include <cstdio>
#include <cstdlib>

#include "bench/callback_path.h"

int main(int argc, char** argv) {
  constexpr std::size_t kWarmUp = 256;
  const long wanted = argc == 2 ? std::strtol(argv[1], nullptr, 10) : 0;
  if (wanted < 1 || wanted > 1'000'000) {
    std::fputs("recharge_callback_cost CALLBACKS (1 to 1000000)\n", stderr);
    return 2;
  }
  const auto counted = static_cast<std::size_t>(wanted);
  recharge::CallbackPath path(kWarmUp + counted);
  for (std::size_t i = 0; i < kWarmUp; ++i) path.warm_up(i);
  for (std::size_t i = kWarmUp; i < path.size(); ++i) path.run(i);
  path.check_sums(path.size());
  std::printf("%zu callbacks credited\n", counted);
}
