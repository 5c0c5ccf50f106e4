"""The gateways' SDKs of npm (tests/gateways) sign callbacks to a running recharged: it takes what they make and accept.

Skipped, with the reason, where there is no npm, or where it cannot fetch them: RECHARGE_SDKS names a folder that has them.
What they made once stands in tests/gateways/vectors.json, and is always tested."""
import json
import os
import subprocess
import time

import pytest

from api import Api, new_account
from gateways import Alipay, Standard, Stripe, Wechat
from npm import npm_folder
from replies import REPOSITORY

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
