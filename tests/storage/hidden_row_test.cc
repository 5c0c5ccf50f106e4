// A damaged page can hide a row that is there. A look-up that finds none must not take that for proof.
#include <gtest/gtest.h>

#include "storage/lmdb_books.h"
#include "storage/stored_record.h"
#include "tests/storage/temp_folder.h"

namespace recharge {
namespace {

constexpr unsigned kAccounts = 1500;  // on many pages
const FolderId kFolder{7};

class HiddenRowTest : public ::testing::Test {
 protected:
  static Account account(unsigned number) {
    Account account;
    EXPECT_TRUE(account.assign("acc-" + std::to_string(100'000 + 2 * number)));
    return account;
  }
  HiddenRowTest() {
    auto books = LmdbBooks::open(folder_.path(), kFolder, LmdbBooks::Open::fresh).value();
    auto transaction = books->begin().value();
    StoredRow row;
    for (unsigned i = 0; i < kAccounts; ++i) {
      UserAccount record;
      record.account = account(i);
      record.balance = Money::from_minor_units(i + 1);
      codec_.encode(record, row);
      EXPECT_TRUE(transaction->put(Table::accounts, row.key, row.value).has_value());
    }
    EXPECT_TRUE(transaction->commit().has_value());
  }
  std::string file() const { return folder_.at("data.mdb"); }
  // Where the text stands in the file.
  std::vector<std::size_t> places_of(unsigned number) const {
    const auto bytes = testing::bytes_of_file(file());
    const std::string text(account(number).view());
    std::vector<std::size_t> places;
    for (auto at = bytes.find(text); at != std::string::npos; at = bytes.find(text, at + 1))
      places.push_back(at);
    return places;
  }
  Result<std::optional<Bytes>> look_up(std::string_view key, bool checked = true) {
    snapshot_.reset();
    books_ = LmdbBooks::open(folder_.path(), kFolder, LmdbBooks::Open::existing).value();
    const auto is_whole = [this](Table table, Bytes at, Bytes value) {
      return codec_.check(table, at, value).has_value();
    };
    if (checked) {
      EXPECT_TRUE(books_->check_rows_with(is_whole).has_value());
    }
    snapshot_ = books_->snapshot();
    return snapshot_->get(Table::accounts, std::as_bytes(std::span(key)));
  }
  void close() {
    snapshot_.reset();
    books_.reset();
  }

  testing::TempFolder folder_;
  RecordCodec codec_{HashKey{1, 2, 3}};
  std::unique_ptr<LmdbBooks> books_;
  std::unique_ptr<BooksSnapshot> snapshot_;
};

TEST_F(HiddenRowTest, WhatIsThereIsFoundAndWhatIsNotIsMissing) {
  EXPECT_TRUE(look_up(account(700).view()).value().has_value());
  for (const std::string_view none : {"acc-100001", "acc-101401", "acc-0", "zzz"})
    EXPECT_FALSE(look_up(none).value().has_value()) << none;
}

// Its key was changed by a bit: it is not found under its own, but stands beside the place.
TEST_F(HiddenRowTest, ARowWhoseKeyWasChangedIsDamageAndNotMissing) {
  const unsigned number = 701;
  const auto places = places_of(number);
  ASSERT_EQ(places.size(), 1u) << "on a leaf alone";
  testing::flip_bit(file(), places.front() + 9, 0);
  const auto found = look_up(account(number).view());
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error(), Errc::damaged);
  const auto unproven = look_up(account(number).view(), false);
  ASSERT_TRUE(unproven.has_value());
  EXPECT_FALSE(unproven->has_value()) << "a build that does not prove it shows a balance of zero";
}

// A branch page leads to the wrong leaf, on which the row is not.
TEST_F(HiddenRowTest, APageThatLeadsAstrayIsDamageAndNotMissing) {
  unsigned number = 1;
  while (number < kAccounts && places_of(number).size() < 2) ++number;
  ASSERT_LT(number, kAccounts) << "no key on a branch page";
  // The separator grows: what lies between is looked for on the leaf before.
  const auto places = places_of(number);
  const auto bytes = testing::bytes_of_file(file());
  unsigned hidden = 0;
  for (const auto place : places) {
    testing::flip_bit(file(), place + 6, 2);
    const auto found = look_up(account(number).view());
    if (!found.has_value()) {
      EXPECT_EQ(found.error(), Errc::damaged);
      const auto unproven = look_up(account(number).view(), false);
      if (unproven.has_value() && !unproven->has_value()) ++hidden;
    } else {
      EXPECT_TRUE(found->has_value()) << "missing, and nothing said so";
    }
    close();
    testing::write_bytes(file(), bytes);
  }
  EXPECT_GT(hidden, 0u) << "without the proof it would be shown as missing";
}

}  // namespace
}  // namespace recharge
