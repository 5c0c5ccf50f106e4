"""Live updates: server-sent events of an order and of an account."""
import contextlib
import os
import resource
import threading
import time

import pytest

from api import Api, eventually, expect, in_threads, new_account
from daemon import sanitizer
from streams import Stream
from test_load import Stepwise
from tokens import Keys, bearer
from web_sockets import WebSocket

LONG = bool(os.environ.get("RECHARGE_LONG"))
IDLE = 10_000 if LONG else 500


def order_stream(server, order, **options):
    return Stream(server.address, f"/api/orders/{order}/events", **options)


def test_an_order_from_its_placing_to_its_refund(server):
    api = Api(server.address)
    order = api.place()
    stream = order_stream(server, order)
    assert stream.status == 200 and ("content-type", "text/event-stream") in stream.headers
    assert not any(name == "content-length" for name, _ in stream.headers)
    name, event_id, data = stream.next()
    assert (name, event_id, data["order"]["status"]) == ("snapshot", None, "pending")
    assert stream.nothing()
    expect(api.pay(order), 200)
    expect(api.callback(order), 200)
    expect(api.refund(order, "r1", "20.00"), 200)
    told = [stream.next() for _ in range(4)]
    assert [data["type"] for _, _, data in told] == ["order.paid", "order.recharged", "refund.requested", "refund.succeeded"]
    assert all(name == "event" and event_id == data["id"] for name, event_id, data in told)
    assert [event_id for _, event_id, _ in told] == sorted({event_id for _, event_id, _ in told})
    assert told[-1][2]["order"]["status"] == "partially_refunded"
    expect(api.callback(api.place()), 200)
    assert stream.nothing(), "of another order"
    stream.close()


def test_an_account_hears_of_all_its_orders_and_debits(server):
    api, account = Api(server.address), new_account()
    first = api.place(account)
    stream = Stream(server.address, f"/api/accounts/{account}/events")
    name, _, data = stream.next()
    assert name == "snapshot" and [order["order_id"] for order in data["orders"]] == [first]
    second, _ = api.credit(account)
    expect(api.debit(account, "d1", "10.00"), 200)
    told = [stream.next()[2] for _ in range(3)]
    assert [event["type"] for event in told] == ["order.placed", "order.recharged", "account.debited"]
    assert told[1]["order"]["order_id"] == second and told[2]["entry"]["balance_after"] == 40
    stream.close()


def test_who_comes_back_is_told_what_it_missed(start_server):
    server = start_server()
    api = Api(server.address)
    order = api.place()
    stream = order_stream(server, order)
    assert stream.next()[0] == "snapshot"
    expect(api.pay(order), 200)
    _, seen, _ = stream.next()
    stream.close()
    expect(api.callback(order), 200)
    for kill in (False, True):
        back = order_stream(server, order, headers={"Last-Event-ID": seen})
        name, recharged, data = back.next()
        assert (name, data["type"]) == ("event", "order.recharged")
        assert back.nothing()
        back.close()
        server.restart(kill=kill)
        api = Api(server.address)
    again = order_stream(server, order, headers={"Last-Event-ID": recharged})
    assert again.nothing(), "it has seen everything"
    expect(api.refund(order, "r1"), 200)
    assert again.next()[2]["type"] == "refund.requested"
    again.close()


def test_who_missed_too_much_gets_a_snapshot(server):
    api, account = Api(server.address), new_account()
    before = expect(api.get("/api/events?after=latest"), 200)["next_after"]
    for _ in range(150):
        api.credit(account, "0.01")
    stream = Stream(server.address, f"/api/accounts/{account}/events", headers={"Last-Event-ID": before})
    assert stream.next()[0] == "snapshot"
    api.place(account)
    assert stream.next()[2]["type"] == "order.placed"
    stream.close()


@pytest.mark.parametrize("target, headers, status", [
    ("/api/orders/01a21393-b378-7119-8262-e7868b09a532/events", {}, 404),
    ("/api/orders/x/events", {}, 404),
    ("/api/accounts/nobody/events", {}, 400),
    ("/api/accounts/13812345678/events", {"Last-Event-ID": "x"}, 400)])
