#include "storage/group_committer.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace recharge {
namespace {

// What a record takes in the worst case beside its own bytes: a group of its own. Room is promised on this
// basis, so that a record which was accepted always finds its place in a prepared segment.
constexpr std::int64_t kRecordOverhead = kRecordLengthBytes + kGroupHeaderBytes + kSectorBytes - 1;
// A producer takes room in pieces of this part of a segment, to touch the shared counter rarely.
constexpr std::uint64_t kCreditPiecesPerSegment = 1024;
constexpr std::uint64_t kCreditPiecesHeld =
    2;  // by a producer between two records; it gives back what is more

std::int64_t promised_for(std::size_t record_bytes) noexcept {
  return static_cast<std::int64_t>(record_bytes) + kRecordOverhead;
}

std::int64_t wall_clock_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

std::size_t largest_record(const JournalOptions& options) noexcept {
  return std::min(options.max_group_bytes - kGroupHeaderBytes - kRecordLengthBytes,
                  RecordRing::largest_record(options.ring_bytes));
}

}  // namespace

// A segment that is all but full is left only when a group does not fit, and until then its rest is all the
// room there is beside the next one: 2 groups and the end mark are never promised of them, and each other
// producer may hold pieces that it does not use. A largest record must still find room.
std::uint64_t GroupCommitter::smallest_segment_bytes(const JournalOptions& options) noexcept {
  const std::uint64_t never_promised = 2 * options.max_group_bytes + kSectorBytes;
  const auto record = static_cast<std::uint64_t>(promised_for(largest_record(options)));
  // The pieces grow with the segment: solved for its size.
  const std::uint64_t held = kCreditPiecesHeld * (options.producers - 1);
  static_assert(kCreditPiecesHeld * kMaxProducers < kCreditPiecesPerSegment);
  return (never_promised + record) * kCreditPiecesPerSegment / (kCreditPiecesPerSegment - held) + 1;
}

struct GroupCommitter::Producer {
  explicit Producer(std::size_t ring_bytes) : ring(ring_bytes) {}

  RecordRing ring;
  alignas(kCacheLineBytes) std::int64_t credit = 0;                // the producer's
  alignas(kCacheLineBytes) std::uint64_t collected = 0;            // the journal thread's
  alignas(kCacheLineBytes) std::atomic<std::uint64_t> durable{0};  // written by the journal thread
};

GroupCommitter::GroupCommitter(const JournalOptions& options, SegmentPreparer& preparer, Segment segment,
                               const JournalPosition& end, JournalHooks hooks)
    : options_(options),
      preparer_(preparer),
      hooks_(std::move(hooks)),
      max_record_bytes_(largest_record(options)),
      credit_chunk_(static_cast<std::int64_t>(options.segment_bytes / kCreditPiecesPerSegment)),
      credit_held_(static_cast<std::int64_t>(kCreditPiecesHeld) * credit_chunk_),
      segment_(std::move(segment)),
      position_(end),
      group_(options.max_group_bytes),
      durable_position_(end) {
  RECHARGE_STORAGE_INVARIANT(options.producers > 0 && options.producers <= kMaxProducers);
  RECHARGE_STORAGE_INVARIANT(segment_.number == end.segment && end.offset <= segment_.bytes);
  RECHARGE_STORAGE_INVARIANT(segment_.bytes >= options.max_group_bytes + kSectorBytes);
  for (unsigned i = 0; i < options.producers; ++i) {
    producers_.push_back(std::make_unique<Producer>(options.ring_bytes));
  }
  parts_.reserve(options.producers);
  room_ = room_of(segment_.bytes) - static_cast<std::int64_t>(end.offset);
  preparer_.set_on_ready(
      [this](std::uint64_t bytes) { room_.fetch_add(room_of(bytes), std::memory_order_relaxed); });
}

GroupCommitter::~GroupCommitter() = default;

