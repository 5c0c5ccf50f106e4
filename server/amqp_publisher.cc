#include "server/amqp_publisher.h"

#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>

#include "server/event_json.h"
#include "server/log.h"
#include "server/secret_file.h"
#include "storage/thread_role.h"

namespace recharge {
namespace {

constexpr amqp_channel_t kChannel = 1;
constexpr int kFrameBytes = 131'072;
constexpr const char* kSystemAuthorities = "/etc/ssl/certs/ca-certificates.crt";

std::int64_t wall_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

timeval time_of(std::int64_t ms) noexcept { return {ms / 1000, (ms % 1000) * 1000}; }

amqp_bytes_t view(std::string_view text) noexcept { return {text.size(), const_cast<char*>(text.data())}; }

Secret read_password(const AmqpSettings& settings) {
  if (!settings.password.file.empty()) return read_secret_file(settings.password);
  return std::move(*Secret::from_text("guest"));
}

}  // namespace

void AmqpPublisher::Close::operator()(amqp_connection_state_t connection) const noexcept {
  amqp_destroy_connection(connection);
}

AmqpPublisher::AmqpPublisher(const AmqpSettings& settings, const EventJournal& journal,
                             std::shared_ptr<SubscriberCursors> cursors)
    : settings_(settings),
      password_(read_password(settings)),
      journal_(journal),
      cursors_(std::move(cursors)) {
  const auto cursor = cursors_->attach(kSubscriber, latest_place(journal_));
  if (!cursor) throw std::runtime_error(cursor.error().to_text());
  confirmed_ = cursor->after;
  confirmed_wall_ms_ = cursor->wall_ms;
  thread_ = std::thread(&AmqpPublisher::run, this);
}

AmqpPublisher::~AmqpPublisher() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (const int fd = socket_.load(); fd >= 0) ::shutdown(fd, SHUT_RDWR);
  }
  wake_.notify_one();
  thread_.join();
}

void AmqpPublisher::add_to(SubscriberMetrics& metrics) const {
  metrics.delivered = delivered_.load(std::memory_order_relaxed);
  metrics.failed = failed_.load(std::memory_order_relaxed);
}

bool AmqpPublisher::pause(std::int64_t ms) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, std::chrono::milliseconds(ms), [this] { return stopping_.load(); });
  return !stopping_;
}

// Each trouble once, however often it is tried again.
void AmqpPublisher::complain(const std::string& what) {
  failed_.fetch_add(1, std::memory_order_relaxed);
  if (what == last_complaint_ || stopping_) return;
  last_complaint_ = what;
  log_warning("amqp: " + log_safe(what) + "; it is tried again");
}

void AmqpPublisher::run() {
  begin_thread("amqp", Urgency::outgoing);
  std::int64_t wait_ms = kFirstPauseMs;
  while (!stopping_) {
    if (cursors_->get(kSubscriber).state == SubscriberState::active && connect()) {
      if (!last_complaint_.empty() && !refused_) log_info("amqp: connected again");
      if (!refused_) last_complaint_.clear();
      refused_ = false;
      const std::uint64_t before = delivered_;
      serve();
      if (!refused_ || delivered_ != before) wait_ms = kFirstPauseMs;
    }
    note(true);
    {
      const std::lock_guard lock(mutex_);
      socket_ = -1;
    }
    connection_.reset();
    if (!pause(wait_ms)) break;
    wait_ms = std::min(2 * wait_ms, kLongestPauseMs);
  }
}

bool AmqpPublisher::answered(const char* what) {
  const amqp_rpc_reply_t reply = amqp_get_rpc_reply(connection_.get());
  if (reply.reply_type == AMQP_RESPONSE_NORMAL) return true;
  std::string why = "the broker refuses";
  if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) why = amqp_error_string2(reply.library_error);
  if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
    const auto* close = static_cast<const amqp_connection_close_t*>(reply.reply.decoded);
    why.assign(static_cast<const char*>(close->reply_text.bytes), close->reply_text.len);
  }
  if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
    const auto* close = static_cast<const amqp_channel_close_t*>(reply.reply.decoded);
    why.assign(static_cast<const char*>(close->reply_text.bytes), close->reply_text.len);
  }
  complain(std::string(what) + ": " + why);
  return false;
}

