// Purpose: makes records durable: producers put them into rings, one journal thread writes everything that
// was published as one group and flushes it once; while it flushes, the next group collects. There is no
// timer, but that nobody's unfinished batch is waited for beyond a millisecond. Owner: reserve, commit and
// publish of producer i belong to one thread each; the other members to any thread, unless said otherwise.
// Lifetime: longer than every producer's use; stop() before destruction is optional. Errors: a full ring or
// full storage is an empty span. A failed write or flush is final: nothing is acknowledged from then on,
// on_fatal is called once, and the process must end. Units: bytes, nanoseconds
// (_ns), milliseconds since 1970 (_ms); records are numbered 1, 2, 3... per producer.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <thread>

#include "storage/batch_gate.h"
#include "storage/doorbell.h"
#include "storage/group_committer.h"
#include "storage/journal_options.h"
#include "storage/journal_position.h"
#include "storage/segment_preparer.h"
#include "storage/storage_error.h"

namespace recharge {

class Journal {
 public:
  // end: where recovery (storage/journal_recovery.h) says that the next group begins. Makes the first segment
  // when there is none, and removes unfinished ones. No thread runs before start().
  static StorageResult<std::unique_ptr<Journal>> open(FileSystem& files, const JournalOptions& options,
                                                      const JournalPosition& end, JournalHooks hooks);
  // For tests that put a committer with a fault of its own in place.
  Journal(std::unique_ptr<SegmentPreparer> preparer, std::unique_ptr<GroupCommitter> committer);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  void start();
  // Writes and flushes everything published, then joins the threads. The producers must have published their
  // last.
  void stop();
  // Instead of start(), for a deterministic simulation: prepares the next segment when none is ready (a full
  // disk is no error, see storage_full), then writes one group. Returns the number of its records, 0 when
  // none was waiting.
  StorageResult<std::size_t> step();

  // Room for one record of up to `bytes`; empty when the producer's ring is full, the disk has no room for it
  // (storage_full() tells which), it exceeds max_record_bytes(), or the journal has failed.
  std::span<std::byte> reserve(unsigned producer, std::size_t bytes) noexcept {
    return committer_->reserve(producer, bytes);
  }
  // Returns the record's number. REQUIRES: a reservation, 0 < used_bytes <= the reserved bytes.
  std::uint64_t commit(unsigned producer, std::size_t used_bytes) noexcept {
    return committer_->commit(producer, used_bytes);
  }
  // Shows all committed records to the journal thread: once per batch, since it may wake it.
  void publish(unsigned producer) noexcept;
  // The producer goes to sleep; nothing of its is unpublished.
  void rest(unsigned producer) noexcept;
  BatchGate& gate() noexcept { return gate_; }

  // Records up to this number are on the disk.
  std::uint64_t durable(unsigned producer) const noexcept { return committer_->durable(producer); }
  std::uint64_t pushed(unsigned producer) const noexcept { return committer_->pushed(producer); }
  std::size_t max_record_bytes() const noexcept { return committer_->max_record_bytes(); }

  // Behind the last durable group; its previous_hash is the head of the chain.
  JournalPosition durable_position() const { return committer_->durable_position(); }
  bool failed() const noexcept { return committer_->failed(); }
  // The disk had no room for the next segment; it is tried again every second.
  bool storage_full() const noexcept { return preparer_->storage_full(); }
  bool next_segment_ready() const { return preparer_->ready(); }
  std::size_t bytes_in_rings() const noexcept { return committer_->bytes_in_rings(); }

 private:
  void wake_journal() noexcept;
  void run_committer();
  void run_preparer();

  std::unique_ptr<SegmentPreparer> preparer_;
  std::unique_ptr<GroupCommitter> committer_;  // used by the journal thread, or by step()

  BatchGate gate_;
  Doorbell bell_;  // the journal thread's
  std::atomic<bool> stopping_{false};
  std::thread journal_thread_;
  std::thread preparer_thread_;
};

}  // namespace recharge
