#include "tools/bill_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <iconv.h>

#include <array>
#include <memory>
#include <stdexcept>

#include "core/beijing_time.h"
#include "core/json_members.h"

namespace recharge {
namespace {

bool is_refund(const BillRow& row) { return row.kind == BillRow::Kind::refund; }

struct Sums {
  Money paid;
  Money refunded;
  std::size_t payments = 0;
  std::size_t refunds = 0;

  explicit Sums(const std::vector<BillRow>& rows) {
    for (const BillRow& row : rows) {
      Money& sum = is_refund(row) ? refunded : paid;
      sum = add(sum, row.amount).value();
      ++(is_refund(row) ? refunds : payments);
    }
  }
};

std::string to_gbk(const std::string& text) {
  const iconv_t conversion = iconv_open("GB18030", "UTF-8");
  if (conversion == iconv_t(-1)) throw std::runtime_error("iconv knows no GB18030");
  std::string out(text.size() * 2, '\0');
  char* in = const_cast<char*>(text.data());
  char* to = out.data();
  std::size_t left = text.size();
  std::size_t room = out.size();
  const bool done = iconv(conversion, &in, &left, &to, &room) != std::size_t(-1);
  iconv_close(conversion);
  if (!done) throw std::runtime_error("a bill is no UTF-8");
  out.resize(out.size() - room);
  return out;
}

std::string zip(const std::vector<std::pair<std::string, std::string>>& files) {
  struct Free {
    void operator()(archive* a) const noexcept { archive_write_free(a); }
  };
  std::size_t room = 65'536;
  for (const auto& [name, text] : files) room += text.size() + text.size() / 1000 + 1024;
  std::string out(room, '\0');
  std::size_t used = 0;
  const std::unique_ptr<archive, Free> writer(archive_write_new());
  bool good = archive_write_set_format_zip(writer.get()) == ARCHIVE_OK &&
              archive_write_open_memory(writer.get(), out.data(), out.size(), &used) == ARCHIVE_OK;
  for (const auto& [name, text] : files) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_size(entry, static_cast<la_int64_t>(text.size()));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0600);
    good = good && archive_write_header(writer.get(), entry) == ARCHIVE_OK &&
           archive_write_data(writer.get(), text.data(), text.size()) == static_cast<la_ssize_t>(text.size());
    archive_entry_free(entry);
  }
  good = good && archive_write_close(writer.get()) == ARCHIVE_OK;
  if (!good) throw std::runtime_error("libarchive makes no zip");
  out.resize(used);
  return out;
}

// "2026年11月25日 08:00:00"
std::string chinese_time(Time time) {
  std::string text = to_beijing_time(time);
  return text.substr(0, 4) + "年" + text.substr(5, 2) + "月" + text.substr(8, 2) + "日" + text.substr(10);
}

std::string alipay_bill(const std::vector<BillRow>& rows, const BillPeriod& period) {
  const Sums sums(rows);
  std::string text =
      "#支付宝业务明细查询\r\n#账号：[20880000000000010156]\r\n#起始日期：[" + chinese_time(period.from) +
      "]   终止日期：[" + chinese_time(period.until) +
      "]\r\n#----------------业务明细列表----------------\r\n"
      "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,"
      "对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,"
      "券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,"
      "分润（元）,备注\r\n";
  for (const BillRow& row : rows) {
    const std::string amount = (is_refund(row) ? "-" : "") + to_text(row.amount);
    const std::string at = to_beijing_time(row.at);
    text.append(row.transaction_id.view()).append("\t,").append(row.order.view());
    text.append(is_refund(row) ? "\t,退款," : "\t,交易,").append("Top-up,").append(at).append(",").append(at);
    text.append(",,,,,buyer\t,").append(amount).append(",").append(amount);
    text.append(",0.00,0.00,0.00,0.00,0.00,,0.00,0.00,")
        .append(row.refund.view())
        .append("\t,0.00,0.00,\r\n");
  }
  text += "#----------------业务明细列表结束----------------\r\n#交易合计：" + std::to_string(sums.payments) +
          "笔，商家实收共" + to_text(sums.paid) + "元，商家优惠共0.00元\r\n#退款合计：" +
          std::to_string(sums.refunds) + "笔，商家实收退款共-" + to_text(sums.refunded) +
          "元\r\n#导出时间：[" + chinese_time(period.until) + "]\r\n";
  const std::string summary =
      "#支付宝业务汇总查询\r\n门店编号,交易订单总笔数\r\n合计," + std::to_string(sums.payments) + "\r\n";
  return zip({{"detail.csv", to_gbk(text)}, {"summary.csv", to_gbk(summary)}});
}

