"""Alipay, WeChat Pay, Stripe and Standard Webhooks as a server meets them: accounts with keys of their own, and what they
send, written independently of the server. RSA and AES-GCM are by the book: slow, and only for tests.

Sources: RFC 8017 (RSASSA-PKCS1-v1_5), FIPS 197, NIST SP 800-38D; the gateways' documents for the messages.
"""
import base64
import hashlib
import hmac
import itertools
import json
import os
import subprocess
import time
from urllib.parse import urlencode

_numbers = itertools.count(1)


def run_openssl(*arguments, data=None):
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True, timeout=60).stdout


# --- RSA -------------------------------------------------------------------------------------------------------------

def _der_integers(der):
    """The INTEGERs of one SEQUENCE."""
    def read(at):
        size, at = der[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            size, at = int.from_bytes(der[at:at + count], "big"), at + count
        return at, size

    at, _ = read(0)
    numbers = []
    while at < len(der):
        start, size = read(at)
        numbers.append(int.from_bytes(der[start:start + size], "big"))
        at = start + size
    return numbers


class RsaKey:
    def __init__(self, bits=2048):
        self.pem = run_openssl("genrsa", "-traditional", str(bits))
        self.public_pem = run_openssl("rsa", "-pubout", data=self.pem)
        _, self._n, _, self._d = _der_integers(run_openssl("rsa", "-traditional", "-outform", "DER", data=self.pem))[:4]

    @property
    def bare_public(self):
        return base64.b64encode(run_openssl("rsa", "-pubin", "-outform", "DER", data=self.public_pem))

    def sign(self, text):
        size = (self._n.bit_length() + 7) // 8
        digest = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(text).digest()
        padded = b"\0\1" + b"\xff" * (size - len(digest) - 3) + b"\0" + digest
        return base64.b64encode(pow(int.from_bytes(padded, "big"), self._d, self._n).to_bytes(size, "big")).decode()


# --- AES-256-GCM -----------------------------------------------------------------------------------------------------

def _make_sbox():
    p = q = 1
    sbox = [0x63] + [0] * 255
    while True:
        p = p ^ (p << 1) & 0xFF ^ (0x1B if p & 0x80 else 0)
        q ^= q << 1
        q ^= q << 2
        q = (q ^ q << 4) & 0xFF
        if q & 0x80:
            q ^= 0x09
        rotated = [(q << n | q >> 8 - n) & 0xFF for n in range(5)]
        sbox[p] = rotated[0] ^ rotated[1] ^ rotated[2] ^ rotated[3] ^ rotated[4] ^ 0x63
        if p == 1:
            return sbox


_SBOX = _make_sbox()


def _expand(key):
    words, constant = [list(key[i:i + 4]) for i in range(0, 32, 4)], 1
    for i in range(8, 60):
        word = list(words[-1])
        if i % 8 == 0:
            word = [_SBOX[b] for b in word[1:] + word[:1]]
            word[0] ^= constant
            constant <<= 1
        elif i % 8 == 4:
            word = [_SBOX[b] for b in word]
        words.append([a ^ b for a, b in zip(words[i - 8], word)])
    return [sum(words[i:i + 4], []) for i in range(0, 60, 4)]


def _double(b):
    return (b << 1 ^ (0x1B if b & 0x80 else 0)) & 0xFF


def _encrypt_block(keys, block):
    state = [a ^ b for a, b in zip(block, keys[0])]
    for turn in range(1, 15):
        state = [_SBOX[state[(i + 4 * (i % 4)) % 16]] for i in range(16)]
        if turn < 14:
            mixed = []
            for column in range(0, 16, 4):
                a = state[column:column + 4]
                every = a[0] ^ a[1] ^ a[2] ^ a[3]
                mixed += [a[i] ^ every ^ _double(a[i] ^ a[(i + 1) % 4]) for i in range(4)]
            state = mixed
        state = [a ^ b for a, b in zip(state, keys[turn])]
    return bytes(state)


def _multiply(x, y):
    product = 0
    for bit in range(127, -1, -1):
        if y >> bit & 1:
            product ^= x
        x = x >> 1 ^ (0xE1 << 120 if x & 1 else 0)
    return product


def seal(key, nonce, plain, associated=b""):
    """Ciphertext and tag, as WeChat puts them together."""
    keys = _expand(key)
    hash_key = int.from_bytes(_encrypt_block(keys, bytes(16)), "big")
    stream = b"".join(_encrypt_block(keys, nonce + (2 + i).to_bytes(4, "big")) for i in range((len(plain) + 15) // 16))
    sealed = bytes(a ^ b for a, b in zip(plain, stream))
    padded = b"".join(part + bytes(-len(part) % 16) for part in (associated, sealed))
    padded += (8 * len(associated)).to_bytes(8, "big") + (8 * len(sealed)).to_bytes(8, "big")
    total = 0
    for i in range(0, len(padded), 16):
        total = _multiply(total ^ int.from_bytes(padded[i:i + 16], "big"), hash_key)
    tag = total ^ int.from_bytes(_encrypt_block(keys, nonce + (1).to_bytes(4, "big")), "big")
    return sealed + tag.to_bytes(16, "big")


# --- accounts --------------------------------------------------------------------------------------------------------

_keys = {}


def shared_key(name):
    """A key for the whole run: making one takes a while."""
    if name not in _keys:
        _keys[name] = RsaKey()
    return _keys[name]


def write(folder, name, data):
    file = folder / name
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    return f'"{file}"'


def beijing(seconds):
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds + 8 * 3600))


def fen(amount):
    whole, _, cents = amount.partition(".")
    return int(whole) * 100 + int(cents.ljust(2, "0") or 0)


class Gateway:
    """One account. Messages are (headers, body); keyword arguments alter the fields, `...` leaves one out."""

    refusal = 403  # of a bad signature

    def __init__(self, name, folder):
        self.name, self.folder = name, folder / name
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def path(self):
        return f"/api/callbacks/{self.name}"

    def send(self, api, message):
        headers, body = message
        return api.post(self.path, body, headers)

    def is_ack(self, reply):
        return reply.status == 200

    def is_refusal(self, reply, status):
        return reply.status == status and reply["code"] == status

    @staticmethod
    def altered(fields, changes):
        fields = fields | changes
        return {name: value for name, value in fields.items() if value is not ...}


class Alipay(Gateway):
    kind = "alipay"
    identity = [("app_id", "2021999999999999"), ("seller_id", "2088999999999999"), ("seller_id", ...)]

    def __init__(self, name, folder, app_id="2021000000000001"):
        super().__init__(name, folder)
        self.app_id, self.key = app_id, shared_key("alipay")

    def config(self, keys=None):
        files = [write(self.folder, f"alipay{i}.txt", key.bare_public) for i, key in enumerate(keys or [self.key])]
        return (f'[gateway.{self.name}]\nkind = "alipay"\napp_id = "{self.app_id}"\nseller_id = "2088000000000001"\n'
                f'private_key_file = {write(self.folder, "app.pem", shared_key("ours").pem)}\n'
                f'alipay_public_key_files = [{", ".join(files)}]\n')

    @staticmethod
    def new_transaction():
        return f"2023111522001{os.getpid() % 10**6:06d}{next(_numbers):09d}"

    def payment(self, order_id, price="50.00", transaction=None, key=None, paid_at=None, **changes):
        fields = self.altered({
            "notify_time": beijing(time.time()), "notify_type": "trade_status_sync", "notify_id": str(next(_numbers)),
            "charset": "utf-8", "version": "1.0", "sign_type": "RSA2", "auth_app_id": self.app_id, "app_id": self.app_id,
            "seller_id": "2088000000000001", "out_trade_no": order_id.replace("-", ""),
            "trade_no": transaction or self.new_transaction(), "trade_status": "TRADE_SUCCESS", "total_amount": price,
            "receipt_amount": price, "subject": "充值 & 100%+", "passback_params": "",
            "gmt_payment": beijing(time.time() if paid_at is None else paid_at)}, changes)
        text = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name != "sign_type")
        fields["sign"] = (key or self.key).sign(text.encode())
        return {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, urlencode(fields).encode()

    def refund_notices(self, order_id, transaction):
        back = {"refund_fee": "10.00", "gmt_refund": beijing(time.time()) + ".120", "out_biz_no": "r1"}
        yield self.payment(order_id, transaction=transaction, **back)
        for name, value in back.items():  # any one of them is enough
            yield self.payment(order_id, transaction=transaction, **{name: value})
        yield self.payment(order_id, transaction=transaction, trade_status="TRADE_CLOSED", **back)

    def unused(self, order_id):
        return self.payment(order_id, trade_status="WAIT_BUYER_PAY")

    def malformed(self, order_id):
        for amount in ("0.00", "-50.00", "50.000", "5e1", "", ...):
            yield self.payment(order_id, total_amount=amount)
        yield self.payment(order_id, out_trade_no=...)
        yield self.payment(order_id, trade_no=...)

    def is_ack(self, reply):
        return reply.status == 200 and reply.body == b"success"

    def is_refusal(self, reply, status):
        return reply.status == status and reply.body == b"fail"


class Wechat(Gateway):
    kind = "wechat"
    identity = [("mchid", "1900000099"), ("appid", "wx99"), ("mchid", ...), ("appid", ...)]
    api_v3_key = b"recharge-test-api-v3-key-0000001"

    def __init__(self, name, folder, appid="wx0000000000000001"):
        super().__init__(name, folder)
        self.appid, self.key = appid, shared_key("wechat")
        self.serial = "PUB_KEY_ID_0119000000012024111100337000000001"

    def config(self, keys=None):
        listed = ", ".join(f'{{id = "{serial}", file = {write(self.folder, serial + ".pem", key.public_pem)}}}'
                           for serial, key in (keys or {self.serial: self.key}).items())
        return (f'[gateway.{self.name}]\nkind = "wechat"\nmchid = "1900000001"\nappid = "{self.appid}"\nserial_no = "AB12"\n'
                f'private_key_file = {write(self.folder, "merchant.pem", shared_key("ours").pem)}\n'
                f'api_v3_key_file = {write(self.folder, "api_v3.key", self.api_v3_key)}\npublic_keys = [{listed}]\n')

    @staticmethod
    def new_transaction():
        return f"4200001234{os.getpid() % 10**6:06d}{next(_numbers):012d}"

    def payment(self, order_id, price="50.00", transaction=None, key=None, paid_at=None, sent_at=None, serial=None,
                prefix="", event_type="TRANSACTION.SUCCESS", original_type="transaction", headers=None, **changes):
        paid_at = time.time() if paid_at is None else paid_at
        plain = self.altered({
            "mchid": "1900000001", "appid": self.appid, "out_trade_no": order_id.replace("-", ""),
            "transaction_id": transaction or self.new_transaction(), "trade_type": "NATIVE", "trade_state": "SUCCESS",
            "success_time": beijing(paid_at).replace(" ", "T") + "+08:00", "payer": {"openid": "o1"},
            "amount": {"total": fen(price), "payer_total": 1, "currency": "CNY"}}, changes)
        nonce = os.urandom(6).hex()
        sealed = seal(self.api_v3_key, nonce.encode(), json.dumps(plain).encode(), b"transaction")
        body = json.dumps({
            "id": str(next(_numbers)), "create_time": "2026-01-01T00:00:00+08:00", "event_type": event_type,
            "resource_type": "encrypt-resource", "summary": "支付成功", "resource": {
                "original_type": original_type, "algorithm": "AEAD_AES_256_GCM", "associated_data": "transaction",
                "nonce": nonce, "ciphertext": base64.b64encode(sealed).decode()}}, ensure_ascii=False).encode()
        return self.signed(body, key, sent_at, serial, prefix, headers)

    def signed(self, body, key=None, sent_at=None, serial=None, prefix="", headers=None):
        sent_at, nonce = int(time.time() if sent_at is None else sent_at), os.urandom(16).hex()
        signature = (key or self.key).sign(f"{sent_at}\n{nonce}\n".encode() + body + b"\n")
        return {"Content-Type": "application/json", "Wechatpay-Timestamp": str(sent_at), "Wechatpay-Nonce": nonce,
                "Wechatpay-Serial": serial or self.serial, "Wechatpay-Signature": prefix + signature,
                "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048", **(headers or {})}, body

    def refund_notices(self, order_id, transaction):
        yield self.payment(order_id, transaction=transaction, event_type="REFUND.SUCCESS", original_type="refund", appid=...,
                           refund_status="SUCCESS", out_refund_no="r1", trade_state=...)
        yield self.payment(order_id, transaction=transaction, trade_state="REFUND")

    def unused(self, order_id):
        return self.payment(order_id, event_type="PAYSCORE.USER_CONFIRM")

    def malformed(self, order_id):
        for total in (0, -5000, 50.5, "5000", None):
            yield self.payment(order_id, amount={"total": total, "currency": "CNY"})
        yield self.payment(order_id, amount={"total": 5000, "currency": "USD"})
        yield self.payment(order_id, amount={"total": 5000})
        yield self.payment(order_id, trade_state="NOTPAY")
        yield self.payment(order_id, out_trade_no=...)
        yield self.signed(b"{}")

    def is_ack(self, reply):
        return reply.status == 200 and reply.json == {"code": "SUCCESS"}

    def is_refusal(self, reply, status):
        return reply.status == status and reply["code"] == "FAIL" and 0 < len(reply["message"]) <= 64


class Stripe(Gateway):
    kind, refusal = "stripe", 400
    identity = [("livemode", True), ("livemode", ...)]
    secret = "whsec_rechargeTestEndpointSecret01"

    def config(self, secrets=None):
        files = [write(self.folder, f"webhook{i}", secret) for i, secret in enumerate(secrets or [self.secret])]
        return (f'[gateway.{self.name}]\nkind = "stripe"\nsecret_key_file = {write(self.folder, "secret", "sk_test_1")}\n'
                f'webhook_secret_files = [{", ".join(files)}]\n')

    @staticmethod
    def new_transaction():
        return f"pi_{os.getpid()}x{next(_numbers)}"

    def payment(self, order_id, price="50.00", transaction=None, key=None, paid_at=None, sent_at=None, intent=None,
                header=None, **changes):
        paid_at, sent_at = (int(time.time() if at is None else at) for at in (paid_at, sent_at))
        payment = self.altered({
            "id": transaction or self.new_transaction(), "object": "payment_intent", "amount": fen(price),
            "amount_received": fen(price), "currency": "cny", "status": "succeeded", "metadata": {"order_id": order_id},
            "livemode": False}, intent or {})
        event = self.altered({
            "id": f"evt_{next(_numbers)}", "object": "event", "api_version": "2025-09-30", "created": paid_at, "livemode": False,
            "type": "payment_intent.succeeded", "data": {"object": payment}, "request": {"id": None}}, changes)
        body = json.dumps(event, indent=2).encode()
        digest = hmac.new((key or self.secret).encode(), f"{sent_at}.".encode() + body, hashlib.sha256).hexdigest()
        header = (header or "t={t},v1={v1}").format(t=sent_at, v1=digest)
        return {"Content-Type": "application/json", "Stripe-Signature": header}, body

    def refund_notices(self, order_id, transaction):
        yield self.payment(order_id, type="charge.refunded", intent={"object": "charge", "payment_intent": transaction})

    def unused(self, order_id):
        return self.payment(order_id, type="payment_intent.processing")

    def malformed(self, order_id):
        for received in (0, -5000, 50.5, "5000", None):
            yield self.payment(order_id, intent={"amount_received": received})
        for currency in ("usd", "jpy", None, ...):
            yield self.payment(order_id, intent={"currency": currency})
        yield self.payment(order_id, intent={"status": "processing"})
        yield self.payment(order_id, object="v2.core.event")


class Standard(Gateway):
    kind = "standard"
    identity = []
    secret = "whsec_" + base64.b64encode(b"recharge test secret of 32 bytes").decode()

    def config(self, secrets=None):
        text = "\n".join(secrets or [self.secret]) + "\n"
        return f'[gateway.{self.name}]\nkind = "standard"\nsecret_files = [{write(self.folder, "secrets", text)}]\n'

    @staticmethod
    def new_transaction():
        return f"txn-{os.getpid()}-{next(_numbers)}"

    def payment(self, order_id, price="50.00", transaction=None, key=None, paid_at=None, sent_at=None, type="payment.succeeded",
                **changes):
        sent_at = int(time.time() if sent_at is None else sent_at)
        data = self.altered({
            "order_id": order_id, "amount": fen(price), "currency": "CNY", "transaction_id": transaction or self.new_transaction(),
            "paid_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() if paid_at is None else paid_at))}, changes)
        body = json.dumps({"type": type, "timestamp": "2026-01-01T00:00:00Z", "data": data}).encode()
        message_id, secret = f"msg_{next(_numbers)}", base64.b64decode((key or self.secret)[6:])
        digest = hmac.new(secret, f"{message_id}.{sent_at}.".encode() + body, hashlib.sha256).digest()
        return {"Content-Type": "application/json", "webhook-id": message_id, "webhook-timestamp": str(sent_at),
                "webhook-signature": "v1," + base64.b64encode(digest).decode()}, body

    def refund_notices(self, order_id, transaction):
        return iter(())  # this kind has none

    def unused(self, order_id):
        return self.payment(order_id, type="payment.created")

    def malformed(self, order_id):
        for amount in (0, -5000, 50.5, "5000", None):
            yield self.payment(order_id, amount=amount)
        for currency in ("USD", "", None, ...):
            yield self.payment(order_id, currency=currency)
        yield self.payment("", price="50.00")
