"""Bills as the gateways make them, written independently of their reader. A row is a dict: kind ("payment", "refund"),
transaction, order_id, amount ("50.00"), at (unix seconds), refund (the gateway's number), state.

Sources: Alipay's and WeChat Pay's documents of the trade bill and public samples; Stripe's of balance transactions.
"""
import csv
import gzip
import hashlib
import io
import json
import time
import zipfile

from gateways import beijing, fen


def refund_number(order_id, refund_id):
    return order_id.replace("-", "") + hashlib.blake2b(refund_id.encode(), digest_size=32).hexdigest()[:32]


def yuan(rows, kind):
    total = sum(fen(row["amount"]) for row in rows if row["kind"] == kind)
    return f"{total // 100}.{total % 100:02d}"


def noon_zone(now):
    """A zone in which it is between 11 and 13 o'clock, and the day there: far from midnight."""
    west = time.gmtime(now).tm_hour - 12  # hours by which that zone is behind UTC
    return f"Etc/GMT{west:+d}", time.strftime("%Y-%m-%d", time.gmtime(now - west * 3600))


ALIPAY_COLUMNS = ("支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,"
                  "商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,"
                  "商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注")


def alipay(rows, subject="充值,100%", note="", ended=True, counts=None):
    """The zip with both files."""
    payments = [row for row in rows if row["kind"] == "payment"]
    refunds = [row for row in rows if row["kind"] == "refund"]
    counts = counts or (len(payments), len(refunds))
    lines = ["#支付宝业务明细查询", "#账号：[20880000000000010156]",
             "#起始日期：[2026年11月24日 00:00:00]   终止日期：[2026年11月25日 00:00:00]",
             "#-----------------------------------------业务明细列表----------------------------------------", ALIPAY_COLUMNS]
    for row in rows:
        amount = ("-" if row["kind"] == "refund" else "") + row["amount"]
        cells = [row["transaction"] + "\t", row["order_id"].replace("-", "") + "\t",
                 "退款" if row["kind"] == "refund" else "交易", subject, beijing(row["at"] - 5), beijing(row["at"]), "", "", "", "",
                 "张三(138****5678)\t", amount, amount, "0.00", "0.00", "0.00", "0.00", "0.00", "", "0.00", "0.00",
                 row.get("refund", "") + "\t", "-0.01", "0.00", note]
        lines.append(",".join(cells))
    if ended:
        lines += ["#-----------------------------------------业务明细列表结束------------------------------------",
                  f"#交易合计：{counts[0]}笔，商家实收共{yuan(rows, 'payment')}元，商家优惠共0.00元",
                  f"#退款合计：{counts[1]}笔，商家实收退款共-{yuan(rows, 'refund')}元，商家优惠退款共0.00元",
                  "#导出时间：[2026年11月25日 10:12:13]"]
    summary = "#支付宝业务汇总查询\n门店编号,门店名称,交易订单总笔数\n,合计,2\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("20880000000000010156_20261124_业务明细.csv", ("\r\n".join(lines) + "\r\n").encode("gb18030"))
        archive.writestr("20880000000000010156_20261124_业务明细(汇总).csv", summary.encode("gb18030"))
    return packed.getvalue()


WECHAT_COLUMNS = ("交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,"
                  "代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,"
                  "申请退款金额,费率备注")


def wechat(rows, subject="充值,半价`", ended=True, amount=None):
    lines = ["\ufeff" + WECHAT_COLUMNS]
    for row in rows:
        refund = row["kind"] == "refund"
        paid, back = ("0.00", row["amount"]) if refund else (row["amount"], "0.00")
        cells = [beijing(row["at"]), "wx0000000000000001", "1900000001", "0", "", row["transaction"],
                 row["order_id"].replace("-", ""), "o1", "NATIVE",
                 "REFUND" if refund else {"failed": "REVOKED"}.get(row.get("state"), "SUCCESS"), "OTHERS", "CNY", paid, "0.00",
                 "5030000" if refund else "0", row.get("refund", "0"), back, "0.00", "ORIGINAL" if refund else "",
                 {"pending": "PROCESSING", "failed": "CHANGE"}.get(row.get("state"), "SUCCESS") if refund else "", subject, "",
                 "0.30000", "0.60%", paid, back, ""]
        lines.append(",".join("`" + cell for cell in cells))
    if ended:
        total = amount or yuan(rows, "payment")
        lines += ["总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额",
                  f"`{len(rows)},`{total},`{yuan(rows, 'refund')},`0.00,`0.60000,`{total},`{yuan(rows, 'refund')}"]
    return ("\r\n".join(lines) + "\r\n").encode()


def wechat_gzip(rows):
    return gzip.compress(wechat(rows))


def stripe_transaction(row, number):
    refund = row["kind"] == "refund"
    metadata = {"refund": row["refund"]} if refund else {"order_id": row["order_id"]}
    amount = fen(row["amount"])
    return {"id": f"txn_{number}", "object": "balance_transaction", "amount": -amount if refund else amount, "currency": "cny",
            "created": int(row["at"]), "description": 'a "quoted" {text}', "fee": 0 if refund else 30,
            "fee_details": [] if refund else [{"amount": 30, "type": "stripe_fee"}],
            "net": -amount if refund else amount - 30, "status": "available", "type": "refund" if refund else "charge",
            "source": {"id": f"re_{number}" if refund else f"ch_{number}", "object": "refund" if refund else "charge",
                       "payment_intent": row["transaction"], "metadata": metadata}}


def stripe(rows, page=2, last=None):
    """Pages of a list one behind the other, and what is neither payment nor refund."""
    fee = {"id": "txn_fee", "object": "balance_transaction", "amount": -100, "currency": "usd", "type": "stripe_fee", "source": None}
    items = [stripe_transaction(row, i) for i, row in enumerate(rows)] + [fee] + (last or [])
    pages = [{"object": "list", "url": "/v1/balance_transactions", "has_more": True, "data": items[i:i + page]}
             for i in range(0, len(items), page)]
    return "\n".join(json.dumps(listed, indent=2) for listed in pages).encode()


def plain(rows):
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["kind", "transaction_id", "order_id", "refund_id", "amount", "status", "at", "subject, quoted"])
    for row in rows:
        writer.writerow([row["kind"], row["transaction"], row["order_id"], row.get("refund", ""), row["amount"],
                         row.get("state", ""), int(row["at"]), 'a, "b"'])
    return out.getvalue().encode()


WRITERS = {"alipay": alipay, "wechat": wechat, "stripe": stripe, "standard": plain}
