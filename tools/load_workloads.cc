#include "tools/load_workloads.h"

#include <algorithm>
#include <thread>

#include "tools/callback_body.h"
#include "tools/made_ids.h"
#include "tools/reply_value.h"

namespace recharge {
namespace {

constexpr std::string_view kCallbackPath = "/api/payment_callback";
constexpr std::size_t kTypicalCallbackBytes = 340;

}  // namespace

bool ExpectingWorkload::check(const ParsedReply& reply) {
  constexpr std::size_t kShownBytes = 200;
  if (reply.status == expected_status_) return true;
  if (first_unexpected_.empty()) {
    first_unexpected_ = std::to_string(reply.status) + " " + std::string(reply.body.substr(0, kShownBytes));
  }
  return false;
}

PlaceWorkload::PlaceWorkload(LoadOrders& orders, Share share, const RequestBytes& requests,
                             bool retry_refused, std::string_view gateway)
    : ExpectingWorkload(200),
      orders_(orders),
      next_(share.first),
      step_(share.step),
      requests_(requests),
      retry_refused_(retry_refused),
      members_(gateway.empty() ? "}" : ",\"gateway\":\"" + std::string(gateway) + "\"}") {}

bool PlaceWorkload::next(std::uint32_t& token, std::string_view& bytes) {
  if (!refused_.empty()) {
    token = refused_.front();
    refused_.pop_front();
  } else if (next_ < orders_.all().size()) {
    token = static_cast<std::uint32_t>(next_);
    next_ += step_;
  } else {
    return false;
  }
  const LoadOrder& order = orders_.all()[token];
  body_.assign("{\"account\":\"").append(LoadOrders::account_text(order.account));
  body_.append("\",\"amount\":").append(LoadOrders::amount_text(order)).append(members_);
  bytes_.clear();
  requests_.append_post(bytes_, "/api/place_order", body_);
  bytes = bytes_;
  return true;
}

void PlaceWorkload::on_reply(std::uint32_t token, const ParsedReply& reply) {
  if (retry_refused_ && (reply.status == 503 || reply.status == 429)) {
    const std::uint64_t now = monotonic_ns();
    if (refused_since_ns_ == 0) refused_since_ns_ = now;
    if (now - refused_since_ns_ < kPatienceNs) {
      refused_.push_back(token);
      std::this_thread::sleep_for(kPause);
      return;
    }
  }
  if (!check(reply)) return;
  refused_since_ns_ = 0;
  const std::string_view id = reply_value(reply.body, "order_id");
  LoadOrder& order = orders_.all()[token];
  if (id.size() == order.id.size()) std::copy(id.begin(), id.end(), order.id.begin());
}

PreparedCallbacks::PreparedCallbacks(const LoadOrders& orders, Share share, const Make& make) {
  const std::size_t count = orders.all().size() / share.step + 1;
  bytes_.reserve(count * kTypicalCallbackBytes);
  starts_.reserve(count + 1);
  tokens_.reserve(count);
  for (std::size_t i = share.first; i < orders.all().size(); i += share.step) {
    if (!orders.all()[i].placed()) continue;
    const auto token = static_cast<std::uint32_t>(i);
    starts_.push_back(bytes_.size());
    tokens_.push_back(token);
    make(bytes_, token);
  }
  starts_.push_back(bytes_.size());
}

PreparedCallbacks::Make native_callbacks(const LoadOrders& orders, const RequestBytes& requests,
                                         CallbackSigner& signer, std::int64_t timestamp,
                                         std::string forged_signature) {
  return [&orders, &requests, &signer, timestamp, forged = std::move(forged_signature)](std::string& out,
                                                                                        std::uint32_t token) {
    const LoadOrder& order = orders.all()[token];
    const std::string transaction = orders.transaction_id(token);
    const std::string amount = LoadOrders::amount_text(order);
    CallbackFields fields;
    fields.order_id = order.order_id();
    fields.transaction_id = transaction;
    fields.amount = amount;
    fields.timestamp = timestamp;
    requests.append_post(out, kCallbackPath, signed_callback_body(fields, signer, forged));
  };
}

PreparedCallbacks::Make gateway_callbacks(const LoadOrders& orders, const RequestBytes& requests,
                                          const SimulatedAccounts& accounts, SimulatedGateway gateway,
                                          Time now) {
  const std::string path = "/api/callbacks/" + std::string(to_text(gateway));
  return [&orders, &requests, &accounts, gateway, now, path](std::string& out, std::uint32_t token) {
    const LoadOrder& order = orders.all()[token];
    PaidTrade trade;
    trade.order_id = OrderId::parse(order.order_id()).value();
    trade.transaction_id = orders.transaction_id(token);
    trade.amount = Money::from_minor_units(order.amount);
    trade.paid_at = Time{now.ms / 1000 * 1000};
    const auto message = payment_message(gateway, accounts, trade, SendingFault::none, now, random_hex(12));
    requests.append_post(out, path, message.body, message.headers);
  };
}

std::string_view PreparedCallbacks::body(std::size_t i) const noexcept {
  const std::string_view bytes = request(i);
  return bytes.substr(bytes.find("\r\n\r\n") + 4);
}

CallbackWorkload::CallbackWorkload(LoadOrders& orders, const PreparedCallbacks& prepared, std::uint64_t limit,
                                   int expected_status, const AckLog& log)
    : ExpectingWorkload(expected_status), orders_(orders), prepared_(prepared), left_(limit), log_(log) {}

bool CallbackWorkload::next(std::uint32_t& token, std::string_view& bytes) {
  if (left_ == 0 || prepared_.size() == 0) return false;
  --left_;
  if (at_ == prepared_.size()) at_ = 0;
  token = prepared_.token(at_);
  bytes = prepared_.request(at_);
  ++at_;
  LoadOrder& order = orders_.all()[token];
  order.sent = true;
  if (log_.active() && !log_.add('S', order, orders_.transaction_id(token))) log_failed_ = true;
  return true;
}

void CallbackWorkload::on_reply(std::uint32_t token, const ParsedReply& reply) {
  check(reply);
  if (reply.status != 200) return;
  LoadOrder& order = orders_.all()[token];
  order.acknowledged = true;
  if (log_.active() && !log_.add('A', order, orders_.transaction_id(token))) log_failed_ = true;
}

bool ReplayWorkload::next(std::uint32_t& token, std::string_view& bytes) {
  if (left_ == 0) return false;
  --left_;
  if (at_ == prepared_.size()) at_ = 0;
  token = prepared_.token(at_);
  bytes = prepared_.request(at_);
  ++at_;
  return true;
}

BalanceWorkload::BalanceWorkload(std::vector<std::int64_t>& balances, Share share,
                                 const RequestBytes& requests, std::uint64_t limit)
    : ExpectingWorkload(200),
      balances_(balances),
      share_(share),
      at_(share.first),
      left_(share.first < balances.size() ? limit : 0),
      requests_(requests) {}

bool BalanceWorkload::next(std::uint32_t& token, std::string_view& bytes) {
  if (left_ == 0) return false;
  --left_;
  if (at_ >= balances_.size()) at_ = share_.first;
  token = static_cast<std::uint32_t>(at_);
  at_ += share_.step;
  bytes_.clear();
  requests_.append_get(bytes_, "/api/check_balance?account=" + LoadOrders::account_text(token));
  bytes = bytes_;
  return true;
}

void BalanceWorkload::on_reply(std::uint32_t token, const ParsedReply& reply) {
  if (!check(reply)) return;
  const auto balance = parse_money(reply_value(reply.body, "balance"));
  balances_[token] = balance ? balance->minor_units() : kUnread;
}

}  // namespace recharge
