#include "storage/books_check.h"

#include <algorithm>
#include <cstring>

#include "storage/books_meta.h"
#include "storage/lmdb_file.h"

namespace recharge {
namespace {

constexpr std::array<const char*, kTables> kRowNames = {
    "order",        "account",       "transfer",        "refund",        "debit",
    "exception",    "exception key", "idempotency key", "house account", "totals",
    "gateway work", "attempt",       "notify address"};

}  // namespace

std::string row_text(Table table, Bytes key) {
  std::string text = std::string(kRowNames[static_cast<std::size_t>(table)]) + " ";
  if (table == Table::accounts)
    return text + std::string(reinterpret_cast<const char*>(key.data()), key.size());
  constexpr char digits[] = "0123456789abcdef";
  for (const auto byte : key) {
    text += digits[static_cast<unsigned>(byte) >> 4];
    text += digits[static_cast<unsigned>(byte) & 15];
  }
  return text;
}

std::optional<StorageError> row_damage(const RecordCodec& codec, const std::string& file,
                                       std::uint64_t offset, Table table, Bytes key, Bytes value) {
  const auto checked = codec.check(table, key, value);
  if (checked) return std::nullopt;
  return StorageError{
      checked.error(), file, offset,
      "a row of " + std::string(kTableNames[static_cast<std::size_t>(table)]) + " on this page"};
}

StorageResult<std::uint64_t> check_books(FileSystem& files, const std::string& file, const RecordCodec& codec,
                                         const OnDamage& on_damage) {
  auto pages = LmdbFile::open(files, file);
  if (!pages) return pages.error();
  std::uint64_t rows = 0;
  const auto done =
      pages->check_all([&](std::string_view name, Bytes key, Bytes value, std::uint64_t offset) {
        const auto table = std::find(kTableNames.begin(), kTableNames.end(), name);
        if (table == kTableNames.end()) {
          if (name != kMetaTable) on_damage({Errc::damaged, file, offset, "a table of unknown name"});
          return true;
        }
        ++rows;
        const auto damage =
            row_damage(codec, file, offset, static_cast<Table>(table - kTableNames.begin()), key, value);
        if (damage) on_damage(*damage);
        return true;
      });
  if (!done) return done.error();
  return rows;
}

StorageResult<void> check_books_at_start(FileSystem& files, const std::string& file) {
  const auto present = files.exists(file);
  if (!present || !*present) return {};
  auto pages = LmdbFile::open(files, file);
  if (!pages) return pages.error();
  const auto pass = [](Bytes, Bytes, std::uint64_t) { return true; };
  std::uint32_t schema = kBooksSchema;
  const auto header = [&schema](Bytes key, Bytes value, std::uint64_t) {
    if (key.size() == kHeaderKey.size() && std::memcmp(key.data(), kHeaderKey.data(), key.size()) == 0 &&
        value.size() >= sizeof(std::uint32_t)) {
      schema = 0;  // little-endian, first in every version
      for (unsigned i = 0; i < sizeof schema; ++i)
        schema |= std::to_integer<std::uint32_t>(value[i]) << (8 * i);
    }
    return true;
  };
  if (auto done = pages->scan("meta", {}, header); !done) return done.error();
  if (schema < kOldestBooksSchema) return {};  // to be made anew, whatever they hold
  const auto first_only = [](Bytes, Bytes, std::uint64_t) { return false; };
  for (std::size_t i = 0; i < kTables; ++i) {
    const bool resident =
        i == static_cast<std::size_t>(Table::totals) || i == static_cast<std::size_t>(Table::house);
    if (i >= first_later_table(schema)) {
      const auto there = pages->has_table(kTableNames[i]);
      if (!there) return there.error();
      if (!*there) continue;
    }
    if (auto done = pages->scan(kTableNames[i], {}, resident ? LmdbFile::Visit(pass) : first_only); !done)
      return done.error();
  }
  return {};
}

}  // namespace recharge
