#include "server/event_json.h"

#include "server/record_json.h"

namespace recharge {

void write_event(JsonText& json, const Event& event) {
  json.begin_object();
  json.name("id").text(event.id.to_text());
  json.name("type").text(to_text(event.type));
  json.name("time").time(event.time);
  json.name("account").text_or_null(event.account.view());
  json.name("order");
  if (event.order) {
    write_order(json, *event.order);
  } else {
    json.null();
  }
  if (const auto* refund = std::get_if<Refund>(&event.detail)) {
    json.name("refund");
    write_refund(json, *refund);
  } else if (const auto* exception = std::get_if<PaymentException>(&event.detail)) {
    json.name("exception");
    write_exception(json, *exception);
  } else if (const auto* entry = std::get_if<Transfer>(&event.detail)) {
    json.name("entry");
    write_entry(json, *entry);
  }
  if (const auto* attempt = std::get_if<RechargeAttempt>(&event.detail)) {
    json.name("request_id").text(request_id_of(attempt->order_id, attempt->number).view());
  }
  json.end_object();
}

std::string event_json(const Event& event) {
  std::string text;
  JsonText json(text);
  write_event(json, event);
  return text;
}

}  // namespace recharge
