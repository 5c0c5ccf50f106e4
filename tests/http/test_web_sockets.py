"""Live updates over WebSockets."""
import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from api import Api, eventually, expect, in_threads, new_account
from certificates import Authority
from faulty import must_fail, running
from replies import check
from streams import Stream
from tokens import Keys, bearer
from web_sockets import BINARY, CLOSE, PING, TEXT, WebSocket, frame

UNKNOWN_ORDER = "01a21393-b378-7119-8262-e7868b09a532"


def test_an_order_and_an_account_over_one_connection(server):
    api, account = Api(server.address), new_account()
    order, other = api.place(account), api.place()
    web = WebSocket(server.address)
    assert web.status == 101 and "sec-websocket-extensions" not in dict(web.headers)
    assert web.subscribe(order_id=other)["order"]["order_id"] == other
    first = web.subscribe(account=account)
    assert first["type"] == "snapshot" and first["account"] == account
    assert [one["order_id"] for one in first["orders"]] == [order]
    assert web.subscribe(order_id=order)["order"]["status"] == "pending"
    expect(api.callback(order), 200)
    told = [web.next() for _ in range(2)]
    assert {("order_id" in one, one.get("account")) for one in told} == {(True, None), (False, account)}
    assert {one["event"]["type"] for one in told} == {"order.recharged"} and told[0]["event"] == told[1]["event"]
    web.ask(action="unsubscribe", account=account)
    assert web.next() == {"type": "unsubscribed", "account": account}
    expect(api.callback(other), 200)
    one = web.next()
    assert one["order_id"] == other and one["event"]["order"]["status"] == "recharged"
    assert web.nothing(), "of an account that it does not listen to any more"
    web.socket.sendall(frame(CLOSE, b"\x03\xe8"))
    assert web.ends() == (1000, "")


def test_the_query_subscribes_too(server):
    api, order = Api(server.address), None
    order = api.place()
    web = WebSocket(server.address, f"/api/ws?order_id={order}")
    assert web.next()["order"]["order_id"] == order
    web.close()
    early = WebSocket(server.address, early=frame(TEXT, b'{"action":"subscribe","order_id":"%s"}' % order.encode()))
    assert early.next()["order"]["order_id"] == order, "sent with the request"
    early.close()


def test_who_comes_back_is_told_what_it_missed(start_server):
    server = start_server()
    api = Api(server.address)
    order = api.place()
    web = WebSocket(server.address, f"/api/ws?order_id={order}")
    web.next()
    expect(api.pay(order), 200)
    seen = web.next()["event"]["id"]
    web.close()
    expect(api.callback(order), 200)
    server.restart(kill=True)
    api = Api(server.address)
    back = WebSocket(server.address, f"/api/ws?order_id={order}&last_event_id={seen}")
    assert back.next() == {"type": "resumed", "order_id": order}
    event = back.next()["event"]
    assert event["type"] == "order.recharged" and back.nothing()
    expect(api.refund(order, "r1"), 200)
    assert back.next()["event"]["type"] == "refund.requested"
    back.close()


@pytest.mark.parametrize("message, error", [
    ("{", "invalid_request"), ("[]", "invalid_request"), ('"x"', "invalid_request"), ("", "invalid_request"),
    ('{"action":"dance","order_id":"x"}', "invalid_request"), ('{"order_id":"x"}', "invalid_request"),
    ('{"action":"subscribe"}', "invalid_request"), ('{"action":"subscribe","order_id":"x","account":"y"}', "invalid_request"),
    ('{"action":"subscribe","order_id":5}', "invalid_request"),
    ('{"action":"unsubscribe","order_id":"x"}', "invalid_request"),
    ('{"action":"subscribe","order_id":"x"}', "order_not_found"), ('{"action":"subscribe","account":"nobody"}', "invalid_account"),
    (f'{{"action":"subscribe","order_id":"{UNKNOWN_ORDER}"}}', "order_not_found"),
    (f'{{"action":"subscribe","order_id":"{UNKNOWN_ORDER}","last_event_id":"7"}}', "invalid_request")])
def test_a_message_that_cannot_be_done_is_answered_and_the_connection_stays(server, message, error):
    api = Api(server.address)
    web = WebSocket(server.address)
    web.send(message)
    told = web.next()
    assert (told["type"], told["error"]) == ("error", error) and told["code"] in (400, 404)
    order = api.place()
    assert web.subscribe(order_id=order)["type"] == "snapshot"
    assert web.subscribe(order_id=order)["msg"] == "Subscribed already"
    web.close()


def text(size):
    return frame(TEXT, b"x" * size)


@pytest.mark.parametrize("sent, code", [
    (text(4097), 1009), (frame(TEXT, b"x" * 4000, final=False) + frame(0, b"x" * 200), 1009), (frame(BINARY, b"{}"), 1003),
    (frame(TEXT, b"\xff\xfe"), 1007), (frame(TEXT, b"{}", masked=False), 1002), (frame(TEXT, b"{}", flags=0x40), 1002),
    (frame(3, b""), 1002), (frame(PING, b"x" * 126), 1002), (frame(0, b"{}"), 1002), (frame(CLOSE, b"\x03"), 1002),
    (frame(TEXT, b"{", final=False) + frame(TEXT, b"}"), 1002)])
