"""Slow headers, slow bodies and slow readers, by slowhttptest: honest requests stay as fast as without them, and the
attackers are closed at the deadline and a second. 200 connections; 2,000 with RECHARGE_LONG=1, and then honest requests also take no more
than twice as long as those to a server beside it that nobody attacks, on the machine that the attackers use, too. A server without
deadlines is the broken version.
"""
import os
import shutil
import statistics
import subprocess
import threading
import time

import pytest

from api import Api, expect
from daemon import slowdown
from wire import Wire

LONG = os.environ.get("RECHARGE_LONG") == "1"
CONNECTIONS = 2000 if LONG else 200
CONNECTIONS_OF_ATTACKER = 200  # one slowhttptest makes 150 to 300 a second
DEADLINE = 20.0 if LONG else 2.0  # all are there before the first is closed
FLOOR = 0.025 * slowdown()  # seconds; below it a p99 says more about the machine than about the server
ATTEMPTS = 3
CONFIG = "[server]\nrequest_timeout_ms = {0}\nidle_timeout_ms = {0}\n"
# What makes slowhttptest slow in each way; slow readers ask for a large reply again and again.
ATTACKS = {
    "headers": ["-H", "-x", "24", "-u", "{url}/livez"],
    "body": ["-B", "-s", "60000", "-x", "24", "-u", "{url}/api/place_order"],
    "reading": ["-X", "-k", "10", "-n", "1", "-w", "512", "-y", "1024", "-z", "32", "-u", "{url}/openapi.json"],
}


def sockets(server):
    """How many sockets the server holds."""
    folder = f"/proc/{server.process.pid}/fd"
    count = 0
    for name in os.listdir(folder):
        try:
            count += os.readlink(f"{folder}/{name}").startswith("socket:")
        except FileNotFoundError:
            pass
    return count


def waiting_to_send(server):
    """On how many connections a reply waits for its reader: who reads slowly asks a while after it has connected."""
    port, count = f":{server.address[1]:04X}", 0
    with open("/proc/net/tcp", encoding="ascii") as table:
        for line in table:
            local, queues = line.split()[1], line.split()[4]
            count += local.endswith(port) and not queues.startswith("00000000:")
    return count


class Honest:
    """Two clients that ask one thing after another until they are stopped; what each took, in seconds."""

    def __init__(self, address):
        self.taken, self.failures, self.stop = [], [], threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(address,)) for _ in range(2)]
        for thread in self.threads:
            thread.start()

    def _run(self, address):
        api = Api(address)
        try:
            while not self.stop.is_set():
                started = time.monotonic()
                expect(api.get("/api/check_balance?account=13812345678"), 200)
                self.taken.append(time.monotonic() - started)
                time.sleep(0.002)
        except BaseException as error:  # judged by the test's own thread
            self.failures.append(error)
        finally:
            api.close()

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def p99(self):
        self.end()
        assert self.failures == []
        return statistics.quantiles(self.taken, n=100)[98]


def start_attack(server, kind):
    count = str(CONNECTIONS_OF_ATTACKER)
    command = ["slowhttptest", *(part.format(url=server.url) for part in ATTACKS[kind]), "-c", count, "-r", count, "-i", "1",
               "-l", str(int(DEADLINE) + 60), "-p", "2"]
    return [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
            for _ in range(CONNECTIONS // CONNECTIONS_OF_ATTACKER)]


def attack(server, kind, watch, *others):
    """(most sockets of attackers, those left at the deadline and a second, p99 in the meantime: of the server, and of each other)."""
    idle = sockets(server)
    clients = [Honest(each.address) for each in (server, *others)]
    attackers = start_attack(server, kind)
    try:
        most, asked, last_made = 0, 0, time.monotonic()
        give_up = last_made + max(10.0, DEADLINE)
        while most < CONNECTIONS * 0.9 or time.monotonic() < last_made + 1:  # until all are there
            assert time.monotonic() < give_up, f"only {most} connections were made"
            there, waiting = sockets(server) - idle - 2, waiting_to_send(server)
            if there > most or waiting > asked:
                most, asked, last_made = max(most, there), max(asked, waiting), time.monotonic()
            time.sleep(0.05)
        time.sleep(max(0, last_made + watch - time.monotonic()))
        left = sockets(server) - idle - 2
        return most, left, [client.p99() for client in clients]
    finally:
        for attacker in attackers:
            attacker.kill()
            attacker.wait()
        for client in clients:
            client.end()


@pytest.fixture(autouse=True)
def tool():
    if shutil.which("slowhttptest") is None:
        pytest.skip("slowhttptest is missing")


@pytest.mark.parametrize("kind", ATTACKS)
def test_slow_attack(start_module_server, kind):
    server, beside = (start_module_server(CONFIG.format(int(DEADLINE * 1000))) for _ in range(2))
    for _ in range(ATTEMPTS):  # the machine is shared: a stall of its own must not fail this
        honest = Honest(server.address)
        time.sleep(3)
        alone = honest.p99()
        most, left, (p99, other) = attack(server, kind, DEADLINE + 1, beside)
        print(f"{kind}: {most} connections, {left} left; p99 {alone * 1000:.1f} ms alone, {p99 * 1000:.1f} ms attacked, "
              f"{other * 1000:.1f} ms of the server beside it")
        assert left <= CONNECTIONS * 0.02, "the attackers are not closed"
        if p99 <= max(2 * alone, FLOOR) and (not LONG or p99 <= 2 * other):
            return
    pytest.fail("honest requests were slowed down")


def test_without_deadlines_the_attackers_stay(start_module_server):
    server = start_module_server(CONFIG.format(3600000))
    most, left, _ = attack(server, "headers", DEADLINE + 1)
    assert left > most * 0.9


def test_an_attacker_that_ignores_the_end_is_closed_too(start_module_server):
    """It neither reads nor closes: what the server keeps for the last reply ends by itself."""
    server = start_module_server(CONFIG.format(int(DEADLINE * 1000)))
    idle = sockets(server)
    attackers = [Wire(server.address) for _ in range(20)]
    started = time.monotonic()
    for attacker in attackers:
        attacker.send(b"POST /api/place_order HTTP/1.1\r\nHost: x\r\nX-")
    time.sleep(0.2)
    assert sockets(server) == idle + 20
    while sockets(server) > idle and time.monotonic() - started < DEADLINE + 5:
        for attacker in attackers:
            attacker.send_tolerant(b"y")
        time.sleep(0.1)
    taken = time.monotonic() - started
    print(f"closed after {taken:.1f} s")
    for attacker in attackers:
        attacker.close()
    assert taken <= DEADLINE + 1
