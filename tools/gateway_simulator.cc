#include "tools/gateway_simulator.h"

#include <chrono>
#include <ostream>

#include "tools/http_client.h"
#include "tools/made_ids.h"

namespace recharge {
namespace {

constexpr std::uint64_t kLostPercent = 10;  // of callbacks
constexpr std::uint64_t kBusyPercent = 4;   // of calls, and the rest likewise
constexpr std::uint64_t kLostAnswerPercent = 6;
constexpr std::uint64_t kForgedAnswerPercent = 4;
constexpr std::uint64_t kSlowAnswerPercent = 4;
constexpr std::int64_t kSlowMs = 200;
constexpr std::size_t kMaxWrong = 50;  // kept of what was wrong
constexpr int kRefused = 400;          // and beyond, but for what asks to be called again

Time wall_now() {
  return Time{std::chrono::duration_cast<std::chrono::milliseconds>(
                  std::chrono::system_clock::now().time_since_epoch())
                  .count()};
}

SimulatedAccounts with_keys_of_nobody(SimulatedAccounts accounts) {
  accounts.alipay = accounts.wechat = accounts.stranger;
  return accounts;
}

bool is_page(const ApiRequest& request) {
  return request.target == "/" || request.target.starts_with("/cashier/");
}

}  // namespace

GatewaySimulator::GatewaySimulator(SimulatedAccounts accounts, const SimulatorOptions& options,
                                   std::ostream* out)
    : accounts_(std::move(accounts)),
      forgers_(with_keys_of_nobody(accounts_)),
      options_(options),
      out_(out),
      draws_(options.seed) {
  books_.began = wall_now();
  trades_.tell_refunds_to(
      [this](const SimulatedTrade& trade, const SimulatedRefund& refund) { plan_notices(trade, refund); });
}

ToolResult<std::unique_ptr<GatewaySimulator>> GatewaySimulator::start(SimulatedAccounts accounts,
                                                                      const SimulatorOptions& options,
                                                                      std::ostream* out) {
  std::unique_ptr<GatewaySimulator> made(new GatewaySimulator(std::move(accounts), options, out));
  auto* const self = made.get();
  auto server = SimulatorServer::listen(options.listen,
                                        [self](const ApiRequest& request) { return self->answer(request); });
  if (!server) return server.error();
  {
    const std::lock_guard lock(made->mutex_);
    made->server_ = std::move(*server);
    const auto on_paid = [self](const SimulatedTrade& trade) { self->plan(trade); };
    made->apis_ =
        std::make_unique<SimulatedApis>(made->accounts_, made->trades_, made->server_->url(), on_paid);
    made->forged_apis_ =
        std::make_unique<SimulatedApis>(made->forgers_, made->trades_, made->server_->url(), on_paid);
  }
  made->sender_ = std::thread(&GatewaySimulator::run, self);
  return made;
}

// With faults, a call is refused before anything is done, or done and not answered, answered by a stranger,
// or late.
ApiReply GatewaySimulator::answer(const ApiRequest& request) {
  const std::lock_guard lock(mutex_);
  if (!apis_) return {503, "text/plain", {}, "not yet"};
  if (!options_.faults || is_page(request)) return apis_->answer(request, wall_now());
  std::uint64_t roll = draws_.below(100);
  const auto drawn = [&roll](std::uint64_t percent) {
    const bool hit = roll < percent;
    roll = hit ? 100 : roll - percent;
    return hit;
  };
  ApiReply reply;
  ++books_.answers_bent;
  if (drawn(kBusyPercent))
    return {500, "application/json", {}, R"({"code":"SYSTEM_ERROR","message":"busy"})"};
  const bool lost = drawn(kLostAnswerPercent);
  const bool forged = !lost && drawn(kForgedAnswerPercent);
  const bool slow = !lost && !forged && drawn(kSlowAnswerPercent);
  if (!lost && !forged && !slow) --books_.answers_bent;
  reply = (forged ? forged_apis_ : apis_)->answer(request, wall_now());
  reply.hang_up = lost;
  if (slow) reply.delay_ms = kSlowMs;
  return reply;
}

GatewaySimulator::~GatewaySimulator() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (sender_.joinable()) sender_.join();
  server_.reset();
}

void GatewaySimulator::call_back_to(const std::string& server) {
  {
    const std::lock_guard lock(mutex_);
    merchant_ = server;
  }
  wake_.notify_all();
}

std::string GatewaySimulator::merchant() const {
  const std::lock_guard lock(mutex_);
  return merchant_;
}

std::chrono::steady_clock::time_point GatewaySimulator::after(std::int64_t ms) const {
  const double shortened = static_cast<double>(ms) / std::max(options_.time_factor, 0.001);
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(static_cast<std::int64_t>(shortened));
}

