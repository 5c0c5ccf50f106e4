#include "core/percent_text.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <optional>
#include <string>

namespace recharge {
namespace {

std::optional<std::string> decoded(std::string_view text, bool plus_is_space) {
  std::string out = "before";
  if (!append_percent_decoded(out, text, plus_is_space)) return std::nullopt;
  EXPECT_EQ(out.substr(0, 6), "before");
  return out.substr(6);
}

// The same, byte by byte.
std::optional<std::string> plainly_decoded(std::string_view text, bool plus_is_space) {
  constexpr std::string_view kDigits = "0123456789abcdef0123456789ABCDEF";
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      const auto high = i + 2 < text.size() ? kDigits.find(text[i + 1]) : kDigits.npos;
      const auto low = i + 2 < text.size() ? kDigits.find(text[i + 2]) : kDigits.npos;
      if (high == kDigits.npos || low == kDigits.npos) return std::nullopt;
      out.push_back(static_cast<char>(high % 16 * 16 + low % 16));
      i += 2;
    } else {
      out.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

TEST(PercentText, IsDecodedWhereverAnEscapeStands) {
  for (std::size_t size = 0; size < 40; ++size) {
    for (std::size_t at = 0; at <= size; ++at) {
      for (const std::string_view escape :
           {"%41", "%2b", "+", "%", "%4", "%g1", "%1g", "%%41", "%41%42", "\xA5\xAB"}) {
        const std::string text = std::string(at, 'a') + std::string(escape) + std::string(size - at, 'z');
        for (const bool form : {false, true})
          ASSERT_EQ(decoded(text, form), plainly_decoded(text, form)) << text;
      }
    }
  }
}

RC_GTEST_PROP(PercentText, IsDecodedAsByteByByte, (bool form)) {
  const auto text = *rc::gen::container<std::string>(
      rc::gen::weightedOneOf<char>({{8, rc::gen::arbitrary<char>()},
                                    {2, rc::gen::element('%', '+')},
                                    {6, rc::gen::element('4', '1', 'f', 'F')}}));
  RC_ASSERT(decoded(text, form) == plainly_decoded(text, form));
}

RC_GTEST_PROP(PercentText, ComesBackAsItWasEncoded, (const std::string& text)) {
  std::string encoded;
  append_percent_encoded(encoded, text);
  RC_ASSERT(decoded(encoded, true) == text);
}

}  // namespace
}  // namespace recharge