def test_refusals_are_ordinary_replies(server, target, headers, status):
    stream = Stream(server.address, target, headers=headers)
    assert stream.status == status and b'"error"' in stream.body()


def test_access_is_that_of_reading_the_order(tmp_path, start_server):
    keys = Keys(tmp_path)
    server = start_server(keys.settings())
    api, account = Api(server.address), new_account()
    admin = bearer(keys.token("admin"))
    order = expect(api.post("/api/place_order", {"account": account, "amount": "1.00"}, admin), 200)["order_id"]
    target = f"/api/orders/{order}/events"
    mine, others = keys.token("orders:read", account), keys.token("orders:read", new_account())
    assert Stream(server.address, target).status == 401
    assert Stream(server.address, target, headers=bearer(keys.token("balance:read"))).status == 403
    for path in (target, f"/api/accounts/{account}/events"):
        assert Stream(server.address, path, headers=bearer(others)).status == 404
        assert Stream(server.address, path, headers=bearer(mine)).next()[0] == "snapshot"


def test_stop_ends_streams_with_a_reason(start_server):
    server = start_server()
    stream = order_stream(server, Api(server.address).place())
    stream.next()
    server.stop()
    assert stream.next() == ("end", None, {"reason": "draining"})
    with pytest.raises(EOFError):
        stream.next()
    server.start()


def test_who_reads_nothing_is_dropped(start_server):
    server = start_server("[server]\nrequest_timeout_ms = 1000\n")
    account, accounts = new_account(), 100
    api = Api(server.address)
    stream = Stream(server.address, f"/api/accounts/{account}/events", receive_buffer=4096)
    honest = Stream(server.address, f"/api/accounts/{account}/events")
    honest.next()

    def dropped():
        for _ in range(accounts):
            api.place(account, "0.01", subject="x" * 100)
        while True:
            try:
                honest.next(within=0.2)
            except AssertionError:
                break
        return sum(api.metrics()["recharge_listeners_dropped_total"].values()) == 1

    eventually(dropped, within=60)
    assert sum(api.metrics()["recharge_listeners"].values()) == 1, "the honest one stays"
    api.place(account)
    assert honest.next()[2]["type"] == "order.placed"
    stream.close()


def test_no_more_listeners_than_allowed(start_server):
    server = start_server("[events]\nmax_listeners = 3\n")
    order = Api(server.address).place()
    streams = [order_stream(server, order) for _ in range(3)]
    assert order_stream(server, order).status == 503
    streams.pop().close()
    eventually(lambda: order_stream(server, order).status == 200)


