// WeChat Pay's API v3.
#include <openssl/evp.h>

#include "core/form_fields.h"
#include "core/gateway_event.h"
#include "core/header_lines.h"
#include "core/json_members.h"
#include "core/json_object.h"
#include "tools/bill_writer.h"
#include "tools/made_ids.h"
#include "tools/simulated_apis.h"

namespace recharge {
namespace {

constexpr std::int64_t kToleranceMs = 300'000;

std::string sha1_hex(const std::string& text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> sum{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), sum.data(), &size, EVP_sha1(), nullptr);
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    hex.push_back("0123456789abcdef"[sum[i] >> 4]);
    hex.push_back("0123456789abcdef"[sum[i] & 15]);
  }
  return hex;
}

class WechatCall {
 public:
  explicit WechatCall(const ApiCall& call) : call_(call) {}

  ApiReply answer() {
    if (!is_signed()) return failure(401, "SIGN_ERROR");
    const std::string& method = call_.request.method;
    std::string_view path = call_.path;
    const auto after = [&path](std::string_view prefix) {
      if (!path.starts_with(prefix)) return false;
      path.remove_prefix(prefix.size());
      return true;
    };
    if (path == "/v3/bill/tradebill") return bill_address();
    if (path == "/v3/bill/download") return bill();
    if (method == "POST" && (path == "/v3/pay/transactions/native" || path == "/v3/pay/transactions/h5"))
      return start(path.ends_with("native"));
    if (method == "POST" && path == "/v3/refund/domestic/refunds") return refund();
    if (method == "GET" && after("/v3/refund/domestic/refunds/")) return query_refund(path);
    if (!after("/v3/pay/transactions/out-trade-no/")) return failure(404, "NOT_FOUND");
    const bool close = path.ends_with("/close");
    if (close) path.remove_suffix(6);
    const auto order_id = OrderId::parse(path);
    SimulatedTrade* trade = order_id ? call_.trades.find(SimulatedGateway::wechat, *order_id) : nullptr;
    if (trade == nullptr) return failure(404, "ORDER_NOT_EXIST");
    if (!close) return query(*trade);
    if (trade->state == SimulatedTrade::State::paid) return failure(400, "ORDERPAID");
    trade->state = SimulatedTrade::State::closed;
    return signed_reply(204, "");
  }

 private:
  // The value of name="value" in the header Authorization.
  static std::string_view part(std::string_view header, std::string_view name) {
    const std::string begin = std::string(name) + "=\"";
    const auto at = header.find(begin);
    if (at == std::string_view::npos) return {};
    header.remove_prefix(at + begin.size());
    return header.substr(0, header.find('"'));
  }

  bool is_signed() const {
    const std::string_view header = single_header(call_.request.header_lines, "Authorization");
    if (!header.starts_with("WECHATPAY2-SHA256-RSA2048 ")) return false;
    const std::string_view timestamp = part(header, "timestamp");
    const auto seconds = read_unix_seconds(timestamp);
    if (part(header, "mchid") != call_.accounts.mchid ||
        part(header, "serial_no") != call_.accounts.serial_no || !seconds ||
        std::abs(*seconds * 1000 - call_.now.ms) > kToleranceMs)
      return false;
    std::string path(call_.path);
    if (!call_.query.empty()) path.append("?").append(call_.query);
    std::string text = call_.request.method;
    text.append("\n").append(path).append("\n").append(timestamp).append("\n").append(
        part(header, "nonce_str"));
    text.append("\n").append(call_.request.body).append("\n");
    return RsaVerifier(call_.accounts.merchant.public_key()).verify(text, part(header, "signature"));
  }

  ApiReply signed_reply(unsigned status, const std::string& body) const {
    return {status, "application/json",
            wechat_headers(call_.accounts, call_.accounts.wechat, body, call_.now, random_hex(16)), body};
  }
  static ApiReply failure(unsigned status, std::string_view code) {
    JsonMembers members;
    members.text("code", code).text("message", code);
    return {status, "application/json", {}, members.str()};
  }

  static std::optional<Money> nested_amount(const JsonObject& body, const char* name) {
    const auto amount = body.object("amount");
    return amount ? read_minor_units(*amount, name) : std::nullopt;
  }

