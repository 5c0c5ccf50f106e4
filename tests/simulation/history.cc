#include "tests/simulation/history.h"

#include <cerrno>

namespace recharge::simulation {
namespace {

constexpr std::uint64_t kOwnDraws = ~std::uint64_t{0};  // the index of draws that belong to no event

}  // namespace

Plan Plan::whole(std::uint64_t seed) {
  Plan plan{seed, {}};
  for (std::uint32_t i = 0; i < kEvents; ++i) plan.events.push_back(i);
  return plan;
}

History::History(Plan plan, Gateways& gateways, Coverage& coverage, bool trace)
    : plan_(std::move(plan)),
      gateways_(gateways),
      coverage_(coverage),
      tracing_(trace),
      draws_(plan_.seed, kOwnDraws),
      workload_(plan_.seed),
      threads_(1 + static_cast<unsigned>(draws_.below(3))),
      disk_(empty_disk()) {
  if (draws_.one_in(8)) limits_ = {6'000, 20'000};
  has_subscriber_ = draws_.one_in(workload_.has_long_remarks() ? 2 : 4);
  watch_disk();
}
History::~History() = default;

void History::violate(const std::string& what) {
  if (violation_.empty()) violation_ = what;
}

std::string History::run() {
  ++coverage_.histories;
  no_room_ = workload_.has_long_remarks() && draws_.one_in(2);
  fills_segments_ = workload_.has_long_remarks() && !no_room_;
  if (no_room_) disk_->set_capacity(journal_options(threads_).segment_bytes + draws_.below(20'000));
  for (const auto event : plan_.events) {
    if (!violation_.empty()) break;
    ensure_server();
    if (violation_.empty()) live([&] { take_place(event); });
  }
  if (violation_.empty()) finish();
  return violation_;
}

void History::take_place(std::uint32_t event) {
  Draws draws(plan_.seed, event);
  workload_.pass(draws.up_to(50));
  if (event % 5 < 3) {
    workload_.has_suppliers() && draws.one_in(3) ? supplier_event(draws) : client_event(draws);
    if (fills_segments_ && draws.one_in(2))
      receive(gateways_.sign(workload_.filler(), workload_.now().ms / 1000), false);
  } else {
    machine_event(draws);
  }
  deliver_replies();
}

void History::client_event(Draws& draws) {
  const auto kind = draws.below(24);
  if (kind >= 20) {
    if (kind < 22) return start_payment(draws);
    return kind == 22 ? pay_what_was_started(draws) : look_after_gateway(draws, false);
  }
  if (kind < 8) {
    const auto command = workload_.change(draws);
    // What became of a refund that a gateway carries out, nobody says but the gateway.
    const auto* settle = std::get_if<SettleRefund>(&command);
    const auto* order = settle == nullptr ? nullptr : oracle_.order(settle->order_id);
    return order != nullptr && order->by_call ? look_after_gateway(draws, false) : execute(command);
  }
  if (kind < 11) return execute(workload_.read(draws));
  if (kind < 16 || workload_.payments().empty()) {
    const auto& payment = workload_.payment(draws);
    const auto sent_at = workload_.sending_time_s(draws);
    if (draws.one_in(6)) return receive(gateways_.forge(payment, sent_at, draws), true);
    return receive(gateways_.sign(payment, sent_at), false);
  }
  coverage_.count(Met::repeats);
  if (kind == 16 && !workload_.sent().empty()) {  // the same bytes once more, however old
    return receive(workload_.sent()[draws.below(workload_.sent().size())], false);
  }
  const auto& payment = workload_.payments()[draws.below(workload_.payments().size())];
  if (payment.unreported) return look_after_gateway(draws, false);
  redeliver(payment, workload_.sending_time_s(draws));
}

void History::redeliver(const Payment& payment, std::int64_t sent_at_s) {
  receive(gateways_.sign(payment, sent_at_s), false);
}

void History::machine_event(Draws& draws) {
  switch (draws.below(32)) {
    case 0:
    case 1:
    case 2:
      return checkpoint(draws);
    case 3:
      coverage_.count(Met::sweeps);
      return server_->sweep();
    case 4:
    case 5:
    case 6:
      note("time passes");
      return workload_.pass(draws.up_to(testing::kExpireAfterMs));
    case 7:
    case 8:
      return arm_end(draws);
    case 9:
      throw Ended{draws.one_in(3) ? End::kill : End::power_loss};
    case 10:
    case 11:
      return fail_disk(draws);
    case 12:
    case 13:
      return fill_disk(draws);
    case 14:
      if (no_room_) return;
      note("the disk has room");
      return disk_->set_capacity(UINT64_MAX);
    case 15:
      note("a commit of the books will fail");
      coverage_.count(Met::failed_commits);
      watched_.fail_commit = watched_.commits + 1 + draws.below(4);
      watched_.commits_anyway = draws.one_in(2);
      watched_.error = {draws.one_in(4) ? EIO : ENOSPC, boost::system::generic_category()};
      return;
    case 16:
      flip_at_restart_ = true;
      return;
    case 17:
    case 18:
      return look_after_gateway(draws, false);
    case 19:
    case 20:
    case 21:
      return follow_events(1 + static_cast<unsigned>(draws.below(30)), draws.one_in(2));
    default:
      coverage_.count(Met::groups);
      note("a group is written");
      server_->step();
  }
}

void History::arm_end(Draws& draws) {
  operations_left_ = 1 + static_cast<unsigned>(draws.below(14));
  armed_ = draws.one_in(3) ? End::kill : End::power_loss;
  note(armed_ == End::kill ? "a kill is near; operations until then: "
                           : "a power loss is near; operations until then: ",
       std::to_string(operations_left_));
}

void History::fail_disk(Draws& draws) {
  const bool flush = draws.one_in(2);
  coverage_.count(flush ? Met::failed_flushes : Met::failed_writes);
  note(flush ? "a flush will fail" : "a write will fail");
  using Operation = SimulatedFileSystem::Operation;
  disk_->inject({flush ? Operation::sync : Operation::write, 1 + draws.below(4), 1, EIO, ".journal"});
}

void History::fill_disk(Draws& draws) {
  coverage_.count(Met::full_disks);
  note("the disk fills");
  disk_->set_capacity(UINT64_MAX);
  const auto used = UINT64_MAX - *disk_->free_bytes("/");
  disk_->set_capacity(used + draws.below(20'000));
}

// Clients go on meanwhile.
void History::checkpoint(Draws& draws) {
  note("a checkpoint");
  meanwhile_ = &draws;
  const auto done = server_->checkpoint();
  meanwhile_ = nullptr;
  coverage_.count(done ? Met::checkpoints : Met::failed_checkpoints);
  if (done) drop_segments();
  if (done || is_disk_full(done.error())) return;  // tried again later, with the sets kept
  if (!server_->journal_failed()) throw Ended{End::kill};
}

// Everything once more, without faults: what was reported is then credited or kept, whatever was lost.
void History::finish() {
  disk_->clear_faults();
  disk_->set_capacity(UINT64_MAX);
  operations_left_ = 0;
  watched_.fail_commit = 0;
  note("the power fails, and everything is sent again");
  if (server_) end_life(End::power_loss);
  limits_ = {};
  ensure_server();
  const auto payments = workload_.payments().size();
  for (std::size_t i = 0; i < payments && violation_.empty(); ++i) {
    if (workload_.payments()[i].unreported) continue;
    redeliver(workload_.payments()[i], workload_.now().ms / 1000);
    server_->step();
    deliver_replies();
  }
  if (violation_.empty()) finish_gateway_work();
  if (!violation_.empty()) return;
  if (!replies_.empty()) return violate("a reply is never delivered");
  check_gateway();
  check_suppliers(true);
  if (!violation_.empty()) return;
  if (auto different = oracle_.difference(shards(), workload_.now()); !different.empty())
    return violate("in the end: " + different);
  if (const auto done = server_->checkpoint(); !done)
    return violate("no checkpoint: " + done.error().message());
  check_books();
  end_life(End::power_loss);
  ensure_server();
  if (violation_.empty() && has_subscriber_) check_events();
}

}  // namespace recharge::simulation
