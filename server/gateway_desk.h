// Purpose: what an io thread has to do at gateways: it starts payments for requests, and carries on open work
// of its shards until a verified answer ends it: asks for started payments at 5 s, 15 s, 1 min, 5 min and
// every 5 min after, closes them at the gateway when their order has ended, and has refunds carried out under
// one number however often they are tried. Nothing is done for work that is not durable. Calls go over the
// shared HTTP client. Owner: an io thread. Lifetime: of the thread; the client is stopped before. Units: _ms
// of wall time. Errors: what is not answered is asked for again later.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "server/gateway_caller.h"
#include "server/handler.h"
#include "server/http_client.h"

namespace recharge {

struct KeyRings;

class GatewayDesk {
 public:
  static constexpr unsigned kMaxActive = 256;  // works of a thread under way; the others wait
  static constexpr std::size_t kMaxAnswerBytes = 256 << 10;

  // post: has a function called on this desk's thread, from any thread.
  using Post = std::function<void(std::function<void()>)>;
  GatewayDesk(HandlerContext& context, HttpClient& client, Post post);
  ~GatewayDesk();
  GatewayDesk(const GatewayDesk&) = delete;
  GatewayDesk& operator=(const GatewayDesk&) = delete;

  void take_over(const KeyRings& keys);  // at the start and after a reload

  // Open work, or work that was changed. At the start its callbacks may have come while nobody listened.
  void note(const GatewayWorkKey& key, bool at_start);

  // Between begin_batch() and turn() of the engine.
  void tick();
  void begin_drain() noexcept { draining_ = true; }  // nothing new is begun
  void give_up();                                    // requests that still wait are answered

  GatewayCaller* caller(const GatewayName& gateway) noexcept;
  // The only gateway with calls, or none.
  const GatewayName* only_gateway() const noexcept;

  // A request's payment: true where it goes on, and the operation will be completed again.
  bool pursue_payment(Operation& operation);
  // The order's open work is looked at now.
  void hurry(const OrderId& order_id);

 private:
  struct Job;
  using Read = std::function<void(const GatewayReply&)>;

  std::int64_t now_ms() const noexcept;
  Time now() const noexcept { return Time{now_ms()}; }
  void begin(Job& job);
  static void on_complete(Operation& operation) noexcept;
  void step(Job& job);
  void on_read(Job& job);
  void look_after_payment(Job& job, GatewayCaller& caller);
  void name_payment(Job& job, GatewayCaller& caller);
  void on_query(Job& job, GatewayCaller& caller, const GatewayReply& reply);
  void report(Job& job, const GatewayCaller& caller, const QueryAnswer& answer, const GatewayReply& reply);
  void close_payment(Job& job, GatewayCaller& caller);
  void look_after_refund(Job& job, GatewayCaller& caller);
  void call_refund(Job& job, GatewayCaller& caller);
  void query_refund(Job& job, GatewayCaller& caller);
  void on_refund(Job& job, const RefundAnswer& answer, bool asked);
  void settle(Job& job, bool succeeded);
  void end_payment(Job& job);
  void submit(Job& job);
  void put_off(Job& job, std::int64_t delay_ms);
  void put_off(Job& job);
  void finish(Job& job);

  void call(GatewayRequest request, Read read);
  void on_answer(std::uint64_t number, HttpAnswer&& answer);
  void begin_payment(Operation& operation);
  void complete_payment(Operation& operation, OutcomeCode code);

  HandlerContext& context_;
  HttpClient& client_;
  Post post_;
  std::vector<std::pair<GatewayName, std::unique_ptr<GatewayCaller>>> callers_;
  std::vector<std::unique_ptr<GatewayCaller>> retired_;  // by a reload, while calls of theirs are under way
  std::map<GatewayWorkKey, std::unique_ptr<Job>> jobs_;
  std::multimap<std::int64_t, Job*> due_;
  std::map<std::uint64_t, Read> calls_;           // under way
  std::map<std::uint64_t, Operation*> payments_;  // of requests, by their call
  std::uint64_t last_number_ = 0;
  unsigned active_ = 0;
  bool draining_ = false;
};

}  // namespace recharge
