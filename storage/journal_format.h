// Purpose: the bytes of a group: header, hashes, padding. The layout stands in storage/README.md.
// Lifetime: plain values. Errors: text of what does not fit, for a StorageError. Units: bytes.
// Source: BLAKE2b, RFC 7693 (libsodium), 256 bits for the chain and 128 for the header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "storage/journal_options.h"
#include "storage/journal_position.h"

namespace recharge {

inline constexpr std::uint32_t kJournalFormatVersion = 1;
inline constexpr std::size_t kGroupHeaderBytes = 160;
inline constexpr std::size_t kRecordLengthBytes = 4;
inline constexpr std::uint32_t kEndMarkFlag = 1;  // the last group of a segment; it has no records
inline constexpr std::byte kPaddingByte{0xFF};

struct GroupHeader {
  std::uint32_t version = kJournalFormatVersion;
  std::uint32_t flags = 0;
  std::uint32_t payload_bytes = 0;
  std::uint32_t records = 0;
  std::uint32_t zero_sectors = 0;  // sectors of the group that are all zero although nothing is missing
  FolderId folder_id{};
  std::uint64_t segment = 0;
  std::uint64_t segment_bytes = 0;
  std::uint64_t sequence = 0;
  std::int64_t wall_ms = 0;
  JournalHash previous_hash{};
  JournalHash hash{};  // of the header before this field, and the payload

  bool end_mark() const noexcept { return (flags & kEndMarkFlag) != 0; }
  std::uint64_t group_bytes() const noexcept;  // with padding
};

enum class HeaderCheck { ok, not_a_header, checksum, newer_format };

// REQUIRES: sector.size() >= kSectorBytes.
HeaderCheck decode_header(std::span<const std::byte> sector, GroupHeader& header) noexcept;

// Completes a group in place: the payload stands at kGroupHeaderBytes; writes the padding, counts the zero
// sectors, hashes, writes the header and fills in header.hash and header.zero_sectors. REQUIRES: group.size()
// == header.group_bytes().
void seal_group(std::span<std::byte> group, GroupHeader& header) noexcept;

JournalHash group_hash(std::span<const std::byte> group, const GroupHeader& header) noexcept;
bool padding_holds(std::span<const std::byte> group, const GroupHeader& header) noexcept;
std::uint32_t count_zero_sectors(std::span<const std::byte> bytes) noexcept;
bool all_zero(std::span<const std::byte> bytes) noexcept;

// Chooses the fastest hash for this machine. Called by whoever opens a journal.
void initialize_hashing();

}  // namespace recharge
