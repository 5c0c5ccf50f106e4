// Stripe's API: payment intents, refunds and balance transactions.
#include "core/form_fields.h"
#include "core/gateway_event.h"
#include "core/header_lines.h"
#include "core/json_members.h"
#include "tools/bill_writer.h"
#include "tools/simulated_apis.h"

namespace recharge {
namespace {

// In JsonMembers there are no booleans.
std::string with_mode(const JsonMembers& members) {
  std::string text = members.str();
  text.pop_back();
  return text + ",\"livemode\":false}";
}

class StripeCall {
 public:
  explicit StripeCall(const ApiCall& call) : call_(call) {}

  ApiReply answer() {
    const std::string_view bearer = single_header(call_.request.header_lines, "Authorization");
    if (bearer != "Bearer " + call_.accounts.stripe_key) return failure(401, "api_key_invalid");
    const bool post = call_.request.method == "POST";
    std::string_view path = call_.path;
    if (!form_.read(post ? std::string_view(call_.request.body) : call_.query))
      return failure(400, "parameter_invalid");
    if (path == "/v1/balance_transactions") return transactions();
    if (post && path == "/v1/payment_intents") return start();
    if (path == "/v1/refunds") return post ? refund() : refunds();
    constexpr std::string_view kIntents = "/v1/payment_intents/";
    constexpr std::string_view kRefunds = "/v1/refunds/";
    if (!post && path.starts_with(kRefunds)) return query_refund(path.substr(kRefunds.size()));
    if (!path.starts_with(kIntents)) return failure(404, "resource_missing");
    path.remove_prefix(kIntents.size());
    const bool cancel = post && path.ends_with("/cancel");
    if (cancel) path.remove_suffix(7);
    SimulatedTrade* trade = call_.trades.find_transaction(path);
    if (trade == nullptr || trade->gateway != SimulatedGateway::stripe)
      return failure(404, "resource_missing");
    if (cancel && trade->state == SimulatedTrade::State::paid)
      return failure(400, "payment_intent_unexpected_state");
    if (cancel) trade->state = SimulatedTrade::State::closed;
    return intent(*trade);
  }

 private:
  static ApiReply failure(unsigned status, std::string_view code) {
    JsonMembers error, members;
    error.text("type", "invalid_request_error").text("code", code);
    members.object("error", error);
    return {status, "application/json", {}, members.str()};
  }

  static ApiReply intent(const SimulatedTrade& trade) {
    const bool paid = trade.state == SimulatedTrade::State::paid;
    JsonMembers metadata, members;
    metadata.text("order_id", trade.order_id.to_text());
    members.text("id", trade.transaction_id)
        .text("object", "payment_intent")
        .number("amount", trade.amount.minor_units())
        .number("amount_received", paid ? trade.amount.minor_units() : 0)
        .text("currency", "cny")
        .text("client_secret", trade.transaction_id + "_secret_simulated")
        .object("metadata", metadata)
        .text("status", paid                                           ? "succeeded"
                        : trade.state == SimulatedTrade::State::closed ? "canceled"
                                                                       : "requires_payment_method");
    return {200, "application/json", {}, with_mode(members)};
  }

  static ApiReply refund_reply(const SimulatedTrade& trade, const SimulatedRefund& refund) {
    JsonMembers metadata, members;
    metadata.text("refund", refund.number);
    members.text("id", "re_" + refund.number)
        .text("object", "refund")
        .number("amount", refund.amount.minor_units())
        .text("currency", "cny")
        .text("payment_intent", trade.transaction_id)
        .object("metadata", metadata)
        .text("status", "succeeded");
    return {200, "application/json", {}, members.str()};
  }

  // The order stands for the key of idempotency: what was started is the same intent.
  ApiReply start() {
    const auto order_id = OrderId::parse(form_.value("metadata[order_id]"));
    const auto units = read_unix_seconds(form_.value("amount"));
    if (!order_id || !units || *units == 0 || form_.value("currency") != "cny")
      return failure(400, "parameter_invalid");
    const Money amount = Money::from_minor_units(*units);
    SimulatedTrade& trade = call_.trades.start(SimulatedGateway::stripe, *order_id, amount, call_.now);
    if (trade.amount != amount) return failure(400, "idempotency_error");
    trade.subject = form_.value("description");
    return intent(trade);
  }

  ApiReply refund() {
    SimulatedTrade* trade = call_.trades.find_transaction(form_.value("payment_intent"));
    const auto units = read_unix_seconds(form_.value("amount"));
    const std::string_view number = form_.value("metadata[refund]");
    if (trade == nullptr || !units || number.empty()) return failure(400, "parameter_invalid");
    const SimulatedRefund* made =
        call_.trades.refund(*trade, number, Money::from_minor_units(*units), call_.now);
    return made == nullptr ? failure(400, "charge_already_refunded") : refund_reply(*trade, *made);
  }

  // All on one page.
  ApiReply refunds() const {
    std::string list;
    if (const SimulatedTrade* trade = call_.trades.find_transaction(form_.value("payment_intent"))) {
      for (const SimulatedRefund& one : trade->refunds)
        list.append(list.empty() ? "" : ",").append(refund_reply(*trade, one).body);
    }
    return {200, "application/json", {}, R"({"object":"list","data":[)" + list + R"(],"has_more":false})"};
  }

  ApiReply query_refund(std::string_view id) const {
    if (id.starts_with("re_")) id.remove_prefix(3);
    for (const SimulatedTrade& trade : call_.trades.all()) {
      if (trade.gateway != SimulatedGateway::stripe) continue;
      if (const SimulatedRefund* refund = SimulatedTrades::find_refund(trade, id))
        return refund_reply(trade, *refund);
    }
    return failure(404, "resource_missing");
  }

  // created[gte] and created[lt] in unix seconds; all on one page.
  ApiReply transactions() const {
    const auto from = read_unix_seconds(form_.value("created[gte]"));
    const auto until = read_unix_seconds(form_.value("created[lt]"));
    const BillPeriod period{from_unix_seconds(from.value_or(0)),
                            until ? from_unix_seconds(*until) : Time{INT64_MAX}};
    return {200,
            "application/json",
            {},
            write_bill(BillFormat::stripe, call_.trades.bill(SimulatedGateway::stripe, period), period)};
  }

  const ApiCall& call_;
  FormFields form_;
};

}  // namespace

ApiReply answer_stripe(const ApiCall& call) { return StripeCall(call).answer(); }

}  // namespace recharge
