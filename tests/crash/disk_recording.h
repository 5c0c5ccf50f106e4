// Purpose: what disk_recorder.c wrote down about one recharged: every change of its files, every flush and
// every reply, in order; and its replay onto a simulated disk. Owner: one thread. Lifetime: events point into
// the recording. Errors: std::runtime_error where the recording, or something in it, is not understood.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "storage/simulated_file.h"

namespace recharge::testing {

struct DiskEvent {
  char kind = 0;  // C created, W write, F flush of a file or folder, R rename, U removed, M made folder
  std::string path;
  std::uint64_t offset = 0;
  std::span<const std::byte> data;  // W: what was written; R: the new name
  bool of_group = false;            // a journal group's write or flush, not its preparation

  std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data.data()), data.size()}; }
};

// Which flushes count for nothing: to show that their absence is noticed.
enum class LeaveOut { nothing, journal_flushes, books_flushes, base_flushes };

class DiskRecording {
 public:
  // Paths that begin with `root` are given `image_root` in its place.
  DiskRecording(const std::string& file, std::string root, std::string image_root);

  const std::vector<DiskEvent>& events() const noexcept { return events_; }
  // By X-Request-Id, how many events stand before its first reply with status 200.
  const std::unordered_map<std::string, std::size_t>& acknowledged() const noexcept { return acknowledged_; }
  std::size_t groups() const noexcept { return groups_; }

  // The disk with only the folder in which everything was recorded.
  std::unique_ptr<SimulatedFileSystem> empty_disk() const;
  static void replay(const DiskEvent& event, LeaveOut leave_out, SimulatedFileSystem& disk);

 private:
  void parse(const std::string& root);
  void add(char kind, std::string path, std::uint64_t offset, std::span<const std::byte> data);
  void note_reply(std::string_view reply);

  std::vector<std::byte> bytes_;
  std::string image_root_;
  std::vector<DiskEvent> events_;
  std::unordered_map<std::string, std::size_t> acknowledged_;
  std::unordered_map<std::string, bool> dirty_;  // by path: written and not flushed
  std::size_t groups_ = 0;
};

}  // namespace recharge::testing