// The end mark's sector, and what a rotation may leave unused because the next group did not fit, are never
// promised.
std::int64_t GroupCommitter::room_of(std::uint64_t segment_bytes) const noexcept {
  return static_cast<std::int64_t>(segment_bytes) - static_cast<std::int64_t>(kSectorBytes) -
         static_cast<std::int64_t>(options_.max_group_bytes);
}

bool GroupCommitter::take_credit(Producer& producer, std::int64_t needed) noexcept {
  std::int64_t room = room_.load(std::memory_order_relaxed);
  for (;;) {
    const std::int64_t missing = needed - producer.credit;
    if (room < missing) return false;
    const std::int64_t taken = std::min(room, std::max(missing, credit_chunk_));
    if (room_.compare_exchange_weak(room, room - taken, std::memory_order_relaxed)) {
      producer.credit += taken;
      return true;
    }
  }
}

std::span<std::byte> GroupCommitter::reserve(unsigned producer, std::size_t bytes) noexcept {
  RECHARGE_STORAGE_INVARIANT(producer < producers_.size());
  Producer& p = *producers_[producer];
  if (bytes > max_record_bytes_ || failed_.load(std::memory_order_relaxed)) return {};
  const std::int64_t needed = promised_for(bytes);
  if (p.credit < needed && !take_credit(p, needed)) return {};
  return p.ring.reserve(bytes);
}

std::uint64_t GroupCommitter::commit(unsigned producer, std::size_t used_bytes) noexcept {
  Producer& p = *producers_[producer];
  p.credit -= promised_for(used_bytes);
  if (const std::int64_t surplus = p.credit - credit_held_; surplus > 0) {
    p.credit -= surplus;
    room_.fetch_add(surplus, std::memory_order_relaxed);
  }
  return p.ring.commit(used_bytes);
}

bool GroupCommitter::publish(unsigned producer) noexcept { return producers_[producer]->ring.publish(); }

GroupPart GroupCommitter::collect_from(unsigned index, std::uint32_t first_index) noexcept {
  Producer& p = *producers_[index];
  GroupPart part{index, p.collected + 1, first_index, 0};
  const std::size_t limit = options_.max_group_bytes - kGroupHeaderBytes;
  for (auto record = p.ring.front(); !record.empty(); record = p.ring.front()) {
    if (payload_bytes_ + kRecordLengthBytes + record.size() > limit) break;
    std::byte* to = group_.data() + kGroupHeaderBytes + payload_bytes_;
    const auto length = static_cast<std::uint32_t>(record.size());
    std::memcpy(to, &length, kRecordLengthBytes);
    std::memcpy(to + kRecordLengthBytes, record.data(), record.size());
    payload_bytes_ += kRecordLengthBytes + record.size();
    promised_bytes_ += promised_for(record.size());
    p.ring.pop();
    ++part.count;
  }
  p.ring.release();
  p.collected += part.count;
  return part;
}

std::uint32_t GroupCommitter::collect() noexcept {
  payload_bytes_ = 0;
  promised_bytes_ = 0;
  parts_.clear();
  std::uint32_t records = 0;
  for (unsigned i = 0; i < producers(); ++i) {
    const GroupPart part = collect_from((first_producer_ + i) % producers(), records);
    if (part.count > 0) parts_.push_back(part);
    records += part.count;
  }
  first_producer_ = (first_producer_ + 1) % producers();
  return records;
}

StorageError GroupCommitter::failure(boost::system::error_code code, const char* what) const {
  return {code, segment_.path, position_.offset, what};
}

StorageResult<void> GroupCommitter::write_group(std::span<std::byte> group, GroupHeader header) {
  header.folder_id = options_.folder_id;
  header.segment = segment_.number;
  header.segment_bytes = segment_.bytes;
  header.sequence = position_.sequence;
  header.wall_ms = hooks_.wall_ms ? hooks_.wall_ms() : wall_clock_ms();
  header.previous_hash = position_.previous_hash;
  seal_group(group, header);
  if (auto written = segment_.file->write_at(position_.offset, group); !written) {
    return failure(written.error(), "writing a group");
  }
  const auto begin = std::chrono::steady_clock::now();
  if (auto flushed = flush(*segment_.file); !flushed) return failure(flushed.error(), "flushing a group");
  flush_ns_ = std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin).count();
  position_.offset += group.size();
  position_.sequence += 1;
  position_.previous_hash = header.hash;
  return {};
}

