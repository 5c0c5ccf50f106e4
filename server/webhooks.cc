// GET /api/webhooks, GET and POST /api/webhooks/{webhook}
#include "server/body_fields.h"
#include "server/handler.h"
#include "server/json_text.h"
#include "server/log.h"
#include "server/webhook_sender.h"

namespace recharge {
namespace {

constexpr std::size_t kShown = 100;

void write_webhook(JsonText& json, const Webhooks& webhooks, const WebhookSender& sender) {
  const SubscriberCursor cursor = webhooks.cursors->get(sender.subscriber());
  SubscriberMetrics numbers;
  sender.add_to(numbers);
  json.name("name").text(sender.name()).name("state").text(to_text(cursor.state));
  json.name("after").text_or_null(cursor.after.is_nil() ? std::string() : cursor.after.to_text());
  json.name("delivered").integer(static_cast<std::int64_t>(numbers.delivered));
  json.name("failed").integer(static_cast<std::int64_t>(numbers.failed));
  json.name("waiting").integer(static_cast<std::int64_t>(numbers.waiting));
}

WebhookSender* find(const HandlerContext& context, std::string_view name, Reply& reply) {
  WebhookSender* found = context.service.webhooks == nullptr ? nullptr : context.service.webhooks->find(name);
  if (found == nullptr) reply.fail(404, "webhook_not_found", "Webhook not found");
  return found;
}

}  // namespace

Step list_webhooks(const Request&, std::string_view, HandlerContext& context, Operation&, Reply& reply) {
  JsonText json(reply.body);
  json.begin_object().name("code").integer(200).name("data").begin_array();
  if (const Webhooks* webhooks = context.service.webhooks) {
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
  const WebhookSender* sender = find(context, name, reply);
  if (sender == nullptr) return Step::reply;
  const Webhooks& webhooks = *context.service.webhooks;
  const auto stored = webhooks.store->read(sender->name());
  if (!stored) {
    log_error(stored.error().to_text());
    reply.fail(500, "internal_error", "The deliveries cannot be read");
    return Step::reply;
  }
  JsonText json(reply.body);
  json.begin_object().name("code").integer(200).name("webhook").begin_object();
  write_webhook(json, webhooks, *sender);
  json.name("deliveries").begin_array();
  for (std::size_t i = 0; i < std::min(stored->size(), kShown); ++i) {
    const Delivery& one = (*stored)[i];
    json.begin_object().name("event_id").text(one.id.to_text()).name("type").text(one.type);
    json.name("state").text(one.state == DeliveryState::dead ? "given_up" : "waiting");
    json.name("attempts").integer(one.attempts);
    json.name("first_attempt_at").time(Time{one.first_ms});
    json.name("next_attempt_at").time(Time{one.state == DeliveryState::dead ? 0 : one.next_ms});
    json.name("last_status").integer(one.last_status);
    json.name("last_error").text_or_null(log_safe(one.last_error)).end_object();
  }
  json.end_array().name("more").integer(
      static_cast<std::int64_t>(stored->size() - std::min(stored->size(), kShown)));
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
  reply.fixed_body = R"({"code":200,"msg":"It will be done"})";
  return Step::reply;
}

}  // namespace recharge
