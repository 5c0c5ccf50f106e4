#include "server/operator_desk.h"

#include <chrono>
#include <filesystem>

#include "server/log.h"
#include "storage/real_file.h"
#include "storage/thread_role.h"

namespace recharge {
namespace {

Time wall_clock() {
  return Time{std::chrono::duration_cast<std::chrono::milliseconds>(
                  std::chrono::system_clock::now().time_since_epoch())
                  .count()};
}

}  // namespace

std::string_view to_text(BackupState::Phase phase) noexcept {
  constexpr std::string_view kNames[] = {"none", "running", "done", "failed"};
  return kNames[static_cast<std::size_t>(phase)];
}

OperatorDesk::OperatorDesk(Sources sources) : sources_(std::move(sources)), started_at_(wall_clock()) {}

OperatorDesk::~OperatorDesk() {
  if (thread_.joinable()) thread_.join();
}

bool OperatorDesk::begin_backup(std::string name) {
  const std::lock_guard lock(mutex_);
  if (backup_.phase == BackupState::Phase::running) return false;
  if (thread_.joinable()) thread_.join();  // it has ended
  backup_ = {};
  backup_.phase = BackupState::Phase::running;
  backup_.name = name;
  backup_.began_at = wall_clock();
  thread_ = std::thread([this, name = std::move(name)] { back_up(name); });
  return true;
}

void OperatorDesk::back_up(const std::string& name) {
  begin_thread("backup", Urgency::background);
  RealFileSystem files;
  std::error_code failed;
  std::filesystem::create_directories(sources_.backup_dir, failed);
  const std::string to = (std::filesystem::path(sources_.backup_dir) / name).string();
  StorageResult<BackupReport> report = make_backup(files, sources_.data_dir, to);
  if (report) {
    log_info("backup made: " + to + ", " + std::to_string(report->records) + " records");
  } else {
    log_error("backup failed: " + report.error().to_text());
  }
  const std::lock_guard lock(mutex_);
  backup_.ended_at = wall_clock();
  backup_.phase = report ? BackupState::Phase::done : BackupState::Phase::failed;
  if (report) backup_.report = *report;
  if (!report) backup_.error = report.error().to_text();
}

BackupState OperatorDesk::backup() const {
  const std::lock_guard lock(mutex_);
  return backup_;
}

}  // namespace recharge
