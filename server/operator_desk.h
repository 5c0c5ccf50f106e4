// Purpose: what an operator may ask of the running server beside requests: how ready it is and why, another
// log level, a checkpoint now, a backup. Any thread; a backup runs on a thread of its own, one at a time.
// Lifetime: longer than the io threads. Errors: a backup's stand in its report.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "core/time.h"
#include "server/metrics.h"
#include "storage/backup.h"

namespace recharge {

struct Readiness {
  bool accepting = true;  // not draining
  bool ledger_balanced = true;
  bool store_writable = true;
  bool all() const noexcept { return accepting && ledger_balanced && store_writable; }
};

struct BackupState {
  enum class Phase { none, running, done, failed };
  Phase phase = Phase::none;
  std::string name;
  std::string error;  // of one that failed
  BackupReport report;
  Time began_at, ended_at;
};
std::string_view to_text(BackupState::Phase phase) noexcept;

class OperatorDesk {
 public:
  struct Sources {
    std::function<Readiness()> readiness;
    std::function<StorageMetrics()> storage;
    std::function<std::uint64_t()> connections;
    std::function<void()> checkpoint;  // begins soon
    std::string data_dir;
    std::string backup_dir;  // empty: no backups are made here
    unsigned threads = 1;
  };
  explicit OperatorDesk(Sources sources);
  ~OperatorDesk();  // waits for the backup
  OperatorDesk(const OperatorDesk&) = delete;
  OperatorDesk& operator=(const OperatorDesk&) = delete;

  const Sources& sources() const noexcept { return sources_; }
  Time started_at() const noexcept { return started_at_; }

  bool can_back_up() const noexcept { return !sources_.backup_dir.empty(); }
  // Into a new folder of this name in backup_dir. False: another one is going on.
  bool begin_backup(std::string name);
  BackupState backup() const;

 private:
  void back_up(const std::string& name);

  const Sources sources_;
  const Time started_at_;
  mutable std::mutex mutex_;
  BackupState backup_;
  std::thread thread_;
};

}  // namespace recharge
