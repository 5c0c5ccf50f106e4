"""POST /api/payment_callback: signatures in both schemes, the order of checks, and what each failure answers."""
import base64
import hashlib
import os
import time

import pytest

import signing
from api import Api, expect, new_account, new_transaction
from signing import Raw, Text, callback_fields, canonical, field_signature, object_text, signed_body, webhook_headers
from wire import Wire, request_bytes

PATH = "/api/payment_callback"
SECOND_SECRET = "second secret, being rotated in"
WHSEC = "whsec_" + base64.b64encode(b"standard webhooks key of 32 byte").decode()
SEED = hashlib.sha256(b"seed of the tests").digest()
WHPK = "whpk_" + base64.b64encode(signing.ed25519_public_key(SEED)).decode()
UNKNOWN = "0190a1b2-c3d4-7e5f-8a6b-0123456789ab"


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


def assert_untouched(api, order_id):
    order = api.order(order_id)
    assert order["status"] == "pending" and order["transaction_id"] is None
    assert len(api.get(f"/api/orders/{order_id}/explain")["steps"]) == 1
    assert api.exceptions(order_id) == []


# --- field signature: what is signed ---------------------------------------------------------------------------------

@pytest.mark.parametrize("fields", [
    pytest.param({}, id="the five fields"),
    pytest.param({"amount": "50.0"}, id="number text 50.0"),
    pytest.param({"amount": "50"}, id="number text 50"),
    pytest.param({"amount": Text("50.00")}, id="amount as a string"),
    pytest.param({"channel": "wechat", "Z": "upper case sorts first", "_": "x"}, id="other fields are signed too"),
    pytest.param({"ratio": Raw("1.50e+3"), "n": Raw("-0")}, id="number text as sent"),
    pytest.param({"yes": True, "no": False}, id="booleans"),
    pytest.param({"nothing": None, "empty": ""}, id="null and empty left out"),
    pytest.param({"note": "a=b=c"}, id="equals sign in a value"),
    pytest.param({"name": "张伟", "ключ": "значение", "é": "😀"}, id="unicode"),
    pytest.param({"space": "  two  ", "tab": "a\tb", "quote": "\"\\/\n"}, id="escapes and spaces"),
    pytest.param({"transaction_id": "T x!~ 'quoted' #1"}, id="printable transaction id"),
    pytest.param({"zero": Raw("0"), "big": Raw("123456789012345678901234567890")}, id="large numbers"),
])
def test_signed_and_credited(api, fields):
    account, order_id = new_account(), None
    order_id = api.place(account)
    fields = callback_fields(order_id, **({"transaction_id": new_transaction()} | fields))
    expect(api.post(PATH, signed_body(fields)), 200, msg="Recharge succeeded")
    assert api.balance(account) == 50


def body_with(order_id, sent, text, **fields):
    """A body whose field x is sent as `sent` and signed as `text`."""
    fields = callback_fields(order_id, new_transaction(), **fields)
    signature = field_signature(canonical(fields + ([("x", text)] if text is not None else [])), signing.VECTOR_SECRET)
    return object_text(fields + [("x", Raw(sent)), ("signature", signature)])


@pytest.mark.parametrize("sent, text", [
    pytest.param(r'"caf\u00e9"', "café", id="escaped letter"),
    pytest.param(r'"\ud83d\ude00"', "😀", id="surrogate pair"),
    pytest.param(r'"a\/b"', "a/b", id="escaped slash"),
    pytest.param(r'"\u0041"', "A", id="escaped ASCII"),
    pytest.param('""', None, id="empty is left out"),
    pytest.param("null", None, id="null is left out"),
    pytest.param("1.0", "1.0", id="one point zero"),
    pytest.param("1E2", "1E2", id="exponent"),
])
def test_value_is_signed_as_its_text(api, sent, text):
    order_id = api.place()
    expect(api.post(PATH, body_with(order_id, sent, text)), 200, msg="Recharge succeeded")


