#include "server/supplier_calls.h"

#include <array>
#include <charconv>
#include <cstdlib>

#include "core/header_lines.h"
#include "server/json_text.h"
#include "server/secret_file.h"

namespace recharge {
namespace {

using Kind = SupplierAnswer::Kind;

struct Status {
  std::string_view text;
  Kind kind;
};
constexpr std::array<Status, 5> kStatuses = {{{"succeeded", Kind::succeeded},
                                              {"failed", Kind::failed},
                                              {"rejected", Kind::rejected},
                                              {"processing", Kind::processing},
                                              {"not_found", Kind::not_found}}};

// Printable, and cut where it is too long.
AttemptReason reason_of(std::string_view text) noexcept {
  std::string shown;
  for (const char c : text.substr(0, AttemptReason::kCapacity))
    shown.push_back(c >= 0x20 && c < 0x7f ? c : '?');
  AttemptReason reason;
  static_cast<void>(reason.assign(shown));
  return reason;
}

SupplierAnswer unknown(std::string_view why) noexcept { return {Kind::unknown, {}, reason_of(why)}; }

}  // namespace

SupplierKeys load_supplier_keys(const SupplierSettings& supplier) {
  SupplierKeys keys{supplier.name, std::make_shared<const WebhookSigner>(supplier.secret), {}};
  const Secret file = read_secret_file(supplier.secret);
  std::vector<CallbackSecret> secrets;
  std::string_view lines = file.reveal();
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.starts_with("whsec_")) continue;
    auto secret = Secret::from_text(line);
    if (secret) secrets.push_back({std::to_string(secrets.size() + 1), std::move(*secret)});
  }
  if (secrets.empty()) refuse_file(supplier.secret, "holds no whsec_…, by which answers are verified");
  auto ring = KeyRing::make(std::move(secrets));
  if (!ring) refuse_file(supplier.secret, ring.error().message());
  keys.ring = std::move(*ring);
  return keys;
}

HttpCall SupplierCalls::signed_call(std::string method, std::string url, const SupplierRequestId& request_id,
                                    std::string body, Time now) const {
  const std::string timestamp = std::to_string(now.ms / 1000);
  HttpCall call;
  call.headers = {{"Content-Type", "application/json"},
                  {"webhook-id", std::string(request_id.view())},
                  {"webhook-timestamp", timestamp},
                  {"webhook-signature", signer_->sign(request_id.view(), timestamp, body)}};
  call.method = std::move(method);
  call.url = std::move(url);
  call.body = std::move(body);
  call.timeout = std::chrono::milliseconds(settings_.timeout_ms);
  return call;
}

HttpCall SupplierCalls::ask(const Order& order, const RechargeAttempt& attempt, Time now) const {
  const SupplierRequestId request_id = request_id_of(order.id, attempt.number);
  std::string body;
  JsonText json(body);
  json.begin_object().name("type").text("recharge.requested");
  json.name("request_id").text(request_id.view());
  json.name("order_id").text(order.id.to_text());
  json.name("account").text(order.account.view());
  json.name("amount").money(order.amount);
  json.name("currency").text(currency_code(order.currency));
  json.name("subject").text_or_null(order.subject.view());
  json.name("requested_at").time(attempt.begun_at);
  json.end_object();
  return signed_call("POST", settings_.url, request_id, std::move(body), now);
}

HttpCall SupplierCalls::query(const SupplierRequestId& request_id, Time now) const {
  return signed_call("GET", settings_.url + "/" + std::string(request_id.view()), request_id, {}, now);
}

SupplierAnswer SupplierCalls::read(const HttpAnswer& answer, const SupplierRequestId& request_id, Time now) {
  if (answer.kind == HttpAnswer::Kind::not_sent)
    return {Kind::not_sent, {}, reason_of("not sent: " + answer.error)};
  if (answer.kind == HttpAnswer::Kind::no_answer) return unknown("no answer: " + answer.error);
  const std::string status = "status " + std::to_string(answer.status);
  const std::string_view id = single_header(answer.header_lines, "webhook-id");
  const std::string_view timestamp = single_header(answer.header_lines, "webhook-timestamp");
  const std::string_view signature = single_header(answer.header_lines, "webhook-signature");
  if (signature.empty()) return unknown(status + ", not signed");
  if (id != request_id.view()) return unknown(status + ", signed for another request");
  if (!verifier_.verify_standard(id, timestamp, answer.body, signature))
    return unknown(status + ", its signature does not fit");
  std::int64_t sent_s = 0;
  const auto parsed = std::from_chars(timestamp.data(), timestamp.data() + timestamp.size(), sent_s);
  if (parsed.ec != std::errc{} || std::abs(now.ms / 1000 - sent_s) > kToleranceMs / 1000)
    return unknown(status + ", its signature is too old");
  return read_body(answer.body, request_id);
}

SupplierAnswer SupplierCalls::read_body(std::string_view body, const SupplierRequestId& request_id) {
  const auto object = json_.read_copy(body, Nested::allow);
  if (!object) return unknown("the answer is no JSON object");
  const auto text = [&](std::string_view name) {
    const JsonMember* member = object->find(name);
    return member != nullptr && member->type == JsonType::string ? member->text : std::string_view();
  };
  if (text("request_id") != request_id.view()) return unknown("the answer names another request");
  for (const Status& status : kStatuses) {
    if (status.text != text("status")) continue;
    SupplierAnswer answer{status.kind, {}, reason_of(text("reason"))};
    if (const auto reference = make_transaction_id(text("reference"))) answer.reference = *reference;
    return answer;
  }
  return unknown("the answer has no known status");
}

}  // namespace recharge
