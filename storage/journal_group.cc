#include "storage/journal_group.h"

#include <cstring>

#include "storage/segment.h"

namespace recharge {
namespace {

// Views of the records, or false where their lengths do not add up to the payload.
bool split_records(std::span<const std::byte> payload, std::uint32_t count,
                   std::vector<std::span<const std::byte>>& records) {
  records.clear();
  for (std::uint32_t i = 0; i < count; ++i) {
    if (payload.size() < kRecordLengthBytes) return false;
    std::uint32_t length = 0;
    std::memcpy(&length, payload.data(), kRecordLengthBytes);
    payload = payload.subspan(kRecordLengthBytes);
    if (length == 0 || length > payload.size()) return false;
    records.push_back(payload.first(length));
    payload = payload.subspan(length);
  }
  return payload.empty();
}

}  // namespace

bool split_group(const GroupHeader& header, std::uint64_t offset, std::span<const std::byte> bytes,
                 JournalGroup& group) {
  group.segment = header.segment;
  group.offset = offset;
  group.bytes = header.group_bytes();
  group.sequence = header.sequence;
  group.wall_ms = header.wall_ms;
  group.hash = header.hash;
  return split_records(bytes.subspan(kGroupHeaderBytes, header.payload_bytes), header.records, group.records);
}

const char* text_of(HeaderCheck check) noexcept {
  switch (check) {
    case HeaderCheck::not_a_header:
      return "no group header";
    case HeaderCheck::checksum:
      return "the checksum of the group header does not fit";
    case HeaderCheck::newer_format:
      return "a group of a newer format";
    case HeaderCheck::ok:
      break;
  }
  return "a group header";
}

StorageResult<JournalGroup> read_group(FileSystem& files, const JournalOptions& options,
                                       std::uint64_t segment, std::uint64_t offset,
                                       std::vector<std::byte>& buffer) {
  initialize_hashing();
  auto opened = open_segment(files, options.directory, segment, FileSystem::Access::read);
  if (!opened) return opened.error();
  const auto damaged = [&](const char* what) {
    return StorageError{Errc::damaged, opened->path, offset, what};
  };
  if (offset % kSectorBytes != 0 || offset >= opened->bytes) return damaged("no group can begin here");
  buffer.resize(kSectorBytes);
  if (auto read = opened->file->read_at(offset, buffer); !read) {
    return StorageError{read.error(), opened->path, offset, "reading the journal"};
  }
  GroupHeader header;
  const HeaderCheck check = decode_header(buffer, header);
  if (check == HeaderCheck::newer_format)
    return StorageError{Errc::newer_format, opened->path, offset, text_of(check)};
  if (check != HeaderCheck::ok) return damaged(text_of(check));
  if (header.folder_id != options.folder_id || header.segment != segment)
    return damaged("the group belongs elsewhere");
  if (header.group_bytes() > opened->bytes - offset) return damaged("the group is longer than its place");
  buffer.resize(header.group_bytes());
  if (auto read = opened->file->read_at(offset, buffer); !read) {
    return StorageError{read.error(), opened->path, offset, "reading the journal"};
  }
  if (group_hash(buffer, header) != header.hash) return damaged("the bytes of the group do not fit its hash");
  JournalGroup group;
  if (!split_group(header, offset, buffer, group)) return damaged("the lengths of the records do not fit");
  return group;
}

}  // namespace recharge
