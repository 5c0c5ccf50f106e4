#include "server/gateway_caller.h"

#include <sodium.h>

#include <algorithm>
#include <array>

#include "core/form_fields.h"

namespace recharge {
namespace {

// Alipay's and WeChat's codes live for two hours, WeChat's pages for five minutes.
constexpr std::int64_t kCodeMs = 110 * 60'000;
constexpr std::int64_t kPageMs = 4 * 60'000;

Time earlier(Time a, Time b) noexcept { return a < b ? a : b; }

class AlipayGateway final : public GatewayCaller {
 public:
  explicit AlipayGateway(const AlipayCaller& caller) : calls_(caller) {}

  SignatureScheme scheme() const noexcept override { return SignatureScheme::alipay; }
  bool offers(PayMethod method) const noexcept override { return method != PayMethod::intent; }
  std::optional<std::string> page(const PaymentStart& payment, PayMethod method, Time started) override {
    if (method != PayMethod::h5) return std::nullopt;
    return calls_.pay_page(payment, started);
  }
  GatewayRequest start(const PaymentStart& payment, PayMethod, Time now) override {
    return calls_.precreate(payment, now);
  }
  Started read_start(const GatewayReply& reply, const OrderId& order_id, PayMethod, Time) override {
    return {calls_.read_precreate(reply, order_id), {}};
  }
  Time shown_until(PayMethod, Time now, Time expires_at) const noexcept override {
    return earlier(Time{now.ms + kCodeMs}, expires_at);
  }
  GatewayRequest query(const GatewayWork& work, Time now) override {
    return calls_.query(work.order_id, now);
  }
  QueryAnswer read_query(const GatewayReply& reply, const OrderId& order_id, Time) override {
    return calls_.read_query(reply, order_id);
  }
  GatewayRequest close(const GatewayWork& work, Time now) override {
    return calls_.close(work.order_id, now);
  }
  CallAnswer read_close(const GatewayReply& reply, const OrderId& order_id, Time) override {
    return calls_.read_close(reply, order_id);
  }
  GatewayRequest refund(const RefundStart& refund, Time now) override { return calls_.refund(refund, now); }
  RefundAnswer read_refund(const GatewayReply& reply, const RefundStart& refund, Time) override {
    return calls_.read_refund(reply, refund);
  }
  GatewayRequest query_refund(const RefundStart& refund, Time now) override {
    return calls_.query_refund(refund, now);
  }
  RefundAnswer read_query_refund(const GatewayReply& reply, const RefundStart& refund, Time) override {
    return calls_.read_query_refund(reply, refund);
  }
  GatewayRequest bill(const BillQuestion& question, Time now) override { return calls_.bill(question, now); }
  BillAnswer read_bill(const GatewayReply& reply, Time) override { return calls_.read_bill(reply); }

 private:
  AlipayCalls calls_;
};

class WechatGateway final : public GatewayCaller {
 public:
  explicit WechatGateway(const WechatCaller& caller)
      : calls_(caller), can_start_(!caller.notify_url.empty()) {}

  SignatureScheme scheme() const noexcept override { return SignatureScheme::wechat; }
  bool offers(PayMethod method) const noexcept override { return can_start_ && method != PayMethod::intent; }
  GatewayRequest start(const PaymentStart& payment, PayMethod method, Time now) override {
    return calls_.start(payment, method, now, nonce());
  }
  Started read_start(const GatewayReply& reply, const OrderId&, PayMethod method, Time now) override {
    return {calls_.read_start(reply, method, {}, now), {}};
  }
  Time shown_until(PayMethod method, Time now, Time expires_at) const noexcept override {
    return earlier(Time{now.ms + (method == PayMethod::h5 ? kPageMs : kCodeMs)}, expires_at);
  }
  std::string shown_text(std::string_view pay_text, PayMethod method,
                         std::string_view return_url) const override {
    std::string text(pay_text);
    if (method == PayMethod::h5 && !return_url.empty()) append_form_field(text, "redirect_url", return_url);
    return text;
  }
  GatewayRequest query(const GatewayWork& work, Time now) override {
    return calls_.query(work.order_id, now, nonce());
  }
  QueryAnswer read_query(const GatewayReply& reply, const OrderId& order_id, Time now) override {
    return calls_.read_query(reply, order_id, now);
  }
  GatewayRequest close(const GatewayWork& work, Time now) override {
    return calls_.close(work.order_id, now, nonce());
  }
  CallAnswer read_close(const GatewayReply& reply, const OrderId&, Time now) override {
    return calls_.read_close(reply, now);
  }
  GatewayRequest refund(const RefundStart& refund, Time now) override {
    return calls_.refund(refund, now, nonce());
  }
  RefundAnswer read_refund(const GatewayReply& reply, const RefundStart& refund, Time now) override {
    return calls_.read_refund(reply, refund, now);
  }
  GatewayRequest query_refund(const RefundStart& refund, Time now) override {
    return calls_.query_refund(refund, now, nonce());
  }
  RefundAnswer read_query_refund(const GatewayReply& reply, const RefundStart& refund, Time now) override {
    return calls_.read_refund(reply, refund, now);
  }
  GatewayRequest bill(const BillQuestion& question, Time now) override {
    return calls_.bill(question, now, nonce());
  }
  BillAnswer read_bill(const GatewayReply& reply, Time now) override {
    return calls_.read_bill(reply, now, nonce());
  }

