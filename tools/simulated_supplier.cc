#include "tools/simulated_supplier.h"

#include "core/header_lines.h"
#include "core/sign_callback.h"
#include "tools/json_text.h"

namespace recharge {
namespace {

constexpr std::int64_t kToleranceMs = 300'000;
constexpr unsigned kRejectedOfFailed = 10;

ApiReply plain(unsigned status, std::string text) { return {status, "text/plain", {}, std::move(text)}; }

}  // namespace

std::string_view to_text(SupplierFault fault) noexcept {
  constexpr std::array<std::string_view, kSupplierFaults> texts = {
      "none", "done_and_silent", "done_and_closed", "done_late",
      "lost", "failed",          "rejected",        "unsigned_error"};
  return texts[static_cast<std::size_t>(fault)];
}

ToolResult<SimulatedSupplier> SimulatedSupplier::make(std::string_view text, const SupplierOptions& options) {
  auto secret = Secret::from_text(text);
  auto same = Secret::from_text(text);
  if (!secret || !same || !text.starts_with("whsec_"))
    return ToolError{ExitCode::bad_configuration, "the secret must be whsec_ and base64"};
  std::vector<CallbackSecret> secrets;
  secrets.push_back({"1", std::move(*same)});
  auto ring = KeyRing::make(std::move(secrets));
  if (!ring) return ToolError{ExitCode::bad_configuration, "the secret must be whsec_ and base64"};
  return SimulatedSupplier(std::move(*secret), SignatureVerifier(*ring), options);
}

ApiReply SimulatedSupplier::answer(const ApiRequest& request, Time now) {
  happened_.clear();
  if (request.method == "GET" && request.target.ends_with("/books"))
    return {200, "application/json", {}, books()};
  const std::string id(single_header(request.header_lines, "webhook-id"));
  const std::string_view timestamp = single_header(request.header_lines, "webhook-timestamp");
  const std::string_view signature = single_header(request.header_lines, "webhook-signature");
  const auto sent = json_member("{\"at\":" + std::string(timestamp) + "}", "at");
  const bool fresh =
      sent && std::abs(std::strtoll(sent->c_str(), nullptr, 10) - now.ms / 1000) <= kToleranceMs / 1000;
  if (!fresh || !verifier_.verify_standard(id, timestamp, request.body, signature)) {
    ++refused_;
    return plain(401, "not signed by our secret");
  }
  if (request.method == "POST") return ask(id, request, now);
  if (request.method != "GET" || !request.target.ends_with("/" + id)) return plain(404, "no such thing");
  const auto found = asked_.find(id);
  if (found != asked_.end()) return tell(id, found->second, now);
  return signed_reply(id, 404, JsonWriter().text("request_id", id).text("status", "not_found").finish(), now);
}

SupplierFault SimulatedSupplier::draw() {
  if (draws_.chance(options_.fail_percent))
    return draws_.below(kRejectedOfFailed) == 0 ? SupplierFault::rejected : SupplierFault::failed;
  if (!draws_.chance(options_.fault_percent)) return SupplierFault::none;
  constexpr std::array faults = {SupplierFault::done_and_silent, SupplierFault::done_and_closed,
                                 SupplierFault::done_late, SupplierFault::lost,
                                 SupplierFault::unsigned_error};
  return faults[draws_.below(faults.size())];
}

ApiReply SimulatedSupplier::ask(const std::string& request_id, const ApiRequest& request, Time now) {
  if (json_member(request.body, "request_id") != request_id)
    return plain(400, "another request_id is signed");
  if (const auto found = asked_.find(request_id); found != asked_.end()) {
    ++found->second.repeats;
    return tell(request_id, found->second, now);
  }
  const SupplierFault fault = draw();
  ++drawn_[static_cast<std::size_t>(fault)];
  ApiReply reply;
  if (fault == SupplierFault::lost) {
    reply.hang_up = true;
    return reply;
  }
  Asked asked;
  asked.order_id = json_member(request.body, "order_id").value_or("");
  asked.account = json_member(request.body, "account").value_or("");
  asked.amount = json_member(request.body, "amount").value_or("");
  asked.state = fault == SupplierFault::failed     ? State::failed
                : fault == SupplierFault::rejected ? State::rejected
                                                   : State::succeeded;
  asked.ready = fault == SupplierFault::done_late ? Time{now.ms + options_.late_ms} : now;
  if (asked.state == State::succeeded) asked.reference = ++performed_;
  happened_ = request_id + "  " + asked.account + "  " + asked.amount + "  " +
              (asked.state == State::succeeded ? "recharged" : "not recharged");
  if (fault != SupplierFault::none) happened_.append("  ").append(to_text(fault));
  asked_.emplace(request_id, asked);
  reply = tell(request_id, asked, now);
  if (fault == SupplierFault::done_and_silent) {
    reply.delay_ms = options_.silence_ms;
    reply.hang_up = true;
  }
  if (fault == SupplierFault::done_and_closed) reply.hang_up = true;
  if (fault == SupplierFault::unsigned_error) reply = plain(502, "bad gateway");
  return reply;
}

ApiReply SimulatedSupplier::tell(const std::string& request_id, const Asked& asked, Time now) const {
  JsonWriter body;
  body.text("request_id", request_id);
  if (now < asked.ready)
    return signed_reply(request_id, 202, body.text("status", "processing").finish(), now);
  switch (asked.state) {
    case State::succeeded:
      body.text("status", "succeeded").text("reference", "sup-" + std::to_string(asked.reference));
      break;
    case State::failed:
      body.text("status", "failed").text("reason", "out of stock");
      break;
    case State::rejected:
      body.text("status", "rejected").text("reason", "no such account");
      break;
  }
  return signed_reply(request_id, 200, body.finish(), now);
}

ApiReply SimulatedSupplier::signed_reply(const std::string& request_id, unsigned status, std::string body,
                                         Time now) const {
  const std::string timestamp = std::to_string(now.ms / 1000);
  ApiReply reply;
  reply.status = status;
  reply.headers = {"webhook-id: " + request_id, "webhook-timestamp: " + timestamp,
                   "webhook-signature: " + sign_standard(secret_, request_id, timestamp, body).value()};
  reply.body = std::move(body);
  return reply;
}

std::string SimulatedSupplier::books() const {
  JsonWriter faults;
  for (std::size_t i = 0; i < kSupplierFaults; ++i)
    faults.count(to_text(static_cast<SupplierFault>(i)), drawn_[i]);
  std::string requests;
  for (const auto& [id, asked] : asked_) {
    JsonWriter one;
    one.text("request_id", id).text("order_id", asked.order_id).text("account", asked.account);
    one.text("amount", asked.amount);
    one.text("status", asked.state == State::succeeded ? "succeeded"
                       : asked.state == State::failed  ? "failed"
                                                       : "rejected");
    one.count("repeats", asked.repeats);
    requests.append(requests.empty() ? "" : ",").append(one.finish());
  }
  return JsonWriter()
      .count("performed", performed_)
      .count("refused", refused_)
      .raw("faults", faults.finish())
      .raw("requests", "[" + requests + "]")
      .finish();
}

}  // namespace recharge
