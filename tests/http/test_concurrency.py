"""Exactly once under pressure: many connections at the same time, with the same payments."""
import os
from decimal import Decimal

import pytest

from api import Api, expect, in_threads, new_account
from faulty import must_fail, running
from signing import VECTOR_SECRET, callback_fields, signed_body
from wire import Wire, request_bytes

PATH = "/api/payment_callback"
CONNECTIONS = 64
ORDERS = 1000 if os.environ.get("RECHARGE_LONG") == "1" else 100


def send_the_same(daemon, orders=ORDERS):
    api = Api(daemon.address)
    accounts = [new_account() for _ in range(orders)]
    orders = [(account, api.place(account, "50.00")) for account in accounts]
    requests = [request_bytes("POST", PATH, signed_body(callback_fields(order_id, f"tx-{order_id}"), VECTOR_SECRET))
                for _, order_id in orders]

    def send_all(_):
        replies = []
        with Wire(daemon.address, timeout=60) as connection:
            for request in requests:
                connection.send(request)
                replies.append(expect(connection.read_reply("POST", PATH), 200)["msg"])
        return replies

    by_connection = in_threads(CONNECTIONS, send_all)
    for replies in zip(*by_connection):
        assert sorted(replies) == ["Already processed"] * (CONNECTIONS - 1) + ["Recharge succeeded"]
    for account, order_id in orders:
        assert api.balance(account) == 50
        assert [entry["order_id"] for entry in api.entries(account)] == [order_id]
    assert api.ledger_sum() == 0 and api.exceptions() == []


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_same_callback_over_64_connections_credits_once(start_server, threads):
    send_the_same(start_server(arguments=["--threads", str(threads)]))


def test_same_callback_without_deduplication_is_seen_to_credit_twice(tmp_path):
    with running(tmp_path, broken="without_deduplication") as daemon:
        must_fail(send_the_same, daemon, orders=3)


def test_one_account_from_many_connections(server):
    """Every credit and debit of one account at once: the chain of entries has no gap and no fork."""
    account = new_account()

    def work(index):
        api = Api(server.address)
        for number in range(10):
            api.credit(account, "10.00")
            expect(api.debit(account, f"d-{index}-{number}", "2.50"), 200)

    in_threads(16, work)
    api = Api(server.address)
    entries = api.assert_books(account)
    assert len(entries) == 320 and api.balance(account) == Decimal("7.50") * 160
    orders = api.pages(f"/api/orders?account={account}", 100)
    assert len(orders) == 160 and {order["status"] for order in orders} == {"recharged"}


def test_different_transactions_of_one_order_at_once(server):
    """One is credited; each of the others is kept as a duplicate, once."""
    account = new_account()
    order_id = Api(server.address).place(account)
    replies = in_threads(32, lambda index: expect(
        Api(server.address).callback(order_id, f"many-{index % 16}"), 200).json)
    assert sum(reply["msg"] == "Recharge succeeded" for reply in replies) == 1
    assert {reply.get("exception") for reply in replies} == {None, "duplicate_payment"}
    api = Api(server.address)
    assert api.balance(account) == 50
    assert len(api.exceptions(order_id)) == 15
    api.assert_books(account)


def test_simulated_payments_at_once_agree(server):
    order_id = Api(server.address).place()
    replies = in_threads(32, lambda index: expect(Api(server.address).pay(order_id), 200)["transaction_id"])
    assert len(set(replies)) == 1


def test_resolve_at_once_moves_the_money_once(server):
    api, account = Api(server.address), new_account()
    order_id = api.place(account)
    expect(api.close_order(order_id), 200)
    expect(api.callback(order_id, "resolve-race"), 200, exception="late_payment")
    exception_id = api.exceptions(order_id)[0]["exception_id"]
    results = in_threads(16, lambda index: Api(server.address).resolve(exception_id, "credit").status)
    assert sorted(results) == [200] + [409] * 15
    assert api.balance(account) == 50
    api.assert_books(account)
