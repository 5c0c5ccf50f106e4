#include "core/json_object.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace recharge {
namespace {

using std::string_view_literals::operator""sv;

struct BadRow {
  std::string name;
  std::string body;
  Errc error = Errc::invalid_text;
  std::string member = {};
};

std::string named(const testing::TestParamInfo<BadRow>& row) { return row.param.name; }

class RefusesJson : public testing::TestWithParam<BadRow> {};

TEST_P(RefusesJson, WithItsErrorAndMember) {
  JsonReader reader;
  const auto read = reader.read_copy(GetParam().body, Nested::allow);
  ASSERT_TRUE(read.has_error()) << GetParam().body;
  EXPECT_EQ(read.error(), GetParam().error) << read.error().message();
  if (!GetParam().member.empty()) {
    EXPECT_EQ(reader.error_member(), GetParam().member);
  }
  // A refused body leaves nothing behind.
  EXPECT_TRUE(reader.read_copy(R"({"a":1})", Nested::refuse).has_value());
  EXPECT_EQ(reader.error_member(), "");
}

// Every value here must fail at the top level, in a nested object and in a nested array.
std::vector<BadRow> bad_values() {
  const std::vector<std::pair<std::string, std::string>> values = {
      {"missing", ""},
      {"leading_zero", "01"},
      {"two_zeros", "00"},
      {"minus_leading_zero", "-01"},
      {"no_fraction", "1."},
      {"no_whole", ".5"},
      {"no_exponent", "1e"},
      {"signed_no_exponent", "1e+"},
      {"fraction_no_exponent", "1.5E-"},
      {"point_exponent", "1.e5"},
      {"exponent_fraction", "1e5.5"},
      {"minus", "-"},
      {"minus_minus", "--1"},
      {"minus_letter", "-a"},
      {"plus", "+1"},
      {"nan", "NaN"},
      {"lower_nan", "nan"},
      {"infinity", "Infinity"},
      {"minus_infinity", "-Infinity"},
      {"hex", "0x10"},
      {"two_points", "1.2.3"},
      {"underscore", "1_000"},
      {"number_letter", "1a"},
      {"two_numbers", "1 2"},
      {"number_string", "1\"a\""},
      {"string_number", "\"a\"1"},
      {"string_string", "\"a\"\"b\""},
      {"tru", "tru"},
      {"trues", "trues"},
      {"True", "True"},
      {"false_1", "false1"},
      {"fals", "fals"},
      {"nul", "nul"},
      {"nulll", "nulll"},
      {"None", "None"},
      {"single_quotes", "'a'"},
      {"undefined", "undefined"},
      {"comment", "1/*x*/"},
      {"line_comment", "1//x"},
      {"colon", ":1"},
      {"two_colons", "::1"},
      {"string_colon", "\"a\":1"},
      {"number_colon", "1:2"},
      {"comma", ","},
      {"lone_high_surrogate", R"("\ud800")"},
      {"lone_low_surrogate", R"("\udc00")"},
      {"high_then_text", R"("\ud800x")"},
      {"high_then_escape", R"("\ud800\n")"},
      {"two_highs", R"("\ud800\ud800")"},
      {"high_then_bmp", R"("\ud800\u0041")"},
      {"swapped_surrogates", R"("\udc00\ud800")"},
      {"upper_lone_low_surrogate", R"("x\uDFFFx")"},
      {"pair_then_low", R"("\ud83d\ude00\ude00")"},
      {"bad_escape", R"("\x41")"},
      {"octal_escape", R"("\101")"},
      {"quote_escape", R"("\'")"},
      {"short_unicode", R"("\u12")"},
      {"no_hex_unicode", R"("\u12g4")"},
      {"upper_u", R"("\U00000041")"},
      {"space_in_unicode", R"("\u 041")"},
      {"signed_unicode", R"("\u+041")"},
      {"raw_line_feed", "\"a\nb\""},
      {"raw_tab", "\"a\tb\""},
      {"raw_nul", std::string("\"a\0b\"", 5)},
      {"raw_escape_byte", "\"\x1b\""},
      {"raw_unit_separator", "\"\x1f\""},
      {"escape_line_feed", "\"\\\n\""},
      {"latin_1", "\"\xe9\""},
      {"overlong_slash", "\"\xc0\xaf\""},
      {"utf8_surrogate", "\"\xed\xa0\x80\""},
      {"above_unicode", "\"\xf4\x90\x80\x80\""},
      {"lone_continuation", "\"\x80\""},
      {"cut_sequence", "\"\xe2\x82\""},
      {"five_byte_sequence", "\"\xf8\x88\x80\x80\x80\""},
      {"no_break_space",
       "\xc2\xa0"
       "1"},
      {"form_feed", "\f1"},
      {"vertical_tab_after", "1\v"},
      {"nul_after", std::string("1\0", 2)},
      {"array_trailing_comma", "[1,]"},
      {"array_leading_comma", "[,1]"},
      {"array_two_commas", "[1,,2]"},
      {"array_only_comma", "[,]"},
      {"array_no_comma", "[1 2]"},
      {"array_colon", "[1:2]"},
      {"array_closed_as_object", "[1}"},
      {"array_open", "[1"},
      {"array_bad_last", "[1,01]"},
      {"array_key", R"(["a":1])"},
      {"array_closed_twice", "[1]]"},
      {"object_trailing_comma", R"({"x":1,})"},
      {"object_leading_comma", R"({,"x":1})"},
      {"object_two_commas", R"({"x":1,,"y":2})"},
      {"object_no_comma", R"({"x":1 "y":2})"},
      {"object_closed_as_array", R"({"x":1])"},
      {"object_no_value", R"({"x":})"},
      {"object_no_colon", R"({"x" 1})"},
      {"object_name_only", R"({"x"})"},
      {"object_bare_name", "{x:1}"},
      {"object_number_name", "{1:1}"},
      {"object_null_name", "{null:1}"},
      {"object_array_name", "{[]:1}"},
      {"object_value_bad", R"({"x":[{"y":1.}]})"},
      {"object_name_bad_escape", R"({"\q":1})"},
      {"object_name_lone_surrogate", R"({"\ud800":1})"},
      {"object_closed_twice", R"({"x":1}})"},
      {"object_then_object", "{}{}"},
      {"array_then_array", "[][]"},
  };
  std::vector<BadRow> rows;
  for (const auto& [name, value] : values) {
    rows.push_back({"top_" + name, R"({"first":true,"bad":)" + value + "}"});
    rows.push_back({"top_then_more_" + name, R"({"bad":)" + value + R"(,"last":"x"})"});
    rows.push_back({"in_object_" + name, R"({"outer":{"first":null,"bad":)" + value + R"(},"last":1})"});
    if (name != "missing")
      rows.push_back({"in_array_" + name, R"({"outer":[0,[)" + value + R"(]],"last":1})"});
  }
  return rows;
}
INSTANTIATE_TEST_SUITE_P(Values, RefusesJson, testing::ValuesIn(bad_values()), named);

INSTANTIATE_TEST_SUITE_P(
    Bodies, RefusesJson,
    testing::Values(BadRow{"empty", ""}, BadRow{"space", " "}, BadRow{"much_space", std::string(100, '\n')},
                    BadRow{"array", "[]"}, BadRow{"array_of_object", R"([{"a":1}])"},
                    BadRow{"string", R"("x")"}, BadRow{"number", "1"}, BadRow{"null", "null"},
                    BadRow{"open", "{"}, BadRow{"close", "}"}, BadRow{"close_open", "}{"},
                    BadRow{"closed_as_array", "{]"}, BadRow{"comma", "{,}"},
                    BadRow{"trailing_comma", R"({"a":1,})"}, BadRow{"no_comma", R"({"a":1"b":2})"},
                    BadRow{"trailing_byte", R"({"a":1}x)"}, BadRow{"trailing_brace", R"({"a":1}})"},
                    BadRow{"trailing_object", R"({"a":1}{"b":2})"},
                    BadRow{"trailing_object_line", "{\"a\":1}\n{\"b\":2}"},
                    BadRow{"trailing_comma_outside", R"({"a":1},)"},
                    BadRow{"trailing_nul", std::string("{\"a\":1}\0", 8)},
                    BadRow{"leading_nul", std::string("\0{\"a\":1}", 8)},
                    BadRow{"trailing_string", R"({"a":1}"")"}, BadRow{"trailing_bracket", R"({"a":1}])"},
                    BadRow{"trailing_bad_utf8", "{\"a\":1}\xff"},
                    BadRow{"byte_order_mark", "\xef\xbb\xbf{\"a\":1}"},
                    BadRow{"utf16", std::string("{\0\"\0a\0\"\0:\0"
                                                "1\0}\0",
                                                14)},
                    BadRow{"leading_no_break_space", "\xc2\xa0{\"a\":1}"}, BadRow{"bare_name", "{a:1}"},
                    BadRow{"single_quotes", "{'a':1}"}, BadRow{"comment", R"({/*x*/"a":1})"},
                    BadRow{"open_name", R"({"a)"}, BadRow{"open_string", R"({"a":"b})"},
                    BadRow{"escaped_close", R"({"a":"b\"})"}, BadRow{"bad_utf8_name", "{\"\xff\":1}"},
                    BadRow{"control_in_name", "{\"a\x01\":1}"}),
    named);

std::string deep(std::size_t depth, std::string_view open, std::string_view inner, std::string_view close) {
  std::string text = R"({"deep":)";
  for (std::size_t i = 0; i < depth; ++i) text += open;
  text += inner;
  for (std::size_t i = 0; i < depth; ++i) text += close;
  return text + "}";
}

std::string many_members(std::size_t count) {
  std::string text = "{";
  for (std::size_t i = 0; i < count; ++i)
    text += (i ? ",\"m" : "\"m") + std::to_string(i) + "\":" + std::to_string(i);
  return text + "}";
}

INSTANTIATE_TEST_SUITE_P(
    Limits, RefusesJson,
    testing::Values(
        BadRow{"duplicate", R"({"a":1,"b":2,"a":3})", Errc::duplicate_name, "a"},
        BadRow{"duplicate_same_value", R"({"a":1,"a":1})", Errc::duplicate_name, "a"},
        BadRow{"duplicate_empty_name", R"({"":1,"":1})", Errc::duplicate_name},
        BadRow{"duplicate_escaped", R"({"ab":1,"a\u0062":2})", Errc::duplicate_name, "ab"},
        BadRow{"duplicate_escaped_first", R"({"a\u0062":1,"z":0,"ab":2})", Errc::duplicate_name, "ab"},
        BadRow{"duplicate_solidus", R"({"a/b":1,"a\/b":2})", Errc::duplicate_name, "a/b"},
        BadRow{"duplicate_surrogates", "{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":2}", Errc::duplicate_name},
        BadRow{"duplicate_nested", R"({"o":{"x":1,"y":2,"x":3}})", Errc::duplicate_name, "x"},
        BadRow{"duplicate_nested_escaped", R"({"o":[1,{"xy":1,"x\u0079":3}]})", Errc::duplicate_name, "xy"},
        BadRow{"duplicate_after_nested", R"({"o":{"x":{"x":1},"x":1}})", Errc::duplicate_name, "x"},
        BadRow{"arrays_too_deep", deep(JsonReader::kMaxDepth, "[", "1", "]"), Errc::too_long, "deep"},
        BadRow{"objects_too_deep", deep(JsonReader::kMaxDepth, R"({"a":)", "1", "}"), Errc::too_long, "deep"},
        BadRow{"arrays_100000_deep", deep(100'000, "[", "1", "]"), Errc::too_long},
        BadRow{"objects_100000_deep", deep(100'000, R"({"a":)", "1", "}"), Errc::too_long},
        BadRow{"arrays_100000_open", R"({"a":)" + std::string(100'000, '['), Errc::invalid_text},
        BadRow{"one_member_too_many", many_members(JsonReader::kMaxMembers + 1), Errc::too_long}),
    named);

TEST(JsonObject, ReadsEveryKindSorted) {
  JsonReader reader;
  const auto read = reader.read_copy(
      " {\"z\" : \"text\" ,\r\n\"b\":-1.50e+3\t, \"a\": true,\"aa\":false,\"n\":null,"
      "\"o\": {\"x\":[1, {} ]} ,\"l\":[ ],\"\":\"\"} \n",
      Nested::allow);
  ASSERT_TRUE(read.has_value()) << read.error().message();
  std::string all;
  for (const JsonMember& member : *read) {
    all += std::string(member.name) + "|" + std::to_string(static_cast<int>(member.type)) + "|" +
           std::string(member.text) + "\n";
  }
  EXPECT_EQ(all, "|0|\na|2|\naa|3|\nb|1|-1.50e+3\nl|5|[ ]\nn|4|\no|5|{\"x\":[1, {} ]}\nz|0|text\n");
  ASSERT_NE(read->find("b"), nullptr);
  EXPECT_EQ(read->find("b")->text, "-1.50e+3");
  EXPECT_EQ(read->find("c"), nullptr);
  EXPECT_EQ(read->find("aaa"), nullptr);
}

TEST(JsonObject, KeepsNumbersAsSent) {
  JsonReader reader;
  for (const std::string number : {"0", "-0", "50.0", "50.00", "1e308", "1E-400",
                                   "123456789012345678901234567890", "0.1e+00", "-0.0E0"}) {
    const auto read = reader.read_copy("{\"n\": " + number + " }", Nested::refuse);
    ASSERT_TRUE(read.has_value()) << number;
    EXPECT_EQ(read->find("n")->text, number);
    EXPECT_EQ(read->find("n")->type, JsonType::number);
  }
}

TEST(JsonObject, UnescapesStrings) {
  JsonReader reader;
  const auto text = [&reader](const std::string& value) -> std::string {
    const auto read = reader.read_copy("{\"s\":\"" + value + "\"}", Nested::refuse);
    return read ? std::string(read->find("s")->text) : "refused: " + read.error().message();
  };
  EXPECT_EQ(text(R"(\" \\ \/ \b \f \n \r \t)"), "\" \\ / \b \f \n \r \t");
  EXPECT_EQ(text(R"(\u0041\u00e9\u20AC\ud83d\ude00)"), "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  EXPECT_EQ(text(R"(\ud7ff\ue000\uffff\udbff\udfff)"),
            "\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf4\x8f\xbf\xbf");
  EXPECT_EQ(text(R"(a\u0000b)"), "a\0b"sv);
  EXPECT_EQ(text("\xed\x9f\xbf \xe4\xb8\xad\xe6\x96\x87 \x7f"), "\xed\x9f\xbf \xe4\xb8\xad\xe6\x96\x87 \x7f");
  EXPECT_EQ(text(R"(\\)"), "\\");
  EXPECT_EQ(text(R"(\\\")"), "\\\"");
  EXPECT_EQ(text(""), "");
}

TEST(JsonObject, ReadsAsManyMembersAndLevelsAsItSays) {
  JsonReader reader;
  const auto many = reader.read_copy(many_members(JsonReader::kMaxMembers), Nested::refuse);
  ASSERT_TRUE(many.has_value());
  EXPECT_EQ(many->size(), JsonReader::kMaxMembers);
  for (std::size_t i = 0; i < JsonReader::kMaxMembers; ++i) {
    const JsonMember* member = many->find("m" + std::to_string(i));
    ASSERT_NE(member, nullptr);
    EXPECT_EQ(member->text, std::to_string(i));
  }
  EXPECT_TRUE(reader.read_copy(deep(JsonReader::kMaxDepth - 1, "[", "1", "]"), Nested::allow).has_value());
  EXPECT_TRUE(
      reader.read_copy(deep(JsonReader::kMaxDepth - 1, R"({"a":)", "1", "}"), Nested::allow).has_value());
}

TEST(JsonObject, RefusesNestedValuesNamingThem) {
  JsonReader reader;
  for (const std::string value : {"{}", "[]", R"({"x":1})", "[1]"}) {
    const auto read = reader.read_copy(R"({"a":1,"deep":)" + value + R"(,"z":2})", Nested::refuse);
    ASSERT_TRUE(read.has_error()) << value;
    EXPECT_EQ(read.error(), Errc::nested_value);
    EXPECT_EQ(reader.error_member(), "deep");
  }
}

TEST(JsonObject, SameNameInDifferentObjectsIsNoDuplicate) {
  JsonReader reader;
  EXPECT_TRUE(reader.read_copy(R"({"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}],"c":{"b":1,"a":{"b":2}}})",
                               Nested::allow));
}

TEST(JsonObject, ReadsObjectsWithinObjects) {
  JsonReader reader;
  const auto read = reader.read_copy(
      R"({"a":{"z":{"deep":"\u0041"},"b":[{"no":1},2],"empty":{}},"list":[{"a":{"b":1}}],"text":"{}"})",
      Nested::allow);
  ASSERT_TRUE(read.has_value());
  const auto a = read->object("a");
  ASSERT_TRUE(a.has_value());
  std::vector<std::string_view> names;
  for (const JsonMember& member : *a) names.push_back(member.name);
  EXPECT_EQ(names, (std::vector<std::string_view>{"b", "empty", "z"}));
  EXPECT_EQ(a->find("b")->text, R"([{"no":1},2])");
  EXPECT_EQ(a->find("z")->text, R"({"deep":"\u0041"})");
  ASSERT_TRUE(a->object("z").has_value());
  EXPECT_EQ(a->object("z")->find("deep")->text, "A");
  EXPECT_EQ(a->object("empty").value().size(), 0U);
  EXPECT_FALSE(a->object("b") || a->object("none") || read->object("list") || read->object("text"));
}

// Of an object within there may be more members than of a body; what the reader held before is gone.
TEST(JsonObject, ReadsManyObjectsWithinObjects) {
  JsonReader reader;
  for (const int count : {500, 1, 0}) {
    std::string body = R"({"o":{)";
    for (int i = 0; i < count; ++i)
      body.append(i == 0 ? "" : ",")
          .append("\"n" + std::to_string(i) + "\":{\"value\":\"" + std::to_string(i) + "\"}");
    const auto read = reader.read_copy(body + "}}", Nested::allow);
    ASSERT_TRUE(read.has_value());
    const auto object = read->object("o");
    ASSERT_TRUE(object.has_value());
    ASSERT_EQ(object->size(), static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i)
      EXPECT_EQ(object->object("n" + std::to_string(i)).value().find("value")->text, std::to_string(i));
  }
}

constexpr std::string_view kSample =
    R"({"order_id":"0190a1b2-c3d4-7e5f-8a6b-0123456789ab","amount":50.0,"n\u00e9":"\ud83d\ude00\n","t":true,)"
    "\"u\":\"\xf0\x9f\x98\x80\","
    R"("o":{"a":[1,-2.5e3,{"b":null}],"c":"d"},"z":[[],{}],"f":false,"s":1700000000})";

TEST(JsonObject, RefusesTruncationAtEveryByteWhateverFollows) {
  JsonReader reader;
  ASSERT_TRUE(reader.read_copy(kSample, Nested::allow).has_value());
  for (std::size_t size = 0; size < kSample.size(); ++size) {
    EXPECT_FALSE(reader.read_copy(kSample.substr(0, size), Nested::allow).has_value()) << size;
    // What follows the body is the rest of it, and then bytes that would close everything.
    std::string buffer(kSample);
    buffer += std::string(kJsonPadding, '}');
    EXPECT_FALSE(reader.read(std::string_view(buffer).substr(0, size), Nested::allow).has_value()) << size;
  }
}

TEST(JsonObject, DoesNotReadThePadding) {
  JsonReader reader;
  for (const char filler : {'\0', ' ', '}', '"', '\\', '1', ',', '\xff'}) {
    std::string buffer(kSample);
    buffer += std::string(kJsonPadding, filler);
    const auto read = reader.read(std::string_view(buffer).substr(0, kSample.size()), Nested::allow);
    ASSERT_TRUE(read.has_value()) << filler;
    EXPECT_EQ(read->find("s")->text, "1700000000");
    EXPECT_EQ(read->find("o")->text, R"({"a":[1,-2.5e3,{"b":null}],"c":"d"})");
  }
}

// One byte replaced by any other never crashes, and what is accepted reads the same a second time.
TEST(JsonObject, SurvivesEveryByteInEveryPlace) {
  JsonReader reader;
  JsonReader again;
  int accepted = 0;
  for (std::size_t at = 0; at < kSample.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string body(kSample);
      body[at] = static_cast<char>(byte);
      const auto read = reader.read_copy(body, Nested::allow);
      if (!read) continue;
      ++accepted;
      for (const JsonMember& member : *read) {
        if (member.type != JsonType::nested || member.text.front() != '{') continue;
        ASSERT_TRUE(again.read_copy(member.text, Nested::allow).has_value()) << body;
      }
    }
  }
  EXPECT_GT(accepted, 5000);
}

std::string escaped(std::string_view text, bool all) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (all || byte < 0x20 || c == '"' || c == '\\') {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out;
}

RC_GTEST_PROP(JsonObject, ReadsBackWhatWasWritten, (const std::map<std::string, std::string>& pairs)) {
  std::map<std::string, std::string> ascii;
  for (const auto& [name, value] : pairs) {
    std::string plain[2] = {name, value};
    for (auto& text : plain) {
      for (char& c : text) c = static_cast<char>(c & 0x7f);
    }
    if (ascii.size() < JsonReader::kMaxMembers) ascii.emplace(plain[0], plain[1]);
  }
  std::string body = "{";
  for (auto at = ascii.rbegin(); at != ascii.rend(); ++at) {
    if (body.size() > 1) body += ",";
    body += "\"" + escaped(at->first, *rc::gen::arbitrary<bool>()) + "\":\"" +
            escaped(at->second, *rc::gen::arbitrary<bool>()) + "\"";
  }
  body += "}";
  JsonReader reader;
  const auto read = reader.read_copy(body, Nested::refuse);
  RC_ASSERT(read.has_value());
  RC_ASSERT(read->size() == ascii.size());
  auto want = ascii.begin();
  for (const JsonMember& member : *read) {
    RC_ASSERT(std::string(member.name) == want->first);
    RC_ASSERT(std::string(member.text) == want->second);
    ++want;
  }
}

TEST(JsonObject, GrowsForLargeBodiesAndGoesOn) {
  JsonReader reader;
  for (const std::size_t size : {10U, 5000U, 65536U, 300U, 1'000'000U}) {
    const std::string body = R"({"a":")" + std::string(size, 'x') + R"(\n","b":1})";
    const auto read = reader.read_copy(body, Nested::refuse);
    ASSERT_TRUE(read.has_value()) << size;
    EXPECT_EQ(read->find("a")->text, std::string(size, 'x') + "\n");
  }
}

}  // namespace
}  // namespace recharge
