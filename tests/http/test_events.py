"""GET /api/events: everything that happened, once, in order, the same over restarts; with the order as it was then."""
import random
import threading

import pytest

from api import Api, expect, in_threads, new_account
from faulty import must_fail, running
from tokens import Keys, bearer

NEXT = {None: {"order.placed"},
        "order.placed": {"order.paid", "order.recharged", "order.failed", "order.closed", "order.expired"},
        "order.paid": {"order.recharged"},
        "order.failed": {"order.recharged", "order.paid", "order.closed", "order.expired"},
        "order.recharged": {"refund.requested"},
        "refund.requested": {"refund.succeeded", "refund.failed", "refund.requested"},
        "refund.succeeded": {"refund.requested"}, "order.closed": set(), "order.expired": set()}


def read(api, after=None, limit=100):
    """All events behind this one, page by page, and where the stream is then."""
    events = []
    while True:
        reply = expect(api.get(f"/api/events?limit={limit}" + (f"&after={after}" if after else "")), 200)
        assert len(reply["data"]) <= limit and (not reply["has_more"] or len(reply["data"]) == limit)
        events += reply["data"]
        after = reply["next_after"]
        if not reply["has_more"]:
            return events, after


def judge(api, events, orders):
    """Each order's events follow from each other, and the last shows the order as it is now."""
    ids = [event["id"] for event in events]
    assert ids == sorted(set(ids)), "in order, and each once"
    last, kind = {}, {}
    for event in events:
        if event["order"] is None or event["type"].startswith("exception."):
            continue
        order = event["order"]["order_id"]
        assert event["account"] == event["order"]["account"]
        assert event["type"] in NEXT[kind.get(order)], (kind.get(order), event)
        kind[order], last[order] = event["type"], event["order"]
    for order in orders:
        assert order in last, f"nothing was told of {order}"
        assert last[order] == api.order(order), order


def some_life(api, rng):
    """An order with a random fate; its id."""
    account = new_account()
    order = api.place(account, subject="a top-up")
    fate = rng.randrange(6)
    if fate == 1:
        expect(api.pay(order), 200)
    if fate in (1, 2, 3):
        expect(api.callback(order), 200, msg="Recharge succeeded")
    if fate == 3:
        expect(api.refund(order, "r1", "20.00"), 200)
        expect(api.debit(account, "d1", "10.00"), 200)
    if fate == 4:
        expect(api.close_order(order), 200)
    if fate == 5:
        expect(api.callback(order, status="fail"), 200)
        expect(api.callback(order, amount="49.99"), 200)
    return order


def lives_are_told(server, seed=1):
    api, rng = Api(server.address), random.Random(seed)
    _, before = read(api)
    orders = [some_life(api, rng) for _ in range(60)]
    events, _ = read(api, before)
    judge(api, events, orders)
    types = {event["type"] for event in events}
    assert {"account.debited", "exception.opened", "order.closed", "order.failed", "order.paid"} <= types
    debit = next(event for event in events if event["type"] == "account.debited")
    assert debit["order"] is None and debit["entry"]["kind"] == "debit" and debit["entry"]["amount"] < 0
    refund = next(event for event in events if event["type"] == "refund.succeeded")
    assert refund["refund"]["status"] == "succeeded" and refund["order"]["status"] == "partially_refunded"
    kept = next(event for event in events if event["type"] == "exception.opened")
    assert kept["exception"]["kind"] == "amount_mismatch" and kept["order"]["status"] == "failed"
    return events


def test_every_life_is_told(server):
    lives_are_told(server)


def test_resolved_exception_is_told_whole(server):
    api = Api(server.address)
    order = api.place()
    expect(api.callback(order, amount="49.99"), 200)
    (kept,) = api.exceptions(order)
    _, before = read(api)
    expect(api.resolve(kept["exception_id"], "dismiss"), 200)
    events, _ = read(api, before)
    (event,) = [event for event in events if event["type"] == "exception.resolved"]
    assert event["exception"] == api.exceptions(order)[0] and event["exception"]["action"] == "dismiss"


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_pages_join_to_the_same_stream(server, limit):
    api = Api(server.address)
    _, begin = read(api)
    orders = [api.credit()[0] for _ in range(12)]
    events, end = read(api, begin, limit)
    assert [event["order"]["order_id"] for event in events] == [order for order in orders for _ in range(2)]
    assert read(api, end) == ([], end)
    for at in (0, 5, 23):
        assert read(api, events[at]["id"])[0][:len(events) - at - 1] == events[at + 1:]


