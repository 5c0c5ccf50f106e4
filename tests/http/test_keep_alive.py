"""HTTP/1.1 as clients rightly use it: keep-alive, pipelining, chunks, HEAD, 100-continue, at any pace."""
import time

import pytest

from api import Api, expect, new_account
from wire import BODY, CHUNKED, CHUNKS, Wire, get, post, request_bytes, request_line


GOOD = {
    "plain": get(),
    "chunked": post(CHUNKED, CHUNKS),
    "chunked in upper case": post("TRANSFER-ENCODING: CHUNKED\r\n", CHUNKS),
    "chunk size in upper case": post(CHUNKED, CHUNKS.replace(f"{len(BODY):x}", f"{len(BODY):X}")),
    "chunk size with leading zeros": post(CHUNKED, "000" + CHUNKS),
    "chunk extension": post(CHUNKED, CHUNKS.replace("\r\n", ";name=value\r\n", 1)),
    "a chunk a byte": post(CHUNKED, "".join(f"1\r\n{c}\r\n" for c in BODY) + "0\r\n\r\n"),
    "trailer": post(CHUNKED, CHUNKS[:-2] + "X-Checksum: 1\r\n\r\n"),
    "no space after the colon": get("X-Note:one\r\n"),
    "spaces around a value": get("X-Note: \t one \t \r\n"),
    "empty value": get("X-Note:\r\n"),
    "latin-1 value": get("X-Note: \xe9\r\n"),
    "absolute URI of this host": get(line="GET http://localhost/livez HTTP/1.1"),
    "length with leading zeros": post(f"Content-Length: 00{len(BODY)}\r\n", BODY),
    "query": get(line="GET /livez?x=1 HTTP/1.1"),
    "empty host": get(host="Host:\r\n"),
    "host with a port": get(host="Host: localhost:8080\r\n"),
    "unknown headers": get("Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: x\r\n"),
}
MAY_REFUSE = {"length with leading zeros", "empty host", "absolute URI of this host"}


@pytest.mark.parametrize("name", GOOD)
def test_good_framing(server, name):
    with Wire(server.address) as connection:
        connection.send(GOOD[name] + get())
        line = ("GET", "/livez") if name.startswith("absolute") else request_line(GOOD[name])
        reply = connection.read_reply(*line)
        if name in MAY_REFUSE and reply.status == 400:
            return
        expect(reply, 200)
        expect(connection.read_reply("GET", "/livez"), 200)
        assert connection.silent(0.05)


def test_keep_alive_is_the_default(server):
    with Wire(server.address) as connection:
        for _ in range(20):
            connection.send(get())
            reply = expect(connection.read_reply("GET", "/livez"), 200)
            assert (reply.header("connection") or "keep-alive").lower() == "keep-alive"


def test_connection_close(server):
    with Wire(server.address) as connection:
        connection.send(get("Connection: close\r\n") + get())
        reply = expect(connection.read_reply("GET", "/livez"), 200)
        assert reply.header("connection").lower() == "close"
        assert connection.ended()


def test_http_1_0_closes(server):
    with Wire(server.address) as connection:
        connection.send(b"GET /livez HTTP/1.0\r\nHost: x\r\n\r\n")
        expect(connection.read_reply("GET", "/livez"), 200)
        assert connection.ended()


def test_http_1_0_keeps_alive_when_asked(server):
    with Wire(server.address) as connection:
        request = b"GET /livez HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"
        connection.send(request)
        reply = expect(connection.read_reply("GET", "/livez"), 200)
        if (reply.header("connection") or "").lower() == "keep-alive":
            connection.send(request)
            expect(connection.read_reply("GET", "/livez"), 200)
        else:
            assert connection.ended()


@pytest.mark.parametrize("target", ["/livez", "/readyz", "/metrics", "/openapi.json",
                                    "/api/check_balance?account=13812345678", "/api/orders?account=13812345678"])
def test_head(server, target):
    with Wire(server.address) as connection:
        connection.send(request_bytes("HEAD", target) + request_bytes("GET", target))
        head = expect(connection.read_reply("HEAD", target), 200)
        full = expect(connection.read_reply("GET", target), 200)
        assert head.header("content-type") == full.header("content-type")
        if target != "/metrics":
            assert head.header("content-length") == full.header("content-length")


def test_head_of_an_error(server):
    with Wire(server.address) as connection:
        connection.send(request_bytes("HEAD", "/api/check_balance?account=x") + get())
        expect(connection.read_reply("HEAD", "/api/check_balance"), 400)
        expect(connection.read_reply("GET", "/livez"), 200)


