"""Balances and the ledger: entries, debits and refunds."""
from decimal import Decimal

import pytest

from api import Api, expect, in_threads, new_account


def test_entries_follow_the_chain(api):
    account = new_account()
    amounts = [Decimal(f"{n}.25") for n in range(1, 9)]
    orders = [api.credit(account, str(amount)) for amount in amounts]
    expect(api.debit(account, "d1", "3.00", memo="coffee"), 200)
    expect(api.refund(orders[-1][0], "r1", "1.25"), 200)
    entries = api.assert_books(account)
    assert [entry["amount"] for entry in entries] == [Decimal("-1.25"), Decimal(-3)] + amounts[::-1]
    assert [entry["kind"] for entry in entries] == ["refund_reserved", "debit"] + ["recharge"] * 8
    assert [(e["order_id"], e["transaction_id"]) for e in entries[2:]] == orders[::-1]
    for limit in (1, 3, 10, 100):
        assert api.pages(f"/api/accounts/{account}/entries", limit) == entries


# --- debit -----------------------------------------------------------------------------------------------------------

def test_debit(api):
    account = new_account()
    api.credit(account)
    first = expect(api.debit(account, "d-1", "20.00", memo="July"), 200)
    assert (first["entry"]["amount"], first["entry"]["balance_after"], first["entry"]["kind"]) == (-20, 30, "debit")
    assert expect(api.debit(account, "d-1", "20.00", memo="July"), 200)["entry"] == first["entry"]
    expect(api.debit(account, "d-1", "20.01"), 422, error="idempotency_mismatch")
    assert api.balance(account) == 30
    expect(api.debit(account, "d-2", "30.01"), 409, error="insufficient_balance")
    expect(api.debit(account, "d-2", "30.00"), 200)
    assert api.balance(account) == 0
    assert expect(api.debit(account, "d-1", "20.00", memo="July"), 200)["entry"] == first["entry"]
    api.assert_books(account)


def test_debit_id_belongs_to_its_account(api):
    one, two = new_account(), new_account()
    for account in (one, two):
        api.credit(account)
    expect(api.debit(one, "same", "5.00"), 200)
    expect(api.debit(two, "same", "7.00"), 200)
    assert (api.balance(one), api.balance(two)) == (45, 43)


def test_debit_of_an_account_never_credited(api):
    expect(api.debit(new_account(), "d", "0.01"), 409, error="insufficient_balance")


@pytest.mark.parametrize("body, field", [
    ({"amount": 1}, "debit_id"), ({"debit_id": "", "amount": 1}, "debit_id"), ({"debit_id": "a b", "amount": 1}, "debit_id"),
    ({"debit_id": "x" * 65, "amount": 1}, "debit_id"), ({"debit_id": 5, "amount": 1}, "debit_id"),
    ({"debit_id": "a"}, "amount"), ({"debit_id": "a", "amount": 1, "memo": 5}, "memo")])
def test_debit_names_the_field(api, body, field):
    account = new_account()
    api.credit(account)
    reply = expect(api.post(f"/api/accounts/{account}/debit", body), 400)
    assert field in reply["msg"].lower()
    assert api.balance(account) == 50


def test_debits_at_once_never_overdraw(server):
    api, account = Api(server.address), new_account()
    api.credit(account)

    def spend(index):
        return Api(server.address).debit(account, f"d{index % 16}", "10.00").status

    results = in_threads(32, spend)
    assert sorted(results) == [200] * 10 + [409] * 22
    assert api.balance(account) == 0
    api.assert_books(account)


# --- refund ----------------------------------------------------------------------------------------------------------

def test_refund_in_parts(api):
    account = new_account()
    order_id, _ = api.credit(account)
    first = expect(api.refund(order_id, "r-1", "20.00"), 200)["refund"]
    assert (first["refund_id"], first["order_id"], first["amount"]) == ("r-1", order_id, 20)
    assert api.status(order_id) == "partially_refunded" and api.order(order_id)["refunded_amount"] == 20
    assert expect(api.refund(order_id, "r-1", "20.00"), 200)["refund"]["created_at"] == first["created_at"]
    expect(api.refund(order_id, "r-1", "20.01"), 422, error="idempotency_mismatch")
    expect(api.refund(order_id, "r-2", "30.01"), 409, error="refund_exceeds_payment")
    assert api.balance(account) == 30
    assert expect(api.refund(order_id, "r-3"), 200)["refund"]["amount"] == 30
    assert api.status(order_id) == "refunded" and api.balance(account) == 0
    expect(api.refund(order_id, "r-4", "0.01"), 409, error="refund_exceeds_payment")
    assert expect(api.refund(order_id, "r-3"), 200)["refund"]["amount"] == 30
    api.assert_books(account)


def test_refund_id_belongs_to_its_order(api):
    one, two = api.credit()[0], api.credit()[0]
    expect(api.refund(one, "same", "5.00"), 200)
    expect(api.refund(two, "same", "7.00"), 200)
    assert (api.order(one)["refunded_amount"], api.order(two)["refunded_amount"]) == (5, 7)


def test_refund_of_what_was_spent(api):
    account = new_account()
    order_id, _ = api.credit(account)
    expect(api.debit(account, "spent", "30.00"), 200)
    expect(api.refund(order_id, "r", "20.01"), 409, error="insufficient_balance")
    expect(api.refund(order_id, "all"), 409, error="insufficient_balance")
    assert api.balance(account) == 20 and api.status(order_id) == "recharged"
    expect(api.refund(order_id, "r", "20.00"), 200)
    assert api.balance(account) == 0
    api.assert_books(account)


@pytest.mark.parametrize("body, field", [
    ({}, "refund_id"), ({"refund_id": ""}, "refund_id"), ({"refund_id": "ä"}, "refund_id"), ({"refund_id": 5}, "refund_id"),
    ({"refund_id": "x" * 65}, "refund_id"), ({"refund_id": "a", "amount": True}, "amount")])
def test_refund_names_the_field(api, body, field):
    order_id, _ = api.credit()
    assert field in expect(api.post(f"/api/orders/{order_id}/refund", body), 400)["msg"].lower()
    assert api.status(order_id) == "recharged"


def test_refunds_at_once_never_exceed_the_payment(server):
    api, account = Api(server.address), new_account()
    order_id, _ = api.credit(account)
    results = in_threads(32, lambda index: Api(server.address).refund(order_id, f"r{index}", "7.00").status)
    assert sorted(results) == [200] * 7 + [409] * 25
    assert api.balance(account) == 1 and api.order(order_id)["refunded_amount"] == 49
    api.assert_books(account)