@pytest.mark.parametrize("sent, text", [
    pytest.param("1.0", "1", id="number normalised"),
    pytest.param(r'"\u0041"', r"\u0041", id="escape not undone"),
    pytest.param("null", "null", id="null as text"),
    pytest.param("true", "1", id="boolean as a number"),
])
def test_value_signed_otherwise_is_refused(api, sent, text):
    order_id = api.place()
    expect(api.post(PATH, body_with(order_id, sent, text)), 403, error="invalid_signature")
    assert_untouched(api, order_id)


def test_member_order_and_white_space_do_not_matter(api):
    order_id = api.place()
    fields = callback_fields(order_id)
    signature = field_signature(canonical(fields), signing.VECTOR_SECRET)
    members = [("signature", signature)] + fields[::-1]
    body = "\r\n { " + " ,\n\t ".join(f'"{n}" : {signing.json_text(v)}' for n, v in members) + " } \n"
    expect(api.post(PATH, body), 200, msg="Recharge succeeded")


def test_escaped_member_name(api):
    order_id = api.place()
    body = signed_body(callback_fields(order_id)).replace(b'"amount"', rb'"\u0061mount"')
    expect(api.post(PATH, body), 200, msg="Recharge succeeded")


# --- field signature: refusals ---------------------------------------------------------------------------------------

def forged(change):
    def make(order_id):
        fields = callback_fields(order_id)
        return change(fields, field_signature(canonical(fields), signing.VECTOR_SECRET))
    return make


def with_signature(fields, signature):
    return object_text(fields + [("signature", signature)])


@pytest.mark.parametrize("make", [
    pytest.param(forged(lambda f, s: object_text(f)), id="none"),
    pytest.param(forged(lambda f, s: with_signature(f, "")), id="empty"),
    pytest.param(forged(lambda f, s: with_signature(f, s.upper())), id="upper case"),
    pytest.param(forged(lambda f, s: with_signature(f, s[:-1])), id="cut"),
    pytest.param(forged(lambda f, s: with_signature(f, s + "00")), id="longer"),
    pytest.param(forged(lambda f, s: with_signature(f, s + " ")), id="trailing space"),
    pytest.param(forged(lambda f, s: with_signature(f, "0" * 64)), id="zeros"),
    pytest.param(forged(lambda f, s: with_signature(f, "g" * 64)), id="not hex"),
    pytest.param(forged(lambda f, s: with_signature(f, ("1" if s[0] != "1" else "2") + s[1:])), id="first digit"),
    pytest.param(forged(lambda f, s: with_signature(f, s[:-1] + ("1" if s[-1] != "1" else "2"))), id="last digit"),
    pytest.param(forged(lambda f, s: with_signature(f, base64.b64encode(bytes.fromhex(s)).decode())), id="base64"),
    pytest.param(forged(lambda f, s: signed_body(f, "another secret")), id="another secret"),
    pytest.param(forged(lambda f, s: signed_body(f, "")), id="empty secret"),
    pytest.param(forged(lambda f, s: signed_body(f, signing.VECTOR_SECRET + "\n")), id="secret with a newline"),
    pytest.param(forged(lambda f, s: with_signature(f, field_signature(
        canonical(f), bytes.fromhex(signing.VECTOR_SECRET).decode("latin-1")))), id="secret decoded from hex"),
    pytest.param(forged(lambda f, s: with_signature(f + [("more", "1")], s)), id="field added"),
    pytest.param(forged(lambda f, s: with_signature(f[:-1], s)), id="field dropped"),
    pytest.param(forged(lambda f, s: with_signature([(n, Raw("50.0") if n == "amount" else v) for n, v in f], s)),
                 id="number text changed"),
    pytest.param(forged(lambda f, s: with_signature([(n, "success2" if n == "status" else v) for n, v in f], s)),
                 id="status changed"),
    pytest.param(forged(lambda f, s: with_signature([(n, "fail" if n == "status" else v) for n, v in f], s)),
                 id="success made fail"),
])
def test_forged_signature(api, make):
    order_id = api.place()
    expect(api.post(PATH, make(order_id)), 403, error="invalid_signature", msg="Invalid signature")
    assert_untouched(api, order_id)


