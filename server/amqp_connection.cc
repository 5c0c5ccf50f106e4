#include "server/amqp_connection.h"

#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "server/log.h"
#include "server/secret_file.h"

namespace recharge {
namespace {

constexpr int kFrameBytes = 131'072;
constexpr const char* kSystemAuthorities = "/etc/ssl/certs/ca-certificates.crt";

std::int64_t now_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

Secret read_password(const AmqpSettings& settings) {
  if (!settings.password.file.empty()) return read_secret_file(settings.password);
  return std::move(*Secret::from_text("guest"));
}

bool closes_channel(const amqp_rpc_reply_t& reply) noexcept {
  return reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD;
}

}  // namespace

timeval amqp_time(std::int64_t ms) noexcept { return {ms / 1000, (ms % 1000) * 1000}; }
amqp_bytes_t amqp_view(std::string_view text) noexcept {
  return {text.size(), const_cast<char*>(text.data())};
}

void AmqpConnection::Close::operator()(amqp_connection_state_t connection) const noexcept {
  amqp_destroy_connection(connection);
}

AmqpConnection::AmqpConnection(const AmqpSettings& settings, std::string name, Blocks blocks)
    : settings_(settings), name_(std::move(name)), blocks_(blocks), password_(read_password(settings)) {}

amqp_socket_t* AmqpConnection::new_socket() {
  if (!settings_.tls) return amqp_tcp_socket_new(connection_.get());
  amqp_socket_t* socket = amqp_ssl_socket_new(connection_.get());
  if (socket == nullptr) return nullptr;
  const std::string ca = settings_.ca_file.empty() ? kSystemAuthorities : settings_.ca_file.string();
  amqp_ssl_socket_set_verify_peer(socket, 1);
  amqp_ssl_socket_set_verify_hostname(socket, 1);
  if (amqp_ssl_socket_set_cacert(socket, ca.c_str()) == AMQP_STATUS_OK) return socket;
  complain("the certificates of " + ca + " cannot be read");
  return nullptr;
}

bool AmqpConnection::open() {
  opened_ms_ = now_ms();
  connection_.reset(amqp_new_connection());
  if (!connection_) return false;
  amqp_socket_t* socket = new_socket();
  if (socket == nullptr) return false;
  timeval timeout = amqp_time(kAnswerMs);
  const int opened = amqp_socket_open_noblock(socket, broker().host.c_str(), broker().port, &timeout);
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
  opened_ms_ = now_ms();
  return answered("opening the channel");
}

bool AmqpConnection::log_in() {
  amqp_table_entry_t blocked{};
  blocked.key = amqp_view("connection.blocked");
  blocked.value.kind = AMQP_FIELD_KIND_BOOLEAN;
  blocked.value.value.boolean = 1;
  amqp_table_entry_t capabilities{};
  capabilities.key = amqp_view("capabilities");
  capabilities.value.kind = AMQP_FIELD_KIND_TABLE;
  capabilities.value.value.table = {1, &blocked};
  const amqp_table_t properties{blocks_ == Blocks::told ? 1 : 0, &capabilities};
  const std::string password(password_.reveal());
  const amqp_rpc_reply_t login = amqp_login_with_properties(
      connection_.get(), settings_.virtual_host.c_str(), 0, kFrameBytes, settings_.heartbeat_s, &properties,
      AMQP_SASL_METHOD_PLAIN, settings_.user.c_str(), password.c_str());
  if (login.reply_type != AMQP_RESPONSE_NORMAL) complain("the broker does not let us in");
  return login.reply_type == AMQP_RESPONSE_NORMAL;
}

bool AmqpConnection::answered(const char* what) {
  const amqp_rpc_reply_t reply = amqp_get_rpc_reply(connection_.get());
  if (reply.reply_type == AMQP_RESPONSE_NORMAL) return true;
  std::string why = "the broker refuses";
  if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) why = amqp_error_string2(reply.library_error);
  if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
    const auto* close = static_cast<const amqp_connection_close_t*>(reply.reply.decoded);
    why.assign(static_cast<const char*>(close->reply_text.bytes), close->reply_text.len);
  }
  if (closes_channel(reply)) {
    const auto* close = static_cast<const amqp_channel_close_t*>(reply.reply.decoded);
    why.assign(static_cast<const char*>(close->reply_text.bytes), close->reply_text.len);
  }
  complain(std::string(what) + ": " + why);
  return false;
}

bool AmqpConnection::refused_for(int reply_code) {
  const amqp_rpc_reply_t reply = amqp_get_rpc_reply(connection_.get());
  if (!closes_channel(reply)) return false;
  if (static_cast<const amqp_channel_close_t*>(reply.reply.decoded)->reply_code != reply_code) return false;
  amqp_channel_close_ok_t seen{};
  amqp_send_method(connection_.get(), kChannel, AMQP_CHANNEL_CLOSE_OK_METHOD, &seen);
  amqp_channel_open(connection_.get(), kChannel);
  return answered("opening the channel again");
}

void AmqpConnection::works() {
  if (!complained_.empty()) log_info(name_ + ": connected again, to " + broker().to_text());
  complained_.clear();
}

// One that ends at once does not begin a new round: brokers that let us in and hang up are tried ever more
// slowly.
void AmqpConnection::held() {
  pause_ms_ = kFirstPauseMs;
  if (now_ms() - opened_ms_ >= kFirstPauseMs) tried_ = 0;
}

bool AmqpConnection::give_up() {
  {
    const std::lock_guard lock(mutex_);
    socket_ = -1;
  }
  connection_.reset();
  at_ = (at_ + 1) % settings_.brokers.size();
  if (++tried_ < settings_.brokers.size()) return !stopping_;
  tried_ = 0;
  return rest();
}

bool AmqpConnection::rest() {
  return pause(std::chrono::milliseconds(std::exchange(pause_ms_, std::min(2 * pause_ms_, kLongestPauseMs))));
}

bool AmqpConnection::pause(std::chrono::nanoseconds time) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, time, [this] { return stopping_ || interrupted_; });
  interrupted_ = false;
  return !stopping_;
}

void AmqpConnection::interrupt() {
  const std::lock_guard lock(mutex_);
  interrupted_ = true;
  wake_.notify_one();
}

// Each trouble once, however often it is tried again.
void AmqpConnection::complain(const std::string& what) {
  complaints_.fetch_add(1, std::memory_order_relaxed);
  if (stopping_) return;
  const std::string text = settings_.brokers.size() == 1 ? what : broker().to_text() + ": " + what;
  if (complained_.size() >= kMaxRemembered) complained_.clear();
  if (complained_.insert(text).second) log_warning(name_ + ": " + log_safe(text) + "; it is tried again");
}

void AmqpConnection::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
  wake_.notify_one();
}

}  // namespace recharge
