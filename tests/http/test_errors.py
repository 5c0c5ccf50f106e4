"""Errors that any request can meet: each with its status, its slug, and the connection's fate."""
import gzip
import re
import socket
import time

import pytest

from api import Api, expect, new_account
from wire import Wire, request_bytes

PLACE = "/api/place_order"
ID = "0190a1b2-c3d4-7e5f-8a6b-0123456789ab"


# --- paths and methods -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("path", ["/", "/api", "/api/", "/api/place_order/", "/api//place_order", "/API/place_order",
                                  "/api/place_orders", "/api/orders/", f"/api/orders/{ID}/", f"/api/orders/{ID}/other",
                                  "/api/accounts/13812345678", "/livez/", "/favicon.ico", "/api/place_order%00",
                                  "/api/../livez", "/api/callbacks", "/api/callbacks/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unknown_path(api, method, path):
    expect(api.request(method, path), 404, error="not_found")


@pytest.mark.parametrize("method, path, allow", [
    ("GET", "/api/place_order", "POST"), ("PUT", "/api/place_order", "POST"), ("GET", "/api/pay", "POST"),
    ("GET", "/api/payment_callback", "POST"), ("POST", "/api/check_balance", "GET"), ("POST", "/api/orders", "GET"),
    ("DELETE", f"/api/orders/{ID}", "GET"), ("POST", f"/api/orders/{ID}", "GET"), ("POST", f"/api/orders/{ID}/explain", "GET"),
    ("GET", f"/api/orders/{ID}/close", "POST"), ("GET", f"/api/orders/{ID}/refund", "POST"),
    ("POST", "/api/accounts/13812345678/entries", "GET"), ("GET", "/api/accounts/13812345678/debit", "POST"),
    ("POST", "/api/exceptions", "GET"), ("GET", f"/api/exceptions/{ID}/resolve", "POST"),
    ("GET", "/api/callbacks/other", "POST"), ("POST", "/livez", "GET"), ("POST", "/readyz", "GET"),
    ("POST", "/metrics", "GET"), ("PATCH", "/openapi.json", "GET"), ("OPTIONS", "/api/orders", "GET"),
    ("HEAD", "/api/place_order", "POST"), ("BREW", "/livez", "GET")])
def test_wrong_method(api, method, path, allow):
    reply = expect(api.request(method, path), 405) if method == "HEAD" else expect(
        api.request(method, path), 405, error="method_not_allowed")
    allowed = {name.strip() for name in reply.header("allow").split(",")}
    assert allow in allowed and method not in allowed
    assert ("HEAD" in allowed) == (allow == "GET")


# --- bodies ----------------------------------------------------------------------------------------------------------

GOOD = '{"account":"13812345678","amount":50.00}'


@pytest.mark.parametrize("body", [
    b"", b" ", b"null", b"5", b"[]", b'"x"', b"{", b"}", b"{,}", b'{"account"}', GOOD[:-1].encode(), GOOD.encode() + b"x",
    GOOD.encode() + b"{}", GOOD.encode() + b"\x00", GOOD.encode() + b",", GOOD.replace('"', "'").encode(),
    GOOD.encode()[:-1] + b',"subject":"\xff"}', GOOD.encode()[:-1] + b',"subject":"\xc3"}',
    GOOD.encode()[:-1] + b',"\xff":1}', GOOD.encode()[:-1] + b',"subject":"\\ud800"}',
    GOOD.encode()[:-1] + b',"subject":"\n"}', GOOD.encode()[:-1] + b',"x":tru}', GOOD.encode()[:-1] + b',"x":01}',
    GOOD.encode()[:-1] + b',"x":[1,]}', GOOD.encode()[:-1] + b',"account":"13812345678"}',
    GOOD.encode()[:-1] + b',"\\u0061ccount":"13812345678"}', GOOD.encode()[:-1] + b',"x":1,"x":1}',
    b"\xef\xbb\xbf" + GOOD.encode(), GOOD.encode("utf-16"), b"/**/" + GOOD.encode(), b"[" * 40000, b'{"x":' * 12000,
], ids=lambda body: repr(body[-30:]))
def test_not_json(api, body):
    reply = api.post(PLACE, body)
    expect(reply, 400, error="invalid_request")
    expect(api.get("/livez"), 200)  # and the connection goes on


@pytest.mark.parametrize("path", [PLACE, "/api/pay", "/api/payment_callback", "/api/orders/{order_id}/refund",
                                  "/api/orders/{order_id}/close", "/api/accounts/13812345678/debit",
                                  "/api/exceptions/{exception_id}/resolve"])
