"""Amounts as text, judged by Python's decimal: exact or 400. 20,000 of them, a million with RECHARGE_LONG=1.

RECHARGE_SEED replays a run.
"""
import json
import os
import random
import re
from decimal import Decimal

import pytest

from api import Api, expect, new_account
from signing import Raw, Text, callback_fields, signed_body
from wire import Wire, request_bytes

SEED = int(os.environ.get("RECHARGE_SEED") or random.SystemRandom().randrange(2**32))
COUNT = 1_000_000 if os.environ.get("RECHARGE_LONG") else 20_000
BATCH = 250
MOST = Decimal("9999999999999.99")
CONFIG = f'[orders]\nmax_amount = "{MOST}"\n'
ODD = ["NaN", "Infinity", "-Infinity", "1e308", "-0", "-0.00", "01", "1.000", "0", "0.0", "9223372036854775807", "9223372036854775808", "-1", "+1", "1.", ".5", "1,5",
       "92233720368547758.07", "92233720368547758.08", "18446744073709551616.01", "9" * 30, "0." + "3" * 30, "9" * 400, "1e2", "1E2", "1e-2", "1e0", "0x10", "1_000",
       "10000000000000", "9999999999999.99", "9999999999999.991", "10000000000000.00", "0.01", "0.001", "0.1", "00.10", "1.5.0", "1 ", " 1", "", "1e", "١", "１", "1\u00a0", "½"]


def draw(rng):
    """A token as it stands in the body: a number or a string, good or bent."""
    kind = rng.random()
    if kind < 0.55:
        digits = rng.randrange(1, 15)
        text = str(rng.randrange(10**digits)) + rng.choice(["", f".{rng.randrange(10)}", f".{rng.randrange(100):02d}"])
    elif kind < 0.7:
        text = rng.choice(ODD)
    elif kind < 0.85:
        text = repr(rng.choice([rng.random(), rng.random() * 10**rng.randrange(1, 16), rng.expovariate(1e-3), 10.0**rng.randrange(-30, 300)]))
    else:
        text = "".join(rng.choice("0123456789.-+eE 0000111") for _ in range(rng.randrange(1, 12)))
    return json.dumps(text, ensure_ascii=False) if rng.random() < 0.4 else text


def judged(token):
    """The amount as the reply must show it, or None for 400."""
    text = token[1:-1] if token.startswith('"') else token.strip(" ")  # space around a number is JSON's own
    if not re.fullmatch(r"(0|[1-9][0-9]*)(\.[0-9]{1,2})?", text, re.ASCII):
        return None
    return f"{Decimal(text):.2f}" if 0 < Decimal(text) <= MOST else None


def faults(tokens, answers):
    return [f"{token} -> {answer}" for token, answer in zip(tokens, answers) if answer != judged(token)]


def read_answers(connection, count):
    """The amounts of so many replies, None for 400."""
    answers = []
    while len(answers) < count:
        head = connection._until(b"\r\n\r\n")
        length = int(re.search(rb"\r\nContent-Length: (\d+)", head)[1])
        while len(connection.received) < length:
            connection._more()
        body, connection.received = connection.received[:length], connection.received[length:]
        assert head[9:12] in (b"200", b"400"), (head, body)
        answers.append(re.search(rb'"amount":([^,}]*)', body)[1].decode() if head[9:12] == b"200" else None)
    return answers


@pytest.fixture(scope="module")
def rich(start_module_server):
    return start_module_server(CONFIG)


def test_random_decimals(rich):
    print(f"RECHARGE_SEED={SEED}")
    rng, account, good = random.Random(SEED), new_account(), 0
    with Wire(rich.address, timeout=60) as connection:
        for _ in range(COUNT // BATCH):
            tokens = [draw(rng) for _ in range(BATCH)]
            connection.send(b"".join(request_bytes("POST", "/api/place_order", f'{{"account":"{account}","amount":{token}}}'.encode())
                                     for token in tokens))
            answers = read_answers(connection, BATCH)
            assert faults(tokens, answers) == []
            good += sum(answer is not None for answer in answers)
    print(f"{COUNT} amounts, {good} of them good")
    assert COUNT * 0.3 < good < COUNT * 0.9


@pytest.mark.parametrize("rounded", [True, False])
def test_a_parser_by_double_is_found_out(rounded):
    """The broken version, judged in the same way."""
    rng = random.Random(SEED)
    tokens = [draw(rng) for _ in range(20_000)]

    def by_double(token):
        try:
            units = float(token.strip('"')) * 100
            units = round(units) if rounded else int(units)
        except (ValueError, OverflowError):
            return None
        return f"{Decimal(units) / 100:.2f}" if 0 < units <= MOST * 100 else None

    found = faults(tokens, [by_double(token) for token in tokens])
    print(f"RECHARGE_SEED={SEED}: {len(found)} faults found")
    assert len(found) > 100
    if not rounded:  # also where the form is right
        assert any(judged(fault.split(" -> ")[0]) for fault in found)


def test_odd_amounts_of_a_signed_callback(rich):
    api = Api(rich.address)
    order_id = api.place(amount="50.00")
    for text in ODD:
        for sent in (Raw(text), Text(text)):
            token = text if isinstance(sent, Raw) else f'"{text}"'
            if judged(token) is not None or token != token.strip():
                continue  # good, or a number with space around it that is no part of it
            reply = api.request("POST", "/api/payment_callback", signed_body(callback_fields(order_id, amount=sent)))
            assert reply.status == 400 and reply["error"] in ("invalid_amount", "invalid_request"), (text, reply)
    api.assert_untouched(order_id)
    expect(api.callback(order_id, amount="50.00"), 200, msg="Recharge succeeded")