std::string wechat_bill(const std::vector<BillRow>& rows) {
  const Sums sums(rows);
  std::string text =
      "\xEF\xBB\xBF交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,"
      "交易状态,"
      "付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,"
      "退款状态,"
      "商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注\r\n";
  for (const BillRow& row : rows) {
    const std::string paid = is_refund(row) ? "0.00" : to_text(row.amount);
    const std::string back = is_refund(row) ? to_text(row.amount) : "0.00";
    const std::array<std::string, 27> cells = {to_beijing_time(row.at),
                                               "wx0000000000000001",
                                               "1900000001",
                                               "0",
                                               "",
                                               std::string(row.transaction_id.view()),
                                               std::string(row.order.view()),
                                               "o1",
                                               "NATIVE",
                                               is_refund(row) ? "REFUND" : "SUCCESS",
                                               "OTHERS",
                                               "CNY",
                                               paid,
                                               "0.00",
                                               is_refund(row) ? "5030" : "0",
                                               is_refund(row) ? std::string(row.refund.view()) : "0",
                                               back,
                                               "0.00",
                                               is_refund(row) ? "ORIGINAL" : "",
                                               is_refund(row) ? "SUCCESS" : "",
                                               "Top-up, 100%",
                                               "",
                                               "0.00000",
                                               "0.60%",
                                               paid,
                                               back,
                                               ""};
    for (std::size_t i = 0; i < cells.size(); ++i) text.append(i == 0 ? "`" : ",`").append(cells[i]);
    text.append("\r\n");
  }
  return text +
         "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\r\n`" +
         std::to_string(rows.size()) + ",`" + to_text(sums.paid) + ",`" + to_text(sums.refunded) +
         ",`0.00,`0.00000,`" + to_text(sums.paid) + ",`" + to_text(sums.refunded) + "\r\n";
}

std::string stripe_bill(const std::vector<BillRow>& rows) {
  std::string text = R"({"object":"list","url":"/v1/balance_transactions","has_more":false,"data":[)";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i > 0) text.append(",\n");
    text.append(stripe_transaction_json(rows[i], i));
  }
  return text + "]}";
}

std::string plain_bill(const std::vector<BillRow>& rows) {
  std::string text = "kind,transaction_id,order_id,refund_id,amount,at\r\n";
  for (const BillRow& row : rows) {
    text.append(is_refund(row) ? "refund," : "payment,").append(row.transaction_id.view()).append(",");
    text.append(row.order.view())
        .append(",")
        .append(row.refund.view())
        .append(",")
        .append(to_text(row.amount));
    text.append(",").append(to_rfc3339(row.at)).append("\r\n");
  }
  return text;
}

}  // namespace

std::string stripe_transaction_json(const BillRow& row, std::size_t number) {
  JsonMembers metadata, source, transaction;
  metadata.text(is_refund(row) ? "refund" : "order_id",
                is_refund(row) ? row.refund.view() : row.order.view());
  source.text("id", (is_refund(row) ? "re_" : "ch_") + std::to_string(number))
      .text("object", is_refund(row) ? "refund" : "charge")
      .text("payment_intent", row.transaction_id.view())
      .object("metadata", metadata);
  const std::int64_t units = row.amount.minor_units();
  transaction.text("id", "txn_" + std::to_string(number))
      .text("object", "balance_transaction")
      .number("amount", is_refund(row) ? -units : units)
      .text("currency", "cny")
      .number("created", row.at.ms / 1000)
      .number("fee", 0)
      .number("net", is_refund(row) ? -units : units)
      .text("status", "available")
      .text("type", is_refund(row) ? "refund" : "charge")
      .object("source", source);
  return transaction.str();
}

std::string write_bill(BillFormat format, const std::vector<BillRow>& rows, const BillPeriod& period) {
  switch (format) {
    case BillFormat::alipay:
      return alipay_bill(rows, period);
    case BillFormat::wechat:
      return wechat_bill(rows);
    case BillFormat::stripe:
      return stripe_bill(rows);
    case BillFormat::plain:
      break;
  }
  return plain_bill(rows);
}

}  // namespace recharge