@pytest.mark.parametrize("value", ["5", "true", "[]", "{}"])
def test_signature_that_is_no_string(api, value):
    order_id = api.place()
    body = object_text(callback_fields(order_id) + [("signature", Raw(value))])
    reply = expect(api.post(PATH, body), 400, error="invalid_request")
    if value in ("5", "true"):
        assert "signature" in reply["msg"]
    assert_untouched(api, order_id)


def test_null_signature(api):
    order_id = api.place()
    assert api.post(PATH, with_signature(callback_fields(order_id), None)).status in (400, 403)
    assert_untouched(api, order_id)


@pytest.mark.parametrize("extra", [
    pytest.param([("x", Raw("{}"))], id="empty object"),
    pytest.param([("x", Raw('{"a":1}'))], id="object"),
    pytest.param([("x", Raw("[]"))], id="empty array"),
    pytest.param([("x", Raw("[1]"))], id="array"),
    pytest.param([("a&b", "1")], id="ampersand in a name"),
    pytest.param([("a=b", "1")], id="equals in a name"),
    pytest.param([("x", "a&b")], id="ampersand in a value"),
    pytest.param([("x", Raw(r'"a\u0026b"'))], id="escaped ampersand in a value"),
    pytest.param([(r"x", Raw('"1","x":"1"'))], id="duplicate name"),
    pytest.param([(r"ab", Raw(r'"1","a\u0062":"1"'))], id="duplicate name, one escaped"),
    pytest.param([("x", Raw(r'"\ud800"'))], id="lone high surrogate"),
    pytest.param([("x", Raw(r'"\udc00x"'))], id="lone low surrogate"),
    pytest.param([("x", Raw(r'"\x41"'))], id="unknown escape"),
    pytest.param([("x", Raw('"\x01"'))], id="bare control character"),
    pytest.param([("x", Raw("01"))], id="leading zero"),
    pytest.param([("x", Raw("1."))], id="bare point"),
    pytest.param([("x", Raw("NaN"))], id="NaN"),
    pytest.param([("x", Raw("+1"))], id="plus"),
    pytest.param([("x", Raw("1,"))], id="trailing comma"),
    pytest.param([("x", Raw("'a'"))], id="single quotes"),
    pytest.param([("x", Raw("1} {"))], id="second object"),
])
def test_what_no_signature_can_cover(api, extra):
    """Refused however it is signed: the signature is over the text as far as it can be formed."""
    order_id = api.place()
    fields = callback_fields(order_id) + extra
    expect(api.post(PATH, signed_body(fields)), 400, error="invalid_request")
    assert_untouched(api, order_id)


@pytest.mark.parametrize("name", ["order_id", "amount", "status", "signature"])
def test_duplicated_fields_of_the_protocol(api, name):
    order_id = api.place()
    body = signed_body(callback_fields(order_id)).decode()
    value = "1" if name == "amount" else '"x"'
    for again in (name, "\\u%04x" % ord(name[0]) + name[1:]):
        expect(api.post(PATH, f'{{"{again}":{value},{body[1:]}'), 400, error="invalid_request")
        expect(api.post(PATH, f'{body[:-1]},"{again}":{value}}}'), 400, error="invalid_request")
    assert_untouched(api, order_id)


