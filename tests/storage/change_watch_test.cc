// A group is noted whenever something in it concerns somebody who listens.
#include "storage/change_watch.h"

#include <set>

#include "storage/event_reader.h"
#include "tests/storage/store_fixture.h"

namespace recharge {
namespace {

const Account kListenedTo = testing::text<Account>("user-3");

class ChangeWatchTest : public testing::StoreTest {
 protected:
  void begin() {
    open();
    close();
    auto options = options_for(data(), 2);
    options.journal_hooks.on_group = [this](const GroupReport& group) {
      watch.note(group);
      ++groups;
    };
    auto opened = Store::open(files, options);
    ASSERT_TRUE(opened.has_value()) << opened.error().to_text();
    store = std::move(*opened);
    owners.emplace(*store);
    ASSERT_TRUE(store->journal().step().has_value());
    for (unsigned thread = 0; thread < store->threads(); ++thread) store->group(thread).watch_changes(watch);
  }
  // A group for each.
  void change(unsigned count) {
    for (unsigned i = 0; i < count; ++i) any(1);
  }
  // Places of the groups with an event that the test picks.
  template <class Pick>
  std::set<EventId> places_of(Pick pick) {
    EventJournal journal;
    journal.files = &files;
    journal.options.directory = store->journal_directory();
    journal.options.folder_id = store->format().folder_id;
    journal.durable_end = [this] { return store->journal().durable_position(); };
    EventReader reader(journal);
    EXPECT_TRUE(reader.seek({}));
    std::set<EventId> places;
    for (auto event = reader.next(); event && *event != nullptr; event = reader.next()) {
      if (pick(**event)) places.insert({(*event)->id.segment, (*event)->id.sector, 0, 0});
    }
    return places;
  }
  std::set<EventId> noted() {
    std::vector<EventId> places;
    EXPECT_TRUE(watch.take_notes(places));
    EXPECT_TRUE(std::is_sorted(places.begin(), places.end()));
    return {places.begin(), places.end()};
  }

  ChangeWatch watch{2};
  std::size_t groups = 0;
};

TEST_F(ChangeWatchTest, NotesEveryChangeOfAnAccount) {
  begin();
  watch.listen(kListenedTo);
  change(1500);
  const auto due = places_of([](const Event& event) { return event.account == kListenedTo; });
  const auto places = noted();
  ASSERT_GT(due.size(), 20U);
  EXPECT_TRUE(std::includes(places.begin(), places.end(), due.begin(), due.end()));
  EXPECT_LT(places.size(), groups / 4) << "of twelve accounts";
}

TEST_F(ChangeWatchTest, NotesEveryChangeOfAnOrder) {
  begin();
  std::set<OrderId> orders;
  for (int i = 0; i < 20; ++i) orders.insert(place());
  for (const OrderId& id : orders) watch.listen(id);
  owners->flush();
  static_cast<void>(noted());
  for (const OrderId& id : orders) {
    run(commands.pay(id, "t-" + id.to_text()));
    owners->flush();
    change(5);
  }
  const auto due = places_of([&](const Event& event) {
    return event.type != EventType::order_placed && event.order && orders.contains(event.order->id);
  });
  const auto places = noted();
  EXPECT_GE(due.size(), orders.size());
  EXPECT_TRUE(std::includes(places.begin(), places.end(), due.begin(), due.end()));
  EXPECT_LT(places.size(), groups / 2);
}

TEST_F(ChangeWatchTest, NotesNothingWhenNobodyListens) {
  begin();
  watch.listen(kListenedTo);
  watch.listen(kListenedTo);
  watch.stop_listening(kListenedTo);
  change(200);
  EXPECT_FALSE(noted().empty()) << "one of two goes on";
  watch.stop_listening(kListenedTo);
  change(200);
  EXPECT_TRUE(noted().empty());
}

TEST_F(ChangeWatchTest, SaysWhenItCouldNotNoteThemAll) {
  Facts facts;
  OrderChanged changed;
  changed.account = kListenedTo;
  facts.push_back(changed);
  watch.listen(kListenedTo);
  for (std::uint64_t i = 0; i <= ChangeWatch::kMaxNotes; ++i) {
    watch.look(0, i + 1, facts);
    GroupReport group;
    group.begin = {1, i * kSectorBytes, i + 1, 0};
    const GroupPart one{0, i + 1, 0, 1};
    group.parts = {&one, 1};
    watch.note(group);
  }
  std::vector<EventId> places;
  EXPECT_FALSE(watch.take_notes(places));
  EXPECT_EQ(places.size(), ChangeWatch::kMaxNotes);
  EXPECT_TRUE(watch.take_notes(places));
  EXPECT_TRUE(places.empty());
}

}  // namespace
}  // namespace recharge
