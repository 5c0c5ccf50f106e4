#include "tools/json_text.h"

#include <gtest/gtest.h>

#include "tools/process_usage.h"
#include "tools/reply_printer.h"

namespace recharge {
namespace {

TEST(JsonText, KeepsNumbersAsSent) {
  EXPECT_EQ(json_member("{\"a\": 50.00 ,\"b\":1}", "a"), "50.00");
  EXPECT_EQ(json_member("{\"a\":{\"b\" : 9999999999999.99}}", "a"), "{\"b\" : 9999999999999.99}");
}

TEST(JsonText, ReadsEveryKindOfValue) {
  const auto members = json_members(R"({"s":"a\n\u00e9","t":true,"n":null,"l":[1,{"x":2}],"e":""})");
  ASSERT_EQ(members.size(), 5U);
  EXPECT_EQ(members[0].text, "a\n\u00e9");
  EXPECT_EQ(members[1].text, "true");
  EXPECT_TRUE(members[2].null);
  EXPECT_EQ(members[3].text, "[1,{\"x\":2}]");
  EXPECT_FALSE(members[4].null);
  EXPECT_EQ(json_elements(members[3].text), (std::vector<std::string>{"1", "{\"x\":2}"}));
}

TEST(JsonText, ReadsNothingFromWhatIsNoJson) {
  for (const char* text : {"", "<html>", "[1]", "{\"a\":", "\"a\""}) {
    EXPECT_TRUE(json_members(text).empty()) << text;
    EXPECT_FALSE(json_member(text, "a").has_value()) << text;
  }
  EXPECT_TRUE(json_elements("{}").empty());
}

TEST(JsonText, WritesWhatItReads) {
  const std::string odd = "quote \" backslash \\ newline \n tab \t bell \x07 \u4e2d";
  const std::string json = JsonWriter{}.text("name", odd).raw("amount", "1.00").count("n", 7).finish();
  EXPECT_EQ(json_member(json, "name"), odd);
  EXPECT_EQ(json_member(json, "amount"), "1.00");
  EXPECT_EQ(json_member(json, "n"), "7");
}

TEST(ReplyPrinter, AlignsObjectsAndLists) {
  EXPECT_EQ(describe_object(R"({"code":200,"order_id":"x","at":null})"), "order_id  x\nat        -\n");
  EXPECT_EQ(describe_list(R"([{"id":"long one","n":1.50},{"id":"b"}])", {"id", "n"}),
            "id        n\nlong one  1.50\nb         -\n");
  EXPECT_EQ(describe_list("[]", {"id"}), "(none)\n");
}

TEST(ReplyPrinter, NamesErrorsByTextAndSlug) {
  EXPECT_EQ(describe_error({400, R"({"code":400,"msg":"Invalid amount","error":"invalid_amount"})"}),
            "Invalid amount (invalid_amount)");
  EXPECT_EQ(describe_error({502, "<html>"}), "the server answered status 502");
}

TEST(ProcessUsage, FindsTheTicksBehindAnyName) {
  const std::string_view fields = " S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20";
  EXPECT_EQ(cpu_ticks_in_stat("42 (recharged)" + std::string(fields)), 300U);
  EXPECT_EQ(cpu_ticks_in_stat("42 (a) R (b)" + std::string(fields)), 300U);
  EXPECT_FALSE(cpu_ticks_in_stat("").has_value());
  EXPECT_FALSE(cpu_ticks_in_stat("42 (recharged) S 1 2").has_value());
  EXPECT_TRUE(process_cpu_ns(1).has_value());
  EXPECT_FALSE(process_cpu_ns(0).has_value());
}

}  // namespace
}  // namespace recharge
