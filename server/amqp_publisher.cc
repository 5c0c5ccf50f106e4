#include "server/amqp_publisher.h"

#include <chrono>
#include <stdexcept>
#include <utility>

#include "server/event_json.h"
#include "server/log.h"
#include "storage/thread_role.h"

namespace recharge {
namespace {

constexpr amqp_channel_t kChannel = AmqpConnection::kChannel;

std::int64_t wall_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace

AmqpPublisher::AmqpPublisher(const AmqpSettings& settings, const EventJournal& journal,
                             std::shared_ptr<SubscriberCursors> cursors)
    : settings_(settings),
      journal_(journal),
      cursors_(std::move(cursors)),
      connection_(settings_, "amqp", AmqpConnection::Blocks::told) {
  const auto cursor = cursors_->attach(kSubscriber, latest_place(journal_));
  if (!cursor) throw std::runtime_error(cursor.error().to_text());
  confirmed_ = cursor->after;
  confirmed_wall_ms_ = cursor->wall_ms;
  thread_ = std::thread(&AmqpPublisher::run, this);
}

AmqpPublisher::~AmqpPublisher() {
  connection_.stop();
  thread_.join();
}

void AmqpPublisher::add_to(SubscriberMetrics& metrics) const {
  metrics.delivered = delivered_.load(std::memory_order_relaxed);
  metrics.failed = connection_.complaints();
}

void AmqpPublisher::run() {
  begin_thread("amqp", Urgency::outgoing);
  for (bool on = true; on;) {
    grant_wish();
    if (cursors_->get(kSubscriber).state != SubscriberState::active) {
      on = connection_.pause(kIdlePoll);
      continue;
    }
    if (connect()) {
      if (!std::exchange(refused_, false)) connection_.works();
      const std::uint64_t before = delivered_;
      serve();
      if (!refused_ || delivered_ != before) connection_.held();
    }
    note(true);
    on = connection_.give_up();
  }
}

void AmqpPublisher::ask(Wish wish) {
  wish_ = wish;
  connection_.interrupt();
}

void AmqpPublisher::grant_wish() {
  StorageResult<void> done;
  switch (wish_.exchange(Wish::none)) {
    case Wish::none:
      return;
    case Wish::pause:
      done = cursors_->set_state(kSubscriber, SubscriberState::paused);
      break;
    case Wish::resume:
      done = cursors_->set_state(kSubscriber, SubscriberState::active);
      break;
    case Wish::restart:
      const auto first = oldest_place(journal_);
      done = first ? cursors_->restart(kSubscriber, *first, wall_ms()) : StorageResult<void>(first.error());
      break;
  }
  if (!done) log_error("amqp: " + done.error().to_text());
}

bool AmqpPublisher::connect() {
  if (!connection_.open()) return false;
  amqp_exchange_declare(connection_.get(), kChannel, amqp_view(settings_.exchange), amqp_view("topic"), 0, 1,
                        0, 0, amqp_empty_table);
  if (!connection_.answered("declaring the exchange")) return false;
  amqp_confirm_select(connection_.get(), kChannel);
  return connection_.answered("asking for confirms");
}

void AmqpPublisher::serve() {
  unconfirmed_.clear();
  first_tag_ = 1;
  const SubscriberCursor cursor = cursors_->get(kSubscriber);
  confirmed_ = cursor.after;
  confirmed_wall_ms_ = cursor.wall_ms;
  EventReader reader(journal_);
  if (auto sought = reader.seek(cursor.after); !sought) {
    if (sought.error().is(Errc::not_found)) {
      log_error("amqp is lost: events that it has not seen are not kept any more; make it begin anew");
      if (auto set = cursors_->set_state(kSubscriber, SubscriberState::lost); !set)
        log_error("amqp: " + set.error().to_text());
    }
    return connection_.complain("reading events: " + sought.error().to_text());
  }
  while (!connection_.stopping() && wish_ == Wish::none &&
         cursors_->get(kSubscriber).state == SubscriberState::active) {
    if (!publish_some(reader) || !take_frames()) return;
    if (unconfirmed_.empty()) {
      confirmed_ = reader.resume_point();
      confirmed_wall_ms_ = wall_ms();
    }
    note(false);
    if (const auto rest = spare_.rest(); rest.count() > 0) connection_.pause(rest);
  }
}

bool AmqpPublisher::publish_some(EventReader& reader) {
  while (unconfirmed_.size() < (spare_.full() ? kMaxUnconfirmedWhenFull : kMaxUnconfirmed)) {
    auto next = reader.next();
    if (!next) {
      connection_.complain("reading events: " + next.error().to_text());
      return false;
    }
    if (*next == nullptr) return true;
    if (!publish(**next, reader.wall_ms())) return false;
  }
  return true;
}

bool AmqpPublisher::publish(const Event& event, std::int64_t wall) {
  const std::string id = event.id.to_text();
  const std::string body = event_json(event);
  amqp_basic_properties_t properties{};
  properties._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
                      AMQP_BASIC_MESSAGE_ID_FLAG | AMQP_BASIC_TYPE_FLAG | AMQP_BASIC_TIMESTAMP_FLAG;
  properties.content_type = amqp_view("application/json");
  properties.delivery_mode = AMQP_DELIVERY_PERSISTENT;
  properties.message_id = amqp_view(id);
  properties.type = amqp_view(to_text(event.type));
  properties.timestamp = static_cast<std::uint64_t>(event.time.ms / 1000);
  const int sent = amqp_basic_publish(connection_.get(), kChannel, amqp_view(settings_.exchange),
                                      amqp_view(to_text(event.type)), 0, 0, &properties, amqp_view(body));
  if (sent != AMQP_STATUS_OK) {
    connection_.complain("publishing: " + std::string(amqp_error_string2(sent)));
    return false;
  }
  unconfirmed_.push_back({event.id, wall, false});
  return true;
}

// What the broker says: waits a little where it says nothing, which also keeps the heart beating.
bool AmqpPublisher::take_frames() {
  for (std::int64_t wait_ms = kPollMs;; wait_ms = 0) {
    amqp_frame_t frame{};
    timeval wait = amqp_time(wait_ms);
    const int status = amqp_simple_wait_frame_noblock(connection_.get(), &frame, &wait);
    if (status == AMQP_STATUS_TIMEOUT) break;
    if (status != AMQP_STATUS_OK) {
      connection_.complain("the connection is lost: " + std::string(amqp_error_string2(status)));
      return false;
    }
    if (frame.frame_type == AMQP_FRAME_METHOD && !take_method(frame.payload.method)) return false;
  }
  amqp_maybe_release_buffers(connection_.get());
  return true;
}

// False: the connection is of no more use.
bool AmqpPublisher::take_method(const amqp_method_t& method) {
  switch (method.id) {
    case AMQP_BASIC_ACK_METHOD: {
      const auto* ack = static_cast<const amqp_basic_ack_t*>(method.decoded);
      return confirm(ack->delivery_tag, ack->multiple != 0);
    }
    case AMQP_BASIC_NACK_METHOD:
      connection_.complain("the broker refused a message");
      refused_ = true;
      return false;
    case AMQP_CONNECTION_BLOCKED_METHOD:
      log_warning("amqp: the broker takes no messages: it is short of disk or memory");
      return true;
    case AMQP_CONNECTION_UNBLOCKED_METHOD:
      log_info("amqp: the broker takes messages again");
      return true;
    case AMQP_CHANNEL_CLOSE_METHOD:
    case AMQP_CONNECTION_CLOSE_METHOD:
      connection_.complain("the broker closed the connection");
      return false;
    default:
      return true;
  }
}

bool AmqpPublisher::confirm(std::uint64_t tag, bool multiple) {
  if (tag == 0 && multiple) tag = first_tag_ + unconfirmed_.size() - 1;
  if (tag >= first_tag_ + unconfirmed_.size()) {
    connection_.complain("the broker confirmed what was not sent");
    return false;
  }
  if (tag < first_tag_) return true;
  const std::size_t last = static_cast<std::size_t>(tag - first_tag_);
  for (std::size_t i = multiple ? 0 : last; i <= last; ++i) unconfirmed_[i].confirmed = true;
  while (!unconfirmed_.empty() && unconfirmed_.front().confirmed) {
    confirmed_ = unconfirmed_.front().id;
    confirmed_wall_ms_ = unconfirmed_.front().wall_ms;
    unconfirmed_.pop_front();
    ++first_tag_;
    delivered_.fetch_add(1, std::memory_order_relaxed);
  }
  return true;
}

void AmqpPublisher::note(bool all) {
  const std::int64_t now = wall_ms();
  if (!all && now - noted_ms_ < kNoteMs) return;
  noted_ms_ = now;
  if (auto moved = cursors_->advance(kSubscriber, confirmed_, confirmed_wall_ms_); !moved)
    log_error("amqp: " + moved.error().to_text());
}

}  // namespace recharge
