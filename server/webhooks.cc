// GET /api/webhooks, GET and POST /api/webhooks/{webhook}
#include "server/amqp_publisher.h"
#include "server/body_fields.h"
#include "server/handler.h"
#include "server/json_text.h"
#include "server/log.h"
#include "server/webhook_sender.h"

namespace recharge {
namespace {

constexpr std::size_t kShown = 100;
constexpr std::string_view kWillBeDone = R"({"code":200,"msg":"It will be done"})";

template <class Told>
void write_told(JsonText& json, const Webhooks& webhooks, std::string_view name,
                const std::string& subscriber, const Told& told) {
  const SubscriberCursor cursor = webhooks.cursors->get(subscriber);
  SubscriberMetrics numbers;
  told.add_to(numbers);
  json.name("name").text(name).name("state").text(to_text(cursor.state));
  json.name("after").text_or_null(cursor.after.is_nil() ? std::string() : cursor.after.to_text());
  json.name("delivered").integer(static_cast<std::int64_t>(numbers.delivered));
  json.name("failed").integer(static_cast<std::int64_t>(numbers.failed));
  json.name("waiting").integer(static_cast<std::int64_t>(numbers.waiting));
}

void write_broker(JsonText& json, const Webhooks& webhooks) {
  write_told(json, webhooks, Webhooks::kBroker, AmqpPublisher::kSubscriber, *webhooks.broker);
}

void write_webhook(JsonText& json, const Webhooks& webhooks, const WebhookSender& sender) {
  write_told(json, webhooks, sender.name(), sender.subscriber(), sender);
}

void write_deliveries(JsonText& json, const std::vector<Delivery>& stored) {
  json.name("deliveries").begin_array();
  const std::size_t shown = std::min(stored.size(), kShown);
  for (std::size_t i = 0; i < shown; ++i) {
    const Delivery& one = stored[i];
    json.begin_object().name("event_id").text(one.id.to_text()).name("type").text(one.type);
    json.name("state").text(one.state == DeliveryState::dead ? "given_up" : "waiting");
    json.name("attempts").integer(one.attempts);
    json.name("first_attempt_at").time(Time{one.first_ms});
    json.name("next_attempt_at").time(Time{one.state == DeliveryState::dead ? 0 : one.next_ms});
    json.name("last_status").integer(one.last_status);
    json.name("last_error").text_or_null(log_safe(one.last_error)).end_object();
  }
  json.end_array().name("more").integer(static_cast<std::int64_t>(stored.size() - shown));
}

bool is_broker(const HandlerContext& context, std::string_view name) {
  const Webhooks* webhooks = context.service.webhooks;
  return name == Webhooks::kBroker && webhooks != nullptr && webhooks->broker != nullptr;
}

WebhookSender* find(const HandlerContext& context, std::string_view name, Reply& reply) {
  WebhookSender* found = context.service.webhooks == nullptr ? nullptr : context.service.webhooks->find(name);
  if (found == nullptr) reply.fail(404, "webhook_not_found", "Webhook not found");
  return found;
}

Step ask_broker(const HandlerContext& context, std::string_view action, BodyFields& fields, Reply& reply) {
  using Wish = AmqpPublisher::Wish;
  const Wish wish = action == "pause"     ? Wish::pause
                    : action == "resume"  ? Wish::resume
                    : action == "restart" ? Wish::restart
                                          : Wish::none;
  if (wish == Wish::none) {
    fields.fail("action", "must be pause, resume or restart");
    return Step::reply;
  }
  log_info("amqp: asked to " + std::string(action));
  context.service.webhooks->broker->ask(wish);
  reply.fixed_body = kWillBeDone;
  return Step::reply;
}

}  // namespace

Step list_webhooks(const Request&, std::string_view, HandlerContext& context, Operation&, Reply& reply) {
  JsonText json(reply.body);
  json.begin_object().name("code").integer(200).name("data").begin_array();
  if (const Webhooks* webhooks = context.service.webhooks) {
    if (webhooks->broker != nullptr) {
      json.begin_object();
      write_broker(json, *webhooks);
      json.end_object();
    }
    for (const auto& sender : webhooks->senders) {
      json.begin_object();
      write_webhook(json, *webhooks, *sender);
      json.end_object();
    }
  }
  json.end_array().end_object();
  return Step::reply;
}

Step show_webhook(const Request&, std::string_view name, HandlerContext& context, Operation&, Reply& reply) {
  std::vector<Delivery> stored;
  const WebhookSender* sender = nullptr;
  if (!is_broker(context, name)) {
    sender = find(context, name, reply);
    if (sender == nullptr) return Step::reply;
    auto read = context.service.webhooks->store->read(sender->name());
    if (!read) {
      log_error(read.error().to_text());
      reply.fail(500, "internal_error", "The deliveries cannot be read");
      return Step::reply;
    }
    stored = std::move(*read);
  }
  const Webhooks& webhooks = *context.service.webhooks;
  JsonText json(reply.body);
  json.begin_object().name("code").integer(200).name("webhook").begin_object();
  sender == nullptr ? write_broker(json, webhooks) : write_webhook(json, webhooks, *sender);
  write_deliveries(json, stored);
  json.end_object().end_object();
  return Step::reply;
}

Step change_webhook(const Request& request, std::string_view name, HandlerContext& context, Operation&,
                    Reply& reply) {
  BodyFields fields(request.body, BodyFields::Empty::refuse, context, reply);
  if (!fields.ok()) return Step::reply;
  const std::string_view action = fields.text("action", true);
  const std::string_view id_text = fields.text("event_id", false);
  if (!fields.ok()) return Step::reply;
  if (is_broker(context, name)) return ask_broker(context, action, fields, reply);
  using Wish = WebhookSender::Wish;
  constexpr std::pair<std::string_view, Wish> kWishes[] = {
      {"pause", Wish::pause}, {"resume", Wish::resume}, {"restart", Wish::restart}, {"resend", Wish::resend}};
  const auto* wish = std::find_if(std::begin(kWishes), std::end(kWishes),
                                  [&](const auto& one) { return one.first == action; });
  if (wish == std::end(kWishes)) {
    fields.fail("action", "must be pause, resume, restart or resend");
    return Step::reply;
  }
  EventId id;
  if (!id_text.empty()) {
    const auto parsed = EventId::parse(id_text);
    if (!parsed || wish->second != Wish::resend) {
      fields.fail("event_id", "must be the id of an event, with resend alone");
      return Step::reply;
    }
    id = *parsed;
  }
  WebhookSender* sender = find(context, name, reply);
  if (sender == nullptr) return Step::reply;
  log_info("webhook " + sender->name() + ": asked to " + std::string(action));
  sender->ask(wish->second, id);
  reply.fixed_body = kWillBeDone;
  return Step::reply;
}

}  // namespace recharge
