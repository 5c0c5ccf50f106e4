// What a group costs beside what the disk costs: groups of 1, 16 and 64 records of 450 bytes through the
// journal, and the same bytes by a bare write and flush in a zero-filled file. Reading back is verified
// before it is timed.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "storage/journal.h"
#include "storage/journal_reader.h"
#include "storage/real_file.h"

namespace recharge {
namespace {

constexpr std::size_t kRecordBytes = 450;

// On the disk of the working directory: /tmp may be memory.
class BenchFolder {
 public:
  BenchFolder() {
    std::string pattern = (std::filesystem::current_path() / "journal_bench_XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~BenchFolder() { std::filesystem::remove_all(path_); }
  BenchFolder(const BenchFolder&) = delete;
  BenchFolder& operator=(const BenchFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

JournalOptions options_for(const std::string& directory) {
  JournalOptions options;
  options.directory = directory;
  options.folder_id.fill(7);
  return options;
}

bool write_group(Journal& journal, std::int64_t records) {
  for (std::int64_t i = 0; i < records; ++i) {
    auto room = journal.reserve(0, kRecordBytes);
    if (room.empty()) return false;
    std::memset(room.data(), 'r', room.size());
    journal.commit(0, kRecordBytes);
  }
  journal.publish(0);
  auto written = journal.step();
  return written && *written == static_cast<std::size_t>(records);
}

void journal_group(benchmark::State& state) {
  const BenchFolder folder;
  RealFileSystem files;
  auto journal = Journal::open(files, options_for(folder.path()), {}, {});
  if (!journal || !(*journal)->step()) return state.SkipWithError("the journal cannot be opened");
  std::uint64_t pushed = 0;
  for (auto _ : state) {
    if (!write_group(**journal, state.range(0))) return state.SkipWithError("a group was not written");
    pushed += static_cast<std::uint64_t>(state.range(0));
  }
  if ((*journal)->durable(0) != pushed) return state.SkipWithError("not everything is durable");
  state.SetItemsProcessed(static_cast<std::int64_t>(pushed));
}

void bare_write_and_flush(benchmark::State& state) {
  const BenchFolder folder;
  RealFileSystem files;
  auto segment = make_segment(files, folder.path(), 1, kDefaultSegmentBytes);
  if (!segment) return state.SkipWithError("the file cannot be made");
  const std::size_t payload = static_cast<std::size_t>(state.range(0)) * (kRecordBytes + kRecordLengthBytes);
  const std::size_t bytes = (kGroupHeaderBytes + payload + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
  const std::vector<std::byte> group(bytes, std::byte{'r'});
  std::uint64_t offset = 0;
  for (auto _ : state) {
    if (offset + bytes > segment->bytes) offset = 0;
    if (!segment->file->write_at(offset, group) || !segment->file->sync())
      return state.SkipWithError("write or flush");
    offset += bytes;
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void journal_read(benchmark::State& state) {
  const BenchFolder folder;
  RealFileSystem files;
  const JournalOptions options = options_for(folder.path());
  auto journal = Journal::open(files, options, {}, {});
  if (!journal || !(*journal)->step()) return state.SkipWithError("the journal cannot be opened");
  constexpr std::int64_t kGroups = 1200;
  for (std::int64_t i = 0; i < kGroups; ++i) {
    if (!write_group(**journal, state.range(0))) return state.SkipWithError("a group was not written");
  }
  const JournalPosition end = (*journal)->durable_position();
  for (auto _ : state) {
    auto reader = JournalReader::open(files, options);
    if (!reader) return state.SkipWithError("the reader cannot be opened");
    std::int64_t records = 0;
    for (;;) {
      auto group = reader->next();
      if (!group) return state.SkipWithError("damaged");
      if (*group == nullptr) break;
      records += static_cast<std::int64_t>((*group)->records.size());
    }
    if (records != kGroups * state.range(0) || reader->position() != end)
      return state.SkipWithError("wrong records");
  }
  const auto bytes = (end.segment - 1) * options.segment_bytes + end.offset;
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
}

BENCHMARK(journal_group)->Arg(1)->Arg(16)->Arg(64)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(bare_write_and_flush)->Arg(1)->Arg(16)->Arg(64)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(journal_read)->Arg(64)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace recharge
