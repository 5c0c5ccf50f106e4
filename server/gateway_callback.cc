// POST /api/callbacks/{gateway} of the kinds alipay, wechat, stripe and standard
#include "server/gateway_callback.h"

#include <array>

#include "core/header_lines.h"
#include "server/audit.h"
#include "server/json_text.h"
#include "server/log.h"
#include "server/outcome_reply.h"
#include "server/payment_report.h"

namespace recharge {
namespace {

// What a gateway takes for "recorded, stop sending".
void acknowledge(SignatureScheme scheme, Reply& reply) {
  switch (scheme) {
    case SignatureScheme::alipay:
      reply.content_type = "text/plain";
      reply.fixed_body = "success";
      return;
    case SignatureScheme::wechat:
      reply.fixed_body = R"({"code":"SUCCESS"})";
      return;
    default:
      reply.fixed_body = R"({"code":200,"msg":"Received"})";
  }
}

// What it takes for a failure: it sends again.
void refuse(SignatureScheme scheme, unsigned status, std::string_view error, std::string_view message,
            Reply& reply) {
  const bool retry = status == 503 || status == 429;
  switch (scheme) {
    case SignatureScheme::alipay:
      reply.status = status;
      reply.content_type = "text/plain";
      reply.fixed_body = "fail";
      reply.retry_after = retry;
      return;
    case SignatureScheme::wechat: {
      reply.status = status;
      reply.retry_after = retry;
      JsonText json(reply.body);
      json.begin_object().name("code").text("FAIL").name("message").text(message).end_object();
      return;
    }
    default:
      reply.fail(status, error, message);
  }
}

struct RefusalReply {
  unsigned status;
  std::string_view error;
  std::string_view message;
  CallbackResult result;
};

RefusalReply reply_for(GatewayRefusal refusal) noexcept {
  switch (refusal) {
    case GatewayRefusal::stale:
      return {403, "stale_signature", "Signature outside the time tolerance", CallbackResult::stale};
    case GatewayRefusal::signature_probe:
      return {403, "invalid_signature", "Invalid signature", CallbackResult::signature_probe};
    case GatewayRefusal::no_signature:
    case GatewayRefusal::unknown_key:
    case GatewayRefusal::invalid_signature:
      return {403, "invalid_signature", "Invalid signature", CallbackResult::invalid_signature};
    case GatewayRefusal::undecryptable:
    case GatewayRefusal::malformed:
      return {400, "invalid_request", "Verified, but not of the documented form",
              CallbackResult::invalid_request};
    case GatewayRefusal::wrong_account:
      return {400, "invalid_request", "Of another account or mode", CallbackResult::wrong_account};
    case GatewayRefusal::wrong_currency:
      return {400, "invalid_request", "In another currency", CallbackResult::wrong_account};
  }
  return {500, "internal_error", "Internal error", CallbackResult::refused_by_machine};
}

Step refused(GatewayRefusal refusal, std::size_t gate_index, const Request& request, HandlerContext& context,
             Reply& reply) {
  const CallbackGate& gate = context.gates[gate_index];
  const RefusalReply row = reply_for(refusal);
  context.metrics.count_callback(gate_index, row.result);
  if (row.result == CallbackResult::invalid_signature) {
    audit_refused_signature(context, request, gate.gateway.view());
  }
  if (is_verified(refusal)) {  // nobody but the gateway can cause it, so that it cannot flood the log
    log_warning("gateway " + std::string(gate.gateway.view()) +
                ": refused a notification that it signed: " + std::string(to_text(refusal)));
  }
  const SignatureScheme scheme = gate.adapter->scheme();
  // Stripe documents 400 for whatever does not verify.
  const unsigned status = scheme == SignatureScheme::stripe ? 400 : row.status;
  refuse(scheme, status, row.error, row.message, reply);
  return Step::reply;
}

void keep_evidence(const GatewayMessage& message, const GatewayAdapter& adapter, Operation& operation) {
  operation.evidence.assign(message.body);
  operation.evidence_headers.clear();
  const auto names = adapter.evidence_headers();
  std::array<HeaderValue, kMaxEvidenceHeaders> values;
  find_headers(message.header_lines, names, values);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (values[i].found)
      operation.evidence_headers.append(names[i]).append(": ").append(values[i].text).append("\n");
  }
  attach_evidence(operation);
}

}  // namespace

Step take_notification(const Request& request, std::size_t gate_index, HandlerContext& context,
                       Operation& operation, Reply& reply) {
  CallbackGate& gate = context.gates[gate_index];
  const SignatureScheme scheme = gate.adapter->scheme();
  if (request.chunked) {
    refuse(scheme, 411, "length_required", "A callback needs a Content-Length", reply);
    reply.close = true;
    context.metrics.count_callback(gate_index, CallbackResult::invalid_request);
    return Step::reply;
  }
  const GatewayMessage message{request.header_lines, request.body};
  const GatewayResult event = gate.adapter->read(message, context.engine.now(context.thread));
  if (!event) return refused(event.error(), gate_index, request, context, reply);
  if (event->kind == GatewayEvent::Kind::refund || event->kind == GatewayEvent::Kind::unused) {
    const bool refund = event->kind == GatewayEvent::Kind::refund;
    context.metrics.count_callback(gate_index,
                                   refund ? CallbackResult::refund_notice : CallbackResult::unused);
    if (const auto id = OrderId::parse(event->order_id); refund && id && context.service.hurry)
      context.service.hurry(*id);  // what the notice says is asked for
    acknowledge(scheme, reply);
    return Step::reply;
  }
  ReportPayment& report =
      begin_report(event->order_id, event->transaction_id, event->key_id, context, operation);
  report.gateway = gate.gateway;
  report.scheme = scheme;
  report.amount = event->amount;
  report.success = event->kind == GatewayEvent::Kind::payment_succeeded;
  report.paid_at = event->paid_at;
  report.sent_at = event->sent_at;
  report.tolerance_ms = 0;  // the adapter compared it
  keep_evidence(message, *gate.adapter, operation);
  return Step::submit;
}

// Every payment that is kept is acknowledged, but for that of an unknown order: it may still be on its way.
bool acknowledge_notification(const Operation& operation, const GatewayAdapter& adapter, Reply& reply) {
  const SignatureScheme scheme = adapter.scheme();
  if (scheme != SignatureScheme::alipay && scheme != SignatureScheme::wechat) return false;
  const OutcomeReply row = reply_for(operation.outcome.code);
  if (row.error.empty()) {
    acknowledge(scheme, reply);
  } else {
    refuse(scheme, row.status, row.error, row.message, reply);
  }
  return true;
}

void word_gateway_refusal(std::string_view gateway, const HandlerContext& context, Reply& reply) {
  if (reply.error.empty()) return;  // not refused, or in such words already
  for (std::size_t i = 1; i < context.gates.size(); ++i) {
    const CallbackGate& gate = context.gates[i];
    if (gate.gateway.view() != gateway || !gate.adapter) continue;
    const SignatureScheme scheme = gate.adapter->scheme();
    if (scheme != SignatureScheme::alipay && scheme != SignatureScheme::wechat) return;
    const std::string message = reply.message;
    reply.error = {};
    refuse(scheme, reply.status, {}, message, reply);
  }
}

}  // namespace recharge
