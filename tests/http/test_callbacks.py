"""POST /api/payment_callback: the order of checks, what each failure answers, and what stays untouched."""
import hashlib
import os
import time

import pytest

import signing
from api import Api, at_second_start, expect, new_transaction
from signing import Raw, Text, callback_fields, signed_body
from wire import Wire

PATH = "/api/payment_callback"
UNKNOWN = "0190a1b2-c3d4-7e5f-8a6b-0123456789ab"


# --- required and malformed fields -----------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["order_id", "transaction_id", "amount", "status", "timestamp"])
@pytest.mark.parametrize("value", [pytest.param(..., id="missing"), pytest.param(None, id="null"),
                                   pytest.param("", id="empty")])
def test_required_field(api, name, value):
    order_id = api.place()
    fields = [(n, v) for n, v in callback_fields(order_id) if n != name] + ([] if value is ... else [(name, value)])
    reply = expect(api.post(PATH, signed_body(fields)), 400)
    assert reply["error"] in ("invalid_request", "invalid_amount") and name in reply["msg"].lower()
    api.assert_untouched(order_id)


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
    api.assert_untouched(order_id)


@pytest.mark.parametrize("amount", ["0", "0.00", "-50.00", "50.000", "5e1", "1e308", "-0", '"050"', '"+50"', '" 50"',
                                    '"50 "', '"5,0"', '"50."', '".5"', '"NaN"', "true", "9" * 30, "92233720368547758.08"])
def test_malformed_amount(api, amount):
    order_id = api.place()
    sent = Text(amount.strip('"')) if amount.startswith('"') else Raw(amount)
    reply = expect(api.callback(order_id, amount=True if amount == "true" else sent), 400, error="invalid_amount")
    assert "amount" in reply["msg"].lower()
    api.assert_untouched(order_id)


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
    api.assert_untouched(order_id)


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


# --- framing and effects ---------------------------------------------------------------------------------------------

def chunked(body, headers=""):
    return (f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n{headers}\r\n"
            f"{len(body):x}\r\n").encode() + body + b"\r\n0\r\n"


def test_chunked_callback_is_411(server, api):
    order_id = api.place()
    with Wire(server.address) as connection:
        connection.send(chunked(signed_body(callback_fields(order_id))) + b"\r\n")
        assert connection.read_reply("POST", PATH).status == 411
    api.assert_untouched(order_id)


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
    daemon = start_server("[store]\ncheckpoint_interval_ms = 100\n")  # well below what is waited for rest
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
    api.assert_untouched(order_id)


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