@pytest.mark.parametrize("body", [
    pytest.param(b"", id="empty"), pytest.param(b"null", id="null"), pytest.param(b"[]", id="array"),
    pytest.param(b'"text"', id="string"), pytest.param(b"{", id="cut"), pytest.param(b"{}x", id="trailing bytes"),
    pytest.param(b"{}{}", id="two objects"), pytest.param(b"{}\x00", id="trailing NUL"),
    pytest.param(b'{"a":"\xff"}', id="invalid UTF-8"), pytest.param(b"\xef\xbb\xbf{}", id="byte order mark"),
    pytest.param(b'{"a":"\xed\xa0\x80"}', id="encoded surrogate"), pytest.param(b'{"a":"\xc0\xaf"}', id="overlong UTF-8"),
    pytest.param(b"[" * 30000, id="deep arrays"), pytest.param(b'{"a":' * 10000, id="deep objects"),
    pytest.param(b"amount=50&status=success", id="form"),
])
def test_not_a_json_object(api, body):
    expect(api.post(PATH, body), 400, error="invalid_request")


# --- required and malformed fields -----------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["order_id", "transaction_id", "amount", "status", "timestamp"])
@pytest.mark.parametrize("value", [pytest.param(..., id="missing"), pytest.param(None, id="null"),
                                   pytest.param("", id="empty")])
def test_required_field(api, name, value):
    order_id = api.place()
    fields = [(n, v) for n, v in callback_fields(order_id) if n != name] + ([] if value is ... else [(name, value)])
    reply = expect(api.post(PATH, signed_body(fields)), 400)
    assert reply["error"] in ("invalid_request", "invalid_amount") and name in reply["msg"].lower()
    assert_untouched(api, order_id)


@pytest.mark.parametrize("field, value", [
    ("order_id", Raw("5")), ("order_id", True), ("transaction_id", Raw("5")), ("transaction_id", "x" * 65),
    ("transaction_id", "tränsaction"), ("transaction_id", "a\nb"), ("status", "SUCCESS"), ("status", "paid"),
    ("status", Raw("1")), ("timestamp", "1700000000"), ("timestamp", Raw("1700000000.5")),
    ("timestamp", Raw("1e9")), ("timestamp", Raw("99999999999999999999")), ("timestamp", True), ("paid_at", "yesterday"),
    ("paid_at", "2026-11-22"), ("paid_at", "2026-11-22T10:00:00"), ("paid_at", "2026-13-01T00:00:00Z"),
    ("paid_at", "2026-02-30T00:00:00Z"), ("paid_at", Raw("1.5")), ("paid_at", True)])
def test_malformed_field(api, field, value):
    order_id = api.place()
    fields = [(n, v) for n, v in callback_fields(order_id) if n != field] + [(field, value)]
    reply = expect(api.post(PATH, signed_body(fields)), 400, error="invalid_request")
    assert field in reply["msg"]
    assert_untouched(api, order_id)


@pytest.mark.parametrize("amount", ["0", "0.00", "-50.00", "50.000", "5e1", "1e308", "-0", '"050"', '"+50"', '" 50"',
                                    '"50 "', '"5,0"', '"50."', '".5"', '"NaN"', "true", "9" * 30, "92233720368547758.08"])
def test_malformed_amount(api, amount):
    order_id = api.place()
    sent = Text(amount.strip('"')) if amount.startswith('"') else Raw(amount)
    reply = expect(api.callback(order_id, amount=True if amount == "true" else sent), 400, error="invalid_amount")
    assert "amount" in reply["msg"].lower()
    assert_untouched(api, order_id)


def test_max_amount_does_not_apply(api):
    order_id = api.place()
    expect(api.callback(order_id, amount="2000000.00"), 200, exception="amount_mismatch")


@pytest.mark.parametrize("amount", ["0.01", "49.99", "1000000.00"])
def test_amount_of_a_fail_is_not_compared(api, amount):
    order_id = api.place()
    expect(api.callback(order_id, status="fail", amount=amount), 200, msg="Payment failure recorded")
    assert api.status(order_id) == "failed"


def test_signature_comes_before_the_fields(api):
    expect(api.post(PATH, {"order_id": 5}), 403, error="invalid_signature")
    expect(api.post(PATH, {}), 403, error="invalid_signature")


