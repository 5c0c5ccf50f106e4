#include "storage/journal_format.h"

#include <sodium.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>

#include "storage/storage_error.h"

namespace recharge {
namespace {

static_assert(std::endian::native == std::endian::little, "stored integers are little-endian");

constexpr std::array<char, 8> kMagic = {'R', 'C', 'H', 'G', 'J', 'R', 'N', 'L'};

// Byte offsets within the header.
constexpr std::size_t kVersionAt = 8;
constexpr std::size_t kHeaderBytesAt = 12;
constexpr std::size_t kFlagsAt = 16;
constexpr std::size_t kPayloadBytesAt = 20;
constexpr std::size_t kRecordsAt = 24;
constexpr std::size_t kZeroSectorsAt = 28;
constexpr std::size_t kFolderIdAt = 32;
constexpr std::size_t kSegmentAt = 48;
constexpr std::size_t kSegmentBytesAt = 56;
constexpr std::size_t kSequenceAt = 64;
constexpr std::size_t kWallMsAt = 72;
constexpr std::size_t kPreviousHashAt = 80;
constexpr std::size_t kHashAt = 112;
constexpr std::size_t kCheckAt = 144;
constexpr std::size_t kCheckBytes = 16;
static_assert(kCheckAt + kCheckBytes == kGroupHeaderBytes && kGroupHeaderBytes <= kSectorBytes);

template <class T>
void put(std::byte* header, std::size_t at, const T& value) noexcept {
  static_assert(std::has_unique_object_representations_v<T>);
  std::memcpy(header + at, &value, sizeof value);
}

template <class T>
void get(const std::byte* header, std::size_t at, T& value) noexcept {
  static_assert(std::has_unique_object_representations_v<T>);
  std::memcpy(&value, header + at, sizeof value);
}

const unsigned char* raw(const std::byte* bytes) noexcept {
  return reinterpret_cast<const unsigned char*>(bytes);
}

// The last bytes of every header, in all versions: so that a flipped bit is never taken for a newer version,
// nor a wrong length for an unfinished group.
std::array<unsigned char, kCheckBytes> header_check(const std::byte* header,
                                                    std::size_t header_bytes) noexcept {
  std::array<unsigned char, kCheckBytes> check{};
  crypto_generichash(check.data(), check.size(), raw(header), header_bytes - kCheckBytes, nullptr, 0);
  return check;
}

}  // namespace

std::uint64_t GroupHeader::group_bytes() const noexcept {
  const std::uint64_t bytes = std::uint64_t{kGroupHeaderBytes} + payload_bytes;
  return (bytes + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
}

HeaderCheck decode_header(std::span<const std::byte> sector, GroupHeader& header) noexcept {
  RECHARGE_STORAGE_INVARIANT(sector.size() >= kSectorBytes);
  const std::byte* bytes = sector.data();
  if (std::memcmp(bytes, kMagic.data(), kMagic.size()) != 0) return HeaderCheck::not_a_header;
  std::uint32_t header_bytes = 0;
  get(bytes, kHeaderBytesAt, header_bytes);
  if (header_bytes <= kCheckBytes || header_bytes > kSectorBytes) return HeaderCheck::checksum;
  const auto check = header_check(bytes, header_bytes);
  if (std::memcmp(bytes + header_bytes - kCheckBytes, check.data(), kCheckBytes) != 0)
    return HeaderCheck::checksum;
  get(bytes, kVersionAt, header.version);
  if (header.version > kJournalFormatVersion) return HeaderCheck::newer_format;
  if (header.version == 0 || header_bytes != kGroupHeaderBytes) return HeaderCheck::checksum;
  get(bytes, kFlagsAt, header.flags);
  get(bytes, kPayloadBytesAt, header.payload_bytes);
  get(bytes, kRecordsAt, header.records);
  get(bytes, kZeroSectorsAt, header.zero_sectors);
  get(bytes, kFolderIdAt, header.folder_id);
  get(bytes, kSegmentAt, header.segment);
  get(bytes, kSegmentBytesAt, header.segment_bytes);
  get(bytes, kSequenceAt, header.sequence);
  get(bytes, kWallMsAt, header.wall_ms);
  get(bytes, kPreviousHashAt, header.previous_hash);
  get(bytes, kHashAt, header.hash);
  return HeaderCheck::ok;
}

void seal_group(std::span<std::byte> group, GroupHeader& header) noexcept {
  RECHARGE_STORAGE_INVARIANT(group.size() == header.group_bytes());
  std::fill(group.begin() + kGroupHeaderBytes + header.payload_bytes, group.end(), kPaddingByte);
  // The first sector holds the magic and is never zero.
  header.zero_sectors = count_zero_sectors(group.subspan(kSectorBytes));
  std::byte* bytes = group.data();
  put(bytes, 0, kMagic);
  put(bytes, kVersionAt, kJournalFormatVersion);
  put(bytes, kHeaderBytesAt, static_cast<std::uint32_t>(kGroupHeaderBytes));
  put(bytes, kFlagsAt, header.flags);
  put(bytes, kPayloadBytesAt, header.payload_bytes);
  put(bytes, kRecordsAt, header.records);
  put(bytes, kZeroSectorsAt, header.zero_sectors);
  put(bytes, kFolderIdAt, header.folder_id);
  put(bytes, kSegmentAt, header.segment);
  put(bytes, kSegmentBytesAt, header.segment_bytes);
  put(bytes, kSequenceAt, header.sequence);
  put(bytes, kWallMsAt, header.wall_ms);
  put(bytes, kPreviousHashAt, header.previous_hash);
  header.hash = group_hash(group, header);
  put(bytes, kHashAt, header.hash);
  put(bytes, kCheckAt, header_check(bytes, kGroupHeaderBytes));
}

JournalHash group_hash(std::span<const std::byte> group, const GroupHeader& header) noexcept {
  RECHARGE_STORAGE_INVARIANT(group.size() >= kGroupHeaderBytes + std::size_t{header.payload_bytes});
  JournalHash hash{};
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, hash.size());
  crypto_generichash_update(&state, raw(group.data()), kHashAt);
  crypto_generichash_update(&state, raw(group.data() + kGroupHeaderBytes), header.payload_bytes);
  crypto_generichash_final(&state, hash.data(), hash.size());
  return hash;
}

bool padding_holds(std::span<const std::byte> group, const GroupHeader& header) noexcept {
  const auto padding = group.subspan(kGroupHeaderBytes + std::size_t{header.payload_bytes});
  return std::all_of(padding.begin(), padding.end(), [](std::byte b) { return b == kPaddingByte; });
}

std::uint32_t count_zero_sectors(std::span<const std::byte> bytes) noexcept {
  std::uint32_t count = 0;
  for (; bytes.size() >= kSectorBytes; bytes = bytes.subspan(kSectorBytes)) {
    if (all_zero(bytes.first(kSectorBytes))) ++count;
  }
  return count;
}

bool all_zero(std::span<const std::byte> bytes) noexcept {
  // Equal to itself moved by one byte, and beginning with zero.
  return bytes.empty() ||
         (bytes[0] == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

void initialize_hashing() {
  if (sodium_init() < 0) throw std::runtime_error("libsodium cannot be initialized");
}

}  // namespace recharge