  ApiReply start(bool native) {
    const auto body = outer_.read_copy(call_.request.body, Nested::allow);
    if (!body) return failure(400, "PARAM_ERROR");
    const auto order_id = OrderId::parse(read_text(*body, "out_trade_no"));
    const auto amount = nested_amount(*body, "total");
    const bool ours = read_text(*body, "mchid") == call_.accounts.mchid &&
                      read_text(*body, "appid") == call_.accounts.appid;
    if (!order_id || !amount || !ours) return failure(400, "PARAM_ERROR");
    SimulatedTrade& trade = call_.trades.start(SimulatedGateway::wechat, *order_id, *amount, call_.now);
    if (trade.amount != *amount) return failure(403, "OUT_TRADE_NO_USED");
    if (trade.state == SimulatedTrade::State::paid) return failure(400, "ORDERPAID");
    if (trade.state == SimulatedTrade::State::closed) return failure(400, "ORDER_CLOSED");
    trade.subject = read_text(*body, "description");
    JsonMembers members;
    members.text(native ? "code_url" : "h5_url", call_.cashier(trade) + (native ? "" : "?"));
    return signed_reply(200, members.str());
  }

  ApiReply query(const SimulatedTrade& trade) const {
    const bool paid = trade.state == SimulatedTrade::State::paid;
    std::string_view state = paid ? "SUCCESS" : "NOTPAY";
    if (trade.state == SimulatedTrade::State::closed) state = "CLOSED";
    if (!trade.refunds.empty()) state = "REFUND";
    JsonMembers amount, members;
    amount.number("total", trade.amount.minor_units()).text("currency", "CNY");
    members.text("mchid", call_.accounts.mchid)
        .text("appid", call_.accounts.appid)
        .text("out_trade_no", trade.order_id.to_hex())
        .text("trade_state", state)
        .object("amount", amount);
    if (paid)
      members.text("transaction_id", trade.transaction_id).text("success_time", to_rfc3339(trade.paid_at));
    return signed_reply(200, members.str());
  }

  ApiReply refund_reply(const SimulatedTrade& trade, const SimulatedRefund& refund) const {
    JsonMembers amount, members;
    amount.number("refund", refund.amount.minor_units())
        .number("total", trade.amount.minor_units())
        .text("currency", "CNY");
    members.text("out_trade_no", trade.order_id.to_hex())
        .text("out_refund_no", refund.number)
        .text("transaction_id", trade.transaction_id)
        .text("status", "SUCCESS")
        .object("amount", amount);
    return signed_reply(200, members.str());
  }

  ApiReply refund() {
    const auto body = outer_.read_copy(call_.request.body, Nested::allow);
    if (!body) return failure(400, "PARAM_ERROR");
    const auto order_id = OrderId::parse(read_text(*body, "out_trade_no"));
    const auto amount = nested_amount(*body, "refund");
    const std::string number(read_text(*body, "out_refund_no"));
    SimulatedTrade* trade = order_id ? call_.trades.find(SimulatedGateway::wechat, *order_id) : nullptr;
    if (trade == nullptr) return failure(404, "RESOURCE_NOT_EXISTS");
    const SimulatedRefund* made =
        amount && !number.empty() ? call_.trades.refund(*trade, number, *amount, call_.now) : nullptr;
    return made == nullptr ? failure(403, "NOT_ENOUGH") : refund_reply(*trade, *made);
  }

  ApiReply query_refund(std::string_view number) const {
    for (const SimulatedTrade& trade : call_.trades.all()) {
      if (trade.gateway != SimulatedGateway::wechat) continue;
      if (const SimulatedRefund* refund = SimulatedTrades::find_refund(trade, number))
        return refund_reply(trade, *refund);
    }
    return failure(404, "RESOURCE_NOT_EXISTS");
  }

  std::string bill_text() {
    FormFields query;
    const BillPeriod day =
        query.read(call_.query) ? call_.beijing_day(query.value("bill_date")) : BillPeriod{};
    if (!day.from.reached()) return "";
    return write_bill(BillFormat::wechat, call_.trades.bill(SimulatedGateway::wechat, day), day);
  }

  ApiReply bill_address() {
    const std::string text = bill_text();
    if (text.empty()) return failure(400, "NO_STATEMENT_EXIST");
    JsonMembers members;
    members.text("hash_type", "SHA1").text("hash_value", sha1_hex(text));
    members.text("download_url", call_.url + "/wechat/v3/bill/download?" + std::string(call_.query));
    return signed_reply(200, members.str());
  }

  ApiReply bill() {  // carries no signature
    const std::string text = bill_text();
    return text.empty() ? failure(404, "NO_STATEMENT_EXIST") : ApiReply{200, "text/plain", {}, text};
  }

  const ApiCall& call_;
  JsonReader outer_;
};

}  // namespace

ApiReply answer_wechat(const ApiCall& call) { return WechatCall(call).answer(); }

}  // namespace recharge
