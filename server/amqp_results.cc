#include "server/amqp_results.h"

#include "server/log.h"
#include "storage/thread_role.h"

namespace recharge {
namespace {

constexpr amqp_channel_t kChannel = AmqpConnection::kChannel;
constexpr std::size_t kMaxMessageBytes = 16 << 10;

}  // namespace

AmqpResults::AmqpResults(const AmqpSettings& settings, std::string queue, Take take)
    : settings_(settings),
      queue_(std::move(queue)),
      take_(std::move(take)),
      connection_(settings_, "amqp results", AmqpConnection::Blocks::untold) {
  thread_ = std::thread(&AmqpResults::run, this);
}

AmqpResults::~AmqpResults() {
  connection_.stop();
  thread_.join();
}

void AmqpResults::settle(const RechargeResult& result, bool recorded) {
  const std::lock_guard lock(mutex_);
  settled_.push_back({result.connection, result.tag, recorded});
}

void AmqpResults::run() {
  begin_thread("amqp results", Urgency::background);
  do {
    ++number_;
    if (!connect()) continue;
    connection_.works();
    serve();
    connection_.held();
  } while (connection_.give_up());
}

bool AmqpResults::connect() {
  if (!connection_.open() || !has_queue()) return false;
  amqp_basic_qos(connection_.get(), kChannel, 0, kMaxUnsettled, 0);
  if (!connection_.answered("limiting what is under way")) return false;
  amqp_basic_consume(connection_.get(), kChannel, amqp_view(queue_), amqp_empty_bytes, 0, 0, 0,
                     amqp_empty_table);
  return connection_.answered("consuming");
}

// One that is there is taken as it is: who made it may have wanted it otherwise (x-queue-type).
bool AmqpResults::has_queue() {
  const auto declare = [this](bool make) {
    amqp_queue_declare(connection_.get(), kChannel, amqp_view(queue_), make ? 0 : 1, 1, 0, 0,
                       amqp_empty_table);
  };
  declare(false);
  if (connection_.refused_for(AMQP_NOT_FOUND)) declare(true);
  return connection_.answered("declaring the queue");
}

void AmqpResults::serve() {
  while (!connection_.stopping()) {
    if (!take_messages() || !settle_some()) return;
  }
}

// Waits a little where nothing comes, which also keeps the heart beating.
bool AmqpResults::take_messages() {
  for (std::int64_t wait_ms = kPollMs;; wait_ms = 0) {
    amqp_maybe_release_buffers(connection_.get());
    amqp_envelope_t envelope;
    timeval wait = amqp_time(wait_ms);
    const amqp_rpc_reply_t reply = amqp_consume_message(connection_.get(), &envelope, &wait, 0);
    if (reply.reply_type == AMQP_RESPONSE_NORMAL) {
      const bool taken = take(envelope);
      amqp_destroy_envelope(&envelope);
      if (!taken) return false;
      continue;
    }
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION && reply.library_error == AMQP_STATUS_TIMEOUT)
      return true;
    connection_.complain(
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
  const auto object = json_.read_copy(body, Nested::allow);
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
  take_(result, [this, result](bool recorded) { settle(result, recorded); });
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
    connection_.complain("acknowledging: " + std::string(amqp_error_string2(done)));
    return false;
  }
  return !refused || connection_.pause(kAgain);
}

}  // namespace recharge
