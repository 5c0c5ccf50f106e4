// Both kinds of books keep the same promises; LMDB's keep more about their file.
#include <gtest/gtest.h>
#include <lmdb.h>
#include <sodium.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "storage/books_check.h"
#include "storage/books_meta.h"
#include "storage/lmdb_books.h"
#include "storage/memory_books.h"
#include "storage/real_file.h"
#include "tests/storage/temp_folder.h"

namespace recharge {
namespace {

using testing::TempFolder;

const FolderId kFolder{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

Bytes bytes(std::string_view text) { return std::as_bytes(std::span(text)); }
std::string shown(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
std::string shown(const Result<std::optional<Bytes>>& found) {
  if (!found) return "error: " + found.error().message();
  return *found ? shown(**found) : "-";
}
std::string shown(const Result<std::optional<BooksRow>>& found) {
  if (!found) return "error: " + found.error().message();
  return *found ? shown((*found)->key) + "=" + shown((*found)->value) : "-";
}
BooksPosition position_at(std::uint64_t sequence) {
  BooksPosition position;
  position.journal = {3, 512 * sequence, sequence, {}};
  position.journal.previous_hash.fill(static_cast<std::uint8_t>(sequence));
  position.expiry_watermark_ms = 1'700'000'000'000 + sequence;
  return position;
}

struct MemoryKind {
  MemoryBooks opened;
  Books& books() { return opened; }
};
struct LmdbKind {
  TempFolder folder;
  std::unique_ptr<LmdbBooks> opened = LmdbBooks::open(folder.path(), kFolder, LmdbBooks::Open::fresh).value();
  Books& books() { return *opened; }
};

template <class Kind>
class BooksTest : public ::testing::Test {
 protected:
  Books& books() { return kind_.books(); }
  void put(Table table, std::string_view key, std::string_view value) {
    auto transaction = books().begin().value();
    ASSERT_TRUE(transaction->put(table, bytes(key), bytes(value)).has_value());
    ASSERT_TRUE(transaction->commit().has_value());
  }
  std::string get(Table table, std::string_view key) {
    return shown(books().snapshot()->get(table, bytes(key)));
  }
  Kind kind_;
};

using Kinds = ::testing::Types<MemoryKind, LmdbKind>;
struct KindNames {
  template <class Kind>
  static std::string GetName(int) {
    return std::is_same_v<Kind, MemoryKind> ? "Memory" : "Lmdb";
  }
};
TYPED_TEST_SUITE(BooksTest, Kinds, KindNames);

TYPED_TEST(BooksTest, KeepWhatIsCommitted) {
  this->put(Table::orders, "a", "1");
  this->put(Table::accounts, "a", "2");
  EXPECT_EQ(this->get(Table::orders, "a"), "1");
  EXPECT_EQ(this->get(Table::accounts, "a"), "2") << "tables are apart";
  EXPECT_EQ(this->get(Table::orders, "b"), "-");
  this->put(Table::orders, "a", "longer than before");
  EXPECT_EQ(this->get(Table::orders, "a"), "longer than before");
}

TYPED_TEST(BooksTest, EveryTableKeepsItsOwnRows) {
  auto transaction = this->books().begin().value();
  for (std::size_t i = 0; i < kTables; ++i) {
    ASSERT_TRUE(transaction->put(static_cast<Table>(i), bytes("k"), bytes(std::to_string(i))).has_value());
  }
  ASSERT_TRUE(transaction->commit().has_value());
  for (std::size_t i = 0; i < kTables; ++i) {
    EXPECT_EQ(this->get(static_cast<Table>(i), "k"), std::to_string(i));
  }
}

TYPED_TEST(BooksTest, DropWhatIsNotCommitted) {
  this->put(Table::orders, "kept", "1");
  {
    auto transaction = this->books().begin().value();
    ASSERT_TRUE(transaction->put(Table::orders, bytes("new"), bytes("2")).has_value());
    ASSERT_TRUE(transaction->erase(Table::orders, bytes("kept")).has_value());
    ASSERT_TRUE(transaction->set_position(position_at(9)).has_value());
  }
  EXPECT_EQ(this->get(Table::orders, "new"), "-");
  EXPECT_EQ(this->get(Table::orders, "kept"), "1");
  EXPECT_EQ(this->books().position().value(), BooksPosition{});
}

TYPED_TEST(BooksTest, ThePositionMovesWithItsTransaction) {
  EXPECT_EQ(this->books().position().value(), BooksPosition{}) << "of new books: the journal's beginning";
  for (std::uint64_t sequence : {std::uint64_t{7}, std::uint64_t{8}, std::uint64_t{1} << 40}) {
    auto transaction = this->books().begin().value();
    ASSERT_TRUE(transaction->put(Table::orders, bytes("a"), bytes(std::to_string(sequence))).has_value());
    ASSERT_TRUE(transaction->set_position(position_at(sequence)).has_value());
    ASSERT_TRUE(transaction->commit().has_value());
    EXPECT_EQ(this->books().position().value(), position_at(sequence));
    EXPECT_EQ(this->get(Table::orders, "a"), std::to_string(sequence));
  }
}

TYPED_TEST(BooksTest, ErasingAMissingRowIsNoError) {
  this->put(Table::idempotency, "a", "1");
  auto transaction = this->books().begin().value();
  ASSERT_TRUE(transaction->erase(Table::idempotency, bytes("b")).has_value());
  ASSERT_TRUE(transaction->erase(Table::idempotency, bytes("a")).has_value());
  ASSERT_TRUE(transaction->erase(Table::idempotency, bytes("a")).has_value());
  ASSERT_TRUE(transaction->commit().has_value());
  EXPECT_EQ(this->get(Table::idempotency, "a"), "-");
}

TYPED_TEST(BooksTest, APutAfterAnEraseOfTheSameKeyStays) {
  this->put(Table::idempotency, "a", "old");
  this->put(Table::idempotency, "b", "old");
  auto transaction = this->books().begin().value();
  ASSERT_TRUE(transaction->erase(Table::idempotency, bytes("a")).has_value());
  ASSERT_TRUE(transaction->erase(Table::idempotency, bytes("b")).has_value());
  ASSERT_TRUE(transaction->put(Table::idempotency, bytes("b"), bytes("new")).has_value());
  ASSERT_TRUE(transaction->put(Table::idempotency, bytes("a"), bytes("new")).has_value());
  ASSERT_TRUE(transaction->commit().has_value());
  EXPECT_EQ(this->get(Table::idempotency, "a"), "new");
  EXPECT_EQ(this->get(Table::idempotency, "b"), "new");
}

TYPED_TEST(BooksTest, PutsInAnyOrderOfKeys) {
  for (std::string_view keys : {"abc", "cab", "bca", "cba"}) {
    auto transaction = this->books().begin().value();
    for (char key : keys) {
      ASSERT_TRUE(transaction->put(Table::orders, bytes({&key, 1}), bytes(keys)).has_value());
    }
    ASSERT_TRUE(transaction->commit().has_value());
    for (std::string_view key : {"a", "b", "c"}) EXPECT_EQ(this->get(Table::orders, key), keys);
  }
}

TYPED_TEST(BooksTest, FindNeighbours) {
  auto snapshot = this->books().snapshot();
  EXPECT_EQ(shown(snapshot->last_before(Table::exceptions, bytes("m"))), "-") << "an empty table";
  EXPECT_EQ(shown(snapshot->first_from(Table::exceptions, bytes("m"))), "-");
  EXPECT_EQ(shown(snapshot->first_from(Table::exceptions, {})), "-");
  snapshot->release();
  for (std::string_view key : {"b", "d", "da", "f"}) this->put(Table::exceptions, key, key);
  struct Row {
    std::string_view key, before, from;
  };
  constexpr Row rows[] = {
      {"", "-", "b=b"},    {"a", "-", "b=b"},      {"b", "-", "b=b"},      {"ba", "b=b", "d=d"},
      {"d", "b=b", "d=d"}, {"da", "d=d", "da=da"}, {"db", "da=da", "f=f"}, {"f", "da=da", "f=f"},
      {"fa", "f=f", "-"},  {"\xff", "f=f", "-"},
  };
  for (int round = 0; round < 2; ++round) {
    for (const Row& row : rows) {
      EXPECT_EQ(shown(snapshot->last_before(Table::exceptions, bytes(row.key))), row.before) << row.key;
      EXPECT_EQ(shown(snapshot->first_from(Table::exceptions, bytes(row.key))), row.from) << row.key;
    }
    snapshot->release();
  }
}

TYPED_TEST(BooksTest, SnapshotsAreRenewedAfterTheirRelease) {
  auto snapshot = this->books().snapshot();
  for (int i = 0; i < 5; ++i) {
    const auto value = std::to_string(i);
    this->put(Table::orders, "a", value);
    EXPECT_EQ(shown(snapshot->get(Table::orders, bytes("a"))), value);
    EXPECT_EQ(shown(snapshot->first_from(Table::orders, bytes("a"))), "a=" + value);
    EXPECT_EQ(shown(snapshot->last_before(Table::orders, bytes("b"))), "a=" + value);
    snapshot->release();
    snapshot->release();  // twice is no harm
  }
}

TYPED_TEST(BooksTest, TransactionsOfManyRowsAreReadInOrder) {
  auto transaction = this->books().begin().value();
  const std::string value(400, 'v');
  for (int i = 0; i < 3000; ++i) {
    const auto key = std::to_string(100'000 + i * 7919 % 3000);
    ASSERT_TRUE(transaction->put(Table::orders, bytes(key), bytes(value)).has_value());
  }
  ASSERT_TRUE(transaction->commit().has_value());
  auto snapshot = this->books().snapshot();
  std::string from;
  for (int i = 0; i < 3000; ++i) {
    auto row = snapshot->first_from(Table::orders, bytes(from)).value();
    ASSERT_TRUE(row.has_value());
    ASSERT_EQ(shown(row->key), std::to_string(100'000 + i));
    from = shown(row->key) + '\0';
  }
  EXPECT_EQ(shown(snapshot->first_from(Table::orders, bytes(from))), "-");
}

TEST(MemoryBooks, AFailedCommitChangesNothing) {
  MemoryBooks books;
  const auto full = boost::system::error_code(ENOSPC, boost::system::generic_category());
  books.fail_next_commit(full);
  auto failing = books.begin().value();
  ASSERT_TRUE(failing->put(Table::orders, bytes("a"), bytes("1")).has_value());
  EXPECT_EQ(failing->commit().error(), full);
  EXPECT_EQ(books.state(), MemoryBooks::State{});
  auto again = books.begin().value();
  ASSERT_TRUE(again->put(Table::orders, bytes("a"), bytes("1")).has_value());
  EXPECT_TRUE(again->commit().has_value()) << "only the next one fails";
}

class LmdbBooksTest : public BooksTest<LmdbKind> {
 protected:
  void close() { kind_.opened.reset(); }
  StorageResult<void> reopen(const FolderId& id = kFolder) {
    close();
    auto opened = LmdbBooks::open(kind_.folder.path(), id, LmdbBooks::Open::existing);
    if (!opened) return opened.error();
    kind_.opened = std::move(*opened);
    return {};
  }
  std::string file() { return kind_.folder.at("data.mdb"); }
  // Behind the back of the books.
  template <class Act>
  void act_raw(const char* table, const Act& act) {
    close();
    MDB_env* env = nullptr;
    MDB_txn* transaction = nullptr;
    MDB_dbi dbi = 0;
    mdb_env_create(&env);
    mdb_env_set_maxdbs(env, 16);
    ASSERT_EQ(mdb_env_open(env, kind_.folder.path().c_str(), 0, 0600), MDB_SUCCESS);
    ASSERT_EQ(mdb_txn_begin(env, nullptr, 0, &transaction), MDB_SUCCESS);
    ASSERT_EQ(mdb_dbi_open(transaction, table, MDB_CREATE, &dbi), MDB_SUCCESS);
    ASSERT_EQ(act(transaction, dbi), MDB_SUCCESS);
    ASSERT_EQ(mdb_txn_commit(transaction), MDB_SUCCESS);
    mdb_env_close(env);
  }
  void put_raw(const char* table, std::string key, std::string value) {
    act_raw(table, [&](MDB_txn* transaction, MDB_dbi dbi) {
      MDB_val k{key.size(), key.data()};
      MDB_val v{value.size(), value.data()};
      return value.empty() ? mdb_del(transaction, dbi, &k, nullptr) : mdb_put(transaction, dbi, &k, &v, 0);
    });
  }
  std::string get_raw(const char* table, std::string key) {
    std::string found;
    act_raw(table, [&](MDB_txn* transaction, MDB_dbi dbi) {
      MDB_val k{key.size(), key.data()};
      MDB_val v{};
      const int rc = mdb_get(transaction, dbi, &k, &v);
      found.assign(static_cast<const char*>(v.mv_data), v.mv_size);
      return rc;
    });
    return found;
  }
  void drop_raw(const char* table) {
    act_raw(table, [](MDB_txn* transaction, MDB_dbi dbi) { return mdb_drop(transaction, dbi, 1); });
  }
  static std::string header(std::uint32_t schema, const FolderId& id) {
    std::string text;
    for (int i = 0; i < 4; ++i) text += static_cast<char>(schema >> (8 * i));
    return text.append(reinterpret_cast<const char*>(id.data()), id.size());
  }
  // As every version from 3 on ends a row of meta.
  static std::string sealed(const std::string& name, const std::string& body, const FolderId& id) {
    std::array<unsigned char, 8> checksum{};
    const std::string text = name + body;
    crypto_shorthash(checksum.data(), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                     id.data());
    return body + std::string(checksum.begin(), checksum.end());
  }
  static std::string sealed_header(std::uint32_t schema, const FolderId& id, const std::string& more = "") {
    return sealed("header", header(schema, id) + more, id);
  }
};

TEST_F(LmdbBooksTest, ASnapshotSeesOneMoment) {
  put(Table::orders, "a", "1");
  auto snapshot = books().snapshot();
  EXPECT_EQ(shown(snapshot->get(Table::orders, bytes("a"))), "1");
  put(Table::orders, "a", "2");
  put(Table::orders, "b", "2");
  EXPECT_EQ(shown(snapshot->get(Table::orders, bytes("a"))), "1");
  EXPECT_EQ(shown(snapshot->first_from(Table::orders, bytes("b"))), "-");
  EXPECT_EQ(get(Table::orders, "a"), "2") << "another snapshot, acquired later";
  snapshot->release();
  EXPECT_EQ(shown(snapshot->get(Table::orders, bytes("a"))), "2");
}

TEST_F(LmdbBooksTest, SurviveClosingAndOpening) {
  put(Table::orders, "a", "1");
  auto transaction = books().begin().value();
  ASSERT_TRUE(transaction->set_position(position_at(5)).has_value());
  ASSERT_TRUE(transaction->commit().has_value());
  transaction.reset();
  ASSERT_TRUE(reopen().has_value());
  EXPECT_EQ(get(Table::orders, "a"), "1");
  EXPECT_EQ(books().position().value(), position_at(5));
  EXPECT_EQ(kind_.opened->rows(Table::orders), 1u);
}

TEST_F(LmdbBooksTest, FreshRemovesWhatIsThere) {
  put(Table::orders, "a", "1");
  close();
  kind_.opened = LmdbBooks::open(kind_.folder.path(), kFolder, LmdbBooks::Open::fresh).value();
  EXPECT_EQ(get(Table::orders, "a"), "-");
  EXPECT_EQ(books().position().value(), BooksPosition{});
}

TEST_F(LmdbBooksTest, TheHeaderDecidesWhetherTheyOpen) {
  const FolderId other{9};
  struct Row {
    const char* name;
    std::string header;
    Errc error;
  };
  const Row rows[] = {
      {"an older schema is made anew", header(2, kFolder), Errc::not_found},
      {"an older schema of another folder", header(2, other), Errc::damaged},
      {"a newer schema is refused", sealed_header(kBooksSchema + 1, kFolder), Errc::newer_format},
      {"a newer schema of another form", sealed_header(kBooksSchema + 1, kFolder, "more"),
       Errc::newer_format},
      {"a newer schema without its checksum is none", header(kBooksSchema + 1, kFolder), Errc::damaged},
      {"this schema without its checksum", header(kBooksSchema, kFolder), Errc::damaged},
      {"another folder's", sealed_header(kBooksSchema, other), Errc::damaged},
      {"another row", sealed("position", header(kBooksSchema, kFolder), kFolder), Errc::damaged},
      {"too short", sealed_header(kBooksSchema, kFolder).substr(0, 10), Errc::damaged},
      {"too long", sealed_header(kBooksSchema, kFolder) + "x", Errc::damaged},
      {"never completed", "", Errc::not_found},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    put_raw("meta", "header", sealed_header(kBooksSchema, kFolder));
    ASSERT_TRUE(reopen().has_value());
    put_raw("meta", "header", row.header);
    auto opened = reopen();
    ASSERT_FALSE(opened.has_value());
    EXPECT_TRUE(opened.error().is(row.error)) << opened.error().to_text();
    EXPECT_EQ(opened.error().file, file());
  }
}

// Schema 4 added a table alone: who opens books of schema 3 to write them gets all rows, and this schema.
TEST_F(LmdbBooksTest, SchemaThreeIsCarriedOn) {
  put(Table::orders, "a", "1");
  auto transaction = books().begin().value();
  ASSERT_TRUE(transaction->set_position(position_at(5)).has_value());
  ASSERT_TRUE(transaction->commit().has_value());
  transaction.reset();
  drop_raw("gateway_work");
  RealFileSystem files;
  EXPECT_TRUE(check_books_at_start(files, file()).error().is(Errc::damaged)) << "schema 4 has it";
  put_raw("meta", "header", sealed_header(kOldestBooksSchema, kFolder));
  {
    auto view = LmdbBooks::open(kind_.folder.path(), kFolder, LmdbBooks::Open::shared);
    ASSERT_TRUE(view.has_value()) << view.error().to_text();
    EXPECT_EQ((*view)->position().value(), position_at(5));
  }
  EXPECT_TRUE(check_books_at_start(files, file()).has_value());
  ASSERT_TRUE(reopen().has_value());
  EXPECT_EQ(get(Table::orders, "a"), "1");
  EXPECT_EQ(books().position().value(), position_at(5));
  put(Table::gateway_work, "w", "2");
  ASSERT_TRUE(reopen().has_value());
  EXPECT_EQ(get(Table::gateway_work, "w"), "2");
  close();
  EXPECT_EQ(get_raw("meta", "header"), sealed_header(kBooksSchema, kFolder))
      << "a build that knows schema 3 alone would overlook the table";
}

// A watermark or a position that is off by a bit would be believed: orders never expire, records are left
// out.
TEST_F(LmdbBooksTest, AnyFlippedBitOfTheRowsOfMetaIsFound) {
  const auto position = encode_position(position_at(5), kFolder);
  const auto head = encode_header(kFolder);
  ASSERT_EQ(decode_position(position, kFolder).value(), position_at(5));
  ASSERT_TRUE(check_header(head, kFolder).has_value());
  EXPECT_EQ(decode_position(position, FolderId{9}).error(), Errc::damaged);
  for (std::size_t bit = 0; bit < 8 * position.size(); ++bit) {
    auto changed = position;
    changed[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_EQ(decode_position(changed, kFolder).error(), Errc::damaged) << bit;
  }
  for (std::size_t bit = 0; bit < 8 * head.size(); ++bit) {
    auto changed = head;
    changed[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_EQ(check_header(changed, kFolder).error(), Errc::damaged) << bit;
  }
  std::string text(reinterpret_cast<const char*>(position.data()), position.size());
  put_raw("meta", "position", text);
  ASSERT_TRUE(reopen().has_value());
  EXPECT_EQ(books().position().value(), position_at(5));
  text[40] ^= 4;
  put_raw("meta", "position", text);
  ASSERT_TRUE(reopen().has_value());
  EXPECT_EQ(books().position().error(), Errc::damaged);
}

TEST_F(LmdbBooksTest, OfAnotherFolderAreRefused) {
  auto opened = reopen(FolderId{9});
  ASSERT_FALSE(opened.has_value());
  EXPECT_TRUE(opened.error().is(Errc::damaged));
  EXPECT_TRUE(reopen().has_value());
}

TEST_F(LmdbBooksTest, MissingOnesAreNotFound) {
  close();
  ASSERT_EQ(::unlink(file().c_str()), 0);
  auto opened = reopen();
  ASSERT_FALSE(opened.has_value());
  EXPECT_TRUE(opened.error().is(Errc::not_found));
}

// Whatever a crash left of books that were being made: they are made anew, and are not called damaged.
TEST_F(LmdbBooksTest, AnInterruptedCreationIsNotFound) {
  EXPECT_FALSE(std::filesystem::exists(kind_.folder.at("unfinished"))) << "completed";
  close();
  const auto whole = testing::bytes_of_file(file());
  for (const auto& left : {std::string(), whole.substr(0, 100), std::string(whole.size(), '\0'), whole}) {
    testing::write_bytes(kind_.folder.at("unfinished"), "");
    testing::write_bytes(file(), left);
    auto opened = reopen();
    ASSERT_FALSE(opened.has_value());
    EXPECT_TRUE(opened.error().is(Errc::not_found)) << opened.error().to_text();
    auto fresh = LmdbBooks::open(kind_.folder.path(), kFolder, LmdbBooks::Open::fresh);
    ASSERT_TRUE(fresh.has_value()) << fresh.error().to_text();
    fresh->reset();
    EXPECT_TRUE(reopen().has_value());
  }
}

TEST_F(LmdbBooksTest, AFileCutAnywhereIsDamageAndNeverASignal) {
  auto transaction = books().begin().value();
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(
        transaction->put(Table::orders, bytes(std::to_string(10'000 + i)), bytes(std::string(300, 'v')))
            .has_value());
  }
  ASSERT_TRUE(transaction->commit().has_value());
  transaction.reset();
  close();
  const auto whole = testing::bytes_of_file(file());
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  for (std::size_t size = 0; size < whole.size(); size += size < 3 * page ? page / 4 : 3 * page) {
    ASSERT_EQ(::truncate(file().c_str(), static_cast<off_t>(size)), 0);
    auto opened = reopen();
    ASSERT_FALSE(opened.has_value()) << size;
    EXPECT_TRUE(opened.error().is(Errc::damaged)) << size << ": " << opened.error().to_text();
    testing::write_bytes(file(), whole);
  }
  ASSERT_TRUE(reopen().has_value());
  EXPECT_EQ(kind_.opened->rows(Table::orders), 500u);
}

// A page that a transaction took at the file's end and gave back again need not be written. The file must not
// look cut because of it.
TEST_F(LmdbBooksTest, OpenAgainWhateverWasErased) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 40; ++round) {
    SCOPED_TRACE(round);
    auto transaction = books().begin().value();
    const std::string value(60 + random() % 300, 'v');
    const auto puts = random() % 3 == 0 ? 0 : random() % 800;
    const auto erases = random() % 3000;
    for (std::uint64_t i = 0; i < erases; ++i) {
      ASSERT_TRUE(transaction->erase(Table::idempotency, bytes(std::to_string(10'000 + i))).has_value());
    }
    for (std::uint64_t i = 0; i < puts; ++i) {
      ASSERT_TRUE(
          transaction->put(Table::idempotency, bytes(std::to_string(10'000 + random() % 3000)), bytes(value))
              .has_value());
    }
    ASSERT_TRUE(transaction->commit().has_value());
    transaction.reset();
    EXPECT_GE(std::filesystem::file_size(file()), kind_.opened->used_bytes());
    auto opened = reopen();
    ASSERT_TRUE(opened.has_value()) << opened.error().to_text();
  }
}

// A process that reads the books beside their owner, and is killed while it does.
TEST(LmdbBooks, AreReadByAnotherProcessWhoseDeathLeavesNoPageInUse) {
  TempFolder folder;
  constexpr std::size_t kRows = 64;
  const std::string value(800, 'v');
  const pid_t reader = ::fork();  // before any environment is open: LMDB's do not survive it
  if (reader == 0) {
    for (int look = 0; look < 1000; ++look) {
      auto books = LmdbBooks::open(folder.path(), kFolder, LmdbBooks::Open::shared);
      if (books) {
        auto snapshot = (*books)->snapshot();
        if (const auto found = snapshot->get(Table::orders, bytes("row 1")); found && *found)
          ::_exit((*books)->begin().has_value() ? 2 : 0);  // with the view in its hands; and it cannot write
      }
      ::usleep(10'000);
    }
    ::_exit(1);
  }
  auto books = LmdbBooks::open(folder.path(), kFolder, LmdbBooks::Open::fresh).value();
  const auto rewrite = [&] {
    auto transaction = books->begin().value();
    for (std::size_t i = 0; i < kRows; ++i)
      ASSERT_TRUE(
          transaction->put(Table::orders, bytes("row " + std::to_string(i)), bytes(value)).has_value());
    ASSERT_TRUE(transaction->commit().has_value());
  };
  rewrite();
  int status = 0;
  ASSERT_EQ(::waitpid(reader, &status, 0), reader);
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_EQ(WEXITSTATUS(status), 0);
  for (int i = 0; i < 10; ++i) rewrite();
  const auto before = books->used_bytes();
  for (int i = 0; i < 200; ++i) rewrite();
  EXPECT_EQ(books->used_bytes(), before);
}

TEST(LmdbBooks, AreNotMadeByReadingThem) {
  TempFolder folder;
  const auto opened = LmdbBooks::open(folder.at("none"), kFolder, LmdbBooks::Open::shared);
  ASSERT_FALSE(opened.has_value());
  EXPECT_TRUE(opened.error().is(Errc::not_found));
  EXPECT_FALSE(std::filesystem::exists(folder.at("none")));
}

}  // namespace
}  // namespace recharge
