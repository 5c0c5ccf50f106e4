"""Standard Webhooks at POST /api/payment_callback, and several secrets at once.

Source: the Standard Webhooks specification, standardwebhooks.com.
"""
import base64
import hashlib
import time

import pytest

import signing
from api import Api, at_second_start, expect, new_account, new_transaction
from signing import Raw, callback_fields, object_text, signed_body, webhook_headers
from wire import Wire, request_bytes

PATH = "/api/payment_callback"
SECOND_SECRET = "second secret, being rotated in"
WHSEC = "whsec_" + base64.b64encode(b"standard webhooks key of 32 byte").decode()
SEED = hashlib.sha256(b"seed of the tests").digest()
WHPK = "whpk_" + base64.b64encode(signing.ed25519_public_key(SEED)).decode()


@pytest.fixture(scope="module")
def rotating(start_module_server):
    """Four active secrets: two texts, one of Standard Webhooks' symmetric form, one of its public keys."""
    return start_module_server(f"""[callback]
secrets = [{{id = "old", secret = "{signing.VECTOR_SECRET}"}}, {{id = "new", secret = "{SECOND_SECRET}"}},
           {{id = "hook", secret = "{WHSEC}"}}, {{id = "public", secret = "{WHPK}"}}]
""", secrets=False)


@pytest.fixture
def rotated(rotating):
    client = Api(rotating.address)
    yield client
    client.close()


# --- rotation --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("secret, key_id", [(signing.VECTOR_SECRET, "old"), (SECOND_SECRET, "new"), (WHSEC, "hook")])
def test_every_active_secret_verifies(rotated, secret, key_id):
    """A whsec_ secret is plain text for the field signature."""
    order_id = rotated.place()
    expect(rotated.callback(order_id, secret=secret), 200, msg="Recharge succeeded")
    steps = rotated.get(f"/api/orders/{order_id}/explain")["steps"]
    assert [s["evidence"]["key_id"] for s in steps if (s["evidence"] or {}).get("key_id")] == [key_id]


def test_public_key_is_no_secret(rotated):
    """Whoever knows the public key must not be able to sign with it as text."""
    order_id = rotated.place()
    expect(rotated.callback(order_id, secret=WHPK), 403, error="invalid_signature")
    body = object_text(callback_fields(order_id)).encode()
    expect(rotated.post(PATH, body, webhook_headers(body, WHPK)), 403, error="invalid_signature")
    public = "whsec_" + WHPK[5:]
    expect(rotated.post(PATH, body, webhook_headers(body, public)), 403, error="invalid_signature")
    rotated.assert_untouched(order_id)


# --- Standard Webhooks -----------------------------------------------------------------------------------------------

def plain_body(order_id, **fields):
    return object_text(callback_fields(order_id, **({"transaction_id": new_transaction()} | fields))).encode()


def v1(*secrets):
    return lambda body: webhook_headers(body, *secrets)


def v1a(body, seed=SEED, prefix="", timestamp=None):
    timestamp = int(time.time()) if timestamp is None else timestamp
    signature = prefix + signing.webhook_v1a(body, seed, "msg_1", timestamp)
    return webhook_headers(body, signature=signature, timestamp=timestamp)


@pytest.mark.parametrize("headers", [
    pytest.param(v1(WHSEC), id="v1 whsec"),
    pytest.param(v1(signing.VECTOR_SECRET), id="v1 secret as text"),
    pytest.param(v1(SECOND_SECRET), id="v1 second secret"),
    pytest.param(v1("unknown", WHSEC), id="second of two signatures"),
    pytest.param(v1(WHSEC, "unknown"), id="first of two signatures"),
    pytest.param(v1a, id="v1a"),
    pytest.param(lambda body: v1a(body, prefix="v1,AAAA v9,future "), id="v1a after others"),
    pytest.param(lambda body: {k.title(): v for k, v in webhook_headers(body, WHSEC).items()}, id="header case"),
    pytest.param(lambda body: webhook_headers(body, WHSEC, message_id="m" * 100), id="long id"),
])
def test_standard_webhooks(rotated, headers):
    account = new_account()
    order_id = rotated.place(account)
    body = plain_body(order_id)
    expect(rotated.post(PATH, body, headers(body)), 200, msg="Recharge succeeded")
    expect(rotated.post(PATH, body, headers(body)), 200, msg="Already processed")
    assert rotated.balance(account) == 50


def changed(**changes):
    def make(body):
        headers = webhook_headers(body, WHSEC)
        for name, value in changes.items():
            name = "webhook-" + name
            if value is None:
                del headers[name]
            else:
                headers[name] = value(headers[name]) if callable(value) else value
        return headers
    return make


