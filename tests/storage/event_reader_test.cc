// Events are read behind the writer: all of them, once, in the journal's order, from any of them on, and
// never one that is not durable.
#include "storage/event_reader.h"

#include "tests/storage/store_fixture.h"

namespace recharge {
namespace {

class EventReaderTest : public testing::StoreTest {
 protected:
  EventJournal journal() {
    EventJournal result;
    result.files = &files;
    result.options.directory = store->journal_directory();
    result.options.folder_id = store->format().folder_id;
    result.durable_end = [this] { return store->journal().durable_position(); };
    return result;
  }
  static std::vector<std::string> rest_of(EventReader& reader) {
    std::vector<std::string> all;
    for (;;) {
      auto event = reader.next();
      EXPECT_TRUE(event.has_value()) << event.error().to_text();
      if (!event || *event == nullptr) return all;
      all.push_back((*event)->id.to_text() + " " + std::string(to_text((*event)->type)));
    }
  }
  std::vector<std::string> read_after(const EventId& after) {
    const EventJournal from = journal();
    EventReader reader(from);
    const auto sought = reader.seek(after);
    EXPECT_TRUE(sought.has_value()) << sought.error().to_text();
    return rest_of(reader);
  }
  static EventId id_of(const std::string& line) { return EventId::parse(line.substr(0, 26)).value(); }
};

TEST_F(EventReaderTest, ReadsOnFromEveryEvent) {
  open();
  any(300);
  const auto all = read_after({});
  ASSERT_GT(all.size(), 100U);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
  for (std::size_t i = 0; i < all.size(); i += 7) {
    const std::vector<std::string> expected(all.begin() + static_cast<std::ptrdiff_t>(i) + 1, all.end());
    ASSERT_EQ(read_after(id_of(all[i])), expected) << all[i];
  }
}

TEST_F(EventReaderTest, FollowsTheWriterAndSeesNothingThatIsNotDurable) {
  open();
  const EventJournal from = journal();
  EventReader reader(from);
  ASSERT_TRUE(reader.seek({}));
  EXPECT_TRUE(rest_of(reader).empty());
  std::vector<std::string> followed;
  for (int round = 0; round < 40; ++round) {
    place();
    EXPECT_TRUE(rest_of(reader).empty()) << "it is not written yet";
    owners->flush();
    const auto more = rest_of(reader);
    EXPECT_EQ(more.size(), 1U) << "round " << round;
    followed.insert(followed.end(), more.begin(), more.end());
  }
  EXPECT_EQ(followed, read_after({}));
}

TEST_F(EventReaderTest, GoesOnOverSegmentsAndRestartsWithTheSameIds) {
  open();
  const EventJournal from = journal();
  EventReader reader(from);
  ASSERT_TRUE(reader.seek({}));
  std::vector<std::string> followed;
  while (store->journal().durable_position().segment < 3) {
    any(200);
    const auto more = rest_of(reader);
    followed.insert(followed.end(), more.begin(), more.end());
  }
  const EventId middle = id_of(followed[followed.size() / 2]);
  const EventId resume = reader.resume_point();
  EXPECT_EQ(followed, read_after({}));
  close();
  open(1);
  EXPECT_EQ(followed, read_after({}));
  EXPECT_EQ(read_after(middle).size(), followed.size() - followed.size() / 2 - 1);
  EXPECT_TRUE(read_after(resume).empty());
  place();
  owners->flush();
  EXPECT_EQ(read_after(resume).size(), 1U);
  EXPECT_EQ(read_after(resume), read_after(id_of(followed.back())));
}

// The power failed when the end of a segment was on the disk, and nothing of the next one yet.
TEST_F(EventReaderTest, AsksAgainAtTheEndOfASegment) {
  open();
  while (store->journal().durable_position().segment < 2) any(20);
  const auto path = segment_path(store->journal_directory(), 2);
  close();
  {
    auto file = files.open(path, FileSystem::Access::read_write);
    ASSERT_TRUE((*file)->write_at(0, std::vector<std::byte>(testing::kStoreSegmentBytes)));
  }
  open();
  const auto end = store->journal().durable_position();
  ASSERT_EQ(std::pair(end.segment, end.offset), std::pair(std::uint64_t{2}, std::uint64_t{0}));
  const EventJournal from = journal();
  EventReader reader(from);
  ASSERT_TRUE(reader.seek({}));
  EXPECT_GT(rest_of(reader).size(), 100U);
  for (int again = 0; again < 3; ++again) EXPECT_TRUE(rest_of(reader).empty());
  EXPECT_NE(reader.wall_ms(), 0);
  EXPECT_EQ(reader.resume_point(), latest_place(from));
  place();
  owners->flush();
  EXPECT_EQ(rest_of(reader).size(), 1U);
}

TEST_F(EventReaderTest, ReadsGroupsByThemselvesInAnyOrder) {
  open();
  any(300);
  std::map<std::string, std::vector<std::string>> by_group;  // the place in the id comes first
  for (const auto& line : read_after({})) {
    EventId place = id_of(line);
    place.record = place.fact = 0;
    by_group[place.to_text()].push_back(line);
  }
  ASSERT_GT(by_group.size(), 5U);
  std::vector<EventId> places;
  for (const auto& [place, lines] : by_group) places.push_back(EventId::parse(place).value());
  for (std::size_t i = 0; i < by_group.size(); i += 3) places.push_back(places[i]);
  const EventJournal from = journal();
  EventReader reader(from);
  for (const EventId& place : places) {
    ASSERT_TRUE(reader.seek_group(place));
    std::vector<std::string> lines;
    for (auto event = reader.next_of_group(); event && *event != nullptr; event = reader.next_of_group())
      lines.push_back((*event)->id.to_text() + " " + std::string(to_text((*event)->type)));
    EXPECT_EQ(lines, by_group[place.to_text()]);
  }
}

TEST_F(EventReaderTest, TheLatestPlaceIsBehindEverything) {
  open();
  EXPECT_TRUE(read_after(latest_place(journal())).empty());
  any(20);
  const EventId latest = latest_place(journal());
  EXPECT_TRUE(read_after(latest).empty());
  EXPECT_EQ(bytes_behind(journal(), latest, testing::kStoreSegmentBytes), 0U);
  place();
  owners->flush();
  EXPECT_EQ(read_after(latest).size(), 1U);
  EXPECT_GT(bytes_behind(journal(), latest, testing::kStoreSegmentBytes), 0U);
}

TEST_F(EventReaderTest, RefusesPlacesThatAreNoEvents) {
  open();
  any(50);
  const EventJournal from = journal();
  EventReader reader(from);
  const EventId latest = latest_place(from);
  const auto error_of = [&](const EventId& id) {
    const auto sought = reader.seek(id);
    EXPECT_FALSE(sought.has_value()) << id.to_text();
    return sought ? StorageError{} : sought.error();
  };
  EXPECT_TRUE(error_of({latest.segment, latest.sector + 1, 0, 1}).is(Errc::out_of_range));
  EXPECT_TRUE(error_of({latest.segment, latest.sector, 0, 1}).is(Errc::out_of_range));
  EXPECT_TRUE(error_of({latest.segment + 1, 0, 0, 1}).is(Errc::out_of_range));
  any(400);  // in a group of more than one sector
  bool inside = false;
  for (std::uint32_t sector = 0; sector < latest_place(from).sector && !inside; ++sector) {
    const auto sought = reader.seek({1, sector, 0, 1});
    inside = !sought.has_value() && sought.error().is(Errc::damaged);
  }
  EXPECT_TRUE(inside);
}

TEST_F(EventReaderTest, SaysThatASegmentIsGone) {
  open();
  while (store->journal().durable_position().segment < 3) any(200);
  const auto first = id_of(read_after({}).front());
  checkpoint();
  ASSERT_TRUE(remove_segment(files, store->journal_directory(), 1));
  const EventJournal from = journal();
  EventReader reader(from);
  const auto sought = reader.seek(first);
  ASSERT_FALSE(sought.has_value());
  EXPECT_TRUE(sought.error().is(Errc::not_found)) << sought.error().to_text();
  ASSERT_TRUE(reader.seek({}));
  const auto rest = rest_of(reader);
  ASSERT_FALSE(rest.empty());
  EXPECT_EQ(id_of(rest.front()).segment, 2U);
}

}  // namespace
}  // namespace recharge
