// A segment of anything: sealed groups with any payload and place in the chain, raw bytes, zeros. The reader
// hands out records of sealed groups only, in their order, and ends or names damage.
#include <algorithm>
#include <cstring>
#include <vector>

#include "storage/journal_reader.h"
#include "storage/segment.h"
#include "storage/simulated_file.h"
#include "tests/fuzz/fuzz_input.h"

namespace recharge {
namespace {

constexpr std::uint64_t kSegmentBytes = 16 * kSectorBytes;
const std::string kDirectory = "/journal";

struct Written {
  std::vector<std::byte> bytes;
  std::vector<std::vector<std::byte>> payloads;  // of the sealed groups, in their order
};

void append_group(FuzzedDataProvider& input, GroupHeader& header, Written& written) {
  header.flags = input.ConsumeBool() ? 0 : input.ConsumeIntegral<std::uint8_t>();
  header.records = input.ConsumeIntegralInRange<std::uint32_t>(0, 40);
  if (input.ConsumeBool()) header.sequence += input.ConsumeIntegral<std::uint8_t>();
  const std::string payload = input.ConsumeRandomLengthString(2000);
  header.payload_bytes = static_cast<std::uint32_t>(payload.size());
  std::vector<std::byte> group(header.group_bytes());
  std::memcpy(group.data() + kGroupHeaderBytes, payload.data(), payload.size());
  const JournalHash previous = header.previous_hash;
  if (input.ConsumeIntegral<std::uint8_t>() == 1) header.previous_hash[3] ^= 1;
  seal_group(group, header);
  header.previous_hash = input.ConsumeIntegral<std::uint8_t>() == 1 ? previous : header.hash;
  header.sequence += 1;
  const auto* first = group.data() + kGroupHeaderBytes;
  written.payloads.emplace_back(first, first + payload.size());
  if (input.ConsumeIntegral<std::uint8_t>() == 1) {
    group[input.ConsumeIntegralInRange<std::size_t>(0, group.size() - 1)] ^= std::byte{1};
  }
  written.bytes.insert(written.bytes.end(), group.begin(), group.end());
}

Written write_segment(FuzzedDataProvider& input, const JournalOptions& options) {
  Written written;
  GroupHeader header;
  header.folder_id = options.folder_id;
  header.segment = 1;
  header.segment_bytes = kSegmentBytes;
  header.sequence = 1;
  while (input.remaining_bytes() > 0 && written.bytes.size() < kSegmentBytes) {
    if (input.ConsumeIntegral<std::uint8_t>() != 1) {
      append_group(input, header, written);
    } else {
      const std::string raw = input.ConsumeRandomLengthString(600);
      const auto bytes = std::as_bytes(std::span(raw));
      written.bytes.insert(written.bytes.end(), bytes.begin(), bytes.end());
      written.bytes.resize((written.bytes.size() + kSectorBytes - 1) / kSectorBytes * kSectorBytes);
    }
  }
  written.bytes.resize(kSegmentBytes);
  return written;
}

// The payload that the records of a group were cut from.
std::vector<std::byte> joined(const JournalGroup& group) {
  std::vector<std::byte> payload;
  for (const auto& record : group.records) {
    const auto length = static_cast<std::uint32_t>(record.size());
    const auto bytes = std::as_bytes(std::span(&length, 1));
    payload.insert(payload.end(), bytes.begin(), bytes.end());
    payload.insert(payload.end(), record.begin(), record.end());
  }
  return payload;
}

void read_all(SimulatedFileSystem& disk, const JournalOptions& options, const Written& written) {
  auto reader = JournalReader::open(disk, options);
  if (!reader) return;
  std::size_t next = 0;
  while (true) {
    const auto group = reader->next();
    if (!group) {
      RECHARGE_CHECK(!group.error().to_text().empty());
      return;
    }
    if (*group == nullptr) break;
    const auto payload = joined(**group);
    const auto from = written.payloads.begin() + static_cast<std::ptrdiff_t>(next);
    const auto found = std::find(from, written.payloads.end(), payload);
    RECHARGE_CHECK(found != written.payloads.end());
    next = static_cast<std::size_t>(found - written.payloads.begin()) + 1;
  }
  RECHARGE_CHECK(reader->tail().end.offset <= kSegmentBytes);
}

}  // namespace

void fuzz(FuzzBytes bytes) {
  initialize_hashing();
  FuzzedDataProvider input(bytes.data(), bytes.size());
  JournalOptions options;
  options.directory = kDirectory;
  options.folder_id = {9};
  options.segment_bytes = kSegmentBytes;
  options.max_group_bytes = 6 * kSectorBytes;
  const Written written = write_segment(input, options);
  SimulatedFileSystem disk;
  RECHARGE_CHECK(disk.make_directory(kDirectory).has_value());
  auto file = disk.create(segment_path(kDirectory, 1));
  RECHARGE_CHECK(file.has_value() && (*file)->write_at(0, written.bytes).has_value());
  read_all(disk, options, written);
  std::vector<std::byte> buffer;
  for (std::uint64_t at = 0; at <= kSegmentBytes; at += kSectorBytes) {
    const auto group = read_group(disk, options, 1, at, buffer);
    if (group && !group->records.empty()) {
      RECHARGE_CHECK(std::count(written.payloads.begin(), written.payloads.end(), joined(*group)) > 0);
    }
  }
}

}  // namespace recharge
