// Bills with a piece replaced by anything: a row has an id, and an amount that stands in its line; sums that
// are checked are those of the rows that were read.
#include <array>

#include "core/bill.h"
#include "tests/fuzz/fuzz_input.h"

namespace recharge {
namespace {

constexpr std::array<std::string_view, 4> kBills = {
    "#支付宝业务明细查询\n#起始日期：[2026年11月24日 00:00:00]   终止日期：[2026年11月25日 00:00:00]\n"
    "支付宝交易号,商户订单号,业务类型,商品名称,完成时间,订单金额（元）,退款批次号/请求号,备注\n"
    "2026112422001\t,01a2\t,交易,a,2026-11-24 10:00:00,50.00,,\n"
    "2026112422001\t,01a2\t,退款,a,2026-11-24 11:00:00,-20.00,r1\t,\n"
    "#---业务明细列表结束---\n#交易合计：1笔，商家实收共50.00元\n#退款合计：1笔，商家实收退款共-20.00元\n",
    "交易时间,微信订单号,商户订单号,交易状态,货币种类,商户退款单号,退款状态,订单金额,申请退款金额,商品名称\n"
    "`2026-11-24 10:00:00,`4200001,`01a2,`SUCCESS,`CNY,`0,`,`50.00,`0.00,`a,b\n"
    "`2026-11-24 11:00:00,`4200001,`01a2,`REFUND,`CNY,`r1,`SUCCESS,`0.00,`20.00,`a\n"
    "总交易单数,订单总金额,申请退款总金额\n`2,`50.00,`20.00\n",
    R"({"object":"balance_transaction","amount":5000,"currency":"cny","created":1700000000,"type":"charge","source":{"id":"ch_1","payment_intent":"pi_1","metadata":{"order_id":"01a2"}}})"
    "\n"
    R"({"object":"balance_transaction","amount":-2000,"currency":"cny","created":1700000000,"type":"refund","source":{"id":"re_1","payment_intent":"pi_1","metadata":{"refund":"r1"}}})"
    "\n",
    "kind,transaction_id,order_id,refund_id,amount,status,at\npayment,t1,01a2,,50.00,succeeded,1700000000\n"
    "refund,t1,01a2,r1,20.00,,2026-11-24T10:00:00Z\n"};

void judge(const BillRow& row, std::string_view line) {
  RECHARGE_CHECK(!row.transaction_id.empty());
  RECHARGE_CHECK(!row.amount.is_negative());
  if (row.kind == BillRow::Kind::refund) RECHARGE_CHECK(!row.refund.empty());
  // Major units, or minor ones of Stripe, as digits of the line.
  const std::string major = std::to_string(row.amount.minor_units() / 100);
  const std::string minor = std::to_string(row.amount.minor_units());
  RECHARGE_CHECK(line.find(major) != line.npos || line.find(minor) != line.npos || row.amount.is_zero());
}

}  // namespace

void fuzz(FuzzBytes bytes) {
  FuzzedDataProvider input(bytes.data(), bytes.size());
  const auto format = input.ConsumeIntegralInRange<std::size_t>(0, kBills.size() - 1);
  std::string bill(kBills[format]);
  const auto at = input.ConsumeIntegralInRange<std::size_t>(0, bill.size());
  const auto size = input.ConsumeIntegralInRange<std::size_t>(0, bill.size() - at);
  bill.replace(at, size, input.ConsumeRandomLengthString(300));
  const auto reader = make_bill_reader(static_cast<BillFormat>(format), *currency_from_code("CNY"));
  std::string_view rest(bill);
  unsigned rows = 0;
  while (!rest.empty()) {
    const auto end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const auto row = reader->read(line);
    if (!row) {
      for (const char c : row.error().message)
        RECHARGE_CHECK(static_cast<unsigned char>(c) >= 0x20);  // nothing that a terminal would obey
      return;
    }
    if (!row->has_value()) continue;
    ++rows;
    judge(**row, line);
  }
  if (reader->finish() && format < 2) RECHARGE_CHECK(reader->recognised());
  RECHARGE_CHECK(rows <= bill.size());
}

}  // namespace recharge
