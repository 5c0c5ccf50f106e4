// Purpose: calls of WeChat Pay API v3, signed with the merchant's key, and their answers, verified by
// WeChat's headers. Source: pay.weixin.qq.com, API v3: native, h5, query, close, refund, tradebill. nonce: 16
// to 32 letters and digits, another for each call.
#pragma once

#include "core/gateway_calls.h"
#include "core/json_object.h"
#include "core/rsa_key.h"
#include "core/wechat_verifier.h"

namespace recharge {

struct WechatCaller {
  std::string mchid;
  std::string appid;
  std::string serial_no;  // of our certificate
  std::string base_url;
  std::string notify_url;  // needed to start a payment
  RsaPrivateKey key;       // ours
  std::vector<WechatKey> wechat_keys;
};

class WechatCalls {
 public:
  explicit WechatCalls(const WechatCaller& caller);

  GatewayRequest start(const PaymentStart& payment, PayMethod method, Time now, std::string_view nonce) const;
  GatewayRequest query(const OrderId& order_id, Time now, std::string_view nonce) const;
  GatewayRequest close(const OrderId& order_id, Time now, std::string_view nonce) const;
  GatewayRequest refund(const RefundStart& refund, Time now, std::string_view nonce) const;
  GatewayRequest query_refund(const RefundStart& refund, Time now, std::string_view nonce) const;
  GatewayRequest bill(const BillQuestion& question, Time now, std::string_view nonce) const;

  // return_url: of the payment that was started; the page sends the payer there.
  StartAnswer read_start(const GatewayReply& reply, PayMethod method, std::string_view return_url, Time now);
  QueryAnswer read_query(const GatewayReply& reply, const OrderId& order_id, Time now);
  CallAnswer read_close(const GatewayReply& reply, Time now);
  RefundAnswer read_refund(const GatewayReply& reply, const RefundStart& refund, Time now);
  // nonce: of the authorization to fetch the file, which is good at WeChat's own address alone.
  BillAnswer read_bill(const GatewayReply& reply, Time now, std::string_view nonce);

 private:
  GatewayRequest sign(std::string_view method, const std::string& path, std::string body, Time now,
                      std::string_view nonce) const;
  std::optional<JsonObject> open(const GatewayReply& reply, Time now, CallAnswer& answer);

  WechatCaller caller_;
  WechatVerifier verifier_;
  JsonReader outer_;
};

}  // namespace recharge
