// GET /pay/{order_id}, GET /pay/{order_id}/status: for payers, whom the unguessable id of the order lets in.
// GET /api/orders/{order_id}/qr.svg: the code alone, for whoever may read the order.
#include "core/header_lines.h"
#include "core/qr_code.h"
#include "server/cashier_page.h"
#include "server/gateway_desk.h"
#include "server/handler.h"
#include "server/outcome_reply.h"

namespace recharge {
namespace {

// As payers know it. Others are names that an operator gave.
std::string_view name_for_payers(const Settings& settings, std::string_view gateway) noexcept {
  const GatewaySettings* found = settings.gateway(gateway);
  if (found == nullptr) return {};
  switch (found->kind) {
    case GatewayKind::alipay:
      return "Alipay 支付宝";
    case GatewayKind::wechat:
      return "WeChat Pay 微信支付";
    default:
      return {};
  }
}

bool is_page(std::string_view url) noexcept {
  return url.starts_with("https://") || url.starts_with("http://");
}

struct Shown {
  CashierView view;
  std::string qr_text;
  std::string h5_url;
};

Shown shown_of(const Explanation& explanation, HandlerContext& context) {
  const Order& order = *explanation.order;
  const Time now = context.engine.now(context.thread);
  Shown shown;
  for (const GatewayWork& work : explanation.payments) {
    if (!awaits_payment(order.status) || context.gateways == nullptr) break;
    GatewayCaller* caller = context.gateways->caller(work.gateway);
    if (caller == nullptr) continue;
    const PayMethod method = work.key.method;
    if (method == PayMethod::intent) {
      shown.view.waits_elsewhere = true;
      continue;
    }
    PaymentStart payment{order.id, order.amount, order.subject.view(), order.expires_at, {}, {}};
    auto text = caller->page(payment, method, work.started_at);
    const bool holds = !work.pay_text.empty() && now < work.pay_text_until;
    if (!text && holds) text = caller->shown_text(work.pay_text.view(), method, {});
    if (!text) continue;
    if (method == PayMethod::qr) shown.qr_text = std::move(*text);
    if (method == PayMethod::h5 && is_page(*text)) shown.h5_url = std::move(*text);
  }
  shown.view.status = order.status;
  shown.view.amount = order.amount;
  shown.view.currency = order.currency;
  shown.view.expires_at = order.expires_at;
  shown.view.gateway = name_for_payers(context.settings, order.gateway.view());
  return shown;
}

// Nothing where the reply says why not.
std::optional<Shown> read_shown(const Operation& operation, HandlerContext& context, Reply& reply) {
  if (refuse(operation.outcome, reply)) return std::nullopt;
  const Explanation& explanation = std::get<Explanation>(operation.outcome.shown);
  if (explanation.order) return shown_of(explanation, context);
  reply.fail(404, "order_not_found", "Order not found");
  return std::nullopt;
}

CashierView view_of(const Shown& shown) {
  CashierView view = shown.view;
  view.qr_text = shown.qr_text;
  view.h5_url = shown.h5_url;
  return view;
}

Step begin_read(std::string_view order, Operation& operation, Reply& reply) {
  const auto id = OrderId::parse(order);
  if (!id) {
    reply.fail(404, "order_not_found", "Order not found");
    return Step::reply;
  }
  operation.command.emplace<ExplainOrder>().order_id = *id;
  return Step::submit;
}

// The first language that is asked for decides.
CashierLanguage language_of(std::string_view accepted) noexcept {
  const bool chinese = accepted.starts_with("zh") || accepted.starts_with("ZH");
  return chinese ? CashierLanguage::chinese : CashierLanguage::english;
}

}  // namespace

Step open_cashier(const Request& request, std::string_view order, HandlerContext& context,
                  Operation& operation, Reply& reply) {
  if (!context.settings.cashier.enabled) {
    reply.fail(404, "not_found", "Not found");
    return Step::reply;
  }
  operation.in_chinese =
      language_of(find_header(request.header_lines, "Accept-Language").text) == CashierLanguage::chinese;
  return begin_read(order, operation, reply);
}

void show_cashier(const Operation& operation, HandlerContext& context, Reply& reply) {
  const auto shown = read_shown(operation, context, reply);
  if (!shown) return;
  reply.content_type = "text/html; charset=utf-8";
  reply.headers = cashier_headers();
  const auto language = operation.in_chinese ? CashierLanguage::chinese : CashierLanguage::english;
  write_cashier_page(view_of(*shown), language, reply.body);
}

void show_cashier_status(const Operation& operation, HandlerContext& context, Reply& reply) {
  const auto shown = read_shown(operation, context, reply);
  if (!shown) return;
  reply.headers = "Cache-Control: no-store\r\n";
  write_cashier_status(view_of(*shown), reply.body);
}

Step read_code(const Request&, std::string_view order, HandlerContext&, Operation& operation, Reply& reply) {
  return begin_read(order, operation, reply);
}

void show_code(const Operation& operation, HandlerContext& context, Reply& reply) {
  const auto shown = read_shown(operation, context, reply);
  if (!shown) return;
  const auto code = QrCode::make(shown->qr_text);
  if (!code) return reply.fail(409, "invalid_state", "There is no code to show: start a payment by qr");
  reply.content_type = "image/svg+xml";
  reply.headers =
      "Cache-Control: no-store\r\n"
      "Content-Security-Policy: default-src 'none'\r\n";
  reply.body = code->to_svg();
}

}  // namespace recharge
