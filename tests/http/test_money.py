"""Money is exact on its way in and out."""
import os
import random
from decimal import Decimal

import pytest

from api import Api, expect, in_threads, new_account, new_transaction
from signing import Raw, Text

SEED = int(os.environ.get("RECHARGE_SEED") or random.SystemRandom().randrange(2**32))

MALFORMED = [
    "0", "0.0", "0.00", "-1", "-0", "-0.01", "-50.00", "1e2", "1E2", "5e1", "1e308", "1e-2", "1.5e0", "0.001", "1.000",
    "50.000", "0.005", "9" * 30, "9223372036854775807", "9223372036854775808", "92233720368547758.07",
    "92233720368547758.08", "18446744073709551616", "1000000.01", "1000001", '"0"', '"0.00"', '"-1"', '"+1"', '" 1"',
    '"1 "', '"1\\n"', '"01"', '"00.50"', '"1."', '".5"', '"."', '""', '"1,50"', '"1_000"', '"1e2"', '"0x10"', '"NaN"',
    '"Infinity"', '"-Infinity"', '"١"', '"１"', '"1.000"', '"1.5.0"', '"abc"', '"1\\u0000"', "true", "false", "null", "[]",
    "[1]", "{}", '{"value":1}', '"' + "1" * 1000 + '"',
]
NOT_JSON = ["01", "1.", ".5", "+1", "0x10", "NaN", "Infinity", "-Infinity", "1_000", "--1", "1e", "-"]


@pytest.mark.parametrize("amount", MALFORMED, ids=lambda text: text[:40])
def test_malformed(api, amount):
    account = new_account()
    reply = expect(api.post("/api/place_order", f'{{"account":"{account}","amount":{amount}}}'), 400)
    assert (reply["error"], reply["msg"]) == ("invalid_amount", "Invalid amount") or (
        amount == "null" and reply["error"] == "invalid_request"), reply
    assert expect(api.get(f"/api/orders?account={account}"), 200)["data"] == []


@pytest.mark.parametrize("amount", NOT_JSON)
def test_no_json_number(api, amount):
    reply = expect(api.post("/api/place_order", f'{{"account":"{new_account()}","amount":{amount}}}'), 400)
    assert reply["error"] in ("invalid_request", "invalid_amount")


@pytest.mark.parametrize("amount", ["0", "-1.00", "0.001", "1e2", '"1e2"', '" 1"', '"01"', "true"])
def test_malformed_in_debit_and_refund(api, amount):
    account = new_account()
    order_id, _ = api.credit(account)
    for path, name in ((f"/api/accounts/{account}/debit", "debit_id"), (f"/api/orders/{order_id}/refund", "refund_id")):
        expect(api.post(path, f'{{"{name}":"x","amount":{amount}}}'), 400, error="invalid_amount")
    assert api.balance(account) == 50


@pytest.mark.parametrize("amount, value", [
    ("0.01", "0.01"), ("0.1", "0.10"), ("1", "1.00"), ("1.0", "1.00"), ("999999.99", "999999.99"), ("1000000", "1000000.00"),
    ("0.29", "0.29"), ("1.15", "1.15"), ("4.35", "4.35"), ('"0.07"', "0.07"), ('"1000000.00"', "1000000.00"),
    ("8.41", "8.41"), ("70000.29", "70000.29")])
def test_exact(api, amount, value):
    account = new_account()
    order_id = api.place(account, amount)
    sent = Text(amount.strip('"')) if amount.startswith('"') else Raw(amount)
    expect(api.callback(order_id, amount=sent), 200, msg="Recharge succeeded")
    assert api.get(f"/api/check_balance?account={account}")["balance"].text == value


def test_max_amount_setting(start_server):
    api = Api(start_server('[orders]\nmax_amount = "12.34"\n').address)
    api.place(amount="12.34")
    for amount in (12.35, "13", "1000000"):
        reply = api.post("/api/place_order", {"account": new_account(), "amount": amount})
        expect(reply, 400, error="invalid_amount", msg="Invalid amount")


def random_amount(rng):
    """An amount as text, drawn over all magnitudes, with zero, one or two fraction digits."""
    digits, whole = rng.choice([0, 1, 2]), rng.randrange(10 ** rng.randrange(1, 6))
    text = str(whole) + (f".{rng.randrange(10**digits):0{digits}d}" if digits else "")
    return text if Decimal(text) > 0 else "0.01"


def test_random_amounts_sum_exactly(server):
    print(f"RECHARGE_SEED={SEED}")
    rng = random.Random(SEED)
    amounts, threads = [random_amount(rng) for _ in range(2000)], 8
    account = new_account()

    def work(index):
        client = Api(server.address)
        for number in range(index, len(amounts), threads):
            text = amounts[number]
            order_id = client.place(account, text)
            sent = Text(text) if number % 2 else Raw(text)
            expect(client.callback(order_id, new_transaction(), amount=sent), 200, msg="Recharge succeeded")
        client.close()

    in_threads(threads, work)
    api = Api(server.address)
    assert api.balance(account) == sum(map(Decimal, amounts))
    entries = api.assert_books(account)
    assert sorted(entry["amount"] for entry in entries) == sorted(map(Decimal, amounts))
