// What reading one callback costs, from the body to the text that is signed and the checked fields.
#include <benchmark/benchmark.h>

#include <string>
#include <string_view>
#include <vector>

#include "core/canonical_text.h"
#include "core/json_object.h"
#include "core/native_callback.h"

namespace recharge {
namespace {

constexpr std::string_view kBody =
    R"({"order_id":"0190a1b2-c3d4-7e5f-8a6b-0123456789ab","transaction_id":"txn_0123456789abcdef","amount":50.00,)"
    R"("status":"success","timestamp":1700000000,)"
    R"("signature":"d1c0200a9fc35939076256325c66e69ee85d2d33d10ef72991af97449c64c527"})";
constexpr std::string_view kCanonical =
    "amount=50.00&order_id=0190a1b2-c3d4-7e5f-8a6b-0123456789ab&status=success&timestamp=1700000000"
    "&transaction_id=txn_0123456789abcdef";

const std::vector<std::string> kRequired = {"order_id", "transaction_id", "amount", "status", "timestamp"};

class Body {
 public:
  explicit Body(std::string_view text) : padded_(text), size_(text.size()) {
    padded_.append(kJsonPadding, '\0');
  }
  std::string_view view() const { return std::string_view(padded_).substr(0, size_); }

 private:
  std::string padded_;
  std::size_t size_;
};

void read_callback(benchmark::State& state) {
  const Body body(kBody);
  JsonReader reader;
  const auto read = reader.read(body.view(), Nested::refuse);
  if (!read || read->size() != 6 || read->find("amount")->text != "50.00") state.SkipWithError("misread");
  for (auto _ : state) benchmark::DoNotOptimize(reader.read(body.view(), Nested::refuse));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kBody.size()));
}
BENCHMARK(read_callback);

void read_nested(benchmark::State& state) {
  std::string text = R"({"type":"payment.succeeded","data":[)";
  for (int i = 0; i < 50; ++i)
    text += std::string(i > 0 ? "," : "") + R"({"id":)" + std::to_string(i) + R"(,"x":[true,"\u00e9"]})";
  const Body body(text + "]}");
  JsonReader reader;
  const auto read = reader.read(body.view(), Nested::allow);
  if (!read || read->size() != 2) state.SkipWithError("misread");
  for (auto _ : state) benchmark::DoNotOptimize(reader.read(body.view(), Nested::allow));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(body.view().size()));
}
BENCHMARK(read_nested);

void write_canonical_text(benchmark::State& state) {
  JsonReader reader;
  const JsonObject object = reader.read_copy(kBody, Nested::refuse).value();
  std::string out;
  std::string_view bad_member;
  if (!append_canonical_text(object, out, bad_member) || out != kCanonical) state.SkipWithError("wrong text");
  for (auto _ : state) {
    out.clear();
    benchmark::DoNotOptimize(append_canonical_text(object, out, bad_member));
  }
}
BENCHMARK(write_canonical_text);

void check_native_callback(benchmark::State& state) {
  JsonReader reader;
  const JsonObject object = reader.read_copy(kBody, Nested::refuse).value();
  const auto parse = [&] { return parse_native_callback(object, kRequired, TimestampMember::as_required); };
  if (!parse() || parse()->amount != Money::from_minor_units(5000)) state.SkipWithError("misread");
  for (auto _ : state) benchmark::DoNotOptimize(parse());
}
BENCHMARK(check_native_callback);

void parse_amount(benchmark::State& state) {
  std::string text = "1234.56";
  if (parse_money(text).value() != Money::from_minor_units(123456)) state.SkipWithError("misread");
  for (auto _ : state) {
    benchmark::DoNotOptimize(text.data());
    benchmark::DoNotOptimize(parse_money(text));
  }
}
BENCHMARK(parse_amount);

}  // namespace
}  // namespace recharge
