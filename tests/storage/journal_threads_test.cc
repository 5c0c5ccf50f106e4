// The journal with its threads running: to be run under the thread sanitizer too.
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <latch>
#include <thread>

#include "storage/real_file.h"
#include "tests/storage/journal_fixture.h"

namespace recharge {
namespace {

using Operation = SimulatedFileSystem::Operation;

template <class Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 5000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

TEST(JournalThreads, EveryProducerSeesItsRecordsDurable) {
  auto disk = empty_disk();
  const unsigned producers = 3;
  const JournalOptions options = small_journal(producers);
  std::vector<std::atomic<int>> notified(producers);
  JournalHooks hooks;
  hooks.notify = [&](unsigned producer) { notified[producer].fetch_add(1); };
  hooks.on_fatal = [](const StorageError& error) { ADD_FAILURE() << error.to_text(); };
  auto journal = open_journal(*disk, options, {}, hooks);
  journal->start();
  constexpr std::uint64_t kRecords = 3000;
  std::vector<std::thread> threads;
  for (unsigned producer = 0; producer < producers; ++producer) {
    threads.emplace_back([&, producer] {
      for (std::uint64_t number = 1; number <= kRecords; ++number) {
        const std::string record = std::to_string(producer) + " " + record_text(number, 100);
        while (!push(*journal, producer, record)) std::this_thread::yield();
        if (number % 10 == 0) journal->publish(producer);
        ASSERT_LE(journal->durable(producer), number);
      }
      journal->publish(producer);
      ASSERT_TRUE(eventually([&] { return journal->durable(producer) == kRecords; }));
    });
  }
  for (auto& thread : threads) thread.join();
  const JournalPosition end = journal->durable_position();
  journal->stop();
  const ReadBack read = read_back(*disk, options);
  ASSERT_FALSE(read.error.has_value()) << read.error->to_text();
  EXPECT_EQ(read.tail.end, end);
  std::vector<std::uint64_t> next(producers, 1);
  for (const std::string& record : read.records) {
    const auto producer = static_cast<std::size_t>(record[0] - '0');
    ASSERT_EQ(record.substr(2), record_text(next[producer]++, 100));
  }
  for (unsigned producer = 0; producer < producers; ++producer) {
    EXPECT_EQ(next[producer], kRecords + 1);
    EXPECT_GT(notified[producer].load(), 0);
  }
}

TEST(JournalThreads, WhileOneFlushRunsTheNextGroupCollects) {
  auto disk = empty_disk();
  std::latch flushing(1);
  std::latch go_on(1);
  std::atomic<bool> armed{false};
  disk->set_observer([&](Operation operation, const std::string& path) {
    const bool first_segment = path.find(segment_name(1)) != std::string::npos;
    if (operation != Operation::sync || !first_segment || !armed.exchange(false)) return;
    flushing.count_down();
    go_on.wait();
  });
  std::atomic<int> groups{0};
  JournalHooks hooks;
  hooks.on_group = [&](const GroupReport&) { groups.fetch_add(1); };
  auto journal = open_journal(*disk, small_journal(), {}, hooks);
  journal->start();
  ASSERT_TRUE(eventually([&] { return journal->next_segment_ready(); }));
  armed = true;
  ASSERT_TRUE(push(*journal, 0, "first"));
  journal->publish(0);
  flushing.wait();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(push(*journal, 0, "next"));
    journal->publish(0);
  }
  EXPECT_EQ(journal->durable(0), 0u) << "nothing is durable before its flush";
  go_on.count_down();
  ASSERT_TRUE(eventually([&] { return journal->durable(0) == 21; }));
  journal->stop();
  EXPECT_EQ(groups.load(), 2);
}

TEST(JournalThreads, StopWritesEverythingPublished) {
  for (int round = 0; round < 50; ++round) {
    auto disk = empty_disk();
    auto journal = open_journal(*disk, small_journal());
    journal->start();
    for (int i = 0; i < round; ++i) ASSERT_TRUE(push(*journal, 0, record_text(1)));
    journal->publish(0);
    journal->stop();
    EXPECT_EQ(journal->durable(0), static_cast<std::uint64_t>(round));
  }
}

TEST(JournalThreads, AFullDiskIsTriedAgainUntilItHasRoom) {
  auto disk = empty_disk();
  const JournalOptions options = small_journal();
  disk->set_capacity(options.segment_bytes + 1000);
  auto journal = open_journal(*disk, options);
  journal->start();
  ASSERT_TRUE(eventually([&] { return journal->storage_full(); }));
  std::uint64_t accepted = 0;
  while (push(*journal, 0, record_text(1, 1000))) ++accepted;
  journal->publish(0);
  ASSERT_TRUE(eventually([&] { return journal->durable(0) == accepted; }));
  disk->set_capacity(10 * options.segment_bytes);
  ASSERT_TRUE(
      eventually([&] { return !journal->storage_full() && push(*journal, 0, record_text(1, 1000)); }));
  journal->publish(0);
  journal->stop();
  EXPECT_EQ(journal->durable(0), accepted + 1);
  EXPECT_FALSE(journal->failed());
}

TEST(JournalThreads, AFailureStopsAcknowledgementsAndIsToldOnce) {
  auto disk = empty_disk();
  std::atomic<int> fatal{0};
  JournalHooks hooks;
  hooks.on_fatal = [&](const StorageError&) { fatal.fetch_add(1); };
  auto journal = open_journal(*disk, small_journal(), {}, hooks);
  journal->start();
  ASSERT_TRUE(eventually([&] { return journal->next_segment_ready(); }));
  disk->inject({Operation::sync, 1, 1, EIO, ".journal"});
  ASSERT_TRUE(push(*journal, 0, "lost"));
  journal->publish(0);
  ASSERT_TRUE(eventually([&] { return fatal.load() == 1; }));
  EXPECT_TRUE(journal->reserve(0, 10).empty());
  journal->publish(0);
  journal->stop();
  EXPECT_EQ(journal->durable(0), 0u);
  EXPECT_EQ(fatal.load(), 1);
}

TEST(JournalThreads, WorksOnRealFiles) {
  std::string pattern = (std::filesystem::temp_directory_path() / "recharge_journal_XXXXXX").string();
  JournalOptions options = small_journal(2);
  options.directory = ::mkdtemp(pattern.data());
  RealFileSystem files;
  {
    auto journal = open_journal(files, options);
    journal->start();
    for (std::uint64_t i = 1; i <= 500; ++i) {
      while (!push(*journal, i % 2, record_text(i, 400))) std::this_thread::yield();
      journal->publish(i % 2);
    }
    journal->stop();
    EXPECT_EQ(journal->durable(0) + journal->durable(1), 500u);
  }
  std::vector<std::string> records;
  auto end = recover(files, options, &records);
  ASSERT_TRUE(end.has_value()) << end.error().to_text();
  EXPECT_EQ(records.size(), 500u);
  EXPECT_GT(end->segment, 1u);
  std::filesystem::remove_all(options.directory);
}

TEST(JournalThreads, NobodyWaitsForAProducerThatDoesNotGetOn) {
  auto disk = empty_disk();
  auto journal = open_journal(*disk, small_journal(2));
  journal->start();
  for (std::uint64_t number = 1; number <= 20; ++number) {
    journal->gate().awake(1);  // and never settles
    journal->gate().awake(0);
    ASSERT_TRUE(push(*journal, 0, record_text(number, 100)));
    journal->publish(0);
    ASSERT_TRUE(eventually([&] { return journal->durable(0) == number; })) << number;
  }
  journal->stop();
}

}  // namespace
}  // namespace recharge
