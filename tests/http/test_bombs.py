"""Requests that never end or grow when they are unpacked: cut at the limit and 64 KB, and the memory of the server
grows by at most 16 MB while 64 of them run. A server with large limits is the broken version.
"""
import gzip
import select
import threading

import pytest

from api import Api, expect, in_threads, new_account
from daemon import sanitizer
from test_framing import ENDLESS
from wire import Wire

PIECE = 8192
SLACK = 64 * 1024
MEMORY = (16 if sanitizer() is None else 28) << 20  # a sanitizer keeps what was freed for a while
CONNECTIONS = 64
HEADER, BODY, TRAILER, CHUNK_LINE = 16384, 65536, 4096, 272
# The limit that cuts each, in bytes on the wire.
LIMITS = {
    "trailers": TRAILER, "one trailer": TRAILER, "headers": HEADER, "one header": HEADER, "target": HEADER, "method": HEADER,
    "empty lines": HEADER, "chunk size": CHUNK_LINE, "chunk extension": CHUNK_LINE,
    "chunks": BODY * 6,  # each byte of the body takes six
    "small chunks of an oversized body": BODY + BODY // 1024 * 9,
}
BROKEN = "[server]\nmax_body_bytes = 16777216\nmax_header_bytes = 1048576\n"


def sent_until_refused(address, name, most=2 * 1024 * 1024):
    """Sends in pieces, each after the server had time to answer the one before; the bytes until it did."""
    first, data, statuses = ENDLESS[name]
    with Wire(address) as connection:
        connection.send(first)
        sent, stream = 0, data * (1 + PIECE // len(data))
        while sent < most:
            connection.send_tolerant(stream[:PIECE])
            sent, stream = sent + PIECE, stream[PIECE:] + stream[:PIECE]
            if select.select([connection.socket], [], [], 0.05)[0]:
                assert connection.read_reply().status in statuses
                assert connection.drain()[1]
                break
        return sent


def memory(server, what):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(what))


def growth(server, work):
    """By how much the resident memory was ever larger during the work than before it."""
    with open(f"/proc/{server.process.pid}/clear_refs", "w", encoding="ascii") as reset:
        reset.write("5")  # the highest so far counts from now on
    before = memory(server, "VmRSS")
    work()
    return memory(server, "VmHWM") - before


def flood(server):
    """64 connections at once, of every kind, each as fast as it can up to 2 MB; those that are answered end."""
    names, held = list(ENDLESS), threading.Barrier(CONNECTIONS)

    def attack(index):
        first, data, _ = ENDLESS[names[index % len(names)]]
        with Wire(server.address) as connection:
            connection.send(first)
            sent = 0
            while sent < 2 * 1024 * 1024 and connection.send_tolerant(data):
                sent += len(data)
                if select.select([connection.socket], [], [], 0)[0]:
                    break
            held.wait(timeout=60)  # all of them are open together

    in_threads(CONNECTIONS, attack)


@pytest.mark.parametrize("name", ENDLESS)
def test_cut_at_the_limit(server, name):
    sent = sent_until_refused(server.address, name)
    assert sent <= LIMITS[name] + SLACK, f"cut after {sent}"


def test_memory_stays_small(server, api):
    expect(api.get("/livez"), 200)
    grown = growth(server, lambda: [flood(server) for _ in range(4)])
    print(f"memory grew by {grown / 1e6:.1f} MB")
    assert grown <= MEMORY
    expect(api.get("/livez"), 200)


def test_large_limits_are_found_out(start_server):
    broken = start_server(BROKEN)
    assert sent_until_refused(broken.address, "headers") > LIMITS["headers"] + SLACK
    assert sent_until_refused(broken.address, "small chunks of an oversized body", 512 * 1024) > BODY + 2 * SLACK
    fresh = start_server(BROKEN)  # the other has memory that it took for what was sent before
    grown = growth(fresh, lambda: [flood(fresh) for _ in range(4)])
    print(f"memory of the broken version grew by {grown / 1e6:.1f} MB")
    assert grown > MEMORY


def test_packed_bodies_are_not_unpacked(server, api):
    packed = gzip.compress(b'{"x":"' + b"0" * 40_000_000 + b'"}')
    assert len(packed) < 60_000

    def send():
        for path in ("/api/place_order", "/api/payment_callback"):
            reply = api.request("POST", path, packed, {"Content-Encoding": "gzip"})
            expect(reply, 415, error="unsupported_encoding")
            assert api.request("POST", path, packed).status == 400  # unnamed it is no JSON

    assert growth(server, send) <= MEMORY


def test_depth_costs_nothing(start_server):
    deep = start_server("[server]\nmax_body_bytes = 1048576\n")
    client = Api(deep.address)

    def send():
        for body in (b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"):
            for path in ("/api/place_order", "/api/payment_callback"):
                expect(client.request("POST", path, body), 400, error="invalid_request")

    assert growth(deep, send) <= MEMORY
    client.place(new_account())
