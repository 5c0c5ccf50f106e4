"""The field signature of POST /api/payment_callback: what it covers, and what it refuses."""
import base64

import pytest

import signing
from api import expect, new_account, new_transaction
from signing import Raw, Text, callback_fields, canonical, field_signature, object_text, signed_body

PATH = "/api/payment_callback"


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
    api.assert_untouched(order_id)


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
    api.assert_untouched(order_id)


@pytest.mark.parametrize("value", ["5", "true", "[]", "{}"])
def test_signature_that_is_no_string(api, value):
    order_id = api.place()
    body = object_text(callback_fields(order_id) + [("signature", Raw(value))])
    reply = expect(api.post(PATH, body), 400, error="invalid_request")
    if value in ("5", "true"):
        assert "signature" in reply["msg"]
    api.assert_untouched(order_id)


def test_null_signature(api):
    order_id = api.place()
    assert api.post(PATH, with_signature(callback_fields(order_id), None)).status in (400, 403)
    api.assert_untouched(order_id)


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
    api.assert_untouched(order_id)


@pytest.mark.parametrize("name", ["order_id", "amount", "status", "signature"])
def test_duplicated_fields_of_the_protocol(api, name):
    order_id = api.place()
    body = signed_body(callback_fields(order_id)).decode()
    value = "1" if name == "amount" else '"x"'
    for again in (name, "\\u%04x" % ord(name[0]) + name[1:]):
        expect(api.post(PATH, f'{{"{again}":{value},{body[1:]}'), 400, error="invalid_request")
        expect(api.post(PATH, f'{body[:-1]},"{again}":{value}}}'), 400, error="invalid_request")
    api.assert_untouched(order_id)


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
