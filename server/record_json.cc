#include "server/record_json.h"

#include <algorithm>

namespace recharge {

void write_order(JsonText& json, const Order& order) {
  json.begin_object();
  json.name("order_id").text(order.id.to_text());
  json.name("account").text(order.account.view());
  json.name("amount").money(order.amount);
  json.name("currency").text(currency_code(order.currency));
  json.name("status").text(to_text(order.status));
  json.name("created_at").time(order.created_at());
  json.name("expires_at").time(order.expires_at);
  json.name("paid_at").time(order.paid_at);
  json.name("recharged_at").time(order.recharged_at);
  json.name("transaction_id").text_or_null(order.transaction_id.view());
  json.name("gateway").text_or_null(order.gateway.view());
  json.name("refunded_amount").money(order.refunded);
  json.name("subject").text_or_null(order.subject.view());
  if (order.fulfilment != Fulfilment::wallet) json.name("fulfilment").text(to_text(order.fulfilment));
  json.end_object();
}

void write_entry(JsonText& json, const Transfer& transfer) {
  const Account* user = transfer.user();
  json.begin_object();
  json.name("entry_id").text(transfer.id.to_text());
  json.name("account").text(user == nullptr ? std::string_view() : user->view());
  json.name("amount").money(user == nullptr ? transfer.amount : transfer.signed_amount());
  json.name("balance_after").money(user == nullptr ? Money() : transfer.balance_after());
  json.name("kind").text(to_text(transfer.kind));
  json.name("order_id")
      .text_or_null(transfer.order_id.is_nil() ? std::string() : transfer.order_id.to_text());
  json.name("transaction_id").text_or_null(transfer.transaction_id.view());
  json.name("created_at").time(transfer.id.time());
  json.end_object();
}

void write_refund(JsonText& json, const Refund& refund) {
  json.begin_object();
  json.name("refund_id").text(refund.refund_id.view());
  json.name("order_id").text(refund.order_id.to_text());
  json.name("amount").money(refund.amount);
  json.name("status").text(to_text(refund.status));
  json.name("created_at").time(refund.created_at);
  json.end_object();
}

void write_exception(JsonText& json, const PaymentException& exception) {
  json.begin_object();
  json.name("exception_id").text(exception.id.to_text());
  json.name("kind").text(to_text(exception.kind));
  json.name("order_id").text_or_null(exception.reference.view());
  json.name("gateway").text_or_null(exception.gateway.view());
  json.name("transaction_id").text_or_null(exception.transaction_id.view());
  json.name("amount").money(exception.amount);
  json.name("state").text(exception.is_open() ? "open" : "resolved");
  json.name("created_at").time(exception.created_at());
  json.name("account").text_or_null(exception.account.view());
  json.name("action").text_or_null(exception.is_open() ? std::string_view() : to_text(exception.action));
  json.name("resolved_at").time(exception.resolved_at);
  json.name("note").text_or_null(exception.note.view());
  json.end_object();
}

// What an order, or a kept payment, waits for.
void write_open_work(JsonText& json, const GatewayWorkAndOrder& open) {
  const GatewayWork& work = open.work;
  const RechargeAttempt* last = open.attempts.empty() ? nullptr : &open.attempts.back();
  const bool recharge = work.key.kind == GatewayWorkKind::recharge;
  json.begin_object();
  json.name("kind").text(recharge                                             ? "recharge"
                         : work.key.kind == GatewayWorkKind::exception_refund ? "exception_refund"
                                                                              : "refund");
  json.name("order_id").text_or_null(work.order_id.is_nil() ? std::string() : work.order_id.to_text());
  json.name("account").text_or_null(open.order ? open.order->account.view() : std::string_view());
  json.name("status").text_or_null(open.order ? to_text(open.order->status) : std::string_view());
  json.name("amount").money(work.amount);
  json.name("since").time(work.started_at);
  json.name("gateway").text_or_null(work.gateway.view());
  json.name("refund_id").text_or_null(recharge ? std::string_view() : work.refund_id.view());
  json.name("attempts").integer(work.attempts);
  json.name("supplier").text_or_null(last == nullptr ? std::string_view() : last->supplier.view());
  json.name("request_id")
      .text_or_null(last == nullptr ? std::string()
                                    : std::string(request_id_of(last->order_id, last->number).view()));
  json.name("calls").integer(last == nullptr ? 0 : last->calls);
  json.name("last_at").time(last == nullptr ? Time() : std::max(last->noted_at, last->ended_at));
  json.name("waits_for").text(waits_for(open));
  json.end_object();
}

std::string waits_for(const GatewayWorkAndOrder& open) {
  const GatewayWork& work = open.work;
  if (work.key.kind != GatewayWorkKind::recharge)
    return "the answer of the gateway " + std::string(work.gateway.view()) + " to a refund";
  if (work.failed) {
    const bool reserved = open.order && open.order->refund_reserved.is_positive();
    return reserved ? "its refund" : "a refund that its gateway takes: the last one was refused";
  }
  if (open.attempts.empty()) return "a supplier that can be asked";
  const RechargeAttempt& last = open.attempts.back();
  const std::string supplier(last.supplier.view());
  const std::string reason = last.reason.empty() ? "" : " (" + std::string(last.reason.view()) + ")";
  if (!last.is_open())
    return "the next supplier: " + supplier + " " + std::string(to_text(last.state)) + reason;
  return "the answer of the supplier " + supplier + ", which may have done it" + reason;
}

}  // namespace recharge
