#include "core/native_callback.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace recharge {
namespace {

const std::vector<std::string> kRequired = {"order_id", "transaction_id", "amount", "status", "timestamp"};

// A good body with members replaced (raw JSON), or taken out where the replacement is "-".
std::string body_with(const std::map<std::string, std::string>& changes) {
  std::map<std::string, std::string> members = {{"order_id", R"("0190a1b2-c3d4-7e5f-8a6b-0123456789ab")"},
                                                {"transaction_id", R"("txn_1")"},
                                                {"amount", "50.0"},
                                                {"status", R"("success")"},
                                                {"timestamp", "1700000000"}};
  for (const auto& [name, value] : changes) members[name] = value;
  std::string body = "{";
  for (const auto& [name, value] : members) {
    if (value == "-") continue;
    if (body.size() > 1) body += ",";
    body += "\"" + name + "\":" + value;
  }
  return body + "}";
}

using Parsed = boost::system::result<NativeCallback, NativeCallbackError>;

class NativeCallbackTest : public testing::Test {
 protected:
  Parsed parse(const std::map<std::string, std::string>& changes,
               TimestampMember timestamp = TimestampMember::as_required,
               const std::vector<std::string>& required = kRequired) {
    return parse_native_callback(reader_.read_copy(body_with(changes), Nested::allow).value(), required,
                                 timestamp);
  }

  // "slug field", or "ok".
  std::string verdict(const std::map<std::string, std::string>& changes,
                      TimestampMember timestamp = TimestampMember::as_required,
                      const std::vector<std::string>& required = kRequired) {
    const Parsed parsed = parse(changes, timestamp, required);
    if (parsed) return "ok";
    EXPECT_FALSE(parsed.error().message.empty());
    return std::string(to_text(parsed.error().slug)) + " " + std::string(parsed.error().field);
  }

