#include "tools/gateway_simulator.h"

#include <chrono>
#include <ostream>

#include "tools/http_client.h"
#include "tools/made_ids.h"

namespace recharge {
namespace {

constexpr std::uint64_t kLostPercent = 10;

Time wall_now() {
  return Time{std::chrono::duration_cast<std::chrono::milliseconds>(
                  std::chrono::system_clock::now().time_since_epoch())
                  .count()};
}

}  // namespace

GatewaySimulator::GatewaySimulator(SimulatedAccounts accounts, const SimulatorOptions& options,
                                   std::ostream* out)
    : accounts_(std::move(accounts)), options_(options), out_(out), draws_(options.seed) {}

ToolResult<std::unique_ptr<GatewaySimulator>> GatewaySimulator::start(SimulatedAccounts accounts,
                                                                      const SimulatorOptions& options,
                                                                      std::ostream* out) {
  std::unique_ptr<GatewaySimulator> made(new GatewaySimulator(std::move(accounts), options, out));
  auto* const self = made.get();
  auto server = SimulatorServer::listen(options.listen, [self](const ApiRequest& request) {
    const std::lock_guard lock(self->mutex_);
    return self->apis_ ? self->apis_->answer(request, wall_now())
                       : ApiReply{503, "text/plain", {}, "not yet"};
  });
  if (!server) return server.error();
  {
    const std::lock_guard lock(made->mutex_);
    made->server_ = std::move(*server);
    made->apis_ = std::make_unique<SimulatedApis>(made->accounts_, made->trades_, made->server_->url(),
                                                  [self](const SimulatedTrade& trade) { self->plan(trade); });
  }
  made->sender_ = std::thread(&GatewaySimulator::run, self);
  return made;
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

std::chrono::steady_clock::time_point GatewaySimulator::after(std::int64_t ms) const {
  const double shortened = static_cast<double>(ms) / std::max(options_.time_factor, 0.001);
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(static_cast<std::int64_t>(shortened));
}

void GatewaySimulator::plan(const SimulatedTrade& trade) {
  if (!options_.faults) {
    due_.push({after(0), trade.gateway, trade.paid(), SendingFault::none, 0});
  } else {
    for (const PlannedSending& sending : drawn_sendings(trade.gateway, true, true, draws_))
      due_.push({after(sending.at_ms), trade.gateway, trade.paid(), sending.fault, 0});
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
    if (due_.top().at > std::chrono::steady_clock::now()) {
      wake_.wait_until(lock, due_.top().at);
      continue;
    }
    const Due due = due_.top();
    due_.pop();
    if (options_.faults && due.fault == SendingFault::none && draws_.chance(kLostPercent)) {
      again(due);
      continue;
    }
    const std::string merchant = merchant_;
    lock.unlock();
    send(due, merchant);
    lock.lock();
  }
}

void GatewaySimulator::send(const Due& due, const std::string& server) {
  CallbackMessage message =
      payment_message(due.gateway, accounts_, due.trade, due.fault, wall_now(), random_hex(12));
  HttpClient client(server, "");
  const auto reply = client.send({"POST", "/api/callbacks/" + std::string(to_text(due.gateway)),
                                  std::move(message.body), std::move(message.headers)});
  const bool acknowledged = reply && is_acknowledged(due.gateway, reply->status, reply->body);
  const std::lock_guard lock(mutex_);
  if (!acknowledged && due.fault == SendingFault::none) again(due);
  if (out_ == nullptr) return;
  *out_ << to_rfc3339(wall_now()) << "  " << to_text(due.gateway) << "  order "
        << due.trade.order_id.to_text();
  if (due.fault != SendingFault::none) *out_ << "  " << to_text(due.fault);
  *out_ << "  " << (reply ? std::to_string(reply->status) : reply.error().message)
        << (acknowledged ? "  acknowledged" : "") << std::endl;
}

}  // namespace recharge