def test_latest_is_behind_everything(server):
    api = Api(server.address)
    api.place()
    reply = expect(api.get("/api/events?after=latest"), 200)
    assert reply["data"] == [] and not reply["has_more"]
    order = api.place()
    events, _ = read(api, reply["next_after"])
    assert [event["order"]["order_id"] for event in events] == [order]
    assert events[0]["order"] == api.order(order)


@pytest.mark.parametrize("query", ["after=", "after=x", "after=evt_1", "after=LATEST", "limit=0", "limit=101", "limit=a",
                                   "after=evt_0000000100000000000g01", "after=evt_0000000000000000000001", "cursor=x",
                                   "after=latest&after=latest", "after=evt_000fffff00000000000001", "limit=1&x",
                                   "after=evt_0000000100ffffff000001"])
def test_parameters_are_strict(server, query):
    expect(Api(server.address).get(f"/api/events?{query}"), 400, error="invalid_request")


def test_admins_alone(tmp_path):
    keys = Keys(tmp_path / "keys")
    with running(tmp_path / "server", keys.settings()) as server:
        api = Api(server.address)
        expect(api.get("/api/events"), 401, error="token_required")
        expect(api.request("GET", "/api/events", headers=bearer(keys.token("orders:read"))), 403)
        expect(api.request("GET", "/api/events", headers=bearer(keys.token("admin", "13800138000"))), 404)
        expect(api.request("GET", "/api/events", headers=bearer(keys.token("admin"))), 200)


def test_expiry_is_told(start_server):
    server = start_server("[orders]\nexpire_after_s = 1\n")
    api = Api(server.address)
    order = api.place()
    threading.Event().wait(1.1)
    assert api.status(order) == "expired"
    events, _ = read(api)
    judge(api, events, [order])
    assert [event["type"] for event in events] == ["order.placed", "order.expired"]


def test_many_at_once_keep_the_order_of_each(start_server):
    server = start_server(arguments=["--threads", "2"])

    def work(index):
        api, rng = Api(server.address), random.Random(index)
        return [some_life(api, rng) for _ in range(25)]

    orders = [order for part in in_threads(8, work) for order in part]
    api = Api(server.address)
    judge(api, read(api)[0], orders)


def test_kill_9_in_mid_load(start_server):
    """What was acknowledged is told, what was told before the kill is told again with the same ids."""
    server, told, acknowledged = start_server(arguments=["--threads", "2"]), [], []
    for cycle in range(4):
        stop, done = threading.Event(), []

        def load(index):
            api = Api(server.address)
            try:
                while not stop.is_set():
                    done.append(("placed", api.place()))
                    done.append(("recharged", api.credit()[0]))
            except (OSError, AssertionError) as error:
                if isinstance(error, AssertionError) and not stop.is_set():
                    raise

        def follow():
            api, after = Api(server.address), told[-1]["id"] if told else None
            try:
                while not stop.is_set():
                    more, after = read(api, after)
                    told.extend(more)
            except OSError:
                pass

        threads = [threading.Thread(target=load, args=(i,)) for i in range(6)] + [threading.Thread(target=follow)]
        for thread in threads:
            thread.start()
        threading.Event().wait(0.3 + 0.1 * cycle)
        stop.set()
        server.kill()
        for thread in threads:
            thread.join()
        acknowledged += done
        server.start()
    api = Api(server.address)
    events, _ = read(api)
    assert len(told) > 50, "the follower saw nothing"
    again = {event["id"]: event for event in events}
    assert [again.get(event["id"]) for event in told] == told
    judge(api, events, {order for _, order in acknowledged})
    for kind, order in acknowledged:
        count = sum(1 for event in events if event["type"] == f"order.{kind}" and event["order"]["order_id"] == order)
        assert count == 1, (kind, order)


# --- what these tests would see ---------------------------------------------------------------------------------------

def test_a_lost_event_is_seen(tmp_path):
    with running(tmp_path, broken="losing_events") as server:
        must_fail(lives_are_told, server)


def test_an_order_of_another_moment_is_seen(tmp_path):
    with running(tmp_path, broken="telling_half_orders") as server:
        must_fail(lives_are_told, server)