def test_expect_continue(server):
    body = f'{{"account":"{new_account()}","amount":1}}'.encode()
    with Wire(server.address) as connection:
        connection.send(request_bytes("POST", "/api/place_order", body, {"Expect": "100-continue"})[:-len(body)])
        assert connection.read_reply(interim=True).status == 100
        connection.send(body)
        expect(connection.read_reply("POST", "/api/place_order"), 200)
        connection.send(get())
        expect(connection.read_reply("GET", "/livez"), 200)


def test_expect_continue_with_the_body_at_once(server):
    body = f'{{"account":"{new_account()}","amount":1}}'.encode()
    with Wire(server.address) as connection:
        connection.send(request_bytes("POST", "/api/place_order", body, {"Expect": "100-continue"}))
        expect(connection.read_reply("POST", "/api/place_order"), 200)


def pipeline(count, accounts):
    """Requests of several kinds and the replies that they must get, in order."""
    requests, expected = [], []
    for number in range(count):
        kind = number % 5
        if kind == 0:
            requests.append(request_bytes("GET", f"/api/check_balance?account={accounts[number]}"))
            expected.append((200, "account", accounts[number]))
        elif kind == 1:
            body = f'{{"account":"{accounts[number]}","amount":{number + 1}}}'.encode()
            requests.append(request_bytes("POST", "/api/place_order", body))
            expected.append((200, "amount", number + 1))
        elif kind == 2:
            requests.append(get(line=f"GET /nowhere/{number} HTTP/1.1"))
            expected.append((404, "error", "not_found"))
        elif kind == 3:
            requests.append(post(CHUNKED, "2\r\n{}\r\n0\r\n\r\n", line="POST /api/place_order HTTP/1.1"))
            expected.append((400, "code", 400))
        else:
            requests.append(get())
            expected.append((200, "code", 200))
    return requests, expected


def check_replies(connection, requests, expected):
    for request, (status, name, value) in zip(requests, expected):
        reply = connection.read_reply(*request_line(request))
        assert reply.status == status and reply[name] == value, (status, name, value, reply)


@pytest.mark.parametrize("count", [2, 16, 17, 100, 500])
def test_pipelined_requests_are_answered_in_order(server, count):
    requests, expected = pipeline(count, [new_account() for _ in range(count)])
    with Wire(server.address) as connection:
        connection.send(b"".join(requests))
        check_replies(connection, requests, expected)
        assert connection.silent(0.1)


def test_split_at_every_byte(server):
    requests, expected = pipeline(16, [new_account() for _ in range(16)])
    stream = b"".join(requests)
    for position in range(1, len(stream)):
        with Wire(server.address) as connection:
            connection.send(stream[:position])
            time.sleep(0.0005)
            connection.send(stream[position:])
            check_replies(connection, requests, expected)


def test_byte_by_byte(server):
    requests, expected = pipeline(10, [new_account() for _ in range(10)])
    with Wire(server.address) as connection:
        for byte in b"".join(requests):
            connection.send(bytes([byte]))
        check_replies(connection, requests, expected)


def test_changes_in_one_pipeline_see_each_other(server):
    account = new_account()
    with Wire(server.address) as connection:
        connection.send(request_bytes("POST", "/api/place_order", f'{{"account":"{account}","amount":1}}'.encode()))
        order_id = connection.read_reply("POST", "/api/place_order")["order_id"]
        body = f'{{"order_id":"{order_id}"}}'.encode()
        connection.send(request_bytes("POST", "/api/pay", body) + request_bytes("GET", f"/api/orders/{order_id}")
                        + request_bytes("POST", "/api/pay", body))
        first = expect(connection.read_reply("POST", "/api/pay"), 200)
        assert connection.read_reply("GET", f"/api/orders/{order_id}")["order"]["status"] == "paid"
        assert connection.read_reply("POST", "/api/pay").body == first.body


def test_half_closed_client_gets_its_reply(server):
    with Wire(server.address) as connection:
        connection.send(get())
        connection.socket.shutdown(1)
        expect(connection.read_reply("GET", "/livez"), 200)
        assert connection.ended()


def test_reader_that_is_slow_gets_every_reply(server):
    api = Api(server.address)
    account = new_account()
    for _ in range(100):
        api.place(account)
    target = f"/api/orders?account={account}&limit=100"
    with Wire(server.address, timeout=30) as connection:
        connection.send(request_bytes("GET", target) * 100)
        time.sleep(1)
        for _ in range(100):
            assert len(expect(connection.read_reply("GET", target), 200)["data"]) == 100
