// Purpose: the vectors of tests/gateways/vectors.json, made by the SDKs of npm, and adapters for their
// accounts.
#pragma once

#include <rapidjson/document.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/alipay_callback.h"
#include "core/standard_callback.h"
#include "core/stripe_callback.h"
#include "core/wechat_callback.h"

namespace recharge {

struct GatewayVector {
  std::string gateway;
  std::string name;
  Time now;
  std::string header_lines;
  std::string body;
  std::string refusal;  // empty: an event of this kind
  std::string kind;
  std::string order_id;
  std::string transaction_id;
  std::int64_t amount = 0;
  std::optional<Time> paid_at;

  GatewayMessage message() const { return {header_lines, body}; }
};

class GatewayVectors {
 public:
  GatewayVectors() {
    std::ifstream file(RECHARGE_SOURCE_DIR "/tests/gateways/vectors.json");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    document_.Parse(text.data(), text.size());
    if (document_.HasParseError()) throw std::runtime_error("tests/gateways/vectors.json cannot be read");
    for (const auto& entry : document_["vectors"].GetArray()) all_.push_back(read(entry));
  }

  const std::vector<GatewayVector>& all() const { return all_; }
  const GatewayVector& find(const std::string& gateway, const std::string& name) const {
    for (const auto& vector : all_) {
      if (vector.gateway == gateway && vector.name == name) return vector;
    }
    throw std::runtime_error("no such vector: " + gateway + ", " + name);
  }

  AlipayAccount alipay() const {
    const auto& from = document_["accounts"]["alipay"];
    AlipayAccount account;
    account.app_id = from["app_id"].GetString();
    account.seller_id = from["seller_id"].GetString();
    for (const auto& key : from["public_keys"].GetArray())
      account.keys.push_back(RsaPublicKey::parse(key.GetString()).value());
    return account;
  }
  WechatAccount wechat() const {
    const auto& from = document_["accounts"]["wechat"];
    WechatAccount account;
    account.mchid = from["mchid"].GetString();
    account.appid = from["appid"].GetString();
    for (const auto& key : from["public_keys"].GetArray())
      account.keys.push_back({key["id"].GetString(), RsaPublicKey::parse(key["pem"].GetString()).value()});
    for (const auto& key : from["api_v3_keys"].GetArray())
      account.api_v3_keys.push_back(std::move(Secret::from_text(key.GetString()).value()));
    return account;
  }
  StripeAccount stripe() const {
    const auto& from = document_["accounts"]["stripe"];
    return {from["livemode"].GetBool(), currency(), secrets(from["webhook_secrets"])};
  }
  StandardAccount standard() const {
    return {currency(), KeyRing::make(secrets(document_["accounts"]["standard"]["secrets"])).value()};
  }

  std::unique_ptr<GatewayAdapter> adapter(const std::string& gateway) const {
    if (gateway == "alipay") return std::make_unique<AlipayCallbacks>(alipay());
    if (gateway == "wechat") return std::make_unique<WechatCallbacks>(wechat());
    if (gateway == "stripe") return std::make_unique<StripeCallbacks>(stripe());
    return std::make_unique<StandardCallbacks>(standard());
  }

  static Currency currency() { return currency_from_code("CNY").value(); }

 private:
  using Value = rapidjson::Value;

  static std::string text(const Value& from, const char* name) {
    const auto member = from.FindMember(name);
    return member != from.MemberEnd() && member->value.IsString() ? member->value.GetString() : "";
  }
  static std::vector<CallbackSecret> secrets(const Value& from) {
    std::vector<CallbackSecret> list;
    for (const auto& secret : from.GetArray())
      list.push_back(
          {std::to_string(list.size() + 1), std::move(Secret::from_text(secret.GetString()).value())});
    return list;
  }
  static GatewayVector read(const Value& from) {
    GatewayVector vector;
    vector.gateway = text(from, "gateway");
    vector.name = text(from, "name");
    vector.now = from_unix_seconds(from["now"].GetInt64());
    vector.header_lines = text(from, "header_lines");
    vector.body = text(from, "body");
    vector.refusal = text(from, "refusal");
    vector.kind = text(from, "kind");
    vector.order_id = text(from, "order_id");
    vector.transaction_id = text(from, "transaction_id");
    if (from.HasMember("amount")) vector.amount = from["amount"].GetInt64();
    if (from.HasMember("paid_at_ms") && from["paid_at_ms"].IsInt64())
      vector.paid_at = Time{from["paid_at_ms"].GetInt64()};
    return vector;
  }

  rapidjson::Document document_;
  std::vector<GatewayVector> all_;
};

inline const GatewayVectors& gateway_vectors() {
  static const GatewayVectors vectors;
  return vectors;
}

}  // namespace recharge
