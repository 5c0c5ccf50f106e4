// Rule: a text becomes one code, with the patterns by which a scanner finds it, and every drawing of it shows
// the same modules. (What a camera reads from it is tested in tests/http/test_cashier.py.)
#include "core/qr_code.h"

#include <gtest/gtest.h>

#include <string>

namespace recharge {
namespace {

TEST(QrCode, HasItsFindersInThreeCorners) {
  const QrCode code = *QrCode::make("weixin://wxpay/bizpayurl?pr=abc");
  const unsigned last = code.width() - 7;
  ASSERT_GE(code.width(), 21U);
  for (const auto& [row, column] : {std::pair{0U, 0U}, {0U, last}, {last, 0U}}) {
    for (unsigned i = 0; i < 7; ++i) {
      EXPECT_TRUE(code.is_dark(row, column + i) && code.is_dark(row + i, column)) << row << ',' << column;
      EXPECT_EQ(code.is_dark(row + 1, column + i), i == 0 || i == 6);
    }
  }
  EXPECT_FALSE(code.is_dark(code.width(), 0));
}

TEST(QrCode, RefusesWhatDoesNotFit) {
  EXPECT_FALSE(QrCode::make(""));
  EXPECT_TRUE(QrCode::make(std::string(2331, 'x')));
  EXPECT_FALSE(QrCode::make(std::string(2332, 'x')));
  EXPECT_TRUE(QrCode::make(std::string_view("\0\xff", 2)));
}

TEST(QrCode, IsDrawnTheSameEverywhere) {
  const QrCode code = *QrCode::make("https://qr.alipay.com/bax00000");
  const unsigned size = code.width() + 2 * QrCode::kQuietZone;
  const std::string svg = code.to_svg();
  EXPECT_NE(svg.find("viewBox=\"0 0 " + std::to_string(size) + " " + std::to_string(size) + "\""),
            std::string::npos);
  const auto lines = code.to_lines();
  ASSERT_EQ(lines.size(), (size + 1) / 2);
  unsigned dark = 0, drawn = 0;
  for (unsigned row = 0; row < code.width(); ++row) {
    for (unsigned column = 0; column < code.width(); ++column) dark += code.is_dark(row, column) ? 1 : 0;
  }
  for (const std::string& line : lines) {
    for (std::size_t at = 0; at < line.size(); at += line[at] == ' ' ? 1 : 3)
      drawn += line[at] == ' ' ? 0 : line.compare(at, 3, "\u2588") == 0 ? 2 : 1;
  }
  EXPECT_EQ(dark, drawn);
  EXPECT_EQ(lines.front().find_first_not_of(' '), std::string::npos) << "the quiet zone";
}

}  // namespace
}  // namespace recharge
