// POST /api/place_order
#include "core/digest.h"
#include "server/body_fields.h"
#include "server/handler.h"
#include "server/json_text.h"
#include "server/outcome_reply.h"

namespace recharge {
namespace {

constexpr std::size_t kMaxIdempotencyKeyBytes = 255;

// The key itself, without the quotes that it may have. Empty: there is none that is allowed.
std::string_view bare_key(std::string_view text) noexcept {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  if (text.size() > kMaxIdempotencyKeyBytes) return {};
  for (char c : text) {
    if (c < 0x20 || c > 0x7e) return {};
  }
  return text;
}

bool read_key(const Request& request, PlaceOrder& command, const HandlerContext& context, Reply& reply) {
  if (!request.has_idempotency_key) return true;
  const std::string_view key = bare_key(request.idempotency_key);
  if (key.empty() || request.idempotency_key_repeated) {
    reply.invalid_request("Idempotency-Key: must be 1 to 255 printable characters, once");
    return false;
  }
  command.idempotency_key = IdempotencyKey::make(command.account.view(), context.token_subject, key);
  command.request_body = digest_of(request.body);
  command.idempotency_retention_ms = context.settings.orders.idempotency_retention_ms;
  return true;
}

}  // namespace

Step place_order(const Request& request, std::string_view, HandlerContext& context, Operation& operation,
                 Reply& reply) {
  BodyFields fields(request.body, BodyFields::Empty::refuse, context, reply);
  if (!fields.ok()) return Step::reply;
  PlaceOrder& command = operation.command.emplace<PlaceOrder>();
  const std::string_view account_text = fields.text("account", true);
  if (!fields.ok()) return Step::reply;
  const auto account = read_account(account_text, context, reply);
  if (!account) return Step::reply;
  command.account = *account;
  const auto amount = fields.amount("amount", true);
  if (!amount) return Step::reply;
  command.amount = *amount;
  if (command.amount > context.policy.max_amount) fields.fail_amount();
  const std::string_view gateway = fields.text("gateway", false);
  if (!command.gateway.assign(gateway) || !is_known_gateway(context.settings, gateway)) {
    fields.fail("gateway", "not configured");
  }
  const auto subject = make_printable<Subject>(fields.text("subject", false));
  if (!subject) fields.fail("subject", "must be at most 128 bytes without control characters");
  if (fields.has("notify_url")) {
    operation.evidence = fields.text("notify_url", false);
    const auto checked = check_notify_url(operation.evidence, context.settings.notify);
    if (checked.host == nullptr) fields.fail("notify_url", checked.fault);
    command.notify_url = operation.evidence;
  }
  if (!fields.ok() || !read_key(request, command, context, reply)) return Step::reply;
  command.subject = *subject;
  command.currency = context.settings.orders.currency;
  command.expire_after_ms = context.policy.expire_after_ms;
  command.limits = context.policy.account_limits;
  command.order_id = context.engine.fresh_order_id(context.thread, context.engine.shard_of(account_text));
  return Step::submit;
}

void show_placed_order(const Operation& operation, HandlerContext&, Reply& reply) {
  if (refuse(operation.outcome, reply)) return;
  reply.replayed = operation.outcome.code == OutcomeCode::order_replayed;
  const Order& order = std::get<Order>(operation.outcome.shown);
  JsonText json(reply.body);
  json.begin_object().name("code").integer(200).name("order_id").text(order.id.to_text());
  // What the first reply said, also where the order has gone on since.
  json.name("status").text(to_text(OrderStatus::pending)).name("amount").money(order.amount);
  json.name("currency")
      .text(currency_code(order.currency))
      .name("expires_at")
      .time(order.expires_at)
      .end_object();
}

bool is_known_gateway(const Settings& settings, std::string_view name) noexcept {
  return name.empty() || settings.gateway(name) != nullptr ||
         (name == kNativeGatewayName && settings.takes_native());
}

}  // namespace recharge
