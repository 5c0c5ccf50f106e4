"""Exactly once against senders that repeat, lose replies, cross each other and take back: judged by balances and entries.

Each check is also run on a server that is broken on purpose, and must see it. RECHARGE_SEED replays a run.
"""
import itertools
import os
import random
import socket
import struct
import time
from decimal import Decimal

import pytest

from api import Api, expect, in_threads, new_account, new_transaction
from faulty import must_fail, running
from signing import VECTOR_SECRET, callback_fields, object_text, signed_body, webhook_headers
from wire import Wire, request_bytes

PATH = "/api/payment_callback"
LONG = os.environ.get("RECHARGE_LONG") == "1"


@pytest.fixture
def seed():
    value = int(os.environ.get("RECHARGE_SEED") or random.SystemRandom().getrandbits(32))
    print(f"RECHARGE_SEED={value}")
    return value


def assert_credited_once(api, orders, amount=50):
    """orders: (account, order id), one order an account."""
    for account, order_id in orders:
        assert api.balance(account) == amount, f"{account}: {api.balance(account)}"
        assert [(entry["order_id"], entry["kind"]) for entry in api.entries(account)] == [(order_id, "recharge")]
        assert api.status(order_id) == "recharged" and api.exceptions(order_id) == []
    assert api.ledger_sum() == 0


# --- a new delivery of the same payment ------------------------------------------------------------------------------

def deliver_anew(folder, broken=None, orders=1000 if LONG else 50, connections=16):
    """Standard Webhooks: each delivery has an id, a time and so a signature of its own; the payment is the same."""
    with running(folder, broken=broken) as daemon:
        api = Api(daemon.address)
        placed = [(account, api.place(account)) for account in (new_account() for _ in range(orders))]
        bodies = [object_text(callback_fields(order_id, f"tx-{order_id}", timestamp=...)).encode() for _, order_id in placed]

        def deliver(index):
            messages = []
            with Wire(daemon.address, timeout=60) as connection:
                for number, body in enumerate(bodies):
                    headers = webhook_headers(body, VECTOR_SECRET, message_id=f"delivery-{index}-{number}",
                                              timestamp=int(time.time()) - index)
                    connection.send(request_bytes("POST", PATH, body, headers))
                    messages.append(expect(connection.read_reply("POST", PATH), 200)["msg"])
            return messages

        for messages in zip(*in_threads(connections, deliver)):
            assert sorted(messages) == ["Already processed"] * (connections - 1) + ["Recharge succeeded"]
        assert_credited_once(api, placed)


def test_a_new_delivery_of_the_same_payment(tmp_path):
    deliver_anew(tmp_path)


def test_a_new_delivery_is_seen_to_credit_twice_without_deduplication(tmp_path):
    must_fail(deliver_anew, tmp_path, broken="without_deduplication", orders=5)


# --- the reply is lost -----------------------------------------------------------------------------------------------

def reset(connection):
    """Ends it with a reset, whatever was not read."""
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def lose_replies(folder, rng, broken=None, payments=1000 if LONG else 50):
    """Half of the connections are reset when the reply has come and nobody read it: right after the commit. The others
    at any moment before. Then all is sent again: what was committed is known, and all is credited once."""
    with running(folder, broken=broken) as daemon:
        api = Api(daemon.address)
        sent = []
        for number in range(payments):
            account = new_account()
            order_id = api.place(account)
            body = signed_body(callback_fields(order_id, f"tx-{order_id}"))
            connection = Wire(daemon.address)
            connection.send(request_bytes("POST", PATH, body))
            committed = number % 2 == 0
            if committed:
                assert connection.socket.recv(1, socket.MSG_PEEK) == b"H"
            else:
                time.sleep(rng.random() * 0.002)
            reset(connection)
            sent.append((account, order_id, body, committed))
        if rng.random() < 0.5 or LONG:
            daemon.restart(kill=True)  # the reply was lost, the commit was not
            api = Api(daemon.address)
        for _, _, body, committed in sent:
            reply = expect(api.post(PATH, body), 200)
            assert reply["msg"] in (("Already processed",) if committed else ("Already processed", "Recharge succeeded"))
        assert_credited_once(api, [(account, order_id) for account, order_id, _, _ in sent])


def test_lost_replies(tmp_path, seed):
    lose_replies(tmp_path, random.Random(seed))