def test_required_fields_setting(start_server):
    api = Api(start_server(f"""[callback]
secrets = [{{id = "main", secret = "{signing.VECTOR_SECRET}"}}]
required_fields = ["order_id", "transaction_id", "amount", "status", "timestamp", "channel"]
""", secrets=False).address)
    order_id = api.place()
    reply = expect(api.callback(order_id), 400, error="invalid_request")
    assert "channel" in reply["msg"]
    expect(api.callback(order_id, channel=""), 400, error="invalid_request")
    expect(api.callback(order_id, channel="app"), 200, msg="Recharge succeeded")


# --- tolerance -------------------------------------------------------------------------------------------------------

def at_second_start():
    """Shortly after the clock's second turned, so that `now` is the same for both sides."""
    time.sleep(1.02 - time.time() % 1)
    return int(time.time())


@pytest.mark.parametrize("offset, fresh", [(-300, True), (-301, False), (300, True), (302, False), (-86400 * 365, False)])
def test_tolerance_is_exact(api, offset, fresh):
    order_id, transaction_id = api.place(), new_transaction()
    reply = api.callback(order_id, transaction_id, timestamp=at_second_start() + offset)
    if fresh:
        expect(reply, 200, msg="Recharge succeeded")
    else:
        expect(reply, 403, error="stale_signature")
        assert api.status(order_id) == "pending"
        assert [e["kind"] for e in api.exceptions(order_id)] == ["stale_callback"]


def test_stale_fail_is_not_kept(api):
    order_id = api.place()
    expect(api.callback(order_id, status="fail", timestamp=1700000000), 403, error="stale_signature")
    assert_untouched(api, order_id)


def test_tolerance_of_zero_switches_the_check_off(start_server):
    api = Api(start_server(f"""[callback]
secrets = [{{id = "main", secret = "{signing.VECTOR_SECRET}"}}]
tolerance_s = 0
""", secrets=False).address)
    expect(api.callback(api.place(), timestamp=1700000000), 200, msg="Recharge succeeded")
    expect(api.callback(api.place(), timestamp=4102444800), 200, msg="Recharge succeeded")


def test_published_vector_verifies(start_server):
    """Its order is unknown here: 404 says that the signature held; one digit changed is 403."""
    api = Api(start_server(f"""[callback]
secrets = [{{id = "main", secret = "{signing.VECTOR_SECRET}"}}]
tolerance_s = 0
""", secrets=False).address)
    body = ('{"order_id":"0190a1b2-c3d4-7e5f-8a6b-0123456789ab","transaction_id":"txn_1","amount":50.0,'
            '"status":"success","timestamp":1700000000,"signature":"%s"}')
    expect(api.post(PATH, body % signing.VECTOR_SIGNATURE), 404, error="order_not_found")
    expect(api.post(PATH, body % signing.VECTOR_SIGNATURE.replace("d1", "d2", 1)), 403, error="invalid_signature")


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
    assert_untouched(rotated, order_id)


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
    assert_untouched(rotated, order_id)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_any_webhook_header_asks_for_all_even_beside_a_field_signature(rotated, name):
    order_id = rotated.place()
    body = signed_body(callback_fields(order_id))
    headers = {name: webhook_headers(body, WHSEC)[name]}
    expect(rotated.post(PATH, body, headers), 403, error="invalid_signature")
    assert_untouched(rotated, order_id)


def test_both_schemes_must_hold(rotated):
    order_id = rotated.place()
    good = signed_body(callback_fields(order_id, "both-1"))
    bad_field = with_signature(callback_fields(order_id, "both-1"), "0" * 64).encode()
    expect(rotated.post(PATH, bad_field, webhook_headers(bad_field, WHSEC)), 403, error="invalid_signature")
    expect(rotated.post(PATH, good, webhook_headers(good, "unknown")), 403, error="invalid_signature")
    assert_untouched(rotated, order_id)
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
    assert_untouched(rotated, order_id)


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
    assert_untouched(rotated, order_id)


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
    assert_untouched(rotated, order_id)


