// Purpose: takes what workers report of recharges out of a queue of the broker. A message is acknowledged to
// the broker only after what it says is durable, or is known to change nothing; until then the broker keeps
// it, and sends it again after a lost connection. Owner: its thread. Lifetime: within the io threads that it
// hands results to. Errors: are logged; it connects again (AmqpConnection). Units: _ms. Source: AMQP 0-9-1;
// librabbitmq.
#pragma once

#include <amqp.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/json_object.h"
#include "core/recharge_attempt.h"
#include "server/amqp_connection.h"
#include "server/amqp_settings.h"

namespace recharge {

// One message, as far as it says something: that an attempt ended.
struct RechargeResult {
  std::uint64_t connection = 0;  // these two name the message at the broker
  std::uint64_t tag = 0;
  RequestName request;
  AttemptState state = AttemptState::succeeded;
  TransactionId reference;
  AttemptReason reason;
};

class AmqpResults {
 public:
  static constexpr std::uint16_t kMaxUnsettled = 128;  // sent by the broker and not acknowledged
  static constexpr std::int64_t kPollMs = 20;
  static constexpr std::chrono::milliseconds kAgain{500};  // before what could not be recorded is sent again

  // recorded: durable, or nothing to be recorded; else the broker is to send it again. Any thread, once.
  using Settle = std::function<void(bool recorded)>;
  using Take = std::function<void(const RechargeResult& result, Settle settle)>;
  // take: is called on this thread, from before the constructor ends; must not block, and has settle() called
  // later. Throws SettingsError.
  AmqpResults(const AmqpSettings& settings, std::string queue, Take take);
  ~AmqpResults();
  AmqpResults(const AmqpResults&) = delete;
  AmqpResults& operator=(const AmqpResults&) = delete;

 private:
  struct Settled {
    std::uint64_t connection = 0;
    std::uint64_t tag = 0;
    bool recorded = false;
  };

  void run();
  bool connect();
  bool has_queue();
  void serve();
  bool take_messages();
  bool take(const amqp_envelope_t& envelope);
  void settle(const RechargeResult& result, bool recorded);
  bool settle_some();

  const AmqpSettings settings_;
  const std::string queue_;
  const Take take_;
  AmqpConnection connection_;
  std::uint64_t number_ = 0;  // of the connection
  JsonReader json_;
  std::mutex mutex_;
  std::vector<Settled> settled_;
  std::thread thread_;
};

}  // namespace recharge
