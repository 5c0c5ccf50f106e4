// Purpose: tells a broker of events: each to a durable topic exchange, by its type as routing key,
// persistent, with the event's id as message id. The cursor moves when the broker confirms; what was not
// confirmed is sent again on the next connection, in order, so that each arrives at least once. Owner: its
// thread; ask() and add_to() any thread. Lifetime: within the journal and the cursors. Errors: are logged; it
// connects again (AmqpConnection). Units: milliseconds (_ms). Source: AMQP 0-9-1 and RabbitMQ's publisher
// confirms; librabbitmq 0.11.
#pragma once

#include <amqp.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <thread>

#include "server/amqp_connection.h"
#include "server/amqp_settings.h"
#include "server/metrics.h"
#include "server/spare_time.h"
#include "storage/event_reader.h"
#include "storage/subscriber_cursors.h"

namespace recharge {

class AmqpPublisher {
 public:
  static constexpr const char* kSubscriber = "amqp";
  static constexpr std::size_t kMaxUnconfirmed = 256;
  static constexpr std::size_t kMaxUnconfirmedWhenFull = 32;  // the processors
  static constexpr std::int64_t kPollMs = 10;
  static constexpr std::int64_t kNoteMs = 250;
  static constexpr std::chrono::milliseconds kIdlePoll{250};  // while it is paused, or lost

  // Throws std::runtime_error where its cursor cannot be read, SettingsError for its password.
  AmqpPublisher(const AmqpSettings& settings, const EventJournal& journal,
                std::shared_ptr<SubscriberCursors> cursors);
  ~AmqpPublisher();

  // What an operator may ask for; done soon. restart: from the oldest event that is kept.
  enum class Wish : std::uint8_t { none, pause, resume, restart };
  void ask(Wish wish);
  void add_to(SubscriberMetrics& metrics) const;

 private:
  struct Unconfirmed {
    EventId id;
    std::int64_t wall_ms = 0;
    bool confirmed = false;
  };

  void run();
  void grant_wish();
  bool connect();
  void serve();  // until the connection is lost, or there is nothing to be done on it
  bool publish_some(EventReader& reader);
  bool publish(const Event& event, std::int64_t wall_ms);
  bool take_frames();
  bool take_method(const amqp_method_t& method);
  bool confirm(std::uint64_t tag, bool multiple);
  void note(bool all);

  const AmqpSettings settings_;
  const EventJournal& journal_;
  const std::shared_ptr<SubscriberCursors> cursors_;
  AmqpConnection connection_;
  std::deque<Unconfirmed> unconfirmed_;
  std::uint64_t first_tag_ = 1;  // of unconfirmed_
  EventId confirmed_;            // everything up to here
  std::int64_t confirmed_wall_ms_ = 0;
  std::int64_t noted_ms_ = 0;
  SpareTime spare_;       // of its thread
  bool refused_ = false;  // the last connection ended by a nack
  std::atomic<Wish> wish_{Wish::none};
  std::atomic<std::uint64_t> delivered_{0};
  std::thread thread_;
};

}  // namespace recharge
