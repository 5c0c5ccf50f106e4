"""No descriptors left: the server waits instead of spinning, goes on with the connections that it has, and takes new
ones within a second after some are free. A server that accepts without a pause is the broken version.
"""
import json
import os
import resource
import socket
import subprocess
import sys
import time

import pytest

from api import Api, expect, new_account
from conftest import SECRETS
from daemon import Daemon, sanitizer
from wire import Wire, get, request_bytes

DESCRIPTORS = 64
ATTACKERS = 200
BUSY = 0.1  # of one core, while nothing is asked of it

SPINNING = """
import socket
server = socket.create_server(("127.0.0.1", 0), backlog=512)
print(server.getsockname()[1], flush=True)
kept = []
while True:
    try:
        kept.append(server.accept())
    except OSError:
        pass
"""


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def limit_descriptors(pid):
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))


def occupy(address):
    connections = []
    for _ in range(ATTACKERS):
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex(address)
        connections.append(connection)
    return connections


def load(pid, seconds=2.0):
    """The share of one core that a process takes."""
    before, started = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(pid) - before) / (time.monotonic() - started)


class Limited(Daemon):
    """Started with few descriptors, as by a service's own limit."""

    def command(self):
        return ["prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}", *super().command()]


def attack(server):
    """200 connections that say nothing; in the meantime the server rests, serves whom it has, and fills a segment."""
    apis = [Api(server.address) for _ in range(2)]
    orders = [api.place() for api in apis]
    if not isinstance(server, Limited):
        limit_descriptors(server.process.pid)
    attackers = occupy(server.address)
    try:
        share = load(server.process.pid)
        open_files = len(os.listdir(f"/proc/{server.process.pid}/fd"))
        print(f"{share:.3f} of a core with {open_files} descriptors in use")
        assert share < BUSY
        fill_segment(server, apis[0])
        refilled = time.monotonic()
        for api, order_id in zip(apis, orders):
            api._used = time.monotonic()  # the connection that it has, however long it rested
            reply = api.callback(order_id)
            while reply.status == 503 and time.monotonic() < refilled + 5:  # what was placed may still be on its way into the books
                time.sleep(0.1)
                reply = api.callback(order_id)
            expect(reply, 200, msg="Recharge succeeded")
    finally:
        for attacker in attackers:
            attacker.close()
    freed = time.monotonic()
    with Wire(server.address) as connection:
        connection.send(get())
        expect(connection.read_reply("GET", "/livez"), 200)
    recovered = time.monotonic() - freed
    print(f"recovered after {recovered:.2f} s")
    assert recovered <= 1.0
    for api in apis:
        api.close()
    return open_files


def is_in_use(segment):
    with open(segment, "rb") as file:
        return file.read(512).strip(b"\0") != b""


def fill_segment(server, api):
    """Until the journal is in the segment behind, the last one that was made while there were descriptors."""
    connection = api._connection.sock
    first, *behind = sorted((server.data_dir / "journal").glob("*.journal"))
    assert is_in_use(first) and len(behind) == 1 and not is_in_use(behind[0])
    order = request_bytes("POST", "/api/place_order", json.dumps({"account": new_account(), "amount": 1, "subject": "x" * 120}).encode())
    api._used = time.monotonic()
    while not is_in_use(behind[0]):
        connection.sendall(order * 200)
        received = b""
        while received.count(b"HTTP/1.1 ") < 200 or not received.endswith(b"}"):
            part = connection.recv(65536)
            assert part, "the connection ended"
            received += part
        assert received.count(b"HTTP/1.1 200 ") + received.count(b"HTTP/1.1 503 ") == 200, received[-300:]


SMALL_SEGMENTS = "[store]\nsegment_bytes = 8388608\n"


def test_descriptors_taken_from_a_running_server(start_server):
    if sanitizer() == "address":
        pytest.skip("UBSan takes an object for another where it has no descriptor to look at it by")
    server = start_server(SMALL_SEGMENTS)
    assert attack(server) >= DESCRIPTORS - 1
    assert "accepting is paused: Too many open files" in server.log_file.read_text(encoding="utf-8")


def test_few_descriptors_from_the_start(tmp_path):
    """Connections are held back before they take what the store needs: orders go on being journaled."""
    server = Limited(tmp_path, SECRETS + SMALL_SEGMENTS)
    try:
        assert attack(server) < DESCRIPTORS
        assert "Too many open files" not in server.log_file.read_text(encoding="utf-8")
        segments = len(list((server.data_dir / "journal").glob("*.journal")))
        assert segments >= 3, f"only {segments} segments: the test fills too little"
    finally:
        server.stop()


def test_a_spinning_server_is_found_out():
    process = subprocess.Popen([sys.executable, "-c", SPINNING], stdout=subprocess.PIPE)
    try:
        port = int(process.stdout.readline())
        limit_descriptors(process.pid)
        attackers = occupy(("127.0.0.1", port))
        time.sleep(0.5)
        share = load(process.pid, 1.0)
        print(f"{share:.3f} of a core")
        assert share >= BUSY
        for attacker in attackers:
            attacker.close()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
