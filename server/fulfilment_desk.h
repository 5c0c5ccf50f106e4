// Purpose: what an io thread has to do for orders of its shards that suppliers recharge: begins attempts,
// asks, asks again under the same request id, has what came of it recorded, and gives up. What a call led to
// is never assumed: after silence the supplier is queried, and another one is asked only when it is known
// that the first did nothing. Nothing is done for work that is not durable; a crash between a call and its
// record is made good by a query. Owner: an io thread. Lifetime: of the thread; the client is stopped before.
// Units: _ms of wall time. Errors: what is not settled is tried again, more and more rarely.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "server/amqp_results.h"
#include "server/handler.h"
#include "server/http_client.h"
#include "server/supplier_breaker.h"
#include "server/supplier_calls.h"

namespace recharge {

class FulfilmentDesk {
 public:
  static constexpr unsigned kMaxActive = 64;  // orders of a thread under way; the others wait

  // post: has a function called on this desk's thread, from any thread.
  using Post = std::function<void(std::function<void()>)>;
  // client: null where nobody is called.
  FulfilmentDesk(HandlerContext& context, HttpClient* client, Post post);
  ~FulfilmentDesk();
  FulfilmentDesk(const FulfilmentDesk&) = delete;
  FulfilmentDesk& operator=(const FulfilmentDesk&) = delete;

  void take_over(const std::vector<SupplierKeys>& keys);  // at the start and after a reload
  void note(const GatewayWorkKey& key);                   // it is open, or was changed

  // What a worker reports. settled: is called when that is durable (true), or could not be recorded (false).
  void take_result(const RechargeResult& result, std::function<void(bool recorded)> settled);

  // Between begin_batch() and turn() of the engine.
  void tick();
  void begin_drain() noexcept { draining_ = true; }  // nothing new is begun

 private:
  struct Job;
  struct Supplier;
  struct Reported;
  using Read = std::function<void(HttpAnswer&&)>;

  std::int64_t now_ms() const noexcept { return context_.engine.now(context_.thread).ms; }
  Supplier* supplier(const SupplierName& name) noexcept;
  void begin(Job& job);
  static void on_complete(Operation& operation) noexcept;
  void step(Job& job);
  void on_read(Job& job);
  void go_on(Job& job, const RechargeAttempt& attempt);
  void wait_for_workers(Job& job, const RechargeAttempt& attempt);
  static void on_recorded(Operation& operation) noexcept;
  void hurry(const OrderId& order_id);
  void choose(Job& job);
  bool is_past_deadline(const Job& job) const noexcept;
  std::vector<SupplierChoice> choices() const;
  void ask(Job& job, Supplier& of);
  void query(Job& job, Supplier& of);
  void call(HttpCall call, Read read);
  void on_answer(Job& job, const SupplierAnswer& answer, bool asked);
  void end_attempt(Job& job, AttemptState state, const SupplierAnswer& answer);
  void note_attempt(Job& job, const AttemptReason& reason);
  void give_up(Job& job);
  void submit(Job& job);
  void put_off(Job& job, std::int64_t delay_ms);
  void put_off(Job& job);
  void finish(Job& job);

  HandlerContext& context_;
  HttpClient* client_;
  Post post_;
  std::vector<std::unique_ptr<Supplier>> suppliers_;  // in the order of preference
  std::map<OrderId, std::unique_ptr<Job>> jobs_;
  std::multimap<std::int64_t, Job*> due_;
  std::map<std::uint64_t, Read> calls_;                          // under way
  std::map<std::uint64_t, std::unique_ptr<Reported>> reported_;  // results that are being recorded
  std::uint64_t last_number_ = 0;
  unsigned active_ = 0;
  bool draining_ = false;
};

}  // namespace recharge
