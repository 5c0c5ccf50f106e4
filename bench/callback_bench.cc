// The whole way of a callback in one thread, and two loops that do not change, to which the others are
// compared: times differ from machine to machine and hour to hour, their ratios much less (bench/ratios).
#include <benchmark/benchmark.h>
#include <openssl/evp.h>

#include <array>
#include <memory>

#include "bench/callback_path.h"

namespace recharge {
namespace {

constexpr std::size_t kOrders = 16384;

// Integer work over 16 KiB with branches that depend on it: what parsing and deciding are made of.
void calibration_integers(benchmark::State& state) {
  std::array<std::uint32_t, 4096> cells{};
  for (std::uint32_t i = 0; i < cells.size(); ++i) cells[i] = i * 2654435761U;
  for (auto _ : state) {
    std::uint32_t sum = 0;
    std::uint32_t at = 1;
    for (int step = 0; step < 1000; ++step) {
      at = at * 1664525U + 1013904223U;
      std::uint32_t& cell = cells[at >> 20];
      if ((cell & 1) != 0) {
        sum += cell;
      } else {
        sum ^= cell >> 3;
      }
      cell += sum | 1;
    }
    benchmark::DoNotOptimize(sum);
  }
}
BENCHMARK(calibration_integers);

// SHA-256 of 1 KiB by OpenSSL: processors with instructions for it are many times as fast as those without.
void calibration_sha256(benchmark::State& state) {
  const std::string text(1024, 'm');
  std::array<unsigned char, 32> digest{};
  for (auto _ : state) {
    unsigned size = 0;
    EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
    benchmark::DoNotOptimize(digest);
  }
}
BENCHMARK(calibration_sha256);

void frame_request(benchmark::State& state) {
  CallbackPath path(1);  // aborts where the request is not read
  for (auto _ : state) path.frame(0);
}
BENCHMARK(frame_request);

void whole_callback(benchmark::State& state) {
  auto path = std::make_unique<CallbackPath>(kOrders);
  std::size_t next = 0;
  for (auto _ : state) {
    if (next == kOrders) {
      state.PauseTiming();
      path->check_sums(next);
      path = std::make_unique<CallbackPath>(kOrders);
      next = 0;
      state.ResumeTiming();
    }
    path->run(next++);
  }
  path->check_sums(next);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(whole_callback);

}  // namespace
}  // namespace recharge
