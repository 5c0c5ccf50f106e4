#include "core/alipay_callback.h"

#include <algorithm>
#include <array>

#include "core/beijing_time.h"
#include "core/names.h"

namespace recharge {
namespace {

using Kind = GatewayEvent::Kind;

// What the outcome depends on. The signed text joins names and values without quoting: each of these must
// stand in it exactly as often as the form has it, else a value could pass for a field, or swallow one.
// Sorted.
constexpr std::array<std::string_view, 12> kFieldsThatCount = {
    "app_id",     "gmt_payment", "gmt_refund", "notify_type",  "out_biz_no", "out_trade_no",
    "refund_fee", "seller_id",   "sign_type",  "total_amount", "trade_no",   "trade_status"};
static_assert(std::is_sorted(kFieldsThatCount.begin(), kFieldsThatCount.end()));
constexpr std::array<std::string_view, 3> kRefundFields = {"gmt_refund", "out_biz_no", "refund_fee"};
constexpr std::string_view kPayments = "trade_status_sync";

bool reads_one_way_only(const FormFields& form, std::string_view text) {
  if (form.splits_alike()) return true;
  std::array<unsigned, kFieldsThatCount.size()> times{};
  for (bool more = true; more;) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view part = text.substr(0, end);
    if (const std::size_t equals = part.find('='); equals != part.npos) {
      const auto name =
          std::lower_bound(kFieldsThatCount.begin(), kFieldsThatCount.end(), part.substr(0, equals));
      if (name != kFieldsThatCount.end() && *name == part.substr(0, equals))
        ++times[static_cast<std::size_t>(name - kFieldsThatCount.begin())];
    }
    more = end < text.size();
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  for (std::size_t i = 0; i < times.size(); ++i) {
    if (kFieldsThatCount[i] == "sign_type") continue;  // not in the signed text
    if (times[i] != (form.find(kFieldsThatCount[i]) != nullptr ? 1U : 0U)) return false;
  }
  return true;
}

// Also a refund in part, which comes as TRADE_SUCCESS again.
bool is_refund(const FormFields& form) noexcept {
  for (std::string_view name : kRefundFields) {
    if (!form.value(name).empty()) return true;
  }
  return false;
}

}  // namespace

AlipayCallbacks::AlipayCallbacks(const AlipayAccount& account)
    : app_id_(account.app_id), seller_id_(account.seller_id) {
  for (const RsaPublicKey& key : account.keys) keys_.push_back({key.fingerprint(), RsaVerifier(key)});
}

GatewayResult AlipayCallbacks::read(const GatewayMessage& message, Time) {
  if (!form_.read(message.body)) return GatewayRefusal::invalid_signature;
  const auto key_id = verify();
  if (!key_id) return key_id.error();
  return interpret(*key_id);
}

boost::system::result<std::string_view, GatewayRefusal> AlipayCallbacks::verify() {
  const std::string_view signature = form_.value("sign");
  if (signature.empty()) return GatewayRefusal::no_signature;
  // What the sender names decides nothing: another algorithm than RSA2 is a downgrade.
  if (const FormField* type = form_.find("sign_type"); type != nullptr && type->value != "RSA2")
    return GatewayRefusal::invalid_signature;
  signed_text_.clear();
  for (const FormField& field : form_.all()) {
    if (field.name == "sign" || field.name == "sign_type") continue;
    if (!signed_text_.empty()) signed_text_.push_back('&');
    signed_text_.append(field.text);
  }
  if (!reads_one_way_only(form_, signed_text_)) return GatewayRefusal::invalid_signature;
  for (Key& key : keys_) {
    if (key.verifier.verify(signed_text_, signature)) return std::string_view(key.id);
  }
  return GatewayRefusal::invalid_signature;
}

GatewayResult AlipayCallbacks::interpret(std::string_view key_id) const {
  GatewayEvent event;
  event.key_id = key_id;
  if (const FormField* type = form_.find("notify_type"); type != nullptr && type->value != kPayments)
    return event;
  if (form_.value("app_id") != app_id_ || form_.value("seller_id") != seller_id_)
    return GatewayRefusal::wrong_account;
  event.order_id = form_.value("out_trade_no");
  event.transaction_id = form_.value("trade_no");
  if (!is_order_reference(event.order_id) || !make_transaction_id(event.transaction_id))
    return GatewayRefusal::malformed;
  if (is_refund(form_)) {
    event.kind = Kind::refund;
    return event;
  }
  const std::string_view status = form_.value("trade_status");
  if (status == "TRADE_CLOSED") {  // not paid in time
    event.kind = Kind::payment_failed;
    return event;
  }
  if (status != "TRADE_SUCCESS" && status != "TRADE_FINISHED") return event;
  const auto amount = parse_money(form_.value("total_amount"));
  if (!amount || !amount->is_positive() || *amount > kMaxBalance) return GatewayRefusal::malformed;
  const std::string_view paid_at = form_.value("gmt_payment");
  event.paid_at = parse_beijing_time(paid_at);
  if (!paid_at.empty() && !event.paid_at) return GatewayRefusal::malformed;
  event.kind = Kind::payment_succeeded;
  event.amount = *amount;
  event.currency = *currency_from_code("CNY");
  return event;
}

}  // namespace recharge