def test_every_endpoint_refuses_what_is_not_json(api, path):
    order_id = api.place()
    expect(api.close_order(order_id), 200)
    expect(api.callback(order_id), 200, exception="late_payment")
    path = path.format(order_id=order_id, exception_id=api.exceptions(order_id)[0]["exception_id"])
    for body in (b"{", b"[]", b'{"a":1,"\\u0061":2}', b'{"a":"\xff"}', b"{}x"):
        expect(api.post(path, body), 400, error="invalid_request")


def test_content_type_is_ignored(api):
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "nonsense", ""):
        body = f'{{"account":"{new_account()}","amount":1}}'
        expect(api.post(PLACE, body, {"Content-Type": content_type}), 200)


# --- limits ----------------------------------------------------------------------------------------------------------

def padded(size):
    body = f'{{"account":"{new_account()}","amount":1,"pad":"'
    return (body + "x" * (size - len(body) - 2) + '"}').encode()


def test_largest_body(api):
    expect(api.post(PLACE, padded(65536)), 200)


def test_body_too_large_closes(server):
    with Wire(server.address) as connection:
        connection.send_tolerant(request_bytes("POST", PLACE, padded(65537)))
        reply = expect(connection.read_reply("POST", PLACE), 413, error="body_too_large")
        assert reply.header("connection").lower() == "close"


