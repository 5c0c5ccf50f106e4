#include "core/secret.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

namespace recharge {
namespace {

template <class T>
concept Printable = requires(std::ostream& out, const T& value) {
  out << value;
};
template <class A, class B>
concept ComparableWith = requires(const A& a, const B& b) {
  a == b;
};

static_assert(!Printable<Secret>);
static_assert(Printable<std::string_view>);  // the concept itself works
static_assert(!ComparableWith<Secret, Secret>);
static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);
static_assert(std::is_nothrow_move_constructible_v<Secret> && std::is_nothrow_move_assignable_v<Secret>);
static_assert(!std::is_default_constructible_v<Secret>);
static_assert(!std::is_constructible_v<Secret, std::string_view>);
static_assert(!std::is_convertible_v<std::string, Secret>);
static_assert(!std::is_convertible_v<Secret, std::string>);
static_assert(!std::is_convertible_v<Secret, std::string_view>);

TEST(Secret, IsNeverEmpty) {
  const auto made = Secret::from_text("");
  ASSERT_TRUE(made.has_error());
  EXPECT_EQ(made.error(), Errc::out_of_range);
}

TEST(Secret, KeepsEveryByte) {
  const std::string bytes("a\0\xff\n", 4);
  EXPECT_EQ(Secret::from_text(bytes)->reveal(), bytes);
}

TEST(Secret, MovesAndClones) {
  Secret first = std::move(Secret::from_text("first").value());
  Secret second = first.clone();
  EXPECT_NE(first.reveal().data(), second.reveal().data());
  Secret third = std::move(first);
  EXPECT_EQ(third.reveal(), "first");
  EXPECT_EQ(first.reveal(), "");  // NOLINT(bugprone-use-after-move)
  second = std::move(third);
  EXPECT_EQ(second.reveal(), "first");
  EXPECT_EQ(third.reveal(), "");  // NOLINT(bugprone-use-after-move)
}

TEST(Secret, OfAFileDropsOneFinalNewline) {
  const auto text = [](std::string_view file) { return std::string(parse_secret_file_text(file)->reveal()); };
  EXPECT_EQ(text("abc"), "abc");
  EXPECT_EQ(text("abc\n"), "abc");
  EXPECT_EQ(text("abc\r\n"), "abc");
  EXPECT_EQ(text("abc\n\n"), "abc\n");
  EXPECT_EQ(text("abc\r"), "abc\r");
  EXPECT_EQ(text(" abc "), " abc ");
  EXPECT_EQ(text("a\nb\n"), "a\nb");
  for (const std::string_view file : {"", "\n", "\r\n"}) {
    EXPECT_EQ(parse_secret_file_text(file).error(), Errc::out_of_range);
  }
}

}  // namespace
}  // namespace recharge