def test_what_breaks_the_protocol_closes(server, sent, code):
    web = WebSocket(server.address)
    web.socket.sendall(sent)
    assert web.ends()[0] == code
    with pytest.raises((EOFError, ConnectionError)):
        web.next()


def test_bytes_come_one_by_one_and_in_parts(server):
    order = Api(server.address).place()
    message = f'{{"action":"subscribe","order_id":"{order}"}}'.encode()
    web = WebSocket(server.address)
    for byte in frame(TEXT, message[:9], final=False) + frame(PING, b"now") + frame(0, message[9:]):
        web.socket.sendall(bytes([byte]))
    assert web.frame() == (10, b"now")
    assert web.next()["order"]["order_id"] == order
    web.socket.sendall(frame(TEXT, b"[]") * 200)
    assert [web.next()["error"] for _ in range(200)] == ["invalid_request"] * 200
    web.close()


def pages_of_other_sites_are_refused(server):
    for origin in ("https://elsewhere.example", "null", "http://%s:1" % server.address[0]):
        web = WebSocket(server.address, headers={"Origin": origin})
        assert web.status == 403 and web.reply().json["error"] == "forbidden_origin"
    assert WebSocket(server.address, headers={"Origin": "http://%s:%d" % server.address}).status == 101


def test_pages_of_other_sites_are_refused(server):
    pages_of_other_sites_are_refused(server)


@pytest.mark.parametrize("headers, target, status, error", [
    ({"Upgrade": None}, "", 426, "upgrade_required"), ({"Sec-WebSocket-Version": "8"}, "", 426, "upgrade_required"),
    ({"Sec-WebSocket-Key": None}, "", 426, "upgrade_required"), ({}, "?order_id=x&account=y", 400, "invalid_request"),
    ({}, "?last_event_id=x", 400, "invalid_request"), ({}, "?account=%x", 400, "invalid_request")])
def test_handshakes_that_are_refused(server, headers, target, status, error):
    web = WebSocket(server.address, "/api/ws" + target, headers)
    assert web.status == status and check("GET", "/api/ws", web.reply())["error"] == error


def test_access_is_that_of_reading_the_order(tmp_path, start_server):
    keys = Keys(tmp_path)
    server = start_server(keys.settings())
    api, account, other = Api(server.address), new_account(), new_account()
    admin = bearer(keys.token("admin"))
    orders = [expect(api.post("/api/place_order", {"account": a, "amount": "1.00"}, admin), 200)["order_id"] for a in (account, other)]
    assert WebSocket(server.address).status == 401
    assert WebSocket(server.address, headers=bearer("x.y.z")).status == 401
    assert WebSocket(server.address, headers=bearer(keys.token("balance:read"))).status == 403
    mine = keys.token("orders:read", account)
    elsewhere = {"Origin": "https://shop.example"}
    for headers in (bearer(mine), {"Sec-WebSocket-Protocol": f"recharge, bearer.{mine}"}):
        web = WebSocket(server.address, headers=headers | elsewhere)
        assert web.status == 101 and mine not in str(web.headers)
        assert web.subscribe(order_id=orders[0])["type"] == "snapshot"
        assert web.subscribe(account=account)["type"] == "snapshot"
        assert web.subscribe(order_id=orders[1])["error"] == "order_not_found"
        assert web.subscribe(account=other)["code"] == 404
        web.close()
    assert dict(web.headers)["sec-websocket-protocol"] == "recharge"


def test_a_token_that_ends_closes(tmp_path, start_server):
    keys = Keys(tmp_path)
    server = start_server(keys.settings())
    soon = keys.token("admin", exp=int(time.time()) - 58)
    web = WebSocket(server.address, headers=bearer(soon))
    assert web.ends() == (1008, "token_expired")


def test_pings_find_who_is_gone_and_silence_without_a_subscription_ends(start_server):
    server = start_server("[server]\nrequest_timeout_ms = 1000\n[events]\nping_ms = 200\n")
    api = Api(server.address)
    order = api.place()
    alive = WebSocket(server.address, f"/api/ws?order_id={order}")
    assert alive.next()["type"] == "snapshot" and alive.nothing(0.9)
    expect(api.pay(order), 200)
    assert alive.next()["event"]["type"] == "order.paid" and alive.pings > 2
    alive.close()
    dead = WebSocket(server.address, f"/api/ws?order_id={order}", answers_pings=False)
    assert dead.ends(3) == (1008, "no_answer") and dead.pings >= 2
    idle = WebSocket(server.address)
    assert idle.ends(3) == (1008, "nothing_subscribed")


