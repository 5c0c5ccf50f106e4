// Purpose: what `recharge load` was asked to do. Lifetime: a value.
#pragma once

#include <cstdint>
#include <string>

namespace recharge {

enum class LoadMix : std::uint8_t {
  callback,   // signed callbacks, each for its own pending order
  duplicate,  // the same callbacks again after each was credited once
  forged,     // callbacks whose signature is wrong
  place,      // orders
  balance,    // balance look-ups
};

struct LoadOptions {
  static constexpr std::uint64_t kMaxAccounts = 100'000'000;
  static constexpr std::uint64_t kMaxOrders = 50'000'000;
  static constexpr std::uint64_t kDefaultOrders = 100'000;
  // How many callbacks are prepared for each second of a closed loop whose speed is not known before.
  static constexpr double kPreparedPerSecond = 60'000;
  static constexpr double kDefaultDurationS = 10;

  std::string mix = "callback";
  std::string gateway;      // whose callbacks; empty: native ones
  std::string gateway_dir;  // the keys of its simulated account
  std::uint64_t connections = 64;
  std::uint64_t threads = 1;
  std::uint64_t pipeline = 1;
  double duration_s = 0;       // 0: as many as requests says
  std::uint64_t requests = 0;  // 0: as long as duration_s says
  double rate = 0;             // per second; 0: closed loop
  std::uint64_t accounts = 100'000;
  std::uint64_t orders = 0;  // prepared; 0: as many as the requests need
  bool hot_account = false;
  bool tolerate_disconnect = false;
  int server_pid = 0;
  std::string ack_log;
  std::string emit_wrk;
  std::string beside;                 // URL of another server that gets the same requests first
  bool stepwise = false;              // wait for a line on stdin before each step
  bool books = true;                  // compare the books afterwards
  std::uint64_t setup_pipeline = 16;  // of what is sent while the clock is off

  LoadMix kind() const noexcept;
  bool needs_orders() const noexcept { return kind() != LoadMix::place && kind() != LoadMix::balance; }
  // Orders to place before the clock starts, for the mixes that need them; for `place` the most that can be
  // sent.
  std::uint64_t orders_needed() const noexcept;
};

}  // namespace recharge