def test_body_too_large_is_refused_before_it_is_sent(server):
    with Wire(server.address) as connection:
        connection.send(b"POST /api/place_order HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        expect(connection.read_reply("POST", PLACE), 413, error="body_too_large")
        assert connection.ended()


def test_expect_continue_of_a_body_too_large(server):
    with Wire(server.address) as connection:
        connection.send(b"POST /api/place_order HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\nExpect: 100-continue\r\n\r\n")
        assert connection.read_reply("POST", PLACE, interim=True).status == 413


def test_oversized_chunk_is_refused_at_its_size_line(server):
    with Wire(server.address) as connection:
        connection.send(b"POST /api/place_order HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n")
        expect(connection.read_reply("POST", PLACE), 413, error="body_too_large")
        assert connection.ended()


def test_chunks_that_grow_too_large(server):
    with Wire(server.address) as connection:
        head = b"POST /api/place_order HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.send_tolerant(head + (b"4000\r\n" + b"x" * 0x4000 + b"\r\n") * 5)
        expect(connection.read_reply("POST", PLACE), 413, error="body_too_large")


def test_body_limit_setting(start_server):
    daemon = start_server("[server]\nmax_body_bytes = 1024\n")
    expect(Api(daemon.address).post(PLACE, padded(1024)), 200)
    with Wire(daemon.address) as connection:
        connection.send_tolerant(request_bytes("POST", PLACE, padded(1025)))
        expect(connection.read_reply("POST", PLACE), 413, error="body_too_large")


@pytest.mark.parametrize("headers", [
    pytest.param("X-Pad: " + "x" * 17000 + "\r\n", id="one long"),
    pytest.param("".join(f"X-Pad-{n}: {'x' * 80}\r\n" for n in range(250)), id="many"),
    pytest.param("x" * 17000 + ": 1\r\n", id="long name")])
def test_headers_too_large(server, headers):
    with Wire(server.address) as connection:
        connection.send_tolerant(f"GET /livez HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
        reply = expect(connection.read_reply("GET", "/livez"), 431, error="headers_too_large")
        assert reply.header("connection").lower() == "close"


def test_headers_below_the_limit(server):
    with Wire(server.address) as connection:
        connection.send(f"GET /livez HTTP/1.1\r\nHost: x\r\nX-Pad: {'x' * 15000}\r\n\r\n".encode())
        expect(connection.read_reply("GET", "/livez"), 200)


def test_header_limit_setting(start_server):
    daemon = start_server("[server]\nmax_header_bytes = 4096\n")
    with Wire(daemon.address) as connection:
        connection.send_tolerant(f"GET /livez HTTP/1.1\r\nHost: x\r\nX-Pad: {'x' * 5000}\r\n\r\n".encode())
        expect(connection.read_reply("GET", "/livez"), 431, error="headers_too_large")


def test_uri_too_long(server):
    with Wire(server.address) as connection:
        target = "/api/check_balance?account=" + "1" * 17000
        connection.send_tolerant(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        expect(connection.read_reply("GET", "/api/check_balance"), 414, error="uri_too_long")


# --- encodings -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "br", "zstd", "compress", "identity, gzip", "nonsense"])
def test_content_encoding_is_refused(api, encoding):
    body = gzip.compress(GOOD.encode()) if "gzip" in encoding else GOOD
    expect(api.post(PLACE, body, {"Content-Encoding": encoding}), 415, error="unsupported_encoding")
    expect(api.get("/livez"), 200)


@pytest.mark.parametrize("encoding", ["identity", "Identity"])
def test_identity_is_accepted(api, encoding):
    expect(api.post(PLACE, GOOD, {"Content-Encoding": encoding}), 200)


# --- deadlines -------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def impatient(start_module_server):
    return start_module_server("[server]\nrequest_timeout_ms = 700\n")


@pytest.mark.parametrize("part", [
    pytest.param(b"P", id="first byte"),
    pytest.param(b"POST /api/place_order HT", id="request line"),
    pytest.param(b"POST /api/place_order HTTP/1.1\r\nHost: x\r\nContent-Le", id="header"),
    pytest.param(b"POST /api/place_order HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n", id="no body"),
    pytest.param(b"POST /api/place_order HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n{\"acc", id="body"),
    pytest.param(b"POST /api/place_order HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a", id="chunk")])
def test_stalled_request(impatient, part):
    with Wire(impatient.address) as connection:
        started = time.monotonic()
        connection.send(part)
        reply = expect(connection.read_reply(), 408, error="request_timeout")
        assert reply.header("connection").lower() == "close"
        assert 0.5 < time.monotonic() - started < 2.5
        assert connection.ended()


def test_deadline_counts_in_total_and_not_per_byte(impatient):
    with Wire(impatient.address) as connection:
        started = time.monotonic()
        for byte in b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"x" * 100:
            if not connection.send_tolerant(bytes([byte])) or time.monotonic() - started > 1.5:
                break
            time.sleep(0.05)
        assert time.monotonic() - started < 3
        expect(connection.read_reply(), 408, error="request_timeout")


def test_deadline_starts_anew_with_each_request(impatient):
    with Wire(impatient.address) as connection:
        for _ in range(4):
            connection.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
            time.sleep(0.4)
            connection.send(b"\r\n")
            expect(connection.read_reply("GET", "/livez"), 200)


def test_idle_connection_ends_without_a_reply_at_worst(impatient):
    """An idle connection may be closed; a 408 that nobody asked for would be taken for the next reply."""
    with Wire(impatient.address) as connection:
        connection.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        expect(connection.read_reply("GET", "/livez"), 200)
        data, _ = connection.drain(within=2)
        assert data == b""


def test_client_that_leaves_does_no_harm(server, api):
    for part in (b"", b"POST /api/place_order HTTP/1.1\r\n", request_bytes("POST", PLACE, GOOD.encode())[:-5],
                 request_bytes("POST", PLACE, GOOD.encode())):
        for linger in (False, True):
            connection = Wire(server.address)
            connection.send(part)
            if linger:  # a reset instead of an orderly end
                connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            connection.close()
    expect(api.get("/livez"), 200)


# --- request ids -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("request_id", ["a", "x" * 128, "A-Z.0_9", "0190a1b2-c3d4-7e5f-8a6b-0123456789ab"])
def test_request_id_is_taken_over(api, request_id):
    assert api.get("/livez", **{"X-Request-Id": request_id}).header("x-request-id") == request_id
    reply = expect(api.get("/nowhere", **{"X-Request-Id": request_id}), 404)
    assert reply["request_id"] == reply.header("x-request-id") == request_id


@pytest.mark.parametrize("request_id", ["", "x" * 129, "a b", "a/b", "ä".encode(), '"x"', "a,b", "a\tb", "<script>"])
def test_request_id_of_another_form_is_replaced(api, request_id):
    made = api.get("/livez", **{"X-Request-Id": request_id}).header("x-request-id")
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", made) and made != request_id


def test_request_ids_are_made(api):
    made = {api.get("/livez").header("x-request-id") for _ in range(50)}
    assert len(made) == 50


def test_framing_errors_carry_one_too(server):
    with Wire(server.address) as connection:
        connection.send(b"garbage\r\n\r\n")
        assert connection.read_reply()["request_id"]


# --- nothing inside leaks --------------------------------------------------------------------------------------------

def test_errors_do_not_echo_what_was_sent(api):
    for reply in (api.post(PLACE, {"account": "<script>alert(1)</script>", "amount": 1}), api.get("/<script>"),
                  api.get("/api/orders/<script>"), api.post(PLACE, '{"amount":"<script>"}')):
        assert reply.status >= 400 and b"<script>" not in reply.body


def test_replies_are_not_cached_or_sniffed(api):
    reply = api.get("/livez")
    assert "content-length" in dict(reply.headers) and "transfer-encoding" not in dict(reply.headers)