def resident_kib(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def test_idle_listeners_take_little_and_hear_at_once(start_server):
    """RECHARGE_LONG=1: 10,000 of them. Prints memory of each and how long after its reply a change is heard."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, IDLE + 200)), hard))
    server = start_server(f"[server]\nmax_connections = {IDLE + 500}\n[events]\nmax_listeners = {IDLE + 100}\n")
    api = Api(server.address)
    orders = [api.place() for _ in range(50)]
    before = resident_kib(server)
    idle = [order_stream(server, orders[i % 50], timeout=60) for i in range(IDLE // 2)]
    for stream in idle:
        assert stream.next(within=60)[0] == "snapshot"
    between = resident_kib(server)
    webs = [WebSocket(server.address, f"/api/ws?order_id={orders[i % 50]}", timeout=60) for i in range(IDLE // 2)]
    for web in webs:
        assert web.next(within=60)["type"] == "snapshot"
    after = resident_kib(server)
    each_kib, each_web_kib = (between - before) / (IDLE // 2), (after - between) / (IDLE // 2)
    waits_ms = []
    for _ in range(40):
        order = api.place()
        stream = order_stream(server, order)
        stream.next()
        expect(api.callback(order), 200)
        replied = time.monotonic()
        assert stream.next()[2]["type"] == "order.recharged"
        waits_ms.append(max(0, (time.monotonic() - replied) * 1000))
        stream.close()
    waits_ms.sort()
    print(f"{IDLE} listeners, {after / 1024:.0f} MiB resident, {before / 1024:.0f} without: {each_kib:.1f} KiB each stream, "
          f"{each_web_kib:.1f} each WebSocket; heard after {waits_ms[20]:.1f} ms, at the most {waits_ms[-1]:.1f} ms")
    # A sanitizer's own memory comes on top.
    assert max(each_kib, each_web_kib) < (16 if sanitizer() is None else 64)
    assert waits_ms[20] < 50
    for stream in (*idle, *webs):
        stream.close()


def test_listeners_come_and_go_under_load(server):
    def work(index):
        api = Api(server.address)
        for turn in range(15):
            order = api.place()
            stream = order_stream(server, order)
            if (index + turn) % 4 == 0:
                stream.close()
                continue
            stream.next()
            expect(api.callback(order), 200)
            assert stream.next()[2]["type"] == "order.recharged"
            stream.close()

    in_threads(8, work)
    api = Api(server.address)
    eventually(lambda: sum(api.metrics()["recharge_listeners"].values()) == 0)


class Listener(threading.Thread):
    """Notes when it hears of which order's credit, `count` of them."""

    def __init__(self, connection, event_of, count):
        super().__init__(daemon=True)
        self.connection, self.event_of, self.count, self.heard = connection, event_of, count, {}
        connection.next()  # the snapshot
        self.start()

    def run(self):
        with contextlib.suppress(EOFError, OSError, AssertionError):  # who has not heard of all is seen by that
            while len(self.heard) < self.count:
                event, now = self.event_of(self.connection.next(within=60)), time.monotonic()
                if event["type"] == "order.recharged":
                    self.heard[event["order"]["order_id"]] = now


def under_load(server, *options, meanwhile=lambda: None):
    load = Stepwise(server, *options, "--no-books")
    assert load.line() == "step measure"
    load.go_on()
    try:
        meanwhile()
        code, report = load.finish()
    finally:
        load.process.kill()
        load.process.wait()
    assert code == 0 and report
    return report["rate"]


def test_at_half_load_a_credit_is_heard_within_50_ms(start_server):
    """RECHARGE_LONG=1, with nothing else on the machine. An open loop at half of what a closed one reaches, and beside it 600
    credits, one each 20 ms, told to a stream and to a WebSocket."""
    if not LONG:
        pytest.skip("RECHARGE_LONG=1: a time that is promised of a machine that does nothing else")
    server, count, each_s = start_server(None, secrets=False), 300, 0.02
    api = Api(server.address, secret=(server.data_dir / "callback.secret").read_text().strip())
    most = under_load(server, "--connections", "64", "--duration", "2", "--orders", "150000")
    accounts = [new_account(), new_account()]
    orders = [(index % 2, api.place(accounts[index % 2], "1.00")) for index in range(2 * count)]
    listeners = [Listener(Stream(server.address, f"/api/accounts/{accounts[0]}/events"), lambda told: told[2], count),
                 Listener(WebSocket(server.address, f"/api/ws?account={accounts[1]}"), lambda told: told["event"], count)]
    replied = {}

    def credit():
        begun = time.monotonic() + 0.5
        for index, (_, order) in enumerate(orders):
            time.sleep(max(0, begun + index * each_s - time.monotonic()))
            expect(api.callback(order, amount="1.00"), 200, msg="Recharge succeeded")
            replied[order] = time.monotonic()

    reached = under_load(server, "--connections", "256", "--rate", str(int(most / 2)), "--duration", str(2 * count * each_s + 2),
                         meanwhile=credit)
    assert reached > 0.45 * most, "the load was not kept up"
    slowest = []
    for name, listener in zip(("stream", "WebSocket"), listeners):
        listener.join(10)
        assert len(listener.heard) == count, "each credit is told"
        waits_ms = sorted(max(0, (heard - replied[order]) * 1000) for order, heard in listener.heard.items())
        p50, p99 = waits_ms[count // 2], waits_ms[count * 99 // 100]
        print(f"{name} at {reached:,.0f} of {most:,.0f} callbacks/s: heard after its reply in {p50:.1f} ms, p99 {p99:.1f}, "
              f"at the most {waits_ms[-1]:.1f} ms")
        listener.connection.close()
        slowest.append(p99)
    assert max(slowest) <= 50
