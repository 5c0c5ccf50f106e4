"""What a peer sends cannot make, break or colour a line of the log, and no secret and no account stands there."""
import json
import re
import signal

import pytest

from api import Api, eventually, new_account, new_transaction
from faulty import must_fail, running
from signing import VECTOR_SECRET, callback_fields, signed_body, webhook_headers
from wire import Wire, request_bytes

EVIL = ["\r\nERROR forged=1", "\x1b[31mred\x1b[0m", "a\u2028b\u2029c", "\x00\x08\x7f", "\x85next", "\u202eright", '"}{"level":"error"',
        "%n%s{}", "\ttab"]
# What the server says of its own accord.
OWN_LINES = ("listening on", "settings not reloaded", "settings reloaded", "callbacks with an invalid signature",
             "head of the journal", '"msg":"audit"', " info audit ")
# What may not stand inside a line, whatever reads it; its own end is taken off before.
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def every_field(connection, account):
    """Sends each evil text in every place that a peer can fill. Returns how many requests were answered."""
    def send(method, target, body=b"", headers=()):
        connection.send(request_bytes(method, target, body, headers))
        connection.read_reply(method, target)

    count = 0
    for text in EVIL:
        encoded = "".join(f"%{byte:02X}" for byte in text.encode())
        for name in ("account", "amount", "gateway", "subject", text):
            send("POST", "/api/place_order", json.dumps({"account": account, "amount": "1", name: text}).encode())
        for name in ("order_id", "transaction_id", "amount", "status", "timestamp", "paid_at", "signature", "other"):
            fields = dict(callback_fields("0190a1b2-c3d4-7e5f-8a6b-0123456789ab", new_transaction(), amount="1")) | {name: text}
            send("POST", "/api/payment_callback", signed_body(fields.items()))
        body = signed_body(callback_fields(text, new_transaction()))
        send("POST", "/api/payment_callback", body, webhook_headers(body, VECTOR_SECRET))
        for target in (f"/api/orders/{encoded}", f"/api/orders/{encoded}/explain", f"/{encoded}",
                       f"/api/check_balance?account={encoded}", f"/api/orders?account={account}&cursor={encoded}"):
            send("GET", target)
        send("POST", f"/api/exceptions/{encoded}/resolve", json.dumps({"action": "dismiss", "note": text}).encode())
        send("POST", f"/api/accounts/{encoded}/debit", json.dumps({"debit_id": text, "amount": "1", "memo": text}).encode())
        count += 5 + 8 + 1 + 5 + 2
    return count


def every_header(address):
    """A header may hold bytes above 0x7f; what has control characters is refused with the framing."""
    count = 0
    for text in ("a\u2028b", "\u202eright", '","level":"error', "{}%n", "x\rERROR", "\x1b[31m", "x\r\n\tfolded", "\x00"):
        for name in ("X-Request-Id", "Idempotency-Key", "User-Agent", "X-Forwarded-For"):
            with Wire(address) as connection:
                connection.send(f"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{name}: {text}\r\n\r\n".encode())
                data, ended = connection.drain()
                assert ended and data.startswith(b"HTTP/1.1 ") and data.count(b"HTTP/1.1 ") == 1, data
            count += 1
    return count


def attack_log(folder, log_format, broken=None):
    account = new_account()
    with running(folder, f'[log]\naccess = true\nformat = "{log_format}"\n', broken=broken) as daemon:
        with Wire(daemon.address) as connection:
            requests = every_field(connection, account)
        requests += every_header(daemon.address)
        daemon.config_file.write_text('[callback]\nsecrets = [{id = "a\\u2028\\u001b[31m\\nb", secret = "%s"}]\n' % VECTOR_SECRET)
        daemon.signal(signal.SIGHUP)
        eventually(lambda: "settings not reloaded" in daemon.log_tail() or "settings reloaded" in daemon.log_tail())
        mark = '"msg":"request"' if log_format == "json" else " info request "
        eventually(lambda: daemon.log_file.read_text(errors="replace").count(mark) >= requests)
        text = daemon.log_file.read_bytes().decode("utf-8")  # no invalid UTF-8 either
        assert_clean(text, [VECTOR_SECRET, account], log_format)
        others = [line for line in text.splitlines() if mark not in line]
        assert len(text.splitlines()) - len(others) == requests, "not one line a request"
        assert all(any(known in line for known in OWN_LINES) for line in others), others


def assert_clean(text, secrets, log_format):
    for line in text.removesuffix("\n").split("\n"):
        assert not UNSAFE.search(line), ascii(line)
        if log_format == "json":
            assert isinstance(json.loads(line), dict), line
        assert not line.startswith(("ERROR", '{"level')), line
    for secret in secrets:
        assert secret not in text


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_one_line_a_request_and_no_secret(tmp_path, log_format):
    attack_log(tmp_path, log_format)


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_log_of_request_ids_as_they_come_is_seen(tmp_path, log_format):
    must_fail(attack_log, tmp_path, log_format, broken="logging_any_request_id")


@pytest.mark.parametrize("planted", ["x\rERROR", "x\x1b[31m", "x\u2028y", "x\x85y", f"key {VECTOR_SECRET}", '"}\n{"level":"'])
def test_the_check_sees_a_planted_line(planted):
    must_fail(assert_clean, '{"msg":"fine"}\n{"msg":"' + planted + '"}\n', [VECTOR_SECRET], "json")
