// Purpose: small journals on a simulated disk, for the tests of storage.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "storage/journal.h"
#include "storage/journal_reader.h"
#include "storage/journal_recovery.h"
#include "storage/simulated_file.h"

namespace recharge {

inline const std::string kJournalDirectory = "/journal";

inline JournalOptions small_journal(unsigned producers = 1) {
  JournalOptions options;
  options.directory = kJournalDirectory;
  options.folder_id = {0x5a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  options.producers = producers;
  options.segment_bytes = 64 * 1024;
  options.max_group_bytes = 16 * 1024;
  options.ring_bytes = 64 * 1024;
  options.preparation_retry_ms = 5;
  return options;
}

inline std::unique_ptr<SimulatedFileSystem> empty_disk() {
  auto disk = std::make_unique<SimulatedFileSystem>();
  EXPECT_TRUE(disk->make_directory(kJournalDirectory).has_value());
  EXPECT_TRUE(disk->sync_directory("/").has_value());
  return disk;
}

inline std::string text_of_record(std::span<const std::byte> record) {
  return {reinterpret_cast<const char*>(record.data()), record.size()};
}

template <class Target>
bool push(Target& journal, unsigned producer, const std::string& record) {
  auto room = journal.reserve(producer, record.size());
  if (room.empty()) return false;
  std::memcpy(room.data(), record.data(), record.size());
  journal.commit(producer, record.size());
  return true;
}

// A record that says which it is, of the asked length; never with a zero byte.
inline std::string record_text(std::uint64_t number, std::size_t bytes = 40) {
  std::string text = "record " + std::to_string(number) + " ";
  if (text.size() < bytes) text.resize(bytes, static_cast<char>('a' + number % 26));
  return text;
}

struct ReadBack {
  std::vector<std::string> records;
  std::vector<JournalPosition> begins;  // of each group, and the end
  JournalTail tail;
  std::optional<StorageError> error;
};

inline ReadBack read_back(FileSystem& files, const JournalOptions& options,
                          const std::optional<JournalPosition>& from = std::nullopt) {
  ReadBack result;
  auto reader = JournalReader::open(files, options, from);
  if (!reader) {
    result.error = reader.error();
    return result;
  }
  for (;;) {
    result.begins.push_back(reader->position());
    auto group = reader->next();
    if (!group) {
      result.error = group.error();
      return result;
    }
    if (*group == nullptr) break;
    for (const auto& record : (*group)->records) result.records.push_back(text_of_record(record));
  }
  result.tail = reader->tail();
  return result;
}

// Reads everything and makes the tail certain, as a start does.
inline StorageResult<JournalPosition> recover(FileSystem& files, const JournalOptions& options,
                                              std::vector<std::string>* records = nullptr) {
  auto reader = JournalReader::open(files, options);
  if (!reader) return reader.error();
  for (;;) {
    auto group = reader->next();
    if (!group) return group.error();
    if (*group == nullptr) break;
    for (const auto& record : (*group)->records) {
      if (records != nullptr) records->push_back(text_of_record(record));
    }
  }
  return recover_tail(files, options, *reader);
}

inline std::unique_ptr<Journal> open_journal(FileSystem& files, const JournalOptions& options,
                                             const JournalPosition& end = {}, JournalHooks hooks = {}) {
  auto journal = Journal::open(files, options, end, std::move(hooks));
  EXPECT_TRUE(journal.has_value()) << (journal ? "" : journal.error().to_text());
  return journal ? std::move(*journal) : nullptr;
}

// One group of `count` records, numbered from `first`, written in a single step.
inline void write_group(Journal& journal, std::uint64_t first, std::uint64_t count,
                        std::size_t record_bytes = 40) {
  for (std::uint64_t i = 0; i < count; ++i)
    ASSERT_TRUE(push(journal, 0, record_text(first + i, record_bytes)));
  journal.publish(0);
  auto written = journal.step();
  ASSERT_TRUE(written.has_value()) << written.error().to_text();
  ASSERT_EQ(*written, count);
}

}  // namespace recharge
