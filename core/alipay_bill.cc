// Alipay's detail bill (signcustomer is another one): preamble, header, rows, end mark, sums. Source:
// opendocs.alipay.com, "alipay.data.dataservice.bill.downloadurl.query", bill_type trade; public samples.
#include <algorithm>
#include <charconv>
#include <cstdio>

#include "core/beijing_time.h"
#include "core/bill_table.h"

namespace recharge {
namespace {

constexpr std::string_view kTransaction = "支付宝交易号";
constexpr std::string_view kOrder = "商户订单号";
constexpr std::string_view kType = "业务类型";
constexpr std::string_view kSubject = "商品名称";
constexpr std::string_view kCompleted = "完成时间";
constexpr std::string_view kAmount = "订单金额";
constexpr std::string_view kRefundNumber = "退款批次号";
constexpr std::string_view kPaymentType = "交易";
constexpr std::string_view kRefundType = "退款";
constexpr std::string_view kPeriod = "起始日期";
constexpr std::string_view kEnd = "列表结束";
constexpr std::string_view kPaymentSum = "#交易合计";
constexpr std::string_view kRefundSum = "#退款合计";

// The first run of digits behind `from`, and where it ends.
std::optional<std::uint64_t> next_number(std::string_view text, std::size_t& from) {
  from = std::min(text.find_first_of("0123456789", from), text.size());
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data() + from, text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  from = static_cast<std::size_t>(end - text.data());
  return value;
}

// [2026年11月24日 00:00:00]
std::optional<Time> next_time(std::string_view text, std::size_t& from) {
  std::array<unsigned, 6> parts{};
  for (unsigned& part : parts) {
    const auto number = next_number(text, from);
    if (!number || *number > 9999) return std::nullopt;
    part = static_cast<unsigned>(*number);
  }
  std::array<char, 64> line{};
  const int size = std::snprintf(line.data(), line.size(), "%04u-%02u-%02u %02u:%02u:%02u", parts[0],
                                 parts[1], parts[2], parts[3], parts[4], parts[5]);
  return parse_beijing_time({line.data(), static_cast<std::size_t>(size)});
}

class AlipayBill final : public BillReader {
 public:
  BillResult<std::optional<BillRow>> read(std::string_view line) override {
    line = trim(line);
    if (line.empty()) return std::nullopt;
    if (line.starts_with('#')) {
      if (auto done = read_remark(line); !done) return done.error();
      return std::nullopt;
    }
    if (!split_csv(line, cells_)) return bill_error("a quote is not closed");
    if (!recognised()) {
      if (trim(cells_.front()) == kTransaction) read_header();
      return std::nullopt;
    }
    if (ended_) return bill_error("a row behind the end");
    return read_row();
  }

  BillResult<void> finish() override {
    if (!recognised()) return bill_error("this is no bill of Alipay: no line with the names of the columns");
    if (!ended_) return bill_error("the bill is cut short: no end mark");
    if (said_payments_ && *said_payments_ != payments_)
      return bill_error("the bill has other payments than its sum says");
    if (said_refunds_ && *said_refunds_ != refunds_)
      return bill_error("the bill has other refunds than its sum says");
    return {};
  }

  bool recognised() const noexcept override { return columns_.size() > 0; }
  std::optional<BillPeriod> period() const override { return period_; }

 private:
  BillResult<void> read_remark(std::string_view line) {
    std::size_t at = 0;
    if (line.find(kPeriod) != std::string_view::npos) {
      const auto from = next_time(line, at);
      const auto until = next_time(line, at);
      if (from && until && *from < *until) period_ = BillPeriod{*from, *until};
    }
    if (recognised() && line.find(kEnd) != std::string_view::npos) ended_ = true;
    if (line.starts_with(kPaymentSum)) said_payments_ = next_number(line, at);
    if (line.starts_with(kRefundSum)) said_refunds_ = next_number(line, at);
    return {};
  }

  void read_header() {
    std::vector<std::string> names;
    for (const std::string& cell : cells_) names.emplace_back(trim(cell));
    columns_.set(std::move(names));
  }

  // Commas in free text are not quoted: what is too much belongs to the product's name, else to the remark,
  // which is last. An amount and a time that can be read tell.
  BillResult<std::optional<BillRow>> read_row() {
    if (cells_.size() < columns_.size()) return bill_error("fewer cells than columns");
    const std::size_t surplus = cells_.size() - columns_.size();
    if (surplus == 0) return read_cells(cells_);
    const std::size_t subject = columns_.find(kSubject);
    if (subject != BillColumns::kNone) {
      std::vector<std::string> joined = cells_;
      joined.erase(joined.begin() + static_cast<std::ptrdiff_t>(subject),
                   joined.begin() + static_cast<std::ptrdiff_t>(subject + surplus));
      if (auto row = read_cells(joined)) return row;
    }
    return read_cells(cells_);
  }

  BillResult<std::optional<BillRow>> read_cells(const std::vector<std::string>& cells) {
    const std::string_view type = columns_.cell(cells, kType);
    BillRow row;
    if (type == kRefundType) {
      row.kind = BillRow::Kind::refund;
      if (auto done = set_refund(row, columns_.cell(cells, kRefundNumber)); !done) return done.error();
    } else if (type != kPaymentType) {
      return bill_error("a row that is neither payment nor refund");
    }
    if (auto done = set_transaction(row, columns_.cell(cells, kTransaction)); !done) return done.error();
    if (auto done = set_order(row, columns_.cell(cells, kOrder)); !done) return done.error();
    if (auto done = set_beijing_time(row, columns_.cell(cells, kCompleted)); !done) return done.error();
    const auto amount = read_bill_amount(columns_.cell(cells, kAmount));
    if (!amount) return amount.error();
    row.amount = *amount;
    ++(row.kind == BillRow::Kind::refund ? refunds_ : payments_);
    return row;
  }

  BillColumns columns_;
  std::vector<std::string> cells_;
  std::optional<BillPeriod> period_;
  std::optional<std::uint64_t> said_payments_;
  std::optional<std::uint64_t> said_refunds_;
  std::uint64_t payments_ = 0;
  std::uint64_t refunds_ = 0;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<BillReader> make_alipay_bill() { return std::make_unique<AlipayBill>(); }

}  // namespace recharge