def test_lost_replies_are_seen_to_credit_twice_without_deduplication(tmp_path, seed):
    must_fail(lose_replies, tmp_path, random.Random(seed), broken="without_deduplication", payments=6)


# --- more refunds than were paid -------------------------------------------------------------------------------------

def refund_at_once(folder, broken=None):
    """100 refunds of one order at once: never more than was paid, though the account has more."""
    with running(folder, broken=broken) as daemon:
        api, account = Api(daemon.address), new_account()
        order_id, _ = api.credit(account)
        api.credit(account, "1000.00")
        replies = in_threads(100, lambda index: Api(daemon.address).refund(order_id, f"r-{index}", "0.70"))
        assert sum(reply.status == 200 for reply in replies) == 71  # 71 * 0.70 = 49.70
        assert {reply["error"] for reply in replies if reply.status != 200} == {"refund_exceeds_payment"}
        assert api.order(order_id)["refunded_amount"] == Decimal("49.70")
        assert api.balance(account) == Decimal("1050") - Decimal("49.70")
        expect(api.refund(order_id, "rest"), 200)
        assert api.status(order_id) == "refunded" and api.balance(account) == 1000
        api.assert_books(account)


def test_refunds_at_once_never_exceed_the_payment(tmp_path):
    refund_at_once(tmp_path)


def test_refunds_without_a_limit_are_seen(tmp_path):
    must_fail(refund_at_once, tmp_path, broken="without_refund_limit")


def test_refunds_at_once_never_take_the_balance_below_zero(server):
    api, account = Api(server.address), new_account()
    order_id, _ = api.credit(account)
    expect(api.debit(account, "spent", "30.00"), 200)
    replies = in_threads(100, lambda index: Api(server.address).refund(order_id, f"r-{index}", "1.00"))
    assert sum(reply.status == 200 for reply in replies) == 20 and api.balance(account) == 0
    assert {reply["error"] for reply in replies if reply.status != 200} == {"insufficient_balance"}
    api.assert_books(account)


def test_one_refund_sent_100_times_at_once_is_one(server):
    api, account = Api(server.address), new_account()
    order_id, _ = api.credit(account)
    replies = in_threads(100, lambda _: expect(Api(server.address).refund(order_id, "same", "20.00"), 200)["refund"])
    assert all(reply == replies[0] for reply in replies) and api.balance(account) == 30
    api.assert_books(account)


# --- every order of events -------------------------------------------------------------------------------------------

EVENTS = ["pay", "callback", "callback", "close", "refund", "refund", "fail"]


def expected(events):
    """The one final state of a set of events, and of who came first: the closing or a payment."""
    first = next((event for event in events if event in ("close", "pay", "callback")), None)
    if first == "close":
        return ("closed", 0, ["late_payment"] if "callback" in events else [])
    if "callback" in events:
        return ("refunded", 0, []) if "refund" in events else ("recharged", 50, [])
    return ("paid" if "pay" in events else "failed" if "fail" in events else "pending", 0, [])


def run_events(api, events):
    account, transaction_id = new_account(), new_transaction()
    order_id = api.place(account)
    actions = {"pay": lambda: api.pay(order_id), "callback": lambda: api.callback(order_id, transaction_id),
               "close": lambda: api.close_order(order_id), "refund": lambda: api.refund(order_id, "r"),
               "fail": lambda: api.callback(order_id, transaction_id, status="fail")}
    for event in itertools.chain(events, events):  # at least once, and again: what was refused is tried again
        assert actions[event]().status in (200, 409), event
    kinds = [entry["kind"] for entry in api.exceptions(order_id)]
    return (api.status(order_id), api.balance(account), kinds)


def permute(folder, rng, broken=None, samples=400 if LONG else 40):
    """A share of what tests/core/event_order_test.cc does with every permutation."""
    with running(folder, broken=broken) as daemon:
        api = Api(daemon.address)
        for _ in range(samples):
            events = rng.sample(EVENTS, rng.randint(1, len(EVENTS)))
            assert run_events(api, events) == expected(events), events
        assert api.ledger_sum() == 0


def test_events_in_any_order_end_in_one_state(tmp_path, seed):
    permute(tmp_path, random.Random(seed))


def test_events_in_any_order_without_deduplication_are_seen(tmp_path, seed):
    must_fail(permute, tmp_path, random.Random(seed), broken="without_deduplication", samples=60)
