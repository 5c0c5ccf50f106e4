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
  static constexpr std::size_t kMaxAnswerBytes = 1 << 20;

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
  // Asks the gateway of the order that was read whether it was paid, started here or not; what it says goes
  // the way of a callback. True where the operation goes on, and will be completed again.
  bool pursue_question(Operation& operation);
  // The bill of a gateway that is called from here, as JSON in later_body; else the outcome says why not, and
  // later_body what the gateway said. REQUIRES: caller(gateway).
  void ask_for_bill(Operation& operation, const GatewayName& gateway, const BillQuestion& question);
  bool calls_any() const noexcept { return !callers_.empty(); }
  // The order's open work is looked at now.
  void hurry(const OrderId& order_id);

 private:
  struct Job;
  // Reads the answer, and says what it proves.
  using Read = std::function<CallAnswer::Kind(const GatewayReply&)>;
  struct Call {
    Read read;
    ThreadMetrics::GatewayCallCounters* counters = nullptr;
  };

  static PaymentStart payment_of(const Order& order);
  std::int64_t now_ms() const noexcept;
  Time now() const noexcept { return Time{now_ms()}; }
  void begin(Job& job);
  static void on_complete(Operation& operation) noexcept;
  void step(Job& job);
  void on_read(Job& job);
  void do_without_calls(Job& job);
  void note_stuck(Job& job, bool stuck);
  void look_after_payment(Job& job, GatewayCaller& caller);
  void name_payment(Job& job, GatewayCaller& caller);
  void on_named(Job& job, const GatewayCaller& caller, const GatewayCaller::Started& answer);
  CallAnswer::Kind on_query(Job& job, GatewayCaller& caller, const GatewayReply& reply);
  void on_unpaid(Job& job, GatewayCaller& caller, const QueryAnswer& answer);
  void report(Job& job, const GatewayCaller& caller, const QueryAnswer& answer, const GatewayReply& reply);
  void close_payment(Job& job, GatewayCaller& caller);
  void look_after_refund(Job& job, GatewayCaller& caller);
  void call_refund(Job& job, GatewayCaller& caller);
  void query_refund(Job& job, GatewayCaller& caller);
  void on_refund(Job& job, const RefundAnswer& answer, bool asked);
  void settle(Job& job, bool succeeded);
  void end_payment(Job& job);
  void fill_report(Operation& operation, const Order& order, const GatewayCaller& caller,
                   const QueryAnswer& answer, const GatewayReply& reply) const;
  void submit(Job& job);
  void put_off(Job& job, std::int64_t delay_ms);
  void put_off(Job& job);
  void finish(Job& job);

  void call(const GatewayName& gateway, GatewayCall kind, GatewayRequest request, Read read);
  ThreadMetrics::GatewayCallCounters& counters(const GatewayName& gateway, GatewayCall kind);
  void on_answer(std::uint64_t number, HttpAnswer&& answer);
  void begin_payment(Operation& operation);
  void on_question(Operation& operation, const GatewayCaller& gateway, const Order& order,
                   const QueryAnswer& answer, const GatewayReply& reply);
  void on_started(Operation& operation, const GatewayCaller& gateway, const Order& order, PayMethod method,
                  const GatewayCaller::Started& answer);
  void complete_payment(Operation& operation, OutcomeCode code);

  HandlerContext& context_;
  HttpClient& client_;
  Post post_;
  std::vector<std::pair<GatewayName, std::unique_ptr<GatewayCaller>>> callers_;
  std::vector<std::unique_ptr<GatewayCaller>> retired_;  // by a reload, while calls of theirs are under way
  std::map<GatewayWorkKey, std::unique_ptr<Job>> jobs_;
  std::multimap<std::int64_t, Job*> due_;
  std::map<std::uint64_t, Call> calls_;           // under way
  std::map<std::uint64_t, Operation*> payments_;  // of requests, by their call
  std::uint64_t last_number_ = 0;
  unsigned active_ = 0;
  bool draining_ = false;
};

}  // namespace recharge
