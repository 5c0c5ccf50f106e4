#include "server/record_json.h"

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

}  // namespace recharge