// The end mark is flushed before the next segment is touched: at most one group is ever written and not
// flushed.
StorageResult<void> GroupCommitter::rotate() {
  RECHARGE_STORAGE_INVARIANT(preparer_.ready());  // its room was promised
  room_.fetch_add(static_cast<std::int64_t>(position_.offset) - room_of(segment_.bytes),
                  std::memory_order_relaxed);
  std::array<std::byte, kSectorBytes> mark{};
  GroupHeader header;
  header.flags = kEndMarkFlag;
  if (auto written = write_group(mark, header); !written) return written.error();
  segment_ = *preparer_.take();
  position_.segment = segment_.number;
  position_.offset = 0;
  return {};
}

StorageResult<void> GroupCommitter::write_collected(std::uint32_t records) {
  GroupHeader header;
  header.payload_bytes = static_cast<std::uint32_t>(payload_bytes_);
  header.records = records;
  const std::uint64_t bytes = header.group_bytes();
  if (position_.offset + bytes + kSectorBytes > segment_.bytes) {
    if (auto rotated = rotate(); !rotated) return rotated.error();
  }
  const std::int64_t unused = promised_bytes_ - static_cast<std::int64_t>(bytes);
  RECHARGE_STORAGE_INVARIANT(unused >= 0);
  RECHARGE_STORAGE_INVARIANT(position_.offset + bytes + kSectorBytes <= segment_.bytes);
  const RecordPosition begin{segment_.number, position_.offset, position_.sequence, 0};
  if (auto written = write_group(std::span(group_).first(bytes), header); !written) return written.error();
  room_.fetch_add(unused, std::memory_order_relaxed);
  {
    const std::lock_guard lock(shared_mutex_);
    durable_position_ = position_;
  }
  publish_durable();
  if (hooks_.on_group) hooks_.on_group(GroupReport{begin, records, bytes, flush_ns_, parts_});
  if (hooks_.notify) {
    for (const GroupPart& part : parts_) hooks_.notify(part.producer);
  }
  return {};
}

StorageResult<std::size_t> GroupCommitter::commit_group() {
  if (failed()) {
    const std::lock_guard lock(shared_mutex_);
    return *fatal_;
  }
  const std::uint32_t records = collect();
  if (records == 0) return std::size_t{0};
  if (auto written = write_collected(records); !written) {
    fail(written.error());
    return written.error();
  }
  return std::size_t{records};
}

void GroupCommitter::fail(const StorageError& error) {
  {
    const std::lock_guard lock(shared_mutex_);
    if (fatal_) return;
    fatal_ = error;
  }
  failed_.store(true, std::memory_order_release);
  if (hooks_.on_fatal) hooks_.on_fatal(error);
}

void GroupCommitter::publish_durable() noexcept {
  for (const GroupPart& part : parts_) {
    Producer& p = *producers_[part.producer];
    p.durable.store(p.collected, std::memory_order_release);
  }
}

std::uint64_t GroupCommitter::durable(unsigned producer) const noexcept {
  return producers_[producer]->durable.load(std::memory_order_acquire);
}

std::uint64_t GroupCommitter::pushed(unsigned producer) const noexcept {
  return producers_[producer]->ring.pushed();
}

std::size_t GroupCommitter::bytes_in_rings() const noexcept {
  std::size_t bytes = 0;
  for (const auto& producer : producers_) bytes += producer->ring.used_bytes();
  return bytes;
}

JournalPosition GroupCommitter::durable_position() const {
  const std::lock_guard lock(shared_mutex_);
  return durable_position_;
}

}  // namespace recharge
