// Purpose: loses power at many moments of a recorded run: replays the recording onto a simulated disk, takes
// images in which any part of what was not flushed is lost or torn at sectors of 512 bytes, new names
// included, and has each judged. Every fourth image is that of a killed process whose recovery loses power in
// its turn: what was readable and not on the disk. Owner: the process. Errors: exit code 1 for an image that
// fails, 2 for anything else. The images are drawn from the seed; the same recording and seed make the same
// ones.
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <random>

#include "tests/crash/disk_recording.h"
#include "tests/crash/image_judge.h"
#include "tests/storage/temp_folder.h"

namespace recharge::testing {
namespace {

constexpr double kWeightOfOthers = 3;  // of what is no journal group: names, preparation, books
constexpr std::uint64_t kEveryNthIsKilled = 4;
constexpr std::size_t kEveryNthIsWalked = 4;  // its whole journal, unless all are

struct Options {
  std::string recording, root, list;
  std::size_t images = 300;
  std::uint64_t seed = 1;
  LeaveOut leave_out = LeaveOut::nothing;
  bool walk_all = false;
};

struct Counts {
  std::size_t images = 0, before_first_start = 0, of_groups = 0, of_books = 0, killed = 0;
};

class PowerLoss {
 public:
  explicit PowerLoss(const Options& options)
      : options_(options),
        recording_(options.recording, options.root, folder_.at("image")),
        judge_(options.list, recording_.acknowledged(), data()),
        random_(options.seed) {}

  int run();

 private:
  std::string data() const { return folder_.at("image") + "/data"; }
  bool judge_at(const SimulatedFileSystem& disk, std::size_t events);
  bool fails(SimulatedFileSystem& image, std::size_t events, std::uint64_t seed, const char* what,
             ImageJudge::BooksFrom books = ImageJudge::BooksFrom::image);
  bool same_as_recorded(const SimulatedFileSystem& disk) const;
  static double weight(const DiskEvent& event) { return event.of_group ? 1 : kWeightOfOthers; }

  const Options& options_;
  TempFolder folder_;
  DiskRecording recording_;
  ImageJudge judge_;
  std::mt19937_64 random_;
  Counts counts_;
  bool started_ = false;  // the first start was completed
};

// Nothing that the process did to its files is missing in the recording.
bool PowerLoss::same_as_recorded(const SimulatedFileSystem& disk) const {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(options_.root)) {
    const auto name = entry.path().filename();
    if (!entry.is_regular_file() || name == "lock.mdb" || name == "LOCK") continue;
    auto path = entry.path().string();
    const auto expected = bytes_of_file(path);
    path.replace(0, options_.root.size(), folder_.at("image"));
    const auto content = disk.content(path);
    if (content.size() != expected.size() ||
        std::memcmp(content.data(), expected.data(), content.size()) != 0) {
      std::fprintf(stderr, "%s is not as it was recorded\n", entry.path().c_str());
      return false;
    }
  }
  return true;
}

bool PowerLoss::fails(SimulatedFileSystem& image, std::size_t events, std::uint64_t seed, const char* what,
                      ImageJudge::BooksFrom books) {
  ++counts_.images;
  const auto walk = options_.walk_all || counts_.images % kEveryNthIsWalked == 0
                        ? ImageJudge::Walk::whole_journal
                        : ImageJudge::Walk::from_books;
  const auto wrong = judge_.judge(image, events, walk, books);
  if (!wrong) return false;
  std::printf("VIOLATION: image %zu (%s) after %zu of %zu events, seed %llu: %s\n", counts_.images, what,
              events, recording_.events().size(), static_cast<unsigned long long>(seed), wrong->c_str());
  return true;
}

bool PowerLoss::judge_at(const SimulatedFileSystem& disk, std::size_t events) {
  const auto seed = random_();
  if (!started_) ++counts_.before_first_start;
  if (events < recording_.events().size()) {
    const auto& next = recording_.events()[events];
    counts_.of_groups += next.of_group;
    counts_.of_books += next.path.find("/books") != std::string::npos;
  }
  if (seed % kEveryNthIsKilled != 0) return !fails(*disk.after_power_loss(seed), events, seed, "power loss");
  ++counts_.killed;
  const auto killed = disk.after_kill();
  if (fails(*killed, events, seed, "kill")) return false;
  const auto books =
      judge_.books_were_written() ? ImageJudge::BooksFrom::last_judged : ImageJudge::BooksFrom::image;
  return !fails(*killed->after_power_loss(seed), events, seed, "power loss after recovery", books);
}

int PowerLoss::run() {
  const auto begun = std::chrono::steady_clock::now();
  const auto& events = recording_.events();
  double total = 0;
  for (const auto& event : events) total += weight(event);
  const double images_for_weight = static_cast<double>(options_.images) / total;

  auto disk = recording_.empty_disk();
  std::uniform_real_distribution<double> rounding(0, 1);
  for (std::size_t i = 0; i <= events.size(); ++i) {
    const double wanted = images_for_weight * (i < events.size() ? weight(events[i]) : kWeightOfOthers);
    for (auto left = static_cast<int>(wanted + rounding(random_)); left > 0; --left) {
      if (!judge_at(*disk, i)) return 1;
    }
    if (i == events.size()) break;
    DiskRecording::replay(events[i], options_.leave_out, *disk);
    started_ = started_ || (events[i].kind == 'R' && events[i].path.ends_with("/FORMAT.tmp"));
  }
  if (!same_as_recorded(*disk)) return 2;
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  std::printf(
      "%zu images of %zu events (%zu journal groups, %zu requests, %zu acknowledged) in %.1f s, each opened "
      "and sound:\n"
      "%zu within the first start, %zu at a group's write or flush, %zu at one of the books; %zu killed "
      "first; seed %llu\n",
      counts_.images, events.size(), recording_.groups(), judge_.steps(), judge_.acknowledged(), took.count(),
      counts_.before_first_start, counts_.of_groups, counts_.of_books, counts_.killed,
      static_cast<unsigned long long>(options_.seed));
  return 0;
}

int run_checked(const Options& options) {
  try {
    return PowerLoss(options).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "power_loss_check: %s\n", error.what());
    return 2;
  }
}

}  // namespace
}  // namespace recharge::testing

int main(int argc, char** argv) {
  using recharge::testing::LeaveOut;
  recharge::testing::Options options;
  CLI::App app("Loses power at many moments of a recorded run of recharged, and judges what is left.");
  app.add_option("--recording", options.recording, "what disk_recorder.c wrote")->required();
  app.add_option("--root", options.root, "the folder that was recorded, as it was left")->required();
  app.add_option("--list", options.list, "what the client sent")->required();
  app.add_option("--images", options.images, "about how many moments");
  app.add_option("--seed", options.seed, "draws the moments and what is lost");
  app.add_option("--leave-out", options.leave_out, "flushes that count for nothing")
      ->transform(CLI::Transformer(std::map<std::string, LeaveOut>{{"journal", LeaveOut::journal_flushes},
                                                                   {"books", LeaveOut::books_flushes},
                                                                   {"base", LeaveOut::base_flushes}}));
  app.add_flag("--walk-all", options.walk_all, "walks the whole journal of each image, from its base");
  CLI11_PARSE(app, argc, argv);
  // Every image takes the same large pieces of memory again: they are not to be given back in between.
  ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
  return recharge::testing::run_checked(options);
}
