// The checked reader of LMDB's files: it reads what LMDB wrote, and finds what LMDB would follow blindly.
#include "storage/lmdb_file.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "storage/lmdb_books.h"
#include "storage/real_file.h"
#include "tests/storage/temp_folder.h"
#include "tests/storage/test_seed.h"

namespace recharge {
namespace {

using Rows = std::map<std::pair<std::string, std::string>, std::string>;  // (table, key) → value

std::string text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

class LmdbFileTest : public ::testing::Test {
 protected:
  // Books as use leaves them: rows put, replaced and erased in many transactions, long values too.
  void fill(unsigned transactions, std::uint64_t seed) {
    auto books = LmdbBooks::open(folder.at("books"), {}, LmdbBooks::Open::fresh).value();
    std::mt19937_64 random(seed);
    const auto any = [&](std::uint64_t below) { return random() % below; };
    for (unsigned i = 0; i < transactions; ++i) {
      auto transaction = books->begin().value();
      for (unsigned put = 0; put < 60; ++put) {
        const auto table = static_cast<Table>(any(3));
        const std::string key = "key-" + std::to_string(any(4000));
        const std::pair<std::string, std::string> name{kNames[static_cast<unsigned>(table)], key};
        if (any(5) == 0) {
          ASSERT_TRUE(transaction->erase(table, bytes_of(key)).has_value());
          rows.erase(name);
        } else {
          rows[name] = std::string(any(40) == 0 ? 5000 + any(9000) : 20 + any(300), 'a' + any(26));
          ASSERT_TRUE(transaction->put(table, bytes_of(key), bytes_of(rows[name])).has_value());
        }
      }
      ASSERT_TRUE(transaction->commit().has_value());
    }
  }
  // What the reader finds; the error where it finds damage.
  StorageResult<Rows> read_all() {
    auto file = LmdbFile::open(files, path());
    if (!file) return file.error();
    Rows found;
    std::optional<StorageError> unknown;
    auto done = file->check_all([&](std::string_view table, Bytes key, Bytes value, std::uint64_t offset) {
      if (std::find(kTableNames.begin(), kTableNames.end(), table) != kTableNames.end()) {
        found[{std::string(table), text_of(key)}] = text_of(value);
      } else if (table != "meta") {  // as check_books() has it
        unknown = StorageError{Errc::damaged, path(), offset, "a table of unknown name"};
      }
      return true;
    });
    if (!done) return done.error();
    if (unknown) return *unknown;
    return found;
  }
  std::size_t differing(const Rows& found) const {
    std::size_t count = 0;
    for (const auto& [name, value] : found) count += !rows.contains(name) || rows.at(name) != value;
    return found.size() == rows.size() ? count : SIZE_MAX;
  }
  std::string path() const { return folder.at("books/data.mdb"); }