  JsonReader reader_;
};

TEST_F(NativeCallbackTest, ReadsEveryField) {
  const auto parsed = parse({{"paid_at", R"("2023-11-14T22:13:19.5Z")"}, {"extra", R"("kept")"}});
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->order_id, "0190a1b2-c3d4-7e5f-8a6b-0123456789ab");
  EXPECT_EQ(parsed->transaction_id, "txn_1");
  EXPECT_EQ(parsed->amount, Money::from_minor_units(5000));
  EXPECT_TRUE(parsed->success);
  EXPECT_EQ(parsed->timestamp_s, 1'700'000'000);
  EXPECT_EQ(parsed->paid_at, Time{1'699'999'999'500});
}

TEST_F(NativeCallbackTest, ReadsAFailure) {
  const auto parsed = parse({{"status", R"("fail")"}});
  ASSERT_TRUE(parsed.has_value());
  EXPECT_FALSE(parsed->success);
  EXPECT_EQ(parsed->amount, Money::from_minor_units(5000));
  EXPECT_EQ(parsed->paid_at, std::nullopt);
}

struct Row {
  std::string name;
  std::string member;
  std::string value;
  std::string verdict;
};

class NativeCallbackForms : public NativeCallbackTest, public testing::WithParamInterface<Row> {};

TEST_P(NativeCallbackForms, AreChecked) {
  const Row& row = GetParam();
  EXPECT_EQ(verdict({{row.member, row.value}}), row.verdict);
}

std::vector<Row> rows() {
  std::vector<Row> rows;
  for (const std::string& name : kRequired) {
    rows.push_back({name + "_missing", name, "-", "invalid_request " + name});
    rows.push_back({name + "_null", name, "null", "invalid_request " + name});
    rows.push_back({name + "_empty", name, R"("")", "invalid_request " + name});
    const std::string mistyped = (name == "amount" ? "invalid_amount " : "invalid_request ") + name;
    rows.push_back({name + "_true", name, "true", mistyped});
    rows.push_back({name + "_array", name, "[1]", mistyped});
    rows.push_back({name + "_object", name, R"({"x":1})", mistyped});
    if (name != "amount" && name != "timestamp") rows.push_back({name + "_number", name, "1", mistyped});
  }
  const auto add = [&rows](std::string name, std::string member, std::string value, std::string verdict) {
    rows.push_back({std::move(name), std::move(member), std::move(value), std::move(verdict)});
  };
  const std::string longest(64, 'x');
  for (const std::string id : {"order_id", "transaction_id"}) {
    add(id + "_64", id, "\"" + longest + "\"", "ok");
    add(id + "_65", id, "\"" + longest + "y\"", "invalid_request " + id);
    add(id + "_space", id, R"("a b~")", "ok");
    add(id + "_control", id, R"("a\u001fb")", "invalid_request " + id);
    add(id + "_nul", id, R"("a\u0000")", "invalid_request " + id);
    add(id + "_delete", id, R"("a\u007f")", "invalid_request " + id);
    add(id + "_unicode", id, R"("\u00e9")", "invalid_request " + id);
  }
  add("order_id_any_text", "order_id", R"("not-an-id")", "ok");
  add("transaction_id_and", "transaction_id", R"("a&b")", "invalid_request transaction_id");
  for (const auto& [name, value] : std::map<std::string, std::string>{{"upper", R"("SUCCESS")"},
                                                                      {"failed", R"("failed")"},
                                                                      {"space", R"("success ")"},
                                                                      {"other", R"("pending")"}}) {
    add("status_" + name, "status", value, "invalid_request status");
  }
  add("timestamp_zero", "timestamp", "0", "ok");
  add("timestamp_largest", "timestamp", "253402300799", "ok");
  for (const auto& [name, value] :
       std::map<std::string, std::string>{{"string", R"("1700000000")"},
                                          {"fraction", "1700000000.0"},
                                          {"exponent", "17e8"},
                                          {"negative", "-1"},
                                          {"minus_zero", "-0"},
                                          {"milliseconds", "1700000000000"},
                                          {"two_to_63", "9223372036854775808"},
                                          {"thirty", "123456789012345678901234567890"},
                                          {"rfc3339", R"("2023-11-14T22:13:20Z")"}}) {
    add("timestamp_" + name, "timestamp", value, "invalid_request timestamp");
  }
  for (const auto& [name, value] :
       std::map<std::string, std::string>{{"null", "null"},
                                          {"empty", R"("")"},
                                          {"seconds", "1700000000"},
                                          {"zero", "0"},
                                          {"offset", R"("2023-11-15T06:13:20+08:00")"}}) {
    add("paid_at_" + name, "paid_at", value, "ok");
  }
  for (const auto& [name, value] : std::map<std::string, std::string>{{"text_seconds", R"("1700000000")"},
                                                                      {"date", R"("2023-11-14")"},
                                                                      {"no_zone", R"("2023-11-14T22:13:20")"},
                                                                      {"no_day", R"("2023-02-30T22:13:20Z")"},
                                                                      {"fraction", "1700000000.5"},
                                                                      {"negative", "-5"},
                                                                      {"far", "253402300800"},
                                                                      {"true", "true"},
                                                                      {"object", "{}"},
                                                                      {"blank", R"(" ")"}}) {
    add("paid_at_" + name, "paid_at", value, "invalid_request paid_at");
  }
  for (const auto& [name, value] :
       std::map<std::string, std::string>{{"number", "50"},
                                          {"text", R"("50.00")"},
                                          {"cent", "0.01"},
                                          {"above_any_limit", "92233720368547758.07"}}) {
    add("amount_" + name, "amount", value, "ok");
  }
  for (const auto& [name, value] : std::map<std::string, std::string>{{"zero", "0"},
                                                                      {"zero_text", R"("0.00")"},
                                                                      {"negative", "-50.0"},
                                                                      {"exponent", "5e1"},
                                                                      {"three_digits", "50.001"},
                                                                      {"three_zeros", "50.000"},
                                                                      {"huge", "1e308"},
                                                                      {"overflow", "92233720368547758.08"},
                                                                      {"text_space", R"(" 50")"},
                                                                      {"text_nan", R"("NaN")"},
                                                                      {"text_leading_zero", R"("050")"},
                                                                      {"text_plus", R"("+50")"}}) {
    add("amount_" + name, "amount", value, "invalid_amount amount");
  }
  return rows;
}

INSTANTIATE_TEST_SUITE_P(Rows, NativeCallbackForms, testing::ValuesIn(rows()),
                         [](const auto& row) { return row.param.name; });

TEST_F(NativeCallbackTest, TimestampIsOptionalUnderStandardWebhooksButNeverMalformed) {
  const auto optional = TimestampMember::optional;
  EXPECT_EQ(verdict({{"timestamp", "-"}}, optional), "ok");
  EXPECT_EQ(verdict({{"timestamp", "null"}}, optional), "ok");
  EXPECT_EQ(parse({{"timestamp", "-"}}, optional)->timestamp_s, std::nullopt);
  EXPECT_EQ(parse({}, optional)->timestamp_s, 1'700'000'000);
  for (const std::string value : {R"("1700000000")", R"("")", "1.5", "true", "{}"}) {
    EXPECT_EQ(verdict({{"timestamp", value}}, optional), "invalid_request timestamp") << value;
  }
}

TEST_F(NativeCallbackTest, RequiredFieldsAreTheSettings) {
  const auto as_required = TimestampMember::as_required;
  const std::vector<std::string> more = {"order_id", "store"};
  EXPECT_EQ(verdict({}, as_required, more), "invalid_request store");
  EXPECT_EQ(verdict({{"store", R"("")"}}, as_required, more), "invalid_request store");
  EXPECT_EQ(verdict({{"store", "null"}}, as_required, more), "invalid_request store");
  EXPECT_EQ(verdict({{"store", "false"}}, as_required, more), "ok");
  EXPECT_EQ(verdict({{"store", "0"}}, as_required, more), "ok");
  EXPECT_EQ(verdict({{"timestamp", "-"}, {"store", "0"}}, as_required, more), "ok");
}

TEST_F(NativeCallbackTest, WhatNobodyCanDoWithoutIsAlwaysNeeded) {
  const std::vector<std::string> none;
  const auto as_required = TimestampMember::as_required;
  for (const std::string name : {"order_id", "status", "transaction_id", "amount"}) {
    EXPECT_EQ(verdict({{name, "-"}}, as_required, none), "invalid_request " + name);
    EXPECT_EQ(verdict({{name, "null"}}, as_required, none), "invalid_request " + name);
  }
  // A failure may come without a transaction and an amount, but not with a malformed one.
  const std::string fail = R"("fail")";
  const auto parsed = parse({{"status", fail}, {"transaction_id", "-"}, {"amount", "-"}}, as_required, none);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->transaction_id, "");
  EXPECT_TRUE(parsed->amount.is_zero());
  EXPECT_EQ(verdict({{"status", fail}, {"amount", "0"}}, as_required, none), "invalid_amount amount");
  EXPECT_EQ(verdict({{"status", fail}, {"transaction_id", R"("a&b")"}}, as_required, none),
            "invalid_request transaction_id");
}

TEST_F(NativeCallbackTest, FirstFailureAnswers) {
  EXPECT_EQ(verdict({{"amount", "-1"}, {"timestamp", "-"}}), "invalid_request timestamp");
  EXPECT_EQ(verdict({{"amount", "-1"}, {"timestamp", R"("x")"}}), "invalid_request timestamp");
  EXPECT_EQ(verdict({{"amount", "-1"}, {"paid_at", R"("x")"}}), "invalid_request paid_at");
  EXPECT_EQ(verdict({{"order_id", "1"}, {"status", "-"}}), "invalid_request status");
}

}  // namespace
}  // namespace recharge
