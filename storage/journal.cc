#include "storage/journal.h"

#include "storage/thread_role.h"

namespace recharge {
namespace {

// A batch takes less, where its thread has a processor.
constexpr std::chrono::milliseconds kLongestWaitForBatches{1};

StorageError error_of(boost::system::error_code code, const JournalOptions& options, const char* what) {
  return {code, options.directory, 0, what};
}

StorageResult<void> check_options(const JournalOptions& options) {
  if (options.producers == 0 || options.producers > kMaxProducers) {
    return error_of(Errc::out_of_range, options, "the number of producers");
  }
  const bool sizes_fit = options.max_group_bytes >= 2 * kSectorBytes &&
                         options.max_group_bytes <= kMaxGroupBytes &&
                         options.max_group_bytes % kSectorBytes == 0 &&
                         options.segment_bytes % kSectorBytes == 0 && options.ring_bytes >= kSectorBytes &&
                         options.segment_bytes >= GroupCommitter::smallest_segment_bytes(options);
  if (!sizes_fit)
    return error_of(Errc::out_of_range, options, "the sizes of segment, group and ring do not fit");
  return {};
}

// The segment in which the next group lies; made when the journal is empty.
StorageResult<Segment> segment_at_end(FileSystem& files, const JournalOptions& options,
                                      const JournalPosition& end, const std::vector<std::uint64_t>& numbers) {
  if (numbers.empty()) {
    if (end != JournalPosition{}) return error_of(Errc::damaged, options, "the journal is empty");
    return make_segment(files, options.directory, end.segment, options.segment_bytes);
  }
  auto segment = open_segment(files, options.directory, end.segment, FileSystem::Access::read_write);
  if (segment && segment->bytes < options.max_group_bytes + kSectorBytes) {
    return StorageError{Errc::out_of_range, segment->path, 0,
                        "the segment is smaller than the largest group"};
  }
  return segment;
}

// Of the segments behind the end, which recovery found to be all zero, the next is kept if it has the right
// size.
StorageResult<std::optional<Segment>> prepared_segment(FileSystem& files, const JournalOptions& options,
                                                       const JournalPosition& end,
                                                       const std::vector<std::uint64_t>& numbers) {
  std::optional<Segment> prepared;
  for (auto number = numbers.rbegin(); number != numbers.rend() && *number > end.segment; ++number) {
    auto segment = open_segment(files, options.directory, *number, FileSystem::Access::read_write);
    if (!segment) return segment.error();
    if (*number == end.segment + 1 && segment->bytes == options.segment_bytes) {
      prepared = std::move(*segment);
    } else if (auto removed = remove_segment(files, options.directory, *number); !removed) {
      return removed.error();
    }
  }
  return prepared;
}

}  // namespace

StorageResult<std::unique_ptr<Journal>> Journal::open(FileSystem& files, const JournalOptions& options,
                                                      const JournalPosition& end, JournalHooks hooks) {
  initialize_hashing();
  if (auto checked = check_options(options); !checked) return checked.error();
  if (auto removed = remove_unfinished_segments(files, options.directory); !removed) return removed.error();
  auto numbers = list_segments(files, options.directory);
  if (!numbers) return numbers.error();
  auto segment = segment_at_end(files, options, end, *numbers);
  if (!segment) return segment.error();
  auto prepared = prepared_segment(files, options, end, *numbers);
  if (!prepared) return prepared.error();
  // A segment's name may be readable and yet not on the disk, where its maker was killed before that flush.
  if (auto synced = files.sync_directory(options.directory); !synced)
    return StorageError{synced.error(), options.directory, 0, "flushing the directory"};

  auto preparer = std::make_unique<SegmentPreparer>(files, options, end.segment + 1);
  auto committer =
      std::make_unique<GroupCommitter>(options, *preparer, std::move(*segment), end, std::move(hooks));
  if (*prepared) preparer->adopt(std::move(**prepared));
  return std::make_unique<Journal>(std::move(preparer), std::move(committer));
}

Journal::Journal(std::unique_ptr<SegmentPreparer> preparer, std::unique_ptr<GroupCommitter> committer)
    : preparer_(std::move(preparer)), committer_(std::move(committer)), gate_(committer_->producers()) {}

Journal::~Journal() { stop(); }

void Journal::start() {
  RECHARGE_STORAGE_INVARIANT(!journal_thread_.joinable() && !stopping_);
  journal_thread_ = std::thread([this] { run_committer(); });
  preparer_thread_ = std::thread([this] { run_preparer(); });
}

void Journal::stop() {
  stopping_.store(true, std::memory_order_release);
  bell_.ring();
  if (journal_thread_.joinable()) journal_thread_.join();
  preparer_->stop();
  if (preparer_thread_.joinable()) preparer_thread_.join();
}

void Journal::wake_journal() noexcept { bell_.ring(); }

void Journal::publish(unsigned producer) noexcept {
  const bool published = committer_->publish(producer);
  // Between the records and the look at the gate; the other side is in run_committer().
  if (published) std::atomic_thread_fence(std::memory_order_seq_cst);
  // While the gate is shut, whoever settles last wakes the journal for all.
  if (gate_.settle(producer) || (published && gate_.is_open())) wake_journal();
}

void Journal::rest(unsigned producer) noexcept {
  if (gate_.rest(producer)) wake_journal();
}

StorageResult<std::size_t> Journal::step() {
  RECHARGE_STORAGE_INVARIANT(!journal_thread_.joinable());
  if (auto prepared = preparer_->prepare_step(); !prepared) {
    committer_->fail(prepared.error());
    return prepared.error();
  }
  return committer_->commit_group();
}

void Journal::run_committer() {
  begin_thread("journal", Urgency::prompt);
  for (;;) {
    const std::uint32_t seen = bell_.count();
    const bool stopping = stopping_.load(std::memory_order_acquire);
    if (stopping || gate_.is_open()) {
      std::atomic_thread_fence(std::memory_order_seq_cst);
      auto written = committer_->commit_group();
      if (!written) return;  // on_fatal has been called
      if (*written > 0) {
        gate_.close();
        continue;
      }
      if (stopping) return;
    }
    const bool shut = !gate_.is_open();
    if (!bell_.wait(seen,
                    shut ? std::optional<std::chrono::nanoseconds>(kLongestWaitForBatches) : std::nullopt) &&
        shut)
      gate_.forgive();
  }
}

void Journal::run_preparer() {
  begin_thread("preparer");
  if (auto prepared = preparer_->run(); !prepared) committer_->fail(prepared.error());
}

}  // namespace recharge
