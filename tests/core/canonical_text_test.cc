#include "core/canonical_text.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <string>

namespace recharge {
namespace {

struct Canonical {
  Result<void> result;
  std::string text;
  std::string bad_member;
};

Canonical canonical(std::string_view body, Nested nested = Nested::allow) {
  JsonReader reader;
  std::string out;
  std::string_view bad_member;
  const JsonObject object = reader.read_copy(body, nested).value();
  auto result = append_canonical_text(object, out, bad_member);
  return {result, out, std::string(bad_member)};
}

struct Row {
  std::string_view name;
  std::string_view body;
  std::string_view text;
};

class WritesCanonicalText : public testing::TestWithParam<Row> {};

TEST_P(WritesCanonicalText, OfTheBody) {
  const Canonical got = canonical(GetParam().body);
  ASSERT_TRUE(got.result.has_value()) << got.bad_member;
  EXPECT_EQ(got.text, GetParam().text);
}

INSTANTIATE_TEST_SUITE_P(
    CanonicalText, WritesCanonicalText,
    testing::Values(
        Row{"vector",
            R"({"timestamp":1700000000,"order_id":"0190a1b2-c3d4-7e5f-8a6b-0123456789ab","status":"success",)"
            R"("transaction_id":"txn_1","amount":50.0,"signature":"x"})",
            "amount=50.0&order_id=0190a1b2-c3d4-7e5f-8a6b-0123456789ab&status=success&timestamp=1700000000"
            "&transaction_id=txn_1"},
        Row{"empty_object", "{}", ""}, Row{"only_signature", R"({"signature":"ab"})", ""},
        Row{"signature_escaped_name", R"({"sign\u0061ture":"ab","a":1})", "a=1"},
        Row{"signature_of_any_type", R"({"signature":{"x":1},"a":1})", "a=1"},
        Row{"signature_is_case_sensitive", R"({"Signature":"x","a":1})", "Signature=x&a=1"},
        Row{"numbers_as_sent", R"({"a":1.50,"b":-0,"c":1e5,"d":0.10E+01})", "a=1.50&b=-0&c=1e5&d=0.10E+01"},
        Row{"booleans", R"({"t":true,"f":false})", "f=false&t=true"},
        Row{"null_and_empty_left_out", R"({"a":null,"b":"","c":"x","d":null})", "c=x"},
        Row{"all_left_out", R"({"a":null,"b":""})", ""}, Row{"equals_in_value", R"({"a":"b=c"})", "a=b=c"},
        Row{"unescaped", R"({"n\u00e9":"\u4e2d\n\"\\"})", "n\xc3\xa9=\xe4\xb8\xad\n\"\\"},
        Row{"bytes_not_letters", R"({"b":1,"B":2,"a":3,"Z":4,"_":5,"é":6,"1":7})",
            "1=7&B=2&Z=4&_=5&a=3&b=1&\xc3\xa9=6"},
        Row{"shorter_first", R"({"ab":1,"a":2,"a0":3})", "a=2&a0=3&ab=1"},
        Row{"utf8_order_not_utf16", "{\"\\ud83d\\ude00\":1,\"\\uff5e\":2}",
            "\xef\xbd\x9e=2&\xf0\x9f\x98\x80=1"},
        Row{"space_kept", R"({"a":" x "})", "a= x "}, Row{"empty_name", R"({"":"x"})", "=x"}),
    [](const auto& row) { return std::string(row.param.name); });

struct BadRow {
  std::string_view name;
  std::string_view body;
  Errc error;
  std::string_view member;
};

class RefusesCanonicalText : public testing::TestWithParam<BadRow> {};

TEST_P(RefusesCanonicalText, NamingTheMember) {
  const Canonical got = canonical(GetParam().body);
  ASSERT_TRUE(got.result.has_error());
  EXPECT_EQ(got.result.error(), GetParam().error);
  EXPECT_EQ(got.bad_member, GetParam().member);
  EXPECT_EQ(got.text, "");
}

INSTANTIATE_TEST_SUITE_P(
    CanonicalText, RefusesCanonicalText,
    testing::Values(BadRow{"and_in_value", R"({"a":1,"b":"x&c=2"})", Errc::out_of_range, "b"},
                    BadRow{"and_escaped", R"({"a":1,"b":"\u0026"})", Errc::out_of_range, "b"},
                    BadRow{"and_in_name", R"({"a&b":1})", Errc::out_of_range, "a&b"},
                    BadRow{"equals_in_name", R"({"a=b":1})", Errc::out_of_range, "a=b"},
                    BadRow{"bad_name_left_out", R"({"a=b":null})", Errc::out_of_range, "a=b"},
                    BadRow{"object", R"({"a":1,"o":{}})", Errc::nested_value, "o"},
                    BadRow{"array", R"({"a":1,"l":[1]})", Errc::nested_value, "l"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(CanonicalText, AppendsAndTakesBackOnAnError) {
  JsonReader reader;
  std::string out = "kept&";
  std::string_view bad_member;
  ASSERT_TRUE(
      append_canonical_text(reader.read_copy(R"({"b":2,"a":1})", Nested::refuse).value(), out, bad_member));
  EXPECT_EQ(out, "kept&a=1&b=2");
  EXPECT_FALSE(
      append_canonical_text(reader.read_copy(R"({"b":2,"c":"&"})", Nested::refuse).value(), out, bad_member));
  EXPECT_EQ(out, "kept&a=1&b=2");
}

TEST(CanonicalText, FindsTheSignature) {
  JsonReader reader;
  const auto find = [&reader](std::string_view body) {
    return find_signature(reader.read_copy(body, Nested::allow).value());
  };
  EXPECT_EQ(find(R"({"a":1,"signature":"ab"})").value(), "ab");
  EXPECT_EQ(find(R"({"signature":""})").value(), "");
  EXPECT_EQ(find(R"({"a":1})").value(), std::nullopt);
  for (const auto* body : {R"({"signature":null})", R"({"signature":1})", R"({"signature":true})",
                           R"({"signature":["ab"]})", R"({"signature":{}})"}) {
    EXPECT_EQ(find(body).error(), Errc::invalid_text) << body;
  }
}

// Two different sets of fields never have the same text.
RC_GTEST_PROP(CanonicalText, SplitsBackIntoTheFields, ()) {
  const auto text = rc::gen::container<std::string>(rc::gen::element('a', 'b', '=', ' ', '1', '%'));
  const auto fields = *rc::gen::container<std::map<std::string, std::string>>(
      rc::gen::container<std::string>(rc::gen::element('a', 'b', 'c', ' ', '0')), text);
  std::string body = "{";
  for (const auto& [name, value] : fields) {
    if (body.size() > 1) body += ",";
    body += "\"" + name + "\":\"" + value + "\"";
  }
  RC_PRE(fields.size() <= JsonReader::kMaxMembers);
  const Canonical got = canonical(body + "}");
  RC_ASSERT(got.result.has_value());

  std::map<std::string, std::string> back;
  std::string_view rest = got.text;
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    back.emplace(pair.substr(0, pair.find('=')), pair.substr(pair.find('=') + 1));
  }
  std::map<std::string, std::string> want;
  for (const auto& [name, value] : fields) {
    if (!value.empty()) want.emplace(name, value);
  }
  RC_ASSERT(back == want);
}

}  // namespace
}  // namespace recharge