@pytest.mark.parametrize("web", [True, False], ids=["web_socket", "server_sent"])
def test_who_reads_too_slowly_is_dropped_with_a_reason(start_server, web):
    server = start_server("[server]\nrequest_timeout_ms = 5000\n")
    api, account = Api(server.address), new_account()
    if web:
        slow = WebSocket(server.address, f"/api/ws?account={account}", receive_buffer=4096)
    else:
        slow = Stream(server.address, f"/api/accounts/{account}/events", receive_buffer=4096)

    def dropped():
        in_threads(8, lambda _: [api_of.place(account, "0.01", subject="x" * 100) for api_of in [Api(server.address)] for _ in range(10)])
        return sum(api.metrics()["recharge_listeners_dropped_total"].values()) == 1

    eventually(dropped, within=30)
    if web:
        assert slow.ends() == (1013, "too_slow")
    else:
        while (last := slow.next())[0] != "end":
            pass
        assert last[2] == {"reason": "too_slow"}
    slow.close()


def test_subscriptions_count_among_the_listeners(start_server):
    server = start_server("[events]\nmax_listeners = 20\n")
    api = Api(server.address)
    orders = [api.place() for _ in range(20)]
    web = WebSocket(server.address)
    assert [web.subscribe(order_id=order)["type"] for order in orders[:16]] == ["snapshot"] * 16
    assert web.subscribe(order_id=orders[16])["msg"] == "Too many subscriptions of one connection"
    streams = [Stream(server.address, f"/api/orders/{order}/events") for order in orders[:3]]
    second = WebSocket(server.address, f"/api/ws?order_id={orders[17]}")
    assert second.next()["type"] == "snapshot"
    assert WebSocket(server.address).status == 503
    assert second.subscribe(order_id=orders[18])["error"] == "overloaded"
    assert sum(api.metrics()["recharge_listeners"].values()) == 20
    for one in (web, second, *streams):
        one.close()
    eventually(lambda: sum(api.metrics()["recharge_listeners"].values()) == 0)


def test_a_stop_closes_with_a_reason(start_server):
    server = start_server()
    order = Api(server.address).place()
    web, idle = WebSocket(server.address, f"/api/ws?order_id={order}"), WebSocket(server.address)
    web.next()
    server.stop()
    assert web.ends() == (1001, "draining") and idle.ends() == (1001, "draining")
    server.start()


def test_a_stop_among_handshakes_closes_with_a_reason(start_server):
    """At whatever moment the stop comes: who became a listener is told, whether by WebSocket or by stream."""
    listened = 0
    for turn in range(6):
        server = start_server()
        order = Api(server.address).place()
        stopped = Event()

        def come():
            """As many as there is an answer for."""
            listeners = []
            while not stopped.is_set():
                try:
                    idle = WebSocket(server.address)
                    listeners += [idle] if idle.status == 101 else []
                    stream = Stream(server.address, f"/api/orders/{order}/events")
                    listeners += [stream] if stream.status == 200 else []
                except (OSError, EOFError):
                    break
            return listeners

        with ThreadPoolExecutor(8) as pool:
            coming = [pool.submit(come) for _ in range(8)]
            time.sleep(0.05 + turn * 0.003)
            server.stop()
            stopped.set()
            for one in itertools.chain(*(each.result() for each in coming)):
                listened += 1
                if isinstance(one, WebSocket):
                    assert one.ends() == (1001, "draining")
                else:
                    assert list(iter(one.next, ("end", None, {"reason": "draining"})))
    assert listened > 30


def test_over_tls(tmp_path, start_server):
    authority = Authority(tmp_path)
    settings = authority.settings(authority.sign("server"))
    server = start_server(settings)
    web = WebSocket(server.address, wrap=lambda plain: authority.context().wrap_socket(plain, server_hostname="127.0.0.1"))
    web.ask(action="subscribe", account=new_account())
    assert web.next()["type"] == "snapshot"
    web.socket.sendall(frame(TEXT, b"[]") * 100)
    assert [web.next()["type"] for _ in range(100)] == ["error"] * 100
    web.socket.sendall(frame(CLOSE, b"\x03\xe8"))
    assert web.ends() == (1000, "")


def test_they_come_and_go_under_load(server):
    def work(index):
        api = Api(server.address)
        for turn in range(12):
            order = api.place()
            web = WebSocket(server.address, f"/api/ws?order_id={order}")
            if (index + turn) % 4 == 0:
                web.close()
                continue
            web.next()
            if turn % 3 == 0:
                web.socket.sendall(frame(PING) + frame(CLOSE, b"\x03\xe8"))
            expect(api.callback(order), 200)
            if turn % 3 != 0:
                replied = time.monotonic()
                assert web.next()["event"]["type"] == "order.recharged"
                assert time.monotonic() - replied < 5
            web.close()

    in_threads(8, work)
    api = Api(server.address)
    eventually(lambda: sum(api.metrics()["recharge_listeners"].values()) == 0)
    eventually(lambda: sum(api.metrics()["recharge_connections"].values()) <= 1)


# --- what these tests would see ---------------------------------------------------------------------------------------

def test_a_server_open_to_any_page_is_seen(tmp_path):
    with running(tmp_path, broken="open_to_any_page") as server:
        must_fail(pages_of_other_sites_are_refused, server)
