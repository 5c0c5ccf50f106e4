// Purpose: one history: clients, gateways, faults and crashes drawn from a seed, against a server and the
// oracle; and in the end everything sent again without faults. Each event draws for itself, so that a history
// of fewer events is a history too. Owner: one thread. Lifetime: run() once. Errors: a violation is a
// sentence; empty: every promise was kept.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "storage/memory_books.h"
#include "tests/simulation/coverage.h"
#include "tests/simulation/oracle.h"
#include "tests/simulation/simulated_server.h"
#include "tests/simulation/subscriber.h"
#include "tests/simulation/suppliers.h"
#include "tests/simulation/workload.h"
#include "tests/storage/watched_books.h"

namespace recharge::simulation {

constexpr std::uint32_t kEvents = 90;  // of which 54 are commands

struct Plan {
  std::uint64_t seed = 0;
  std::vector<std::uint32_t> events;  // those that take place, in order

  static Plan whole(std::uint64_t seed);
};

class History {
 public:
  // `trace`: one line for each event is kept, for people.
  History(Plan plan, Gateways& gateways, Coverage& coverage, bool trace = false);
  ~History();

  std::string run();
  const std::vector<std::string>& trace() const { return trace_; }

 private:
  enum class End { power_loss, kill };
  struct Ended {
    End how;
  };
  struct Reply {
    SimulatedServer::Executed executed;
    Oracle::Mark shows;
  };

  // What happens (history.cc).
  void take_place(std::uint32_t event);
  void client_event(Draws& draws);
  void machine_event(Draws& draws);
  void arm_end(Draws& draws);
  void fail_disk(Draws& draws);
  void fill_disk(Draws& draws);
  void checkpoint(Draws& draws);
  void redeliver(const Payment& payment, std::int64_t sent_at_s);
  void finish();

  // What is asked, and what must be answered (history_commands.cc).
  void receive(Callback callback, bool forged);
  void execute(const Command& command);
  void check_change(const Command& command, SimulatedServer::Executed executed);
  void check_read(const Command& command, SimulatedServer::Executed executed);
  void check_shown(const Order& order);
  void list_exceptions(const ListExceptions& command);
  void check_work(const GatewayWorkKey& key, SimulatedServer::Executed executed);
  void deliver_replies();

  // The gateway that is called (history_gateway.cc). `calm`: no call and no answer is lost.
  void start_payment(Draws& draws);
  void pay_what_was_started(Draws& draws);
  void look_after_gateway(Draws& draws, bool calm);
  void look_after_payment(const GatewayWork& work, Draws& draws, bool calm);
  void look_after_refund(const GatewayWork& work, Draws& draws, bool calm);
  bool is_lost(Draws& draws, bool calm);
  bool wait_until_durable();
  void finish_gateway_work();
  void check_gateway();

  // The suppliers that are asked (history_suppliers.cc).
  struct Asked;
  void supplier_event(Draws& draws);
  void look_after_recharge(Draws& draws, bool calm);
  void begin_attempt(Asked& asked, Draws& draws, bool calm);
  void go_on_with(Asked& asked, Draws& draws, bool calm);
  void look_after_given_up(const Asked& asked);
  std::vector<SupplierChoice> choices(Draws& draws, bool calm);
  void ask(Asked& asked, bool itself, Draws& draws, bool calm);
  SupplierAnswerKind answer_to(const Asked& asked, bool itself, Draws& draws, bool calm);
  void ask_workers(const Asked& asked, Draws& draws, bool calm);
  void end_attempt(const OrderId& order_id, std::uint16_t number, AttemptState state);
  void deliver_result(Draws& draws);
  void deliver_all_results();
  void check_suppliers(bool in_the_end);

  // Whoever is told of events (history_events.cc).
  void follow_events(unsigned events, bool save);
  void drop_segments();
  void check_events();

  // Lives and their ends (history_lives.cc).
  void operation();  // before each write, flush and transaction: the process may end here
  void live(const std::function<void()>& what);
  void end_life(End how);
  void watch_disk();
  ServerSettings settings(bool watched);
  void ensure_server();
  bool start_server();
  void examine_with_flipped_bit();
  std::string flip_in_journal(SimulatedFileSystem& disk);  // where; empty: there was nothing to flip
  std::string flip_in_books(MemoryBooks& books);
  void check_books();

  void violate(const std::string& what);
  void note(std::string_view line, std::string_view more = {}) {
    if (tracing_) trace_.emplace_back(line).append(more.substr(0, 300));
  }
  Oracle::ShardAt shards() {
    return [this](unsigned shard) -> ShardRecords& { return server_->shard(shard); };
  }

  const Plan plan_;
  Gateways& gateways_;
  Coverage& coverage_;
  const bool tracing_;
  std::vector<std::string> trace_;
  std::string violation_;

  Draws draws_;  // for what is drawn once, or by no event
  Workload workload_;
  Oracle oracle_;
  unsigned threads_;
  MemoryLimits limits_;
  std::unique_ptr<SimulatedFileSystem> disk_;
  MemoryBooks books_;
  testing::WatchedBooks watched_{books_};
  std::unique_ptr<SimulatedServer> server_;
  std::vector<Reply> replies_;  // not yet delivered
  Outcome outcome_;
  SimulatedServer::Executed executed_;   // what outcome_ waits for
  std::set<GatewayWorkKey> known_work_;  // of this life
  Suppliers suppliers_;
  std::vector<EndAttempt> results_;          // of suppliers, that arrive late, and perhaps twice
  std::map<OrderId, std::uint16_t> unsent_;  // attempts begun in this life of which nothing has left
  bool has_subscriber_ = false;
  std::unique_ptr<Subscriber> subscriber_;  // of this life
  EventLog events_;

  unsigned operations_left_ = 0;  // until the end that is armed; 0: none
  End armed_ = End::power_loss;
  Draws* meanwhile_ = nullptr;  // a checkpoint is being made: clients draw from these
  bool flip_at_restart_ = false;
  bool fills_segments_ = false;
  bool no_room_ = false;  // the disk has room for one segment, until the end
};

}  // namespace recharge::simulation
