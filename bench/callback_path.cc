#include "bench/callback_path.h"

#include "core/canonical_text.h"
#include "core/check.h"
#include "core/sign_callback.h"

namespace recharge {
namespace {

constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
constexpr Circumstances kAt{Time{1'700'000'000'000}, 7};
constexpr Money kAmount = Money::from_minor_units(5000);
constexpr std::int64_t kToleranceMs = 300'000;

Secret secret() { return std::move(Secret::from_text(kKey).value()); }

SignatureVerifier verifier() {
  std::vector<CallbackSecret> secrets;
  secrets.push_back({"main", secret()});
  return SignatureVerifier(KeyRing::make(std::move(secrets)).value());
}

// Ids in no order, as entropy would make them.
std::array<std::uint8_t, 10> spread(std::uint64_t i) {
  std::array<std::uint8_t, 10> bytes{};
  std::uint64_t mixed = (i + 1) * 0x9e3779b97f4a7c15;
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(mixed >> 32), mixed *= 0xd1342543de82ef95;
  return bytes;
}

template <class Text>
Text text(std::string_view value) {
  Text result;
  RECHARGE_CHECK(result.assign(value));
  return result;
}

}  // namespace

CallbackPath::CallbackPath(std::size_t orders)
    : records_(kAt.shard, codec_, *snapshot_), verifier_(verifier()) {
  RECHARGE_CHECK(records_.load_resident().has_value());
  for (std::size_t i = 0; i < orders; ++i) place(i);
}

void CallbackPath::place(std::size_t i) {
  PlaceOrder order;
  order.order_id = OrderId::make(kAt.now, kAt.shard, spread(i));
  order.account = text<Account>(std::to_string(13'800'000'000 + i / 4));
  order.amount = kAmount;
  order.currency = Currency{156};
  order.expire_after_ms = 30 * 60 * 1000;
  command_ = order;
  decide();
  RECHARGE_CHECK(outcome_.code == OutcomeCode::order_placed);
  encode();
  apply();
  orders_.push_back(order.order_id);
  add_request(order.order_id, i);
}

void CallbackPath::add_request(const OrderId& id, std::size_t i) {
  const std::string number = std::to_string(1'000'000 + i);
  const std::string canonical = "amount=50.00&order_id=" + id.to_text() +
                                "&status=success&timestamp=1700000000&transaction_id=load_0123456789ab_" +
                                number;
  const std::string body =
      "{\"order_id\":\"" + id.to_text() + "\",\"transaction_id\":\"load_0123456789ab_" + number +
      "\",\"amount\":50.00,\"status\":\"success\",\"timestamp\":1700000000,\"signature\":\"" +
      sign_fields(secret(), canonical).value() + "\"}";
  std::string request = "POST /api/payment_callback HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Length: " +
                        std::to_string(body.size()) + "\r\n\r\n" + body;
  request.reserve(request.size() + kJsonPadding);
  requests_.push_back(std::move(request));
}

void CallbackPath::stages(std::size_t i) {
  frame(i);
  parse();
  verify();
  command(i);
  decide();
  RECHARGE_CHECK(outcome_.code == OutcomeCode::recharge_succeeded);
  encode();
  apply();
}

void CallbackPath::run(std::size_t i) { stages(i); }
void CallbackPath::warm_up(std::size_t i) { stages(i); }

void CallbackPath::frame(std::size_t i) {
  parser_.reset();
  std::size_t size = requests_[i].size();
  RECHARGE_CHECK(parser_.parse(requests_[i].data(), size) == RequestParser::Status::complete);
}

void CallbackPath::parse() {
  const auto object = json_.read(parser_.request().body, Nested::refuse);
  RECHARGE_CHECK(object.has_value());
  canonical_.clear();
  std::string_view bad_member;
  RECHARGE_CHECK(append_canonical_text(*object, canonical_, bad_member).has_value());
  signature_ = find_signature(*object).value().value();
  const auto callback = parse_native_callback(*object, required_, TimestampMember::as_required);
  RECHARGE_CHECK(callback.has_value());
  callback_ = *callback;
}

void CallbackPath::verify() { key_ = verifier_.verify_fields(canonical_, signature_).value(); }

void CallbackPath::command(std::size_t i) {
  ReportPayment& report = command_.emplace<ReportPayment>();
  report.gateway = text<GatewayName>("native");
  report.reference = text<OrderReference>(callback_.order_id);
  report.transaction_id = text<TransactionId>(callback_.transaction_id);
  report.key_id = text<KeyId>(key_);
  report.order_id = *OrderId::parse(callback_.order_id);
  report.amount = callback_.amount;
  report.success = callback_.success;
  report.sent_at = from_unix_seconds(*callback_.timestamp_s);
  report.tolerance_ms = kToleranceMs;
  report.currency = Currency{156};
  report.exception_id = ExceptionId::make(kAt.now, kAt.shard, spread(i));
  report.evidence = parser_.request().body;
}

void CallbackPath::decide() {
  facts_.clear();
  records_.begin_command();
  const auto found = gather(command_, records_);
  RECHARGE_CHECK(found.has_value());
  recharge::decide(command_, *found, records_, kAt, outcome_, facts_);
}

void CallbackPath::encode() { RECHARGE_CHECK(encode_record(command_, facts_, kAt, room_).has_value()); }

void CallbackPath::apply() {
  records_.set_change_number(++number_);
  for (const auto& fact : facts_) recharge::apply(fact, records_);
}

void CallbackPath::check_sums(std::size_t credited) {
  const auto sum = static_cast<std::int64_t>(credited) * kAmount.minor_units();
  RECHARGE_CHECK(records_.totals().users.minor_units() == sum);
  RECHARGE_CHECK(records_.totals().orders[static_cast<std::size_t>(OrderStatus::recharged)] == credited);
  const auto clearing = records_.house_balance(LedgerAccountKind::clearing, text<GatewayName>("native"));
  RECHARGE_CHECK(clearing.minor_units() == -sum);
}

}  // namespace recharge
