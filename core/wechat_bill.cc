// WeChat Pay's trade bill: header, rows, header of the sums, sums. Every cell of the rows begins with a
// backtick, and cells are split at ",`", since product names may hold commas. Source: pay.weixin.qq.com, API
// v3, "tradebill"; bills of ALL, SUCCESS and REFUND, with the older 总金额, too.
#include <charconv>

#include "core/bill_table.h"

namespace recharge {
namespace {

constexpr std::string_view kMark = "\xEF\xBB\xBF";
constexpr std::string_view kTime = "交易时间";
constexpr std::string_view kTransaction = "微信订单号";
constexpr std::string_view kOrder = "商户订单号";
constexpr std::string_view kState = "交易状态";
constexpr std::string_view kCurrency = "货币种类";
constexpr std::string_view kRefundNumber = "商户退款单号";
constexpr std::string_view kRefundState = "退款状态";
constexpr std::string_view kRefundDone = "退款成功时间";
constexpr std::array<std::string_view, 2> kAmounts = {"订单金额", "总金额"};
constexpr std::array<std::string_view, 2> kRefundAmounts = {"申请退款金额", "退款金额"};
constexpr std::string_view kSums = "总交易单数";
constexpr std::array<std::string_view, 2> kAmountSums = {"订单总金额", "总交易额"};
constexpr std::array<std::string_view, 2> kRefundSums = {"申请退款总金额", "退款总金额"};

class WechatBill final : public BillReader {
 public:
  BillResult<std::optional<BillRow>> read(std::string_view line) override {
    if (!recognised() && line.starts_with(kMark)) line.remove_prefix(kMark.size());
    line = trim(line);
    if (line.empty()) return std::nullopt;
    if (line.starts_with('`')) {
      if (!recognised()) return bill_error("a row before the names of the columns");
      split(line.substr(1));
      if (sums_.size() == 0) return read_row();
      if (summed_) return bill_error("a row behind the sums");
      if (auto done = compare_sums(); !done) return done.error();
      return std::nullopt;
    }
    if (!split_csv(line, cells_)) return bill_error("a quote is not closed");
    const std::string first(trim(cells_.front()));
    if (first == kTime && !recognised()) {
      columns_.set(cells_);
    } else if (first == kSums && recognised()) {
      sums_.set(cells_);
    } else {
      return bill_error("a line that is neither row nor header", line);
    }
    return std::nullopt;
  }

  BillResult<void> finish() override {
    if (!recognised()) return bill_error("this is no bill of WeChat Pay: no names of columns");
    if (!summed_) return bill_error("the bill is cut short: no sums");
    return {};
  }

  bool recognised() const noexcept override { return columns_.size() > 0; }

 private:
  void split(std::string_view line) {
    constexpr std::string_view kBetween = ",`";
    cells_.clear();
    for (;;) {
      const auto end = line.find(kBetween);
      cells_.emplace_back(line.substr(0, end));
      if (end == std::string_view::npos) return;
      line.remove_prefix(end + kBetween.size());
    }
  }

  template <std::size_t N>
  std::string_view first_of(const BillColumns& columns, const std::array<std::string_view, N>& names) const {
    for (const auto name : names) {
      if (columns.find(name) != BillColumns::kNone) return columns.cell(cells_, name);
    }
    return {};
  }

  BillResult<std::optional<BillRow>> read_row() {
    if (cells_.size() != columns_.size()) return bill_error("a row with other columns than the header");
    const std::string_view state = columns_.cell(cells_, kState);
    const std::string_view refund = columns_.cell(cells_, kRefundNumber);
    const std::string_view currency = columns_.cell(cells_, kCurrency);
    if (currency != "CNY") return bill_error("another currency", currency);
    BillRow row;
    const std::string_view amount_text = first_of(columns_, kAmounts);
    const std::string_view refund_text = first_of(columns_, kRefundAmounts);
    const auto paid = read_bill_amount(amount_text.empty() ? "0" : amount_text);
    if (!paid) return paid.error();
    const auto refunded = read_bill_amount(refund_text.empty() ? "0" : refund_text);
    if (!refunded) return refunded.error();
    row.amount = *paid;
    std::string_view at = columns_.cell(cells_, kTime);
    if (state == "REFUND") {
      row.kind = BillRow::Kind::refund;
      row.amount = *refunded;
      row.state = refund_state(columns_.cell(cells_, kRefundState));
      if (auto done = set_refund(row, refund); !done) return done.error();
      const std::string_view done_at = columns_.cell(cells_, kRefundDone);
      if (!done_at.empty()) at = done_at;
    } else if (state == "REVOKED") {
      row.state = BillRow::State::failed;
    } else if (state != "SUCCESS") {
      return bill_error("an unknown state", state);
    }
    if (auto done = set_transaction(row, columns_.cell(cells_, kTransaction)); !done) return done.error();
    if (auto done = set_order(row, columns_.cell(cells_, kOrder)); !done) return done.error();
    if (auto done = set_beijing_time(row, at); !done) return done.error();
    if (auto done = add_to(paid_, *paid); !done) return done.error();
    if (auto done = add_to(refunded_, *refunded); !done) return done.error();
    ++rows_;
    if (row.kind == BillRow::Kind::payment) ++payments_;
    return row;
  }

  static BillRow::State refund_state(std::string_view text) {
    if (text == "PROCESSING") return BillRow::State::pending;
    return text.empty() || text == "SUCCESS" ? BillRow::State::succeeded : BillRow::State::failed;
  }

  BillResult<void> compare_sums() {
    const std::string_view count = sums_.cell(cells_, kSums);
    std::uint64_t said = 0;
    const auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), said);
    if (error != std::errc() || end != count.data() + count.size()) return bill_error("no sum", count);
    if (said != rows_ && said != payments_) return bill_error("the bill has other rows than its sum says");
    if (auto same = compare(first_of(sums_, kAmountSums), paid_, columns_.find(kAmounts[0])); !same)
      return same;
    const std::size_t refund_column = columns_.find(kRefundAmounts[0]);
    if (auto same = compare(first_of(sums_, kRefundSums), refunded_, refund_column); !same) return same;
    summed_ = true;
    return {};
  }

  // Only where both the rows and the sums name the amounts alike.
  BillResult<void> compare(std::string_view text, Money sum, std::size_t column) {
    if (text.empty() || column == BillColumns::kNone) return {};
    const auto said = read_bill_amount(text);
    if (!said) return said.error();
    if (*said != sum) return bill_error("the amounts of the bill do not add up to its sum", text);
    return {};
  }

  BillColumns columns_;
  BillColumns sums_;
  std::vector<std::string> cells_;
  Money paid_;
  Money refunded_;
  std::uint64_t rows_ = 0;
  std::uint64_t payments_ = 0;
  bool summed_ = false;
};

}  // namespace

std::unique_ptr<BillReader> make_wechat_bill() { return std::make_unique<WechatBill>(); }

}  // namespace recharge
