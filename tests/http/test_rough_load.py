"""Rough senders: duplicates, connections cut at every byte and reset with replies unread, and SIGTERM in the middle.
Nothing is credited twice, nothing acknowledged is lost, and every drain ends with 0.

In a build with a sanitizer (tools/test --preset asan or tsan) none of it may cause a report; that the sanitizer is alive
is shown by servers with a planted error. RECHARGE_LONG=1 makes it last minutes, RECHARGE_SEED replays a run.
"""
import os
import random
import signal
import socket
import struct
import threading
import time

from api import Api, expect, in_threads, new_account
from daemon import sanitizer
from faulty import must_fail, running
from signing import callback_fields, signed_body
from wire import ConnectionEnded, Wire, request_bytes

PATH = "/api/payment_callback"
LONG = os.environ.get("RECHARGE_LONG") == "1"
DRAINS = 30 if LONG else 2
SENDERS = 8


class Payment:
    def __init__(self, api):
        self.account = new_account()
        self.order_id = api.place(self.account)
        body = signed_body(callback_fields(self.order_id, f"tx-{self.order_id}"))
        self.request = request_bytes("POST", PATH, body)
        self.acknowledged = False


def cut(address, data, rng):
    """Sends what there is and ends the connection, politely or by a reset."""
    with Wire(address) as connection:
        connection.send(data)
        if rng.random() < 0.5:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def cut_at_every_byte(address, api, rng):
    payment = Payment(api)
    for end in range(1, len(payment.request)):
        cut(address, payment.request[:end], rng)
    # Whole requests before the cut one, on one connection.
    for end in range(0, len(payment.request), 7):
        cut(address, payment.request + payment.request[:end], rng)
    return payment


def send_roughly(address, payments, rng, stop):
    while not stop.is_set():
        chosen = [rng.choice(payments) for _ in range(rng.randint(1, 6))]
        data = b"".join(payment.request for payment in chosen)
        try:
            if rng.random() < 0.3:
                cut(address, data[:rng.randrange(len(data))], rng)
                continue
            with Wire(address) as connection:
                connection.send(data)
                for payment in chosen[:rng.randint(0, len(chosen))]:
                    reply = connection.read_reply("POST", PATH)
                    assert reply.status in (200, 503), reply
                    payment.acknowledged |= reply.status == 200
                if rng.random() < 0.3:
                    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except (OSError, ConnectionEnded):
            if not stop.is_set():
                time.sleep(0.005)  # it drains


def rough_load(folder, rng, drains=DRAINS, seconds=3.0 if LONG else 0.7, broken=None):
    config = "tolerance_s = 0\n[store]\ncheckpoint_interval_ms = 300\n"  # goes on in [callback]
    with running(folder, config, arguments=["--threads", "2"], broken=broken) as daemon:
        payments = []
        for _ in range(drains):
            api = Api(daemon.address)
            payments.append(cut_at_every_byte(daemon.address, api, rng))
            payments += [Payment(api) for _ in range(60)]
            seeds, stop = [rng.getrandbits(64) for _ in range(SENDERS)], threading.Event()

            def work(index):
                if index < SENDERS:
                    return send_roughly(daemon.address, payments, random.Random(seeds[index]), stop)
                reader = Api(daemon.address)
                until = time.monotonic() + seconds
                try:
                    while time.monotonic() < until:  # what runs beside the load: the metrics, lists and explanations
                        reader.metrics()
                        reader.exceptions()
                        reader.get(f"/api/orders/{payments[-1].order_id}/explain")
                        expect(reader.get("/livez"), 200)
                    daemon.signal(signal.SIGTERM)
                    time.sleep(0.1)
                finally:  # of a server that has gone by itself, too
                    stop.set()

            in_threads(SENDERS + 1, work)
            assert daemon.wait() == 0, daemon.log_tail()
            daemon.process = None
            daemon.assert_no_report()
            daemon.start()
        api = Api(daemon.address)
        for payment in payments:
            if payment.acknowledged:
                assert api.balance(payment.account) > 0, "an acknowledged payment was lost"
        for payment in payments:
            with Wire(daemon.address) as connection:
                connection.send(payment.request)
                expect(connection.read_reply("POST", PATH), 200)
            assert api.balance(payment.account) == 50, f"credited {api.balance(payment.account)} instead of 50"
            assert len(api.entries(payment.account)) == 1
        assert api.ledger_sum() == 0
        print(f"{len(payments)} payments, {sum(payment.acknowledged for payment in payments)} acknowledged under load")


def seeded():
    value = int(os.environ.get("RECHARGE_SEED") or random.SystemRandom().getrandbits(32))
    print(f"RECHARGE_SEED={value}")
    return random.Random(value)


def test_rough_load(tmp_path):
    rough_load(tmp_path, seeded())


def test_rough_load_without_deduplication_is_seen(tmp_path):
    must_fail(rough_load, tmp_path, seeded(), drains=1, broken="without_deduplication")


def test_the_sanitizer_is_alive(tmp_path):
    """A planted error is reported in the same load. Without a sanitizer there is none to plant for."""
    planted = {"thread": "with_a_race", "address": "using_freed_memory"}.get(sanitizer())
    if planted:
        must_fail(rough_load, tmp_path, seeded(), drains=1, broken=planted)
        log = (tmp_path / "stderr.log").read_text(errors="replace")
        assert "data race" in log or "heap-use-after-free" in log, log[-2000:]
