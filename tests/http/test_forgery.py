"""Forged, altered and expired callbacks by the thousand: none is accepted, and nothing is written for them.

Each check is also run on a server that is broken on purpose, and must see it. RECHARGE_SEED replays a run.
"""
import collections
import os
import random
import re
import time

import pytest

from api import Api, at_second_start, expect, new_account, new_transaction
from faulty import must_fail, running
from signing import (VECTOR_SECRET, Raw, callback_fields, canonical, field_signature, object_text, signed_body,
                     webhook_headers)
from wire import Wire, request_bytes

PATH = "/api/payment_callback"
FORGERIES = 100_000 if os.environ.get("RECHARGE_LONG") == "1" else 10_000
BATCH = 100


@pytest.fixture
def rng():
    value = int(os.environ.get("RECHARGE_SEED") or random.SystemRandom().getrandbits(32))
    print(f"RECHARGE_SEED={value}")
    return random.Random(value)


def flip(rng, data):
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1:]


def other_key(rng, fields):
    return signed_body(fields, "".join(rng.choice("0123456789abcdef") for _ in range(64))), {}


def flipped_field_signature(rng, fields):
    return flip(rng, signed_body(fields)), {}


def random_signature(rng, fields):
    return object_text(fields + [("signature", f"{rng.getrandbits(256):064x}")]).encode(), {}


def signature_of_another_payment(rng, fields):
    signature = field_signature(canonical(callback_fields("other", "other")), VECTOR_SECRET)
    return object_text(fields + [("signature", signature)]).encode(), {}


def other_spelling(rng, fields):
    signature = field_signature(canonical(fields), VECTOR_SECRET)
    spelling = rng.choice([signature.upper(), signature[:-1], signature + "0", "", " " + signature, "0x" + signature])
    if spelling == signature:  # digits only: it has no upper case
        spelling = ""
    return object_text(fields + [("signature", spelling)]).encode(), {}


def unsigned(rng, fields):
    return object_text(fields).encode(), {}


def flipped_webhook(rng, fields):
    body = object_text(fields).encode()
    return flip(rng, body), webhook_headers(body, VECTOR_SECRET)


def webhook_of_another_key(rng, fields):
    body = object_text(fields).encode()
    return body, webhook_headers(body, f"{rng.getrandbits(128):032x}")


def webhook_of_another_moment(rng, fields):
    body = object_text(fields).encode()
    headers = webhook_headers(body, VECTOR_SECRET)
    headers["webhook-timestamp"] = str(int(headers["webhook-timestamp"]) + rng.choice([-1, 1]) * rng.randint(1, 200))
    return body, headers


def one_of_two_schemes(rng, fields):
    body = signed_body(fields)
    return body, webhook_headers(body, "another key")


KINDS = [other_key, flipped_field_signature, random_signature, signature_of_another_payment, other_spelling, unsigned,
         flipped_webhook, webhook_of_another_key, webhook_of_another_moment, one_of_two_schemes]
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


def forge(folder, rng, broken=None, forgeries=FORGERIES):
    with running(folder, broken=broken) as daemon:
        api = Api(daemon.address)
        orders = [(account, api.place(account)) for account in (new_account() for _ in range(20))]
        written = api.metrics()["recharge_journal_bytes_total"]
        seen = collections.Counter()
        for start in range(0, forgeries, BATCH):
            requests = []
            for number in range(start, min(start + BATCH, forgeries)):
                fields = callback_fields(rng.choice(orders)[1], new_transaction())
                body, headers = KINDS[number % len(KINDS)](rng, fields)
                requests.append(request_bytes("POST", PATH, body, headers))
            with Wire(daemon.address, timeout=30) as connection:
                connection.send(b"".join(requests))
                connection.socket.shutdown(1)
                data, ended = connection.drain(within=30)
            statuses = STATUS.findall(data)
            assert ended and len(statuses) == len(requests), f"{len(statuses)} replies to {len(requests)} requests"
            seen.update(statuses)
        print(dict(seen))
        assert set(seen) <= {b"403", b"400"} and seen[b"403"] > forgeries * 0.8, seen
        assert api.metrics()["recharge_journal_bytes_total"] == written, "something was written for a forgery"
        for account, order_id in orders:
            api.assert_untouched(order_id)
            assert api.balance(account) == 0 and api.entries(account) == []
        expect(api.callback(orders[0][1]), 200, msg="Recharge succeeded")  # it was not deaf


def test_no_forgery_is_accepted(tmp_path, rng):
    forge(tmp_path, rng)


def test_a_permissive_verifier_is_seen(tmp_path, rng):
    must_fail(forge, tmp_path, rng, broken="accepting_any_signature", forgeries=100)


# --- expired ---------------------------------------------------------------------------------------------------------

def expire(folder, broken=None, rounds=3):
    """300 s before and after are accepted, 301 s are not, however well they are signed."""
    with running(folder, broken=broken) as daemon:
        api = Api(daemon.address)
        for _ in range(rounds):
            orders = {age: api.place() for age in (-300, 300, -301, 301)}
            now = at_second_start()
            for age, order_id in orders.items():
                reply = api.callback(order_id, timestamp=Raw(now - age))
                if abs(age) <= 300:
                    expect(reply, 200, msg="Recharge succeeded")
                else:
                    expect(reply, 403, error="stale_signature")
                    assert api.status(order_id) == "pending"
            assert int(time.time()) == now, "the second turned in between"


def test_the_tolerance_is_exact(tmp_path):
    expire(tmp_path)


def test_a_tolerance_off_by_one_is_seen(tmp_path):
    must_fail(expire, tmp_path, broken="with_another_tolerance", rounds=1)
