// Purpose: calls of Stripe's API and their answers. Answers are not signed: TLS to api.stripe.com alone
// vouches for them. Source: docs.stripe.com/api: payment intents, refunds, balance transactions,
// idempotent requests.
#pragma once

#include "core/currency.h"
#include "core/gateway_calls.h"
#include "core/json_object.h"
#include "core/secret.h"

namespace recharge {

struct StripeCaller {
  std::string base_url;
  Secret secret_key;  // sk_…
  bool livemode = false;
  Currency currency;
};

class StripeCalls {
 public:
  static constexpr std::string_view kVersion = "2025-09-30.clover";

  explicit StripeCalls(StripeCaller caller) : caller_(std::move(caller)) {}

  GatewayRequest start(const PaymentStart& payment) const;
  GatewayRequest query(std::string_view intent) const;
  GatewayRequest cancel(std::string_view intent) const;
  GatewayRequest refund(const RefundStart& refund) const;
  // The refunds of its payment: an answer to refund() that was lost has told nobody the refund's id.
  GatewayRequest query_refund(const RefundStart& refund) const;

  GatewayRequest bill(const BillQuestion& question) const;

  // pay_text: the client_secret, with which the payer's page goes on. transaction_id: of the intent.
  struct Started : StartAnswer {
    TransactionId transaction_id;
  };
  Started read_start(const GatewayReply& reply, const OrderId& order_id);
  QueryAnswer read_query(const GatewayReply& reply, const OrderId& order_id);
  RefundAnswer read_refund(const GatewayReply& reply, const RefundStart& refund);
  RefundAnswer read_query_refund(const GatewayReply& reply, const RefundStart& refund);
  BillAnswer read_bill(const GatewayReply& reply);

 private:
  GatewayRequest call(std::string_view method, const std::string& path, std::string body,
                      std::string idempotency_key) const;
  std::optional<JsonObject> open(const GatewayReply& reply, CallAnswer& answer);
  static void read_refund_object(const JsonObject& object, const RefundStart& refund, RefundAnswer& answer);
  bool is_of(const JsonObject& intent, const OrderId& order_id, CallAnswer& answer);

  StripeCaller caller_;
  JsonReader outer_;
  JsonReader inner_;
};

}  // namespace recharge
