"""The gateways' SDKs of npm (tests/gateways) sign callbacks to a running recharged: it takes what they make and accept. And they
verify its own requests in the place of the gateway.

Skipped, with the reason, where there is no npm, or where it cannot fetch them: RECHARGE_SDKS names a folder that has them.
What they made once stands in tests/gateways/vectors.json, and is always tested."""
import json
import os
import subprocess
import sys
import time
from urllib.parse import parse_qsl, urlsplit

import pytest

from api import Api, eventually, expect, new_account
from gateways import Alipay, Standard, Stripe, Wechat, shared_key
from npm import npm_folder
from replies import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "tests" / "gateways"))
from fake_gateway import FakeGateway  # noqa: E402

SOURCES = REPOSITORY / "tests" / "gateways"
UNKNOWN = "0190a1b2-c3d4-7e5f-8a6b-0123456789ab"


def sdk_folder():
    """A folder with the SDKs in it; fetched once, as package-lock.json has them."""
    if os.environ.get("RECHARGE_SDKS"):
        return os.environ["RECHARGE_SDKS"]
    return npm_folder(SOURCES, "gateway-sdks", "the gateways' SDKs")


class Signer:
    def __init__(self):
        self.process = subprocess.Popen(["node", str(SOURCES / "sign_lines.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=os.environ | {"RECHARGE_SDKS": sdk_folder()})

    def __call__(self, maker, **request):
        self.process.stdin.write(json.dumps({"maker": maker, **request}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def message(self, maker, **request):
        answer = self(maker, **request)
        return (dict(answer["headers"]), answer["body"].encode()), answer["sdk"]

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def sdk():
    signer = Signer()
    yield signer
    signer.close()


class SdkKey:
    """A key pair made by node, in the place of one of gateways.py."""

    def __init__(self, sdk):
        self.pair = sdk("rsaKeyPair")
        self.bare_public = self.pair["publicKey"].encode()
        self.public_pem = self.bare_public  # without armour is good enough


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sdks")


@pytest.fixture(scope="module")
def accounts(sdk, folder):
    made = {kind.kind: kind(kind.kind, folder) for kind in (Alipay, Wechat, Stripe, Standard)}
    made["alipay"].key, made["wechat"].key = SdkKey(sdk), SdkKey(sdk)
    return made


@pytest.fixture(scope="module")
def api(start_module_server, accounts):
    daemon = start_module_server("".join(account.config() for account in accounts.values()))
    client = Api(daemon.address)
    yield client
    client.close()


def alipay(sdk, account, order_id, options=None, **changes):
    fields = {"app_id": account.app_id, "seller_id": "2088000000000001", "out_trade_no": order_id.replace("-", ""),
              "trade_no": account.new_transaction(), "trade_status": "TRADE_SUCCESS", "total_amount": "50.00",
              "notify_type": "trade_status_sync", "subject": "充值 100%+&x=1", "passback_params": "", "charset": "utf-8"} | changes
    return sdk.message("alipay", fields=fields, options=options or {}, **account.key.pair)


def wechat(sdk, account, order_id, options=None, age=0, **changes):
    transaction = {"mchid": "1900000001", "appid": account.appid, "out_trade_no": order_id.replace("-", ""),
                   "transaction_id": account.new_transaction(), "trade_state": "SUCCESS", "trade_state_desc": "支付成功",
                   "amount": {"total": 5000, "payer_total": 5000, "currency": "CNY"}} | changes
    now = int(time.time())
    return sdk.message("wechat", transaction=transaction, serial=account.serial, apiV3Key=account.api_v3_key.decode(),
                       timestamp=now - age, now=now, options=options or {}, **account.key.pair)


def stripe(sdk, account, order_id, options=None, age=0, **changes):
    now = int(time.time())
    intent = {"id": account.new_transaction(), "object": "payment_intent", "amount": 5000, "amount_received": 5000,
              "currency": "cny", "status": "succeeded", "metadata": {"order_id": order_id}} | changes
    event = {"id": "evt_1", "object": "event", "created": now, "livemode": False, "type": "payment_intent.succeeded",
             "data": {"object": intent}}
    return sdk.message("stripe", event=event, secrets=[account.secret], timestamp=now - age, now=now, options=options or {})


def standard(sdk, account, order_id, options=None, age=0, **changes):
    data = {"order_id": order_id, "amount": 5000, "currency": "CNY"} | changes
    return sdk.message("standard", message={"type": "payment.succeeded", "timestamp": "2026-01-01T00:00:00Z", "data": data},
                       secrets=[account.secret], id=account.new_transaction(), timestamp=int(time.time()) - age,
                       options=options or {})


MAKERS = {"alipay": alipay, "wechat": wechat, "stripe": stripe, "standard": standard}


@pytest.mark.parametrize("kind", MAKERS)
def test_what_an_sdk_signs_and_accepts_is_credited_once(sdk, api, accounts, kind):
    account, user = accounts[kind], new_account()
    order_id = api.place(user, gateway=kind)
    message, accepted = MAKERS[kind](sdk, account, order_id)
    assert accepted is True
    for _ in range(2):
        assert account.is_ack(account.send(api, message))
    assert api.status(order_id) == "recharged"
    assert [entry["amount"] for entry in api.assert_books(user)] == [50]


@pytest.mark.parametrize("kind", MAKERS)
def test_what_an_sdk_refuses_is_refused(sdk, api, accounts, kind):
    account, order_id = accounts[kind], api.place()
    refused = {
        "alipay": [({"text": "another=text"}, {})],
        "wechat": [({"flip_tag": True}, {}), ({}, {"age": 301}), ({"prefix": "WECHATPAY/SIGNTEST/"}, {})],
        "stripe": [({"header": "t=1,v1=00"}, {}), ({}, {"age": 301})],
        "standard": [({}, {"age": 301})],
    }[kind]
    for options, more in refused:
        message, accepted = MAKERS[kind](sdk, account, order_id, options, **more)
        assert accepted is False
        reply = account.send(api, message)
        assert reply.status in (400, 403) and account.is_refusal(reply, reply.status), (options, reply)
    api.assert_untouched(order_id)


def test_where_an_sdk_is_too_lenient_the_stricter_rule_holds(sdk, api, accounts):
    order_id = api.place()
    for kind, options, more in (("alipay", {"algorithm": "RSA-SHA1", "sign_type": "RSA"}, {}),
                                ("alipay", {"extra": "&total_amount=50.00"}, {}),
                                ("wechat", {}, {"age": 300}), ("stripe", {}, {"age": -310})):
        account = accounts[kind]
        message, accepted = MAKERS[kind](sdk, account, order_id, options, **more)
        assert accepted is True, (kind, options)
        reply = account.send(api, message)
        assert reply.status in (400, 403) and account.is_refusal(reply, reply.status), (kind, options, reply)
    api.assert_untouched(order_id)


@pytest.mark.parametrize("kind", MAKERS)
def test_an_unknown_order_and_another_amount(sdk, api, accounts, kind):
    account = accounts[kind]
    message, _ = MAKERS[kind](sdk, account, UNKNOWN)
    assert account.is_refusal(account.send(api, message), 404)
    order_id = api.place(amount="60.00")
    message, _ = MAKERS[kind](sdk, account, order_id)
    assert account.is_ack(account.send(api, message))
    assert [entry["kind"] for entry in api.exceptions(order_id)] == ["amount_mismatch"]


# --- requests of recharged -------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def fakes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("called")
    made = {kind.kind: FakeGateway(kind(kind.kind, folder)) for kind in (Alipay, Wechat, Stripe)}
    yield made
    for fake in made.values():
        fake.close()


def whole_life(daemon, fake):
    """A payment started, found by asking, refunded, and one that is closed; the requests that were made for them."""
    api, fake.refund_state = Api(daemon.address), "pending"
    order_id = api.place(amount="50.00")
    expect(api.post("/api/pay", {"order_id": order_id, "gateway": fake.kind}), 200)
    transaction = fake.pay(order_id)
    assert fake.account.is_ack(fake.account.send(api, fake.account.payment(order_id, "50.00", transaction)))
    expect(api.refund(order_id, "r-1", 20.0), 200)
    eventually(lambda: fake.count("query_refund"), within=10)
    closed = api.place(amount="0.01")
    expect(api.post("/api/pay", {"order_id": closed, "gateway": fake.kind}), 200)
    expect(api.close_order(closed), 200)
    eventually(lambda: fake.count("close") and fake.count("query"), within=10)
    api.close()
    fake.check()
    return list(zip((call for call, _ in fake.calls), fake.requests))


def altered(text):
    return ("0" if text[0] != "0" else "1") + text[1:]


@pytest.fixture(scope="module")
def called(start_module_server, fakes):
    return start_module_server("".join(fake.config() for fake in fakes.values()))


def test_alipays_sdk_verifies_every_request(sdk, called, fakes):
    key = shared_key("ours").bare_public.decode()
    seen = set()
    for call, (_, path, _, body) in whole_life(called, fakes["alipay"]):
        fields = dict(parse_qsl(urlsplit(path).query, keep_blank_values=True) + parse_qsl(body.decode(), keep_blank_values=True))
        assert sdk("alipayTakes", fields=fields, publicKey=key)["sdk"] is True, (call, fields)
        for name in ("biz_content", "app_id", "method", "timestamp", "sign_type"):
            bent = fields | {name: altered(fields[name]) if name != "sign_type" else "RSA"}
            assert sdk("alipayTakes", fields=bent, publicKey=key)["sdk"] is False, name
        seen.add(call)
    assert seen == {"start", "query", "close", "refund", "query_refund"}


def test_wechats_sdk_verifies_every_request(sdk, called, fakes):
    key = shared_key("ours").bare_public.decode()
    seen = set()
    for call, (method, path, headers, body) in whole_life(called, fakes["wechat"]):
        request = {"method": method, "uri": path, "body": body.decode(), "authorization": headers["Authorization"], "publicKey": key}
        answer = sdk("wechatTakes", **request)
        assert answer["sdk"] is True, (call, request)
        for bent in ({"uri": path + "x"}, {"body": body.decode() + " "}, {"method": "PUT"}):
            assert sdk("wechatTakes", **(request | bent))["sdk"] is False, bent
        scheme, _, values = answer["authorization"].partition(" ")
        assert headers["Authorization"].partition(" ")[0] == scheme
        assert set(headers["Authorization"].partition(" ")[2].split(",")) == set(values.split(","))
        seen.add(call)
    assert seen == {"start", "query", "close", "refund", "query_refund"}


def test_stripes_sdk_would_send_the_same(sdk, called, fakes):
    """Stripe's requests are not signed. The SDK of npm makes the same call at the same gateway: path, fields and key are alike."""
    fake = fakes["stripe"]
    made, sent, expected = {}, {}, {}
    for call, request in whole_life(called, fake):
        made.setdefault(call, request)  # the first of each
    order_id = dict(parse_qsl(made["start"][3].decode()))["metadata[order_id]"]
    intent = fake.payments[order_id.replace("-", "")]["transaction"]
    refund = dict(parse_qsl(made["refund"][3].decode()))["metadata[refund]"]
    expected["start"] = ("paymentIntents.create", [{"amount": 5000, "currency": "cny", "metadata": {"order_id": order_id},
                                                    "automatic_payment_methods": {"enabled": True}}], {"idempotencyKey": f"pi-{order_id}"})
    expected["refund"] = ("refunds.create", [{"payment_intent": intent, "amount": 2000, "metadata": {"refund": refund}}],
                          {"idempotencyKey": f"rf-{refund}"})
    expected["query_refund"] = ("refunds.list", [{"payment_intent": intent, "limit": 100}], {})
    for call in ("query", "close"):
        name = made[call][1].strip("/").split("/")[2]
        expected[call] = ("paymentIntents.retrieve" if call == "query" else "paymentIntents.cancel", [name], {})
    for call, (name, argument, options) in expected.items():
        begin = len(fake.requests)
        answer = sdk("stripeSends", url=fake.url, secret="sk_test_1", call=name, argument=argument, options=options)
        assert len(fake.requests) == begin + 1, (call, answer)
        sent[call] = fake.requests[begin]
    for call in expected:
        (method, path, headers, body), (sdk_method, sdk_path, sdk_headers, sdk_body) = made[call], sent[call]
        assert (method, urlsplit(path).path) == (sdk_method, urlsplit(sdk_path).path), call
        assert sorted(parse_qsl(urlsplit(path).query)) == sorted(parse_qsl(urlsplit(sdk_path).query)), call
        fields = [(k, v) for k, v in parse_qsl(body.decode()) if k != "description"]
        assert sorted(fields) == sorted(parse_qsl(sdk_body.decode())), call
        assert headers["Authorization"] == sdk_headers["Authorization"], call
        if options := expected[call][2]:
            assert headers["Idempotency-Key"] == sdk_headers["Idempotency-Key"] == options["idempotencyKey"], call
    assert set(made) == set(expected)
