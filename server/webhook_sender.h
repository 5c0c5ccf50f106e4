// Purpose: tells one endpoint of events, or one host of those of the orders whose own address is there: reads
// them behind the journal, sends those of an order one after the other, tries again what failed, keeps what
// was given up. Its cursor moves on past what is delivered or kept in the delivery store, so that one event
// that fails holds up its order alone. At least once: what was sent and not yet noted is sent again after a
// crash, with the same id. Owner: its thread; status() and ask() any thread. Lifetime: within the journal,
// the cursors and the store. Units: milliseconds since 1970 (_ms). Source: Standard Webhooks 1.0.0.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "server/given_up_events.h"
#include "server/http_client.h"
#include "server/metrics.h"
#include "server/spare_time.h"
#include "server/webhook_settings.h"
#include "server/webhook_signer.h"
#include "storage/delivery_store.h"
#include "storage/event_reader.h"
#include "storage/notify_urls.h"
#include "storage/subscriber_cursors.h"

namespace recharge {

class WebhookSender {
 public:
  static constexpr std::size_t kMaxOpen = 4096;     // events read and not done with; beyond, it waits
  static constexpr std::size_t kReadAhead = 4;      // as many that can be sent, for each that is sent at once
  static constexpr std::int64_t kPollMs = 10;       // how often the journal is looked at
  static constexpr std::int64_t kNoteMs = 250;      // how often the cursor moves
  static constexpr std::size_t kNotedAtOnce = 256;  // into the store: a big transaction holds up the journal
  static constexpr std::int64_t kLongestProbeMs = 60'000;
  static constexpr std::int64_t kKeptAfterMs =
      2000;  // what is not delivered by then does not hold the cursor

  struct Sources {
    EventJournal journal;
    std::uint64_t segment_bytes = 0;
    std::shared_ptr<SubscriberCursors> cursors;
    DeliveryStore* store = nullptr;
  };

  // Throws std::runtime_error where its cursor or what waits cannot be read.
  // urls: where addresses of orders are found; there where the settings say that this endpoint takes some.
  WebhookSender(const WebhookSettings& settings, const Sources& sources,
                std::shared_ptr<const WebhookSigner> signer, std::unique_ptr<NotifyUrls> urls = nullptr);
  ~WebhookSender();

  const std::string& name() const noexcept { return settings_.name; }
  const std::string& subscriber() const noexcept { return subscriber_; }

  // What an operator may ask for; done soon. resend: what was given up is tried again; nil: all of it.
  // restart: from the oldest event that is kept.
  enum class Wish { pause, resume, restart, resend };
  void ask(Wish wish, const EventId& id = {});
  void add_to(SubscriberMetrics& metrics) const;
  // What is sent from now on is signed by these secrets.
  void take_over(std::shared_ptr<const WebhookSigner> signer);

 private:
  struct Open {
    Delivery delivery;
    bool kept = false;  // as it is in the store
    bool flying = false;
    std::int64_t read_ms = 0;
  };
  struct Result {
    EventId id;
    HttpAnswer answer;
  };

  void run();
  void load();
  void begin_reading();
  void rest_after_error(const std::string& what);
  bool wants(const Event& event) const;
  void take_events();
  bool has_ready(std::size_t count) const;
  bool address(const Event& event, Delivery& delivery);
  bool is_off(const std::string& key);
  void switch_off(const EventId& id);
  void switch_on(const std::string& key);
  void give_up(Open& open);
  void add(Delivery delivery, bool kept);
  void send_due();
  void send(Open& open);
  void take_results();
  void take_result(Open& open, const HttpAnswer& answer);
  void try_later(Open& open, const HttpAnswer& answer);
  void finish(const EventId& id);
  void note(bool all);
  void grant_wishes();
  void lose(const std::string& why);
  void sleep();

  const WebhookSettings settings_;
  const std::string subscriber_;
  const Sources sources_;
  const std::unique_ptr<NotifyUrls> urls_;  // null: all goes to the endpoint's own address
  std::unique_ptr<EventReader> reader_;     // null: not reading
  EventId done_before_;                     // what is not behind it is read for its address alone
  std::set<std::string> off_;               // orders whose address wants no more; the store does not know yet
  std::map<EventId, Open> open_;
  std::unordered_map<std::string, std::deque<EventId>> lines_;  // by ordering key; the first may be sent
  std::set<std::pair<std::int64_t, EventId>> due_;              // firsts of lines, by when
  GivenUpEvents given_up_;                                      // in the store, behind the cursor's place
  std::vector<EventId> done_;                                   // to be taken out of the store
  std::vector<Delivery> dead_;                                  // to be put into it
  std::set<EventId> changed_;                                   // open ones that the store does not know so
  std::size_t flying_ = 0;
  std::int64_t noted_ms_ = 0;
  std::int64_t read_wall_ms_ = 0;
  std::int64_t quiet_until_ms_ = 0;  // after an error of the journal or the store
  unsigned streak_ = 0;              // failures since the last success
  std::int64_t probe_ms_ = 0;        // while all fail: when to try one again
  SpareTime spare_;                  // of its thread

  std::atomic<std::uint64_t> delivered_{0};
  std::atomic<std::uint64_t> failed_{0};
  std::atomic<std::uint64_t> waiting_{0};

  std::mutex mutex_;  // of what follows
  std::condition_variable wake_;
  std::shared_ptr<const WebhookSigner> signer_;
  std::vector<Result> results_;
  std::vector<std::pair<Wish, EventId>> wishes_;
  bool stopping_ = false;
  std::unique_ptr<HttpClient> client_;
  std::thread thread_;
};

class AmqpPublisher;

// All who are told by a server, and what the store keeps for the endpoints among them.
struct Webhooks {
  static constexpr std::string_view kBroker = "amqp";  // its name among those of endpoints

  std::unique_ptr<DeliveryStore> store;
  AmqpPublisher* broker = nullptr;  // null: none is told
  std::shared_ptr<SubscriberCursors> cursors;
  std::vector<std::unique_ptr<WebhookSender>> senders;

  WebhookSender* find(std::string_view name) const noexcept {
    for (const auto& sender : senders) {
      if (sender->name() == name) return sender.get();
    }
    return nullptr;
  }
};

}  // namespace recharge