bool AmqpPublisher::connect() {
  connection_.reset(amqp_new_connection());
  if (!connection_) return false;
  amqp_socket_t* socket = settings_.tls ? amqp_ssl_socket_new(connection_.get())  //
                                        : amqp_tcp_socket_new(connection_.get());
  if (socket == nullptr) return false;
  if (settings_.tls) {
    const std::string ca = settings_.ca_file.empty() ? kSystemAuthorities : settings_.ca_file.string();
    amqp_ssl_socket_set_verify_peer(socket, 1);
    amqp_ssl_socket_set_verify_hostname(socket, 1);
    if (amqp_ssl_socket_set_cacert(socket, ca.c_str()) != AMQP_STATUS_OK) {
      complain("the certificates of " + ca + " cannot be read");
      return false;
    }
  }
  timeval timeout = time_of(kAnswerMs);
  const int opened = amqp_socket_open_noblock(socket, settings_.host.c_str(), settings_.port, &timeout);
  if (opened != AMQP_STATUS_OK) {
    complain("connecting: " + std::string(amqp_error_string2(opened)));
    return false;
  }
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    socket_ = amqp_get_sockfd(connection_.get());
  }
  amqp_set_handshake_timeout(connection_.get(), &timeout);
  amqp_set_rpc_timeout(connection_.get(), &timeout);
  if (!log_in()) return false;
  amqp_channel_open(connection_.get(), kChannel);
  if (!answered("opening the channel")) return false;
  amqp_exchange_declare(connection_.get(), kChannel, view(settings_.exchange), view("topic"), 0, 1, 0, 0,
                        amqp_empty_table);
  if (!answered("declaring the exchange")) return false;
  amqp_confirm_select(connection_.get(), kChannel);
  return answered("asking for confirms");
}

// The broker is to say when it takes no messages.
bool AmqpPublisher::log_in() {
  amqp_table_entry_t blocked{};
  blocked.key = view("connection.blocked");
  blocked.value.kind = AMQP_FIELD_KIND_BOOLEAN;
  blocked.value.value.boolean = 1;
  amqp_table_entry_t capabilities{};
  capabilities.key = view("capabilities");
  capabilities.value.kind = AMQP_FIELD_KIND_TABLE;
  capabilities.value.value.table = {1, &blocked};
  const amqp_table_t properties{1, &capabilities};
  const std::string password(password_.reveal());
  const amqp_rpc_reply_t login = amqp_login_with_properties(
      connection_.get(), settings_.virtual_host.c_str(), 0, kFrameBytes, settings_.heartbeat_s, &properties,
      AMQP_SASL_METHOD_PLAIN, settings_.user.c_str(), password.c_str());
  if (login.reply_type != AMQP_RESPONSE_NORMAL) complain("the broker does not let us in");
  return login.reply_type == AMQP_RESPONSE_NORMAL;
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
    return complain("reading events: " + sought.error().to_text());
  }
  while (!stopping_ && cursors_->get(kSubscriber).state == SubscriberState::active) {
    if (!publish_some(reader) || !take_frames()) return;
    if (unconfirmed_.empty()) {
      confirmed_ = reader.resume_point();
      confirmed_wall_ms_ = wall_ms();
    }
    note(false);
  }
}

bool AmqpPublisher::publish_some(EventReader& reader) {
  while (unconfirmed_.size() < kMaxUnconfirmed) {
    auto next = reader.next();
    if (!next) {
      complain("reading events: " + next.error().to_text());
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
  properties.content_type = view("application/json");
  properties.delivery_mode = AMQP_DELIVERY_PERSISTENT;
  properties.message_id = view(id);
  properties.type = view(to_text(event.type));
  properties.timestamp = static_cast<std::uint64_t>(event.time.ms / 1000);
  const int sent = amqp_basic_publish(connection_.get(), kChannel, view(settings_.exchange),
                                      view(to_text(event.type)), 0, 0, &properties, view(body));
  if (sent != AMQP_STATUS_OK) {
    complain("publishing: " + std::string(amqp_error_string2(sent)));
    return false;
  }
  unconfirmed_.push_back({event.id, wall, false});
  return true;
}

// What the broker says: waits a little where it says nothing, which also keeps the heart beating.
bool AmqpPublisher::take_frames() {
  for (std::int64_t wait_ms = kPollMs;; wait_ms = 0) {
    amqp_frame_t frame{};
    timeval wait = time_of(wait_ms);
    const int status = amqp_simple_wait_frame_noblock(connection_.get(), &frame, &wait);
    if (status == AMQP_STATUS_TIMEOUT) break;
    if (status != AMQP_STATUS_OK) {
      complain("the connection is lost: " + std::string(amqp_error_string2(status)));
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
      complain("the broker refused a message");
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
      complain("the broker closed the connection");
      return false;
    default:
      return true;
  }
}

bool AmqpPublisher::confirm(std::uint64_t tag, bool multiple) {
  if (tag == 0 && multiple) tag = first_tag_ + unconfirmed_.size() - 1;
  if (tag >= first_tag_ + unconfirmed_.size()) {
    complain("the broker confirmed what was not sent");
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
