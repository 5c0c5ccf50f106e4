// What a callback costs between its parsing and the journal: gather, decide, encode, apply, on the records of
// one shard in memory. Whatever is timed was checked before: its outcome, its record, and the sums of the
// books.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "core/check.h"
#include "core/journal_record.h"
#include "core/transition.h"
#include "storage/memory_books.h"
#include "storage/shard_records.h"

namespace recharge {
namespace {

constexpr std::string_view kEvidence =
    R"({"order_id":"0190a1b2-c3d4-7e5f-8a6b-0123456789ab","transaction_id":"txn_1","amount":50.00,)"
    R"("status":"success","timestamp":1700000000,)"
    R"("signature":"d1c0200a9fc35939076256325c66e69ee85d2d33d10ef72991af97449c64c527"})";
constexpr Circumstances kAt{Time{1'700'000'000'000}, 7};
constexpr Money kAmount = Money::from_minor_units(5000);
constexpr std::size_t kOrders = 16384;  // each is credited once, then all are placed anew
constexpr std::size_t kAccounts = 4096;

template <class Text>
Text text(std::string_view value) {
  Text result;
  RECHARGE_CHECK(result.assign(value));
  return result;
}

// Pending orders, and the callback of each.
class Callbacks {
 public:
  Callbacks() {
    place_orders();
    check();
  }

  void place_orders() {
    records_ = std::make_unique<ShardRecords>(kAt.shard, codec_, *snapshot_);
    RECHARGE_CHECK(records_->load_resident().has_value());
    reports_.clear();
    credited_ = 0;
    for (std::size_t i = 0; i < kOrders; ++i) {
      PlaceOrder place;
      place.order_id = OrderId::make(kAt.now, kAt.shard, spread(i));
      place.account = text<Account>(std::to_string(13'800'000'000 + i % kAccounts));
      place.amount = kAmount;
      place.currency = Currency{156};
      place.expire_after_ms = 30 * 60 * 1000;
      RECHARGE_CHECK(execute(place) == OutcomeCode::order_placed);
      reports_.emplace_back(report(place.order_id, i));
    }
  }

  bool all_credited() const { return credited_ == kOrders; }
  OutcomeCode credit_next() { return execute(reports_[credited_++]); }
  OutcomeCode repeat(std::size_t i) { return execute(reports_[i % credited_]); }
  std::size_t record_bytes() const { return size_; }

  void check_sums() {
    const auto credited = static_cast<std::int64_t>(credited_) * kAmount.minor_units();
    RECHARGE_CHECK(records_->totals().users.minor_units() == credited);
    RECHARGE_CHECK(records_->totals().orders[static_cast<std::size_t>(OrderStatus::recharged)] == credited_);
    const auto clearing = records_->house_balance(LedgerAccountKind::clearing, text<GatewayName>("native"));
    RECHARGE_CHECK(clearing.minor_units() == -credited);
  }

 private:
  // The server's steps in its order.
  OutcomeCode execute(const Command& command) {
    facts_.clear();
    records_->begin_command();
    const auto found = gather(command, *records_);
    RECHARGE_CHECK(found.has_value());
    decide(command, *found, *records_, kAt, outcome_, facts_);
    if (facts_.empty()) return outcome_.code;
    size_ = encode_record(command, facts_, kAt, room_).value();
    records_->set_change_number(++number_);
    for (const auto& fact : facts_) recharge::apply(fact, *records_);
    return outcome_.code;
  }

  void check() {
    RECHARGE_CHECK(credit_next() == OutcomeCode::recharge_succeeded && facts_.size() == 2);
    JournalRecord decoded;
    RECHARGE_CHECK(decode_record(std::span<const std::byte>(room_).first(size_), decoded).has_value());
    const auto& credit = std::get<TransferPosted>(decoded.facts.at(0)).transfer;
    RECHARGE_CHECK(credit.kind == TransferKind::recharge && credit.amount == kAmount);
    const auto& change = std::get<OrderChanged>(decoded.facts.at(1));
    RECHARGE_CHECK(change.status == OrderStatus::recharged && change.order_id == credit.order_id);
    RECHARGE_CHECK(std::get<ReportPayment>(decoded.command).evidence == kEvidence);
    RECHARGE_CHECK(repeat(0) == OutcomeCode::already_processed && facts_.empty());
    check_sums();
  }

  // Ids in no order, as entropy would make them.
  static std::array<std::uint8_t, 10> spread(std::uint64_t i) {
    std::array<std::uint8_t, 10> bytes{};
    std::uint64_t mixed = (i + 1) * 0x9e3779b97f4a7c15;
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(mixed >> 32), mixed *= 0xd1342543de82ef95;
    return bytes;
  }

  static ReportPayment report(const OrderId& id, std::size_t i) {
    ReportPayment command;
    command.order_id = id;
    command.reference = text<OrderReference>(id.to_text());
    command.gateway = text<GatewayName>("native");
    command.transaction_id = text<TransactionId>("txn_" + std::to_string(i));
    command.amount = kAmount;
    command.sent_at = kAt.now;
    command.tolerance_ms = 300'000;
    command.exception_id = ExceptionId::make(kAt.now, kAt.shard, spread(i));
    command.currency = Currency{156};
    command.key_id = text<KeyId>("key-1");
    command.evidence = kEvidence;
    return command;
  }

  MemoryBooks books_;
  std::unique_ptr<BooksSnapshot> snapshot_ = books_.snapshot();
  RecordCodec codec_{{}};
  std::unique_ptr<ShardRecords> records_;
  std::vector<Command> reports_;
  std::size_t credited_ = 0;
  std::uint64_t number_ = 0;
  Outcome outcome_;
  Facts facts_;
  std::vector<std::byte> room_ = std::vector<std::byte>(32 * 1024);
  std::size_t size_ = 0;
};

void credit_by_callback(benchmark::State& state) {
  Callbacks callbacks;
  for (auto _ : state) {
    if (callbacks.all_credited()) {
      state.PauseTiming();
      callbacks.check_sums();
      callbacks.place_orders();
      state.ResumeTiming();
    }
    benchmark::DoNotOptimize(callbacks.credit_next());
  }
  callbacks.check_sums();
  state.SetItemsProcessed(state.iterations());
  state.counters["record_bytes"] = static_cast<double>(callbacks.record_bytes());
}
BENCHMARK(credit_by_callback);

void repeat_callback(benchmark::State& state) {
  Callbacks callbacks;
  while (!callbacks.all_credited()) callbacks.credit_next();
  std::size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(callbacks.repeat(++i));
  RECHARGE_CHECK(callbacks.repeat(0) == OutcomeCode::already_processed);
  callbacks.check_sums();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(repeat_callback);

}  // namespace
}  // namespace recharge