std::string GatewaySimulator::pay(SimulatedGateway gateway, const OrderId& order_id, Money amount,
                                  bool silent) {
  const std::lock_guard lock(mutex_);
  const Time now = wall_now();
  SimulatedTrade& trade = trades_.start(gateway, order_id, amount, now);
  if (trade.state != SimulatedTrade::State::waiting) return "";
  trade.amount = amount;
  trade.silent = silent;
  if (trades_.pay(trade, now) && !silent) plan(trade);
  return trade.transaction_id;
}

SimulatorBooks GatewaySimulator::books() const {
  const std::lock_guard lock(mutex_);
  SimulatorBooks books = books_;
  books.trades = trades_.all();
  return books;
}

bool GatewaySimulator::is_quiet() const {
  const std::lock_guard lock(mutex_);
  return due_.empty() && !sending_;
}

void GatewaySimulator::plan(const SimulatedTrade& trade) {
  for (const PlannedSending& sending : drawn_sendings(trade.gateway, true, options_.faults, draws_)) {
    const auto at = after(options_.faults ? sending.at_ms : 0);
    due_.push({at, trade.gateway, trade.paid(), sending.fault, 0, std::nullopt});
  }
  wake_.notify_all();
}

void GatewaySimulator::plan_notices(const SimulatedTrade& trade, const SimulatedRefund& refund) {
  if (!has_fault(trade.gateway, SendingFault::refund)) return;
  const RefundTold told{refund.number, refund.amount, trade.refunded()};
  for (const PlannedSending& sending : drawn_sendings(trade.gateway, true, options_.faults, draws_)) {
    if (sending.fault != SendingFault::none) continue;
    const auto at = after(options_.faults ? sending.at_ms : 0);
    due_.push({at, trade.gateway, trade.paid(), SendingFault::none, 0, told});
  }
  wake_.notify_all();
}

void GatewaySimulator::again(Due due) {
  const auto delays = retry_delays_s(due.gateway);
  if (due.attempt >= delays.size()) return;
  due.at = after(delays[due.attempt] * 1000);
  ++due.attempt;
  due_.push(std::move(due));
}

void GatewaySimulator::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (due_.empty() || merchant_.empty()) {
      wake_.wait(lock);
      continue;
    }
    const auto next = due_.top().at;  // a copy: who plans another meanwhile may move it
    if (next > std::chrono::steady_clock::now()) {
      wake_.wait_until(lock, next);
      continue;
    }
    const Due due = due_.top();
    due_.pop();
    if (options_.faults && due.fault == SendingFault::none && draws_.chance(kLostPercent)) {
      ++books_.lost;
      again(due);
      continue;
    }
    const std::string merchant = merchant_;
    sending_ = true;
    lock.unlock();
    send(due, merchant);
    lock.lock();
    sending_ = false;
  }
}

void GatewaySimulator::send(const Due& due, const std::string& server) {
  const std::string nonce = random_hex(12);
  CallbackMessage message =
      due.refund ? refund_message(due.gateway, accounts_, due.trade, *due.refund, wall_now(), nonce)
                 : payment_message(due.gateway, accounts_, due.trade, due.fault, wall_now(), nonce);
  HttpClient client(server, "");
  const auto reply = client.send({"POST", "/api/callbacks/" + std::string(to_text(due.gateway)),
                                  std::move(message.body), std::move(message.headers)});
  const bool acknowledged = reply && is_acknowledged(due.gateway, reply->status, reply->body);
  const std::lock_guard lock(mutex_);
  if (reply) note(due, acknowledged, reply->status);
  if (!acknowledged && due.fault == SendingFault::none) again(due);
  if (out_ == nullptr) return;
  *out_ << to_rfc3339(wall_now()) << "  " << to_text(due.gateway) << "  order "
        << due.trade.order_id.to_text();
  if (due.refund) *out_ << "  refund " << due.refund->number;
  if (due.fault != SendingFault::none) *out_ << "  " << to_text(due.fault);
  *out_ << "  " << (reply ? std::to_string(reply->status) : reply.error().message)
        << (acknowledged ? "  acknowledged" : "") << std::endl;
}

void GatewaySimulator::note(const Due& due, bool acknowledged, int status) {
  ++books_.callbacks;
  if (due.refund) ++books_.refund_notices;
  if (due.fault == SendingFault::none && !due.refund && acknowledged) {
    if (SimulatedTrade* trade = trades_.find(due.gateway, due.trade.order_id)) trade->acknowledged = true;
  }
  const bool good = due.fault == SendingFault::none || due.fault == SendingFault::refund;
  // What asks to be called again is no verdict, and an order may be unknown still.
  const bool refused = status >= kRefused && status < 500 && status != 404 && status != 408 && status != 429;
  if ((good ? !refused : !acknowledged) || books_.wrong.size() == kMaxWrong) return;
  books_.wrong.push_back(std::string(to_text(due.fault)) + " callback " +
                         (good ? "refused with " + std::to_string(status) : std::string("acknowledged")) +
                         ": " + std::string(to_text(due.gateway)) + " " + due.trade.transaction_id +
                         " of order " + due.trade.order_id.to_text());
}

}  // namespace recharge