 private:
  static std::string nonce() {
    std::array<unsigned char, 16> random;
    std::array<char, 2 * random.size() + 1> text;
    randombytes_buf(random.data(), random.size());
    sodium_bin2hex(text.data(), text.size(), random.data(), random.size());
    return text.data();
  }

  WechatCalls calls_;
  bool can_start_;
};

class StripeGateway final : public GatewayCaller {
 public:
  explicit StripeGateway(const StripeCaller& caller)
      : calls_({caller.base_url, caller.secret_key.clone(), caller.livemode, caller.currency}) {}

  SignatureScheme scheme() const noexcept override { return SignatureScheme::stripe; }
  bool offers(PayMethod method) const noexcept override { return method == PayMethod::intent; }
  PayMethod usual_method() const noexcept override { return PayMethod::intent; }
  GatewayRequest start(const PaymentStart& payment, PayMethod, Time) override {
    return calls_.start(payment);
  }
  Started read_start(const GatewayReply& reply, const OrderId& order_id, PayMethod, Time) override {
    return calls_.read_start(reply, order_id);
  }
  Time shown_until(PayMethod, Time, Time expires_at) const noexcept override { return expires_at; }
  bool can_name(const GatewayWork& work) const noexcept override { return !work.gateway_id.empty(); }
  GatewayRequest query(const GatewayWork& work, Time) override {
    return calls_.query(work.gateway_id.view());
  }
  QueryAnswer read_query(const GatewayReply& reply, const OrderId& order_id, Time) override {
    return calls_.read_query(reply, order_id);
  }
  GatewayRequest close(const GatewayWork& work, Time) override {
    return calls_.cancel(work.gateway_id.view());
  }
  // A cancelled intent is the answer.
  CallAnswer read_close(const GatewayReply& reply, const OrderId& order_id, Time) override {
    QueryAnswer answer = calls_.read_query(reply, order_id);
    if (answer.kind == CallAnswer::Kind::done && answer.state != QueryAnswer::State::closed) {
      answer.kind = CallAnswer::Kind::unknown;
      answer.reason = "not cancelled";
    }
    return answer;
  }
  GatewayRequest refund(const RefundStart& refund, Time) override { return calls_.refund(refund); }
  RefundAnswer read_refund(const GatewayReply& reply, const RefundStart& refund, Time) override {
    return calls_.read_refund(reply, refund);
  }
  GatewayRequest query_refund(const RefundStart& refund, Time) override {
    return calls_.query_refund(refund);
  }
  RefundAnswer read_query_refund(const GatewayReply& reply, const RefundStart& refund, Time) override {
    return calls_.read_query_refund(reply, refund);
  }
  GatewayRequest bill(const BillQuestion& question, Time) override { return calls_.bill(question); }
  BillAnswer read_bill(const GatewayReply& reply, Time) override { return calls_.read_bill(reply); }

 private:
  StripeCalls calls_;
};

struct MakeCaller {
  std::unique_ptr<GatewayCaller> operator()(const AlipayCaller& caller) const {
    return std::make_unique<AlipayGateway>(caller);
  }
  std::unique_ptr<GatewayCaller> operator()(const WechatCaller& caller) const {
    return std::make_unique<WechatGateway>(caller);
  }
  std::unique_ptr<GatewayCaller> operator()(const StripeCaller& caller) const {
    return std::make_unique<StripeGateway>(caller);
  }
};

// Of our own balance at the gateway, our keys and permissions, and limits of rate.
constexpr std::array<std::string_view, 14> kPassing = {"ACQ.SELLER_BALANCE_NOT_ENOUGH",
                                                       "ACQ.SYSTEM_ERROR",
                                                       "NOT_ENOUGH",
                                                       "FREQUENCY_LIMITED",
                                                       "RATELIMIT_EXCEEDED",
                                                       "SYSTEM_ERROR",
                                                       "SIGN_ERROR",
                                                       "NO_AUTH",
                                                       "MCH_NOT_EXISTS",
                                                       "balance_insufficient",
                                                       "insufficient_funds",
                                                       "rate_limit",
                                                       "lock_timeout",
                                                       "authentication_error"};

}  // namespace

std::unique_ptr<GatewayCaller> make_caller(const GatewayCallAccount& account) {
  return std::visit(MakeCaller(), account);
}

bool may_pass(std::string_view reason) noexcept {
  return reason.starts_with("isv.") || reason.starts_with("isp.") || reason.starts_with("aop.") ||
         reason.starts_with("api_key_") || reason == "4000" || reason == "40001" || reason == "40002" ||
         std::find(kPassing.begin(), kPassing.end(), reason) != kPassing.end();
}

}  // namespace recharge
