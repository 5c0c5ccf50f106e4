#include "storage/real_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "storage/storage_error.h"

namespace recharge {
namespace {

class RealFileTest : public ::testing::Test {
 protected:
  RealFileTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "recharge_file_XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
  }
  ~RealFileTest() override { std::filesystem::remove_all(directory_); }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  static std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span(text));
  }
  unsigned mode_of(const std::string& name) const {
    struct stat status {};
    EXPECT_EQ(::stat(path(name).c_str(), &status), 0);
    return status.st_mode & 0777;
  }

  std::string directory_;
  RealFileSystem files_;
};

TEST_F(RealFileTest, ReadsBackWhatWasWritten) {
  auto file = files_.create(path("a"));
  ASSERT_TRUE(file.has_value());
  ASSERT_TRUE((*file)->write_at(3, bytes_of("hello")).has_value());
  ASSERT_TRUE((*file)->sync().has_value());
  EXPECT_EQ((*file)->size().value(), 8u);
  std::string text(5, ' ');
  auto again = files_.open(path("a"), FileSystem::Access::read);
  ASSERT_TRUE(again.has_value());
  ASSERT_TRUE((*again)->read_at(3, std::as_writable_bytes(std::span(text))).has_value());
  EXPECT_EQ(text, "hello");
  EXPECT_EQ((*again)->read_at(4, std::as_writable_bytes(std::span(text))).error(), Errc::truncated);
  EXPECT_EQ((*again)->write_at(0, bytes_of("x")).error().value(), EBADF) << "opened for reading";
  EXPECT_EQ(mode_of("a"), 0600u);
}

TEST_F(RealFileTest, TellsErrorsApart) {
  EXPECT_EQ(files_.open(path("none"), FileSystem::Access::read).error(),
            boost::system::errc::no_such_file_or_directory);
  ASSERT_TRUE(files_.create(path("a")).has_value());
  EXPECT_EQ(files_.create(path("a")).error(), boost::system::errc::file_exists);
  EXPECT_EQ(files_.remove(path("none")).error().value(), ENOENT);
  EXPECT_EQ(files_.rename(path("none"), path("b")).error().value(), ENOENT);
  EXPECT_EQ(files_.list(path("none")).error().value(), ENOENT);
  EXPECT_EQ(files_.sync_directory(path("none")).error().value(), ENOENT);
  EXPECT_EQ(files_.make_directory(path("a")).error().value(), EEXIST);
}

TEST_F(RealFileTest, AFullDeviceIsTold) {
  auto full = files_.open("/dev/full", FileSystem::Access::read_write);
  if (!full) GTEST_SKIP() << "no /dev/full";
  const auto error = (*full)->write_at(0, bytes_of("x")).error();
  EXPECT_TRUE(is_disk_full(error)) << error.message();
  EXPECT_FALSE(is_disk_full(boost::system::error_code(EIO, boost::system::generic_category())));
}

TEST_F(RealFileTest, ListsRenamesRemovesAndMakesDirectories) {
  EXPECT_TRUE(files_.make_directory(path("d")).value());
  EXPECT_FALSE(files_.make_directory(path("d")).value());
  EXPECT_EQ(mode_of("d"), 0700u);
  ASSERT_TRUE(files_.create(path("d/b.tmp")).has_value());
  ASSERT_TRUE(files_.create(path("d/a")).has_value());
  ASSERT_TRUE(files_.rename(path("d/b.tmp"), path("d/b")).has_value());
  EXPECT_EQ(files_.list(path("d")).value(), (std::vector<std::string>{"a", "b"}));
  ASSERT_TRUE(files_.remove(path("d/a")).has_value());
  ASSERT_TRUE(files_.sync_directory(path("d")).has_value());
  EXPECT_FALSE(files_.exists(path("d/a")).value());
  EXPECT_TRUE(files_.exists(path("d/b")).value());
  EXPECT_GT(files_.free_bytes(path("d")).value(), 0u);
}

TEST_F(RealFileTest, ALockExcludesASecondOneUntilReleased) {
  auto first = files_.lock(path("LOCK"));
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(files_.lock(path("LOCK")).error(), Errc::in_use);
  first->reset();
  EXPECT_TRUE(files_.lock(path("LOCK")).has_value());
}

}  // namespace
}  // namespace recharge
