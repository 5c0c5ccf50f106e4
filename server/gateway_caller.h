// Purpose: what can be asked of a gateway, in one form for every kind: requests to send, and verified
// answers. Keys and identity come from the settings. Owner: one thread. Lifetime: views in arguments are not
// kept.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "core/alipay_calls.h"
#include "core/gateway_work.h"
#include "core/stripe_calls.h"
#include "core/wechat_calls.h"

namespace recharge {

using GatewayCallAccount = std::variant<AlipayCaller, WechatCaller, StripeCaller>;

class GatewayCaller {
 public:
  using Started = StripeCalls::Started;

  virtual ~GatewayCaller() = default;
  virtual SignatureScheme scheme() const noexcept = 0;
  virtual bool offers(PayMethod method) const noexcept = 0;
  virtual PayMethod usual_method() const noexcept { return PayMethod::qr; }

  // What the payer is shown, where no call is needed for it: the same text for the same payment and time.
  virtual std::optional<std::string> page(const PaymentStart&, PayMethod, Time) { return std::nullopt; }
  virtual GatewayRequest start(const PaymentStart& payment, PayMethod method, Time now) = 0;
  virtual Started read_start(const GatewayReply& reply, const OrderId& order_id, PayMethod method,
                             Time now) = 0;
  // How long what start() answered can be shown.
  virtual Time shown_until(PayMethod method, Time now, Time expires_at) const noexcept = 0;
  virtual std::string shown_text(std::string_view pay_text, PayMethod, std::string_view return_url) const {
    static_cast<void>(return_url);
    return std::string(pay_text);
  }

  // Whether query() and close() can name the payment; else only start() tells its id.
  virtual bool can_name(const GatewayWork&) const noexcept { return true; }
  virtual GatewayRequest query(const GatewayWork& work, Time now) = 0;
  virtual QueryAnswer read_query(const GatewayReply& reply, const OrderId& order_id, Time now) = 0;
  virtual GatewayRequest close(const GatewayWork& work, Time now) = 0;
  virtual CallAnswer read_close(const GatewayReply& reply, const OrderId& order_id, Time now) = 0;
  virtual GatewayRequest refund(const RefundStart& refund, Time now) = 0;
  virtual RefundAnswer read_refund(const GatewayReply& reply, const RefundStart& refund, Time now) = 0;
  virtual GatewayRequest query_refund(const RefundStart& refund, Time now) = 0;
  virtual RefundAnswer read_query_refund(const GatewayReply& reply, const RefundStart& refund, Time now) = 0;
  virtual GatewayRequest bill(const BillQuestion& question, Time now) = 0;
  virtual BillAnswer read_bill(const GatewayReply& reply, Time now) = 0;
};

std::unique_ptr<GatewayCaller> make_caller(const GatewayCallAccount& account);

// A refusal that another day, or a mended configuration, may turn into an approval.
bool may_pass(std::string_view reason) noexcept;

}  // namespace recharge