# --- framing and effects ---------------------------------------------------------------------------------------------

def chunked(body, headers=""):
    return (f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n{headers}\r\n"
            f"{len(body):x}\r\n").encode() + body + b"\r\n0\r\n"


def test_chunked_callback_is_411(server, api):
    order_id = api.place()
    with Wire(server.address) as connection:
        connection.send(chunked(signed_body(callback_fields(order_id))) + b"\r\n")
        assert connection.read_reply("POST", PATH).status == 411
    assert_untouched(api, order_id)


def test_trailer_cannot_pose_as_a_signature(rotating, rotated):
    order_id = rotated.place()
    body = plain_body(order_id)
    trailers = "".join(f"{name}: {value}\r\n" for name, value in webhook_headers(body, WHSEC).items())
    with Wire(rotating.address) as connection:
        connection.send_tolerant(chunked(body) + trailers.encode() + b"\r\n")
        assert connection.read_reply("POST", PATH).status in (400, 411)
    assert_untouched(rotated, order_id)


def folder_digest(folder):
    """A digest of all files but the lock table of LMDB, where readers note themselves."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "lock.mdb":
            digest.update(str(path).encode())
            with open(path, "rb") as file:
                while part := file.read(1 << 20):
                    digest.update(part)
    return digest.hexdigest()


def settled_digest(folder):
    """The digest once it stands still: preparation of segments and checkpoints run on their own."""
    previous = folder_digest(folder)
    for _ in range(30):
        time.sleep(1)
        current = folder_digest(folder)
        if current == previous:
            return current
        previous = current
    raise AssertionError("the data folder never rests")


def test_forged_callback_writes_nothing(start_server):
    daemon = start_server()
    api = Api(daemon.address)
    order_id, transaction_id = api.credit()
    pending = api.place()
    before = settled_digest(daemon.data_dir)
    for _ in range(200):
        expect(api.callback(pending, secret=os.urandom(8).hex()), 403, error="invalid_signature")
        expect(api.callback(UNKNOWN, secret="x"), 403, error="invalid_signature")
    assert folder_digest(daemon.data_dir) == before
    for _ in range(50):  # and neither does a repeat
        expect(api.callback(order_id, transaction_id), 200, msg="Already processed")
    assert folder_digest(daemon.data_dir) == before


def test_bit_flips_are_never_accepted(api):
    order_id = api.place()
    body = signed_body(callback_fields(order_id, "flip-1"))
    for index in range(len(body)):
        for bit in (0, 3, 5):
            flipped = bytearray(body)
            flipped[index] ^= 1 << bit
            reply = api.post(PATH, bytes(flipped))
            assert reply.status in (400, 403), (index, bit, reply)
    assert_untouched(api, order_id)


# --- the secret that recharged makes for itself ----------------------------------------------------------------------

def test_secret_is_made_at_the_first_start(start_server):
    daemon = start_server(None, secrets=False)
    file = daemon.data_dir / "callback.secret"
    assert file.stat().st_mode & 0o777 == 0o600
    secret = file.read_text(encoding="ascii").rstrip("\n")
    assert len(secret) >= 32 and secret.isprintable()
    api = Api(daemon.address, secret)
    order_id, transaction_id = api.credit()
    daemon.restart()
    assert file.read_text(encoding="ascii").rstrip("\n") == secret
    api = Api(daemon.address, secret)
    expect(api.callback(order_id, transaction_id), 200, msg="Already processed")
    log = daemon.log_file.read_text(encoding="utf-8")
    assert "callback.secret" in log and secret not in log


def test_secret_file_drops_a_final_newline(start_server, tmp_path):
    (tmp_path / "secret").write_text("text of a file\n", encoding="ascii")
    api = Api(start_server(f"""[callback]
secrets = [{{id = "file", secret_file = "{tmp_path}/secret"}}]
""", secrets=False).address, "text of a file")
    api.credit()