  static constexpr const char* kNames[] = {"orders", "accounts", "transfers"};
  testing::TempFolder folder;
  RealFileSystem files;
  Rows rows;
};

TEST_F(LmdbFileTest, ReadsWhatLmdbWrote) {
  for (unsigned transactions : {0u, 1u, 5u, 60u, 200u}) {
    SCOPED_TRACE(transactions);
    rows.clear();
    fill(transactions, 1);
    const auto found = read_all();
    ASSERT_TRUE(found.has_value()) << found.error().to_text();
    EXPECT_TRUE(*found == rows) << found->size() << " rows, expected " << rows.size();
  }
}

TEST_F(LmdbFileTest, ScansATableFromAnyKey) {
  fill(150, 2);
  auto file = LmdbFile::open(files, path()).value();
  for (const char* table : {"orders", "transfers", "debits"}) {
    for (const std::string from : {"", "key-1", "key-2000", "key-25", "key-9999", "zzz"}) {
      SCOPED_TRACE(std::string(table) + " from '" + from + "'");
      Rows found;
      const auto done = file.scan(table, bytes_of(from), [&](Bytes key, Bytes value, std::uint64_t) {
        found[{table, text_of(key)}] = text_of(value);
        return true;
      });
      ASSERT_TRUE(done.has_value()) << done.error().to_text();
      Rows expected;
      for (const auto& [name, value] : rows) {
        if (name.first == table && name.second >= from) expected[name] = value;
      }
      EXPECT_TRUE(found == expected);
    }
  }
  unsigned visited = 0;
  ASSERT_TRUE(
      file.scan("orders", {}, [&](Bytes, Bytes, std::uint64_t) { return ++visited < 7; }).has_value());
  EXPECT_EQ(visited, 7u);
  EXPECT_TRUE(file.scan("nothing", {}, {}).error().is(Errc::damaged));
}

// Whatever single bit is flipped: an error with file and offset, the rows as they were, or one row whose
// bytes differ, which its checksum tells.
TEST_F(LmdbFileTest, AFlippedBitIsFoundOrChangesNoMoreThanOneRow) {
  const auto seed = testing::test_seed();
  fill(60, seed);
  const auto whole = testing::bytes_of_file(path());
  std::mt19937_64 random(seed);
  unsigned errors = 0, same = 0, changed = 0;
  const unsigned flips = testing::long_run() ? 20'000 : 1000;
  for (unsigned i = 0; i < flips; ++i) {
    const auto at = random() % whole.size();
    const auto bit = static_cast<unsigned>(random() % 8);
    SCOPED_TRACE("offset " + std::to_string(at) + " bit " + std::to_string(bit));
    testing::flip_bit(path(), at, bit);
    const auto found = read_all();
    testing::flip_bit(path(), at, bit);
    if (!found) {
      EXPECT_EQ(found.error().file, path());
      EXPECT_LE(found.error().offset, whole.size());
      ++errors;
    } else if (*found == rows) {
      ++same;
    } else {
      EXPECT_EQ(differing(*found), 1u);
      ++changed;
    }
  }
  std::printf("%u flips: %u found as damage, %u in one row, %u in bytes that mean nothing\n", flips, errors,
              changed, same);
  EXPECT_GT(errors, 0u);
  EXPECT_GT(changed, flips / 10);
}

TEST_F(LmdbFileTest, AFileCutAnywhereIsFound) {
  fill(60, 3);
  const auto whole = testing::bytes_of_file(path());
  std::mt19937_64 random(3);
  for (unsigned i = 0; i < 100; ++i) {
    const auto size = random() % whole.size();
    std::filesystem::resize_file(path(), size);
    const auto found = read_all();
    ASSERT_FALSE(found.has_value()) << size;
    testing::write_bytes(path(), whole);
  }
}

// Every page in the place of every other, as a write that went astray leaves it; also with the number of its
// new place, which no look at a single page can tell.
TEST_F(LmdbFileTest, APageInThePlaceOfAnotherIsFoundOrChangesNoMoreThanOneRow) {
  fill(40, 4);
  const auto whole = testing::bytes_of_file(path());
  const auto put = [&](std::size_t page, std::string bytes) {
    std::fstream file(path(), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(page * 4096)).write(bytes.data(), 4096);
  };
  std::map<std::string, unsigned> findings;
  for (std::size_t to = 2; to < whole.size() / 4096; to += 23) {
    for (std::size_t from = 2; from < whole.size() / 4096; from += 29) {
      if (from == to) continue;
      std::string page = whole.substr(from * 4096, 4096);
      for (int renumbered = 0; renumbered < 2; ++renumbered) {
        if (renumbered) std::memcpy(page.data(), &to, sizeof to);
        put(to, page);
        const auto found = read_all();
        EXPECT_LE(found ? differing(*found) : 0, 1u) << from << " in the place of " << to;
        ++findings[found ? "in free pages or in one row" : found.error().what];
      }
    }
    put(to, whole.substr(to * 4096, 4096));
  }
  for (const auto& [what, count] : findings) std::printf("%6u %s\n", count, what.c_str());
  EXPECT_GT(findings["the page bears another number"], 0u);
  EXPECT_GT(findings["the rows are out of order"] + findings["a row belongs on another page"], 0u);
}

TEST_F(LmdbFileTest, ATransactionThatIsGoneIsNotTakenForAnother) {
  fill(10, 5);
  EXPECT_TRUE(LmdbFile::open(files, path(), 1).error().is(Errc::not_found));
}

}  // namespace
}  // namespace recharge
