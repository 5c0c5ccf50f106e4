// Purpose: tells a broker of events: each to a durable topic exchange, by its type as routing key,
// persistent, with the event's id as message id. The cursor moves when the broker confirms; what was not
// confirmed is sent again on the next connection, in order, so that each arrives at least once. Owner: its
// thread; add_to() any thread. Lifetime: within the journal and the cursors. Errors: are logged; it connects
// again, ever more slowly. Units: milliseconds (_ms). Source: AMQP 0-9-1 and RabbitMQ's publisher confirms;
// librabbitmq 0.11.
#pragma once

#include <amqp.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "core/secret.h"
#include "server/amqp_settings.h"
#include "server/metrics.h"
#include "storage/event_reader.h"
#include "storage/subscriber_cursors.h"

namespace recharge {

class AmqpPublisher {
 public:
  static constexpr const char* kSubscriber = "amqp";
  static constexpr std::size_t kMaxUnconfirmed = 256;
  static constexpr std::int64_t kPollMs = 10;
  static constexpr std::int64_t kNoteMs = 250;
  static constexpr std::int64_t kFirstPauseMs = 200;
  static constexpr std::int64_t kLongestPauseMs = 30'000;
  static constexpr std::int64_t kAnswerMs = 5'000;  // connecting, and each answer of the broker

  // Throws std::runtime_error where its cursor cannot be read, SettingsError for its password.
  AmqpPublisher(const AmqpSettings& settings, const EventJournal& journal,
                std::shared_ptr<SubscriberCursors> cursors);
  ~AmqpPublisher();

  void add_to(SubscriberMetrics& metrics) const;

 private:
  struct Close {
    void operator()(amqp_connection_state_t connection) const noexcept;
  };
  using Connection = std::unique_ptr<amqp_connection_state_t_, Close>;
  struct Unconfirmed {
    EventId id;
    std::int64_t wall_ms = 0;
    bool confirmed = false;
  };

  void run();
  bool connect();
  bool log_in();
  bool answered(const char* what);
  void serve();  // until the connection is lost, or there is nothing to be done on it
  bool publish_some(EventReader& reader);
  bool publish(const Event& event, std::int64_t wall_ms);
  bool take_frames();
  bool take_method(const amqp_method_t& method);
  bool confirm(std::uint64_t tag, bool multiple);
  void note(bool all);
  bool pause(std::int64_t ms);  // false: to stop
  void complain(const std::string& what);

  const AmqpSettings settings_;
  const Secret password_;
  const EventJournal& journal_;
  const std::shared_ptr<SubscriberCursors> cursors_;
  Connection connection_;
  std::deque<Unconfirmed> unconfirmed_;
  std::uint64_t first_tag_ = 1;  // of unconfirmed_
  EventId confirmed_;            // everything up to here
  std::int64_t confirmed_wall_ms_ = 0;
  std::int64_t noted_ms_ = 0;
  std::string last_complaint_;
  bool refused_ = false;         // the last connection ended by a nack
  std::atomic<int> socket_{-1};  // to end a call that the broker does not let end
  std::atomic<std::uint64_t> delivered_{0};
  std::atomic<std::uint64_t> failed_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace recharge
