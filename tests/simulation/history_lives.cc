// The lives of the process, and how they end.
#include "tests/core/ledger_invariants.h"
#include "tests/simulation/books_records.h"
#include "tests/simulation/history.h"

namespace recharge::simulation {
namespace {

constexpr unsigned kStarts = 40;  // that may fail in turn

}  // namespace

void History::operation() {
  if (operations_left_ > 0 && --operations_left_ == 0) throw Ended{armed_};
}

void History::watch_disk() {
  disk_->set_observer([this](SimulatedFileSystem::Operation, const std::string&) { operation(); });
}

void History::live(const std::function<void()>& what) {
  try {
    what();
  } catch (const Ended& ended) {
    return end_life(ended.how);
  }
  // Nothing is acknowledged after a failed write or flush: the process ends.
  if (server_ && server_->journal_failed()) end_life(draws_.one_in(2) ? End::kill : End::power_loss);
}

// Clients have what was acknowledged until now, and nothing else.
void History::end_life(End how) {
  coverage_.count(how == End::kill ? Met::kills : Met::power_losses);
  note(how == End::kill ? "-- killed" : "-- power loss");
  if (server_) deliver_replies();
  replies_.clear();
  subscriber_.reset();
  known_work_.clear();
  unsent_.clear();
  server_.reset();
  meanwhile_ = nullptr;
  // Sometimes the next life ends before it has begun.
  operations_left_ = draws_.one_in(8) ? 1 + static_cast<unsigned>(draws_.below(5)) : 0;
  if (how == End::kill) return;  // the system still has what was written
  disk_ = disk_->after_power_loss(draws_.next());
  watch_disk();
}

ServerSettings History::settings(bool watched) {
  ServerSettings settings;
  settings.threads = threads_;
  settings.limits = limits_;
  if (draws_.one_in(4)) settings.recovery_limit_bytes = 4'000;
  settings.wall_clock = [this] { return workload_.now(); };
  if (!watched) return settings;
  settings.between_transactions = [this] { operation(); };
  settings.meanwhile = [this] {
    if (meanwhile_ != nullptr && meanwhile_->one_in(3)) client_event(*meanwhile_);
  };
  return settings;
}

void History::ensure_server() {
  for (unsigned tries = 0; !server_; ++tries) {
    if (tries == kStarts) return violate("does not start");
    if (std::exchange(flip_at_restart_, false)) examine_with_flipped_bit();
    if (!violation_.empty()) return;
    bool started = false;
    try {
      started = start_server();
    } catch (const Ended& ended) {
      coverage_.count(Met::ends_in_recovery);
      end_life(ended.how);
      continue;
    }
    if (!violation_.empty()) return;
    operations_left_ = 0;
    if (!started) {
      subscriber_.reset();
      server_.reset();
    }
  }
}

// False: a fault of the disk kept it from starting.
bool History::start_server() {
  if (draws_.one_in(4)) threads_ = 1 + static_cast<unsigned>(draws_.below(3));
  server_ = std::make_unique<SimulatedServer>(*disk_, watched_, settings(true));
  const auto started = server_->start();
  if (!started) {
    const auto& error = started.error();
    if (tracing_) note("does not start: ", error.to_text());
    if (is_disk_full(error.code)) {
      disk_->set_capacity(UINT64_MAX);
    } else if (error.code != boost::system::errc::io_error) {
      violate("does not start: " + error.to_text());
    }
    return false;
  }
  coverage_.count(Met::restarts);
  coverage_.count(Met::torn_tails, started->torn_tail ? 1 : 0);
  note("-- started; records behind the books: ", std::to_string(started->records));
  const auto verdict = oracle_.resume(shards(), workload_.now());
  coverage_.count(Met::lost_commands, verdict.lost);
  if (verdict.damaged) violate("after a restart a record is damaged");
  if (!verdict.violation.empty()) violate("after a restart: " + verdict.violation);
  if (violation_.empty()) check_suppliers(false);
  if (has_subscriber_) {
    subscriber_ = std::make_unique<Subscriber>(
        *disk_, [this] { return server_->durable_position(); }, [this] { return workload_.now().ms; });
  }
  server_->step();  // prepares a segment
  return !server_->journal_failed();
}

// What a flipped bit does to a start: it is found, or changes nothing.
void History::examine_with_flipped_bit() {
  const auto disk = disk_->after_kill();
  MemoryBooks books = books_;
  const auto what = draws_.one_in(3) ? flip_in_books(books) : flip_in_journal(*disk);
  if (what.empty()) return;
  note("a bit flips in ", what);
  SimulatedServer server(*disk, books, settings(false));
  const auto started = server.start();
  if (!started) {
    coverage_.count(Met::flips_found);
    if (!started.error().is(Errc::damaged) && !started.error().is(Errc::newer_format))
      violate("a flipped bit in " + what + ": " + started.error().to_text());
    return;
  }
  const auto verdict =
      oracle_.examine([&](unsigned shard) -> ShardRecords& { return server.shard(shard); }, workload_.now());
  coverage_.count(verdict.damaged ? Met::flips_found : Met::flips_harmless);
  if (!verdict.violation.empty()) violate("with a flipped bit in " + what + ": " + verdict.violation);
}

std::string History::flip_in_journal(SimulatedFileSystem& disk) {
  const auto names = disk.list("/journal");
  if (!names || names->empty()) return {};
  const auto path = "/journal/" + (*names)[draws_.below(names->size())];
  const auto content = disk.content(path);
  if (content.empty()) return {};
  std::uint64_t at = 0;
  for (unsigned tries = 0; tries < 4 && content[at] == std::byte{0}; ++tries)
    at = draws_.below(content.size());
  const auto changed = content[at] ^ std::byte{1} << draws_.below(8);
  disk.overwrite(path, at, std::span(&changed, 1));
  return path + " at " + std::to_string(at);
}

std::string History::flip_in_books(MemoryBooks& books) {
  const auto table = draws_.below(kTables);
  const auto& rows = books.state().tables[table];
  if (rows.empty()) return {};
  const auto row = std::next(rows.begin(), static_cast<std::ptrdiff_t>(draws_.below(rows.size())));
  auto value = row->second;
  value[draws_.below(value.size())] ^= std::byte{1} << draws_.below(8);
  auto transaction = books.begin().value();
  RECHARGE_CHECK(transaction->put(static_cast<Table>(table), row->first, value).has_value());
  RECHARGE_CHECK(transaction->commit().has_value());
  return "table " + std::to_string(table);
}

// The books alone, shard by shard: every entry, every chain, every sum.
void History::check_books() {
  const auto shards = records_of(books_);
  if (!shards) return violate("a row of the books is damaged");
  for (const auto& records : *shards) {
    for (const auto& broken : testing::violations(records)) violate("in the books: " + broken);
  }
}

}  // namespace recharge::simulation
