#include "storage/books_meta.h"

#include <sodium.h>

#include <algorithm>

#include "core/check.h"
#include "core/codec.h"

namespace recharge {
namespace {

constexpr std::size_t kChecksumBytes = crypto_shorthash_BYTES;
constexpr std::uint32_t kLastSchemaWithoutChecksum = 2;
static_assert(crypto_shorthash_KEYBYTES == sizeof(FolderId));

using Checksum = std::array<std::byte, kChecksumBytes>;

// Over the row's name too: one in the other's place does not fit.
Checksum checksum_of(std::string_view name, Bytes body, const FolderId& folder) {
  boost::container::static_vector<std::byte, 256> text;
  for (const char c : name) text.push_back(static_cast<std::byte>(c));
  text.insert(text.end(), body.begin(), body.end());
  Checksum checksum;
  crypto_shorthash(reinterpret_cast<unsigned char*>(checksum.data()),
                   reinterpret_cast<const unsigned char*>(text.data()), text.size(), folder.data());
  return checksum;
}

bool is_whole(std::string_view name, Bytes row, const FolderId& folder) {
  if (row.size() <= kChecksumBytes || row.size() > MetaRow::static_capacity) return false;
  const auto checksum = checksum_of(name, row.first(row.size() - kChecksumBytes), folder);
  return std::equal(checksum.begin(), checksum.end(), row.end() - kChecksumBytes);
}

template <class Write>
MetaRow encode(std::string_view name, const FolderId& folder, const Write& write) {
  MetaRow row(MetaRow::static_capacity);
  ByteWriter writer(row);
  write(writer);
  RECHARGE_CHECK(writer.ok() && writer.size() + kChecksumBytes <= row.size());
  row.resize(writer.size());
  const auto checksum = checksum_of(name, row, folder);
  row.insert(row.end(), checksum.begin(), checksum.end());
  return row;
}

template <class A, class T>
void position_fields(A& archive, T& position) noexcept {
  field(archive, position.journal.segment);
  field(archive, position.journal.offset);
  field(archive, position.journal.sequence);
  field(archive, position.journal.previous_hash);
  field(archive, position.expiry_watermark_ms);
}

}  // namespace

MetaRow encode_header(const FolderId& folder) {
  return encode(kHeaderKey, folder, [&](ByteWriter& writer) {
    writer.fixed(kBooksSchema);
    field(writer, folder);
  });
}

// The schema comes first in every version, and since version 3 the checksum last.
Result<void> check_header(Bytes row, const FolderId& folder) {
  ByteReader reader(row);
  const auto schema = reader.fixed<std::uint32_t>();
  FolderId stored{};
  field(reader, stored);
  if (schema <= kLastSchemaWithoutChecksum && reader.at_end() && stored == folder) return Errc::not_found;
  if (!is_whole(kHeaderKey, row, folder)) return Errc::damaged;
  if (schema > kBooksSchema) return Errc::newer_format;
  if (schema < kOldestBooksSchema) return Errc::not_found;
  return {};
}

MetaRow encode_position(const BooksPosition& position, const FolderId& folder) {
  return encode(kPositionKey, folder, [&](ByteWriter& writer) { position_fields(writer, position); });
}

Result<BooksPosition> decode_position(Bytes row, const FolderId& folder) {
  if (!is_whole(kPositionKey, row, folder)) return Errc::damaged;
  ByteReader reader(row.first(row.size() - kChecksumBytes));
  BooksPosition position;
  position_fields(reader, position);
  if (!reader.at_end()) return Errc::damaged;
  return position;
}

}  // namespace recharge
