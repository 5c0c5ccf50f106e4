#include "server/amqp_results.h"

#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>

#include "server/log.h"
#include "server/secret_file.h"
#include "storage/thread_role.h"

namespace recharge {
namespace {

constexpr amqp_channel_t kChannel = 1;
constexpr int kFrameBytes = 131'072;
constexpr std::size_t kMaxMessageBytes = 16 << 10;
constexpr const char* kSystemAuthorities = "/etc/ssl/certs/ca-certificates.crt";

timeval time_of(std::int64_t ms) noexcept { return {ms / 1000, (ms % 1000) * 1000}; }
amqp_bytes_t view(std::string_view text) noexcept { return {text.size(), const_cast<char*>(text.data())}; }

Secret read_password(const AmqpSettings& settings) {
  if (!settings.password.file.empty()) return read_secret_file(settings.password);
  return std::move(*Secret::from_text("guest"));
}

}  // namespace

AmqpResults::AmqpResults(const AmqpSettings& settings, std::string queue, Take take)
    : settings_(settings),
      queue_(std::move(queue)),
      password_(read_password(settings)),
      take_(std::move(take)) {
  thread_ = std::thread(&AmqpResults::run, this);
}

AmqpResults::~AmqpResults() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (const int fd = socket_.load(); fd >= 0) ::shutdown(fd, SHUT_RDWR);
  }
  wake_.notify_one();
  thread_.join();
}

void AmqpResults::settle(const RechargeResult& result, bool recorded) {
  const std::lock_guard lock(mutex_);
  settled_.push_back({result.connection, result.tag, recorded});
}

bool AmqpResults::pause(std::int64_t ms) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, std::chrono::milliseconds(ms), [this] { return stopping_.load(); });
  return !stopping_;
}

// Each trouble once, however often it is tried again.
void AmqpResults::complain(const std::string& what) {
  if (what == last_complaint_ || stopping_) return;
  last_complaint_ = what;
  log_warning("amqp results: " + log_safe(what) + "; it is tried again");
}

void AmqpResults::run() {
  begin_thread("amqp results", Urgency::background);
  std::int64_t wait_ms = kFirstPauseMs;
  while (!stopping_) {
    ++number_;
    if (connect()) {
      wait_ms = kFirstPauseMs;
      last_complaint_.clear();
      serve();
    }
    {
      const std::lock_guard lock(mutex_);
      socket_ = -1;
    }
    connection_.reset();
    if (!pause(wait_ms)) break;
    wait_ms = std::min(2 * wait_ms, kLongestPauseMs);
  }
}

bool AmqpResults::answered(const char* what) {
  const amqp_rpc_reply_t reply = amqp_get_rpc_reply(connection_.get());
  if (reply.reply_type == AMQP_RESPONSE_NORMAL) return true;
  complain(std::string(what) + (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION
                                    ? std::string(": ") + amqp_error_string2(reply.library_error)
                                    : std::string(": the broker refuses")));
  return false;
}

bool AmqpResults::connect() {
  connection_.reset(amqp_new_connection());
  if (!connection_) return false;
  amqp_socket_t* socket =
      settings_.tls ? amqp_ssl_socket_new(connection_.get()) : amqp_tcp_socket_new(connection_.get());
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
  const std::string password(password_.reveal());
  const amqp_rpc_reply_t login =
      amqp_login(connection_.get(), settings_.virtual_host.c_str(), 0, kFrameBytes, settings_.heartbeat_s,
                 AMQP_SASL_METHOD_PLAIN, settings_.user.c_str(), password.c_str());
  if (login.reply_type != AMQP_RESPONSE_NORMAL) {
    complain("the broker does not let us in");
    return false;
  }
  amqp_channel_open(connection_.get(), kChannel);
  if (!answered("opening the channel")) return false;
  amqp_queue_declare(connection_.get(), kChannel, view(queue_), 0, 1, 0, 0, amqp_empty_table);
  if (!answered("declaring the queue")) return false;
  amqp_basic_qos(connection_.get(), kChannel, 0, kMaxUnsettled, 0);
  if (!answered("limiting what is under way")) return false;
  amqp_basic_consume(connection_.get(), kChannel, view(queue_), amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
  return answered("consuming");
}

void AmqpResults::serve() {
  while (!stopping_) {
    if (!take_messages() || !settle_some()) return;
  }
}

// Waits a little where nothing comes, which also keeps the heart beating.
bool AmqpResults::take_messages() {
  for (std::int64_t wait_ms = kPollMs;; wait_ms = 0) {
    amqp_maybe_release_buffers(connection_.get());
    amqp_envelope_t envelope;
    timeval wait = time_of(wait_ms);
    const amqp_rpc_reply_t reply = amqp_consume_message(connection_.get(), &envelope, &wait, 0);
    if (reply.reply_type == AMQP_RESPONSE_NORMAL) {
      const bool taken = take(envelope);
      amqp_destroy_envelope(&envelope);
      if (!taken) return false;
      continue;
    }
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION && reply.library_error == AMQP_STATUS_TIMEOUT)
      return true;
    complain(
        "the connection is lost");  // also by what is no message: the broker closes, or cancels the consumer
    return false;
  }
}

bool AmqpResults::take(const amqp_envelope_t& envelope) {
  const auto& bytes = envelope.message.body;
  const std::string_view body(static_cast<const char*>(bytes.bytes), bytes.len);
  RechargeResult result;
  result.connection = number_;
  result.tag = envelope.delivery_tag;
  const auto drop = [&](const char* why) {
    log_warning(std::string("amqp results: a message is dropped: ") + why);
    settle(result, true);
    return true;
  };
  if (body.size() > kMaxMessageBytes) return drop("it is too large");
  const auto object = json_.read_copy(body, Nested::skip);
  if (!object) return drop("it is no JSON object");
  const auto text = [&](std::string_view name) {
    const JsonMember* member = object->find(name);
    return member != nullptr && member->type == JsonType::string ? member->text : std::string_view();
  };
  const auto request = parse_request_id(text("request_id"));
  if (!request) return drop("request_id is none of ours");
  result.request = *request;
  const std::string_view type = text("type");
  if (type == "recharge.completed") {
    result.state = AttemptState::succeeded;
  } else if (type == "recharge.failed") {
    result.state = AttemptState::failed;
  } else {
    return drop("type is neither recharge.completed nor recharge.failed");
  }
  if (const auto reference = make_transaction_id(text("reference"))) result.reference = *reference;
  std::string reason;
  for (const char c : text("reason").substr(0, AttemptReason::kCapacity))
    reason.push_back(c >= 0x20 && c < 0x7f ? c : '?');
  static_cast<void>(result.reason.assign(reason));
  take_(result);
  return true;
}

bool AmqpResults::settle_some() {
  std::vector<Settled> settled;
  {
    const std::lock_guard lock(mutex_);
    settled.swap(settled_);
  }
  bool refused = false;
  for (const Settled& one : settled) {
    if (one.connection != number_) continue;  // the broker has taken it back with its connection
    refused = refused || !one.recorded;
    const int done = one.recorded ? amqp_basic_ack(connection_.get(), kChannel, one.tag, 0)
                                  : amqp_basic_nack(connection_.get(), kChannel, one.tag, 0, 1);
    if (done == AMQP_STATUS_OK) continue;
    complain("acknowledging: " + std::string(amqp_error_string2(done)));
    return false;
  }
  return !refused || pause(kAgainMs);
}

}  // namespace recharge
