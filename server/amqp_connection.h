// Purpose: the connection of one thread to the brokers of [amqp], one at a time: logged in, with one channel.
// Which one is tried next: the one that follows in the settings, at once; after a whole round that did not
// hold, ever more slowly. Owner: its thread; stop() and complaints() any thread. Lifetime: within the
// settings. Errors: are logged, each once until a connection works again. Units: milliseconds (_ms). Source:
// AMQP 0-9-1; librabbitmq 0.11.
#pragma once

#include <amqp.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "core/secret.h"
#include "server/amqp_settings.h"

namespace recharge {

timeval amqp_time(std::int64_t ms) noexcept;
amqp_bytes_t amqp_view(std::string_view text) noexcept;

class AmqpConnection {
 public:
  static constexpr amqp_channel_t kChannel = 1;
  static constexpr std::int64_t kFirstPauseMs = 200;
  static constexpr std::int64_t kLongestPauseMs = 30'000;
  static constexpr std::int64_t kAnswerMs = 5'000;  // connecting, and each answer of a broker
  static constexpr std::size_t kMaxRemembered = 64;

  enum class Blocks { untold, told };  // whether the broker is to say when it takes no messages

  // name: in the log. Throws SettingsError for the password.
  AmqpConnection(const AmqpSettings& settings, std::string name, Blocks blocks);

  // To the broker whose turn it is. False: it is of no use; complained of.
  bool open();
  amqp_connection_state_t get() const noexcept { return connection_.get(); }
  // What the broker said to the last request. False: refused; complained of.
  bool answered(const char* what);
  // Whether that was a refusal by closing the channel, for this reason; then the channel is open again.
  bool refused_for(int reply_code);

  void works();  // complaints are forgotten
  void held();   // it did what it is there for, until now: the next one is tried at once
  // Ends it; the next open() is to the next broker, after a pause where all have had their turn. False: to
  // stop.
  bool give_up();
  bool rest();  // a pause, each longer than the one before. False: to stop
  bool pause(std::chrono::nanoseconds time);
  void interrupt();  // the pause, or the next one; any thread
  void complain(const std::string& what);

  void stop();
  bool stopping() const noexcept { return stopping_; }
  std::uint64_t complaints() const noexcept { return complaints_.load(std::memory_order_relaxed); }

 private:
  struct Close {
    void operator()(amqp_connection_state_t connection) const noexcept;
  };

  const AmqpBroker& broker() const { return settings_.brokers[at_]; }
  amqp_socket_t* new_socket();
  bool log_in();

  const AmqpSettings& settings_;
  const std::string name_;
  const Blocks blocks_;
  const Secret password_;
  std::unique_ptr<amqp_connection_state_t_, Close> connection_;
  std::size_t at_ = 0;     // of the settings' brokers
  std::size_t tried_ = 0;  // in this round
  std::int64_t opened_ms_ = 0;
  std::int64_t pause_ms_ = kFirstPauseMs;
  std::set<std::string> complained_;  // since it worked
  std::atomic<std::uint64_t> complaints_{0};
  std::mutex mutex_;  // of what follows
  std::condition_variable wake_;
  int socket_ = -1;  // to end a call that the broker does not let end
  bool interrupted_ = false;
  std::atomic<bool> stopping_{false};
};

}  // namespace recharge
