"""The other side of outgoing calls: Alipay, WeChat Pay and Stripe in one small HTTP server, with what they know of payments
and refunds, and with answers that get lost or forged when a test asks for it. Every request's signature is checked.

Written from the gateways' documents, independently of the server. Outlives the recharged that calls it."""
import base64
import hashlib
import json
import os
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from gateways import beijing, shared_key


def is_signed_by(key, text, signature):
    """RSASSA-PKCS1-v1_5 with SHA-256, by the book."""
    size = (key._n.bit_length() + 7) // 8
    digest = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(text).digest()
    padded = b"\0\1" + b"\xff" * (size - len(digest) - 3) + b"\0" + digest
    return pow(int.from_bytes(base64.b64decode(signature), "big"), 65537, key._n).to_bytes(size, "big") == padded


class Dropped(Exception):
    """The connection is closed without an answer."""


class FakeGateway:
    """kind: alipay, wechat or stripe. payments: number -> {amount, state, transaction}; refunds: number -> {amount, state}."""

    def __init__(self, account):
        self.account, self.kind = account, account.kind
        self.payments, self.refunds, self.calls = {}, {}, []
        self.traces = []  # the header traceparent of each call, or None
        self.requests = []  # (method, path, headers, body) of each call, as they came
        self.money_out = Counter()  # by refund number: how often money moved
        self.faults = {}  # call -> list of "drop", "late" (done, not answered), "slow", "forge", "busy", "refuse CODE"
        self.refund_state = "succeeded"
        self.lock, self.problems = threading.RLock(), []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle_request(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                try:
                    status, headers, answer = outer.answer(self.command, self.path, self.headers, body)
                except Dropped:
                    self.close_connection = True
                    return
                except Exception as error:  # seen by the test through check()
                    outer.problems.append(f"{self.command} {self.path}: {error!r}")
                    status, headers, answer = 500, {}, b""
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.send_header("Connection", "close")  # a kept one that is dropped would be tried again by the client itself
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = handle_request

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.server.server_address[1]

    def config(self):
        more = "" if self.kind == "stripe" else 'notify_url = "https://shop.example/notify"\n'
        return self.account.config() + f'base_url = "{self.url}"\n' + more

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def check(self):
        assert self.problems == [], self.problems

    def count(self, call):
        return sum(name == call for name, _ in self.calls)

    def fail(self, call, *how):
        self.faults.setdefault(call, []).extend(how)

    def pay(self, order_id, amount=None):
        """The payer pays; the callback is lost. The transaction."""
        number = order_id.replace("-", "")
        with self.lock:
            payment = self.payments.setdefault(number, {"amount": amount or 5000, "state": "waiting"})
            assert payment["state"] == "waiting", payment
            payment["state"], payment["paid_at"] = "paid", time.time()
            payment.setdefault("transaction", self.account.new_transaction())
            payment["amount"] = amount or payment["amount"]
            return payment["transaction"]

    # --- one call ---

    def answer(self, method, path, headers, body):
        with self.lock:
            call, argument = getattr(self, f"read_{self.kind}")(method, path, headers, body)
            self.calls.append((call, argument))
            self.traces.append(headers.get("traceparent"))
            self.requests.append((method, path, headers, body))
            fault = (self.faults.get(call) or [None]).pop(0)
            if fault != "slow":
                return self.answer_call(call, argument, fault)
        time.sleep(0.2)  # the others are not held up
        with self.lock:
            return self.answer_call(call, argument, None)

    def answer_call(self, call, argument, fault):
        if fault == "drop":
            raise Dropped
        if fault == "busy":
            return 503, {}, b"busy"
        if fault and fault.startswith("refuse "):
            return self.render(call, argument, None, fault.split()[1])
        result, refusal = getattr(self, f"do_{call}")(argument)
        if fault == "late":
            raise Dropped
        return self.render(call, argument, result, refusal, forged=fault == "forge")

    def do_start(self, a):
        payment = self.payments.setdefault(a["number"], {"amount": a["amount"], "state": "waiting"})
        if payment["amount"] != a["amount"] or payment["state"] != "waiting":
            return None, {"alipay": "ACQ.TRADE_HAS_SUCCESS", "wechat": "ORDERPAID", "stripe": "idempotency_error"}[self.kind]
        if self.kind == "stripe":
            payment.setdefault("transaction", f"pi_{a['number']}")
        payment.update(expires=a.get("expires"), method=a.get("method"))
        return payment, None

    def do_query(self, a):
        return self.payments.get(a["number"]), None

    def do_close(self, a):
        payment = self.payments.get(a["number"])
        if payment and payment["state"] == "paid":
            return None, {"alipay": "ACQ.TRADE_STATUS_ERROR", "wechat": "ORDERPAID", "stripe": "payment_intent_unexpected_state"}[self.kind]
        if payment:
            payment["state"] = "closed"
        return payment, None

    def do_refund(self, a):
        payments = [p for n, p in self.payments.items()
                    if n == a.get("number") or (a.get("transaction") and p.get("transaction") == a["transaction"])]
        if not payments or payments[0]["state"] != "paid":
            return None, {"alipay": "ACQ.TRADE_NOT_EXIST", "wechat": "RESOURCE_NOT_EXISTS", "stripe": "resource_missing"}[self.kind]
        refund, moved = self.refunds.get(a["refund"]), False
        if refund is None:
            out = sum(r["amount"] for r in self.refunds.values() if r["payment"] is payments[0])
            if out + a["amount"] > payments[0]["amount"]:
                return None, {"alipay": "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "wechat": "INVALID_REQUEST", "stripe": "charge_already_refunded"}[self.kind]
            refund = self.refunds[a["refund"]] = {"amount": a["amount"], "state": self.refund_state, "payment": payments[0]}
            self.money_out[a["refund"]] += 1
            moved = True
        assert refund["amount"] == a["amount"], "the same number with another amount"
        return {**refund, "number": a["refund"], "moved": moved and refund["state"] == "succeeded"}, None

    def do_query_refund(self, a):
        if self.kind == "stripe":
            return [{**r, "number": n} for n, r in self.refunds.items() if r["payment"]["transaction"] == a["transaction"]], None
        refund = self.refunds.get(a["refund"])
        return (refund and {**refund, "number": a["refund"]}), None

    def render(self, call, argument, result, refusal, forged=False):
        return getattr(self, f"render_{self.kind}")(call, argument, result, refusal, forged)

    # --- Alipay ---

    def read_alipay(self, method, path, headers, body):
        assert method == "POST" and headers["Content-Type"].startswith("application/x-www-form-urlencoded")
        fields = dict(parse_qsl(urlsplit(path).query, keep_blank_values=True) + parse_qsl(body.decode(), keep_blank_values=True))
        sign = fields.pop("sign")
        text = "&".join(f"{k}={v}" for k, v in sorted(fields.items()) if v)
        assert is_signed_by(shared_key("ours"), text.encode(), sign), "bad signature"
        assert fields["app_id"] == self.account.app_id and fields["sign_type"] == "RSA2" and fields["charset"] == "utf-8"
        assert abs(time.mktime(time.strptime(fields["timestamp"], "%Y-%m-%d %H:%M:%S")) - time.mktime(time.gmtime(time.time() + 8 * 3600))) < 60
        content, self.alipay_method = json.loads(fields["biz_content"]), fields["method"]
        call = {"alipay.trade.precreate": "start", "alipay.trade.query": "query", "alipay.trade.close": "close",
                "alipay.trade.refund": "refund", "alipay.trade.fastpay.refund.query": "query_refund"}[fields["method"]]
        argument = {"number": content.get("out_trade_no"), "method": fields["method"]}
        if call == "start":
            assert fields["notify_url"] == "https://shop.example/notify"
            argument |= {"amount": round(float(content["total_amount"]) * 100), "expires": content["time_expire"]}
        if "refund" in call:
            argument |= {"refund": content["out_request_no"], "transaction": content.get("trade_no")}
        if call == "refund":
            argument["amount"] = round(float(content["refund_amount"]) * 100)
        return call, argument

    def render_alipay(self, call, a, result, refusal, forged):
        ok = {"code": "10000", "msg": "Success"}
        if refusal is None and result is None and call in ("query", "close"):
            refusal = "ACQ.TRADE_NOT_EXIST"
        if refusal:
            node = {"code": "40004", "msg": "Business Failed", "sub_code": refusal}
        elif call == "start":
            node = ok | {"out_trade_no": a["number"], "qr_code": f"https://qr.alipay.com/{a['number']}"}
        elif call == "query":
            state = {"waiting": "WAIT_BUYER_PAY", "paid": "TRADE_SUCCESS", "closed": "TRADE_CLOSED"}[result["state"]]
            node = ok | {"out_trade_no": a["number"], "trade_status": state, "total_amount": f"{result['amount'] / 100:.2f}",
                         "trade_no": result.get("transaction", "2026"), "send_pay_date": beijing(result.get("paid_at", 0))}
        elif call == "close":
            node = ok | {"out_trade_no": a["number"]}
        elif call == "refund":
            node = ok | {"out_trade_no": a["number"], "trade_no": result["payment"]["transaction"], "fund_change": "Y" if result["moved"] else "N"}
        else:
            node = ok | ({} if result is None else {
                "out_trade_no": a["number"], "trade_no": result["payment"]["transaction"], "out_request_no": a["refund"],
                "refund_status": "REFUND_SUCCESS" if result["state"] == "succeeded" else ""})
        inner = json.dumps({k: v for k, v in node.items() if v is not None}).replace("/", "\\/")
        key = shared_key("forger" if forged else "alipay")
        name = a["method"].replace(".", "_") + "_response"
        return 200, {"Content-Type": "text/html;charset=utf-8"}, f'{{"{name}":{inner},"sign":"{key.sign(inner.encode())}"}}'.encode()

    # --- WeChat Pay ---

    def read_wechat(self, method, path, headers, body):
        scheme, _, rest = headers["Authorization"].partition(" ")
        values = dict(part.split("=", 1) for part in rest.split(","))
        values = {name: value.strip('"') for name, value in values.items()}
        text = f"{method}\n{path}\n{values['timestamp']}\n{values['nonce_str']}\n".encode() + body + b"\n"
        assert scheme == "WECHATPAY2-SHA256-RSA2048" and values["mchid"] == "1900000001" and values["serial_no"] == "AB12"
        assert is_signed_by(shared_key("ours"), text, values["signature"]), "bad signature"
        assert headers["Wechatpay-Serial"] == self.account.serial and headers["User-Agent"]
        content = json.loads(body) if body else {}
        parts = urlsplit(path).path.strip("/").split("/")
        if parts[:3] == ["v3", "pay", "transactions"] and parts[3] in ("native", "h5"):
            assert content["amount"]["currency"] == "CNY" and content["notify_url"] == "https://shop.example/notify"
            if parts[3] == "h5":
                assert content["scene_info"]["payer_client_ip"]
            return "start", {"number": content["out_trade_no"], "amount": content["amount"]["total"],
                             "expires": content["time_expire"], "method": parts[3]}
        if parts[3:4] == ["out-trade-no"]:
            return ("close" if parts[-1] == "close" else "query"), {"number": parts[4]}
        assert parts[:4] == ["v3", "refund", "domestic", "refunds"], path
        if method == "GET":
            return "query_refund", {"refund": parts[4]}
        return "refund", {"number": content.get("out_trade_no"), "transaction": content.get("transaction_id"),
                          "refund": content["out_refund_no"], "amount": content["amount"]["refund"]}

    def render_wechat(self, call, a, result, refusal, forged):
        if refusal is None and result is None and call in ("query", "query_refund"):
            refusal = "ORDER_NOT_EXIST" if call == "query" else "RESOURCE_NOT_EXISTS"
        if refusal:
            status = 404 if "NOT_EXIST" in refusal else 403
            return status, {}, json.dumps({"code": refusal, "message": "no"}).encode()
        if call == "start":
            node = {"code_url": f"weixin://wxpay/bizpayurl?pr={a['number']}"} if a["method"] == "native" else \
                {"h5_url": f"https://wx.tenpay.com/checkmweb?prepay_id={a['number']}"}
        elif call == "query":
            state = {"waiting": "NOTPAY", "paid": "SUCCESS", "closed": "CLOSED"}[result["state"]]
            node = {"mchid": "1900000001", "appid": self.account.appid, "out_trade_no": a["number"], "trade_state": state}
            if state == "SUCCESS":
                node |= {"transaction_id": result["transaction"], "amount": {"total": result["amount"], "currency": "CNY"},
                         "success_time": beijing(result["paid_at"]).replace(" ", "T") + "+08:00"}
        elif call == "close":
            node = None
        else:
            node = {"out_refund_no": a["refund"], "status": {"succeeded": "SUCCESS", "pending": "PROCESSING", "failed": "CLOSED"}[result["state"]]}
        body = b"" if node is None else json.dumps(node).encode()
        headers, body = self.account.signed(body, key=shared_key("forger") if forged else None)
        return (204 if node is None else 200), {k: v for k, v in headers.items()}, body

    # --- Stripe ---

    def read_stripe(self, method, path, headers, body):
        assert headers["Authorization"] == "Bearer sk_test_1" and headers["Stripe-Version"]
        fields, url = dict(parse_qsl(body.decode())), urlsplit(path)
        parts = url.path.strip("/").split("/")
        if parts[1] == "payment_intents":
            if len(parts) == 2:
                number = fields["metadata[order_id]"].replace("-", "")
                assert headers["Idempotency-Key"] == "pi-" + fields["metadata[order_id]"] and fields["currency"] == "cny"
                return "start", {"number": number, "amount": int(fields["amount"])}
            return ("close" if parts[-1] == "cancel" else "query"), {"number": unquote(parts[2]).removeprefix("pi_")}
        assert parts[1] == "refunds", path
        if method == "GET":
            return "query_refund", {"transaction": dict(parse_qsl(url.query))["payment_intent"]}
        assert headers["Idempotency-Key"] == "rf-" + fields["metadata[refund]"]
        return "refund", {"transaction": fields["payment_intent"], "refund": fields["metadata[refund]"], "amount": int(fields["amount"])}

    def render_stripe(self, call, a, result, refusal, forged):
        if refusal is None and result is None:
            refusal = "resource_missing"
        if refusal:
            status = 404 if refusal == "resource_missing" else 400
            return status, {}, json.dumps({"error": {"type": "invalid_request_error", "code": refusal}}).encode()
        one = lambda r: {"id": "re_" + r["number"][-12:], "object": "refund", "amount": r["amount"], "status": r["state"],  # noqa: E731
                         "payment_intent": r["payment"]["transaction"], "metadata": {"refund": r["number"]}}
        if call == "query_refund":
            node = {"object": "list", "data": [one(r) for r in result], "has_more": False}
        elif call == "refund":
            node = one(result)
        else:
            number = a["number"]
            state = {"waiting": "requires_payment_method", "paid": "succeeded", "closed": "canceled"}[result["state"]]
            dashed = f"{number[:8]}-{number[8:12]}-{number[12:16]}-{number[16:20]}-{number[20:]}"
            node = {"id": result["transaction"], "object": "payment_intent", "livemode": False, "status": state, "currency": "cny",
                    "amount": result["amount"], "amount_received": result["amount"] if state == "succeeded" else 0,
                    "client_secret": f"{result['transaction']}_secret_1",
                    "metadata": {"order_id": ("0" * 8 if forged else dashed[:8]) + dashed[8:]}}
        return 200, {"Content-Type": "application/json"}, json.dumps(node, indent=2).encode()
