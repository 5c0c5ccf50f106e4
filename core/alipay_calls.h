// Purpose: calls of Alipay's open platform, signed with the app's key, and their answers, verified by
// Alipay's signature over the bytes of the inner object as they came. Source: opendocs.alipay.com,
// "gateway.do", alipay.trade.precreate, wap.pay, query, close, refund, fastpay.refund.query,
// alipay.data.dataservice.bill.downloadurl.query.
#pragma once

#include "core/gateway_calls.h"
#include "core/json_object.h"
#include "core/rsa_key.h"

namespace recharge {

struct AlipayCaller {
  std::string app_id;
  std::string seller_id;
  std::string base_url;    // of gateway.do
  std::string notify_url;  // empty: Alipay tells nobody of the payment
  RsaPrivateKey key;       // ours
  std::vector<RsaPublicKey> alipay_keys;
};

class AlipayCalls {
 public:
  explicit AlipayCalls(const AlipayCaller& caller);

  // qr: a call. h5: no call; the payer's browser goes to pay_page().
  GatewayRequest precreate(const PaymentStart& payment, Time now) const;
  std::string pay_page(const PaymentStart& payment, Time now) const;
  GatewayRequest query(const OrderId& order_id, Time now) const;
  GatewayRequest close(const OrderId& order_id, Time now) const;
  GatewayRequest refund(const RefundStart& refund, Time now) const;
  GatewayRequest query_refund(const RefundStart& refund, Time now) const;
  GatewayRequest bill(const BillQuestion& question, Time now) const;

  StartAnswer read_precreate(const GatewayReply& reply, const OrderId& order_id);
  QueryAnswer read_query(const GatewayReply& reply, const OrderId& order_id);
  CallAnswer read_close(const GatewayReply& reply, const OrderId& order_id);
  // fund_change=N says that nothing moved this time: unknown, and to be asked for.
  RefundAnswer read_refund(const GatewayReply& reply, const RefundStart& refund);
  RefundAnswer read_query_refund(const GatewayReply& reply, const RefundStart& refund);
  BillAnswer read_bill(const GatewayReply& reply);

 private:
  using Parameters = std::vector<std::pair<std::string, std::string>>;

  std::string signed_url(std::string_view method, const std::string& content, Parameters more, Time now,
                         bool content_in_url) const;
  GatewayRequest call(std::string_view method, const std::string& content, Parameters more, Time now) const;
  // The verified inner object. None: the answer says why.
  std::optional<JsonObject> open(const GatewayReply& reply, std::string_view method, CallAnswer& answer);
  bool is_of(const JsonObject& object, const OrderId& order_id, CallAnswer& answer) const;
  bool is_of_payment(const JsonObject& object, const RefundStart& refund, CallAnswer& answer) const;

  AlipayCaller caller_;
  std::vector<RsaVerifier> verifiers_;
  JsonReader outer_;
};

}  // namespace recharge