@pytest.mark.parametrize("headers", [
    pytest.param(changed(id=None), id="no id"),
    pytest.param(changed(timestamp=None), id="no timestamp"),
    pytest.param(changed(signature=None), id="no signature"),
    pytest.param(changed(id=None, timestamp=None), id="signature alone"),
    pytest.param(changed(signature=None, timestamp=None), id="id alone"),
    pytest.param(changed(id="msg_2"), id="another id"),
    pytest.param(changed(timestamp=lambda text: str(int(text) + 1)), id="another timestamp"),
    pytest.param(changed(signature=lambda text: text.replace("v1,", "v2,")), id="another version"),
    pytest.param(changed(signature=lambda text: text[3:]), id="no version"),
    pytest.param(changed(signature=lambda text: text.rstrip("=")), id="no padding"),
    pytest.param(changed(signature="v1,"), id="empty signature"),
    pytest.param(changed(signature="v1,!!!!"), id="not base64"),
    pytest.param(changed(signature=lambda text: text[:3] + base64.b64encode(bytes(32)).decode()), id="zeros"),
    pytest.param(changed(signature=lambda text: text[:3] + base64.b64encode(base64.b64decode(text[3:])[:31]).decode()),
                 id="cut"),
    pytest.param(v1("unknown"), id="unknown secret"),
    pytest.param(lambda body: webhook_headers(body + b" ", WHSEC), id="another body"),
    pytest.param(lambda body: v1a(body, seed=bytes(32)), id="v1a by another key"),
    pytest.param(lambda body: webhook_headers(body, signature=signing.webhook_v1a(
        body, SEED, "msg_1", int(time.time())).replace("v1a,", "v1,")), id="v1a called v1"),
    pytest.param(lambda body: webhook_headers(body, WHSEC, message_id="a.b", timestamp=int(time.time())) | {
        "webhook-id": "a"}, id="id cut at a dot"),
])
def test_standard_webhooks_refused(rotated, headers):
    order_id = rotated.place()
    body = plain_body(order_id)
    expect(rotated.post(PATH, body, headers(body)), 403, error="invalid_signature")
    rotated.assert_untouched(order_id)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_any_webhook_header_asks_for_all_even_beside_a_field_signature(rotated, name):
    order_id = rotated.place()
    body = signed_body(callback_fields(order_id))
    headers = {name: webhook_headers(body, WHSEC)[name]}
    expect(rotated.post(PATH, body, headers), 403, error="invalid_signature")
    rotated.assert_untouched(order_id)


def test_both_schemes_must_hold(rotated):
    order_id = rotated.place()
    good = signed_body(callback_fields(order_id, "both-1"))
    bad_field = object_text(callback_fields(order_id, "both-1") + [("signature", "0" * 64)]).encode()
    expect(rotated.post(PATH, bad_field, webhook_headers(bad_field, WHSEC)), 403, error="invalid_signature")
    expect(rotated.post(PATH, good, webhook_headers(good, "unknown")), 403, error="invalid_signature")
    rotated.assert_untouched(order_id)
    expect(rotated.post(PATH, good, webhook_headers(good, WHSEC)), 200, msg="Recharge succeeded")


def test_repeated_webhook_header(rotating, rotated):
    order_id = rotated.place()
    body = plain_body(order_id)
    headers = webhook_headers(body, WHSEC)
    request = request_bytes("POST", PATH, body, headers)
    request = request.replace(b"webhook-id: msg_1\r\n", b"webhook-id: msg_0\r\nwebhook-id: msg_1\r\n")
    with Wire(rotating.address) as connection:
        connection.send(request)
        assert connection.read_reply("POST", PATH).status in (400, 403)
    rotated.assert_untouched(order_id)


def test_body_timestamp_is_optional_under_standard_webhooks(rotated):
    order_id = rotated.place()
    body = plain_body(order_id, timestamp=...)
    expect(rotated.post(PATH, body, webhook_headers(body, WHSEC)), 200, msg="Recharge succeeded")


def test_body_timestamp_must_be_well_formed_under_standard_webhooks(rotated):
    order_id = rotated.place()
    for timestamp in ("1700000000", Raw("1.5"), True):
        body = plain_body(order_id, timestamp=timestamp)
        reply = expect(rotated.post(PATH, body, webhook_headers(body, WHSEC)), 400, error="invalid_request")
        assert "timestamp" in reply["msg"]
    rotated.assert_untouched(order_id)


@pytest.mark.parametrize("offset, fresh", [(-300, True), (-301, False), (300, True), (302, False)])
def test_webhook_timestamp_tolerance(rotated, offset, fresh):
    order_id = rotated.place()
    body = plain_body(order_id, timestamp=...)
    headers = webhook_headers(body, WHSEC, timestamp=at_second_start() + offset)
    reply = rotated.post(PATH, body, headers)
    expect(reply, 200, msg="Recharge succeeded") if fresh else expect(reply, 403, error="stale_signature")


def test_ampersand_and_equals_are_fine_under_standard_webhooks(rotated):
    order_id = rotated.place()
    body = plain_body(order_id, **{"a=b": "1", "c&d": "e&f=g"})
    expect(rotated.post(PATH, body, webhook_headers(body, WHSEC)), 200, msg="Recharge succeeded")


@pytest.mark.parametrize("value", ["{}", '{"a":1}', "[]", "[1,2]"])
def test_nested_values_are_refused_under_standard_webhooks_too(rotated, value):
    order_id = rotated.place()
    body = plain_body(order_id, x=Raw(value))
    expect(rotated.post(PATH, body, webhook_headers(body, WHSEC)), 400, error="invalid_request")
    rotated.assert_untouched(order_id)


def chunked(body, headers=""):
    return (f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n{headers}\r\n"
            f"{len(body):x}\r\n").encode() + body + b"\r\n0\r\n"


def test_trailer_cannot_pose_as_a_signature(rotating, rotated):
    order_id = rotated.place()
    body = plain_body(order_id)
    trailers = "".join(f"{name}: {value}\r\n" for name, value in webhook_headers(body, WHSEC).items())
    with Wire(rotating.address) as connection:
        connection.send_tolerant(chunked(body) + trailers.encode() + b"\r\n")
        assert connection.read_reply("POST", PATH).status in (400, 411)
    rotated.assert_untouched(order_id)
