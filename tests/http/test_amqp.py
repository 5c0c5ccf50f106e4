"""RabbitMQ: every event arrives, by its type, persistent, in order, also while the broker and recharged are killed.

A broker of Debian and a consumer of npm; skipped, with the reason, where either is missing."""
import json
import os
import random
import socket
import subprocess
import threading
import time

import pytest

from api import Api, eventually, expect
from broker import Broker, free_port
from replies import REPOSITORY
from test_events import read, some_life
from test_webhooks import receivers_folder


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    made = Broker(tmp_path_factory.mktemp("broker"))
    yield made
    made.close()


class Consumer:
    def __init__(self, broker, exchange):
        self.lines, self.ready = [], threading.Event()
        command = ["node", str(REPOSITORY / "tests" / "webhooks" / "consume.mjs"), f"amqp://guest:guest@127.0.0.1:{broker.port}",
                   exchange, f"{exchange}-queue"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                        env=os.environ | {"RECHARGE_RECEIVERS": receivers_folder()})
        threading.Thread(target=self._read, daemon=True).start()
        assert self.ready.wait(60), "the consumer does not get to the broker"

    def _read(self):
        for line in self.process.stdout:
            message = json.loads(line)
            if "ready" in message:
                self.ready.set()
            else:
                self.lines.append(message)

    def first_seen(self):
        found = {}
        for message in list(self.lines):
            found.setdefault(message["id"], message)
        return list(found.values())

    def close(self):
        self.process.kill()
        self.process.wait()


def config(port, exchange):
    return f'[amqp]\nurl = "amqp://guest@127.0.0.1:{port}"\nexchange = "{exchange}"\nheartbeat_s = 2\n'


def compare(api, consumer, within=60):
    events, _ = read(api)
    eventually(lambda: len(consumer.first_seen()) >= len(events), within)
    messages = consumer.first_seen()
    assert [message["id"] for message in messages] == [event["id"] for event in events], "in order, once without repeats"
    for message, event in zip(messages, events):
        assert message["key"] == message["type"] == event["type"] and message["persistent"]
        body = json.loads(message["body"])
        assert body["id"] == event["id"] and body["type"] == event["type"]
        assert (body["order"] or {}).get("status") == (event["order"] or {}).get("status")
    contents = {}
    for message in consumer.lines:
        assert contents.setdefault(message["id"], message["body"]) == message["body"], "a repeat is the same"
    return len(events), len(consumer.lines) - len(contents)


def test_everything_arrives_though_both_are_killed(start_server, broker):
    consumer = Consumer(broker, "books")
    server = start_server(config(broker.port, "books"))
    stop = threading.Event()

    def load(index):
        rng = random.Random(index)
        while not stop.is_set():
            try:
                some_life(Api(server.address), rng)
            except (OSError, AssertionError):
                time.sleep(0.05)  # it is killed just now

    threads = [threading.Thread(target=load, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    broker.kill()
    time.sleep(0.5)
    server.kill()
    server.start()
    broker.start()
    time.sleep(1)
    server.kill()
    server.start()
    time.sleep(0.5)
    stop.set()
    for thread in threads:
        thread.join()
    events, repeats = compare(Api(server.address), consumer)
    print(f"{events} events, {repeats} repeats; the broker killed once, recharged twice")
    metrics = Api(server.address).metrics()
    eventually(lambda: Api(server.address).metrics()["recharge_subscriber_lag_bytes"][frozenset({("subscriber", "amqp")})] == 0)
    assert frozenset({("subscriber", "amqp"), ("state", "active")}) in metrics["recharge_subscriber_state"]
    consumer.close()


class Cutter:
    """Between recharged and the broker: passes on so many bytes, then cuts; each connection a few more than the last."""

    def __init__(self, port, step=97):
        self.target, self.step, self.cuts, self.limit, self.open = ("127.0.0.1", port), step, 0, step, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(self.target)
            threading.Thread(target=self._pass, args=(far, near, None), daemon=True).start()
            self._pass(near, far, None if self.open else self.limit)
            self.limit += self.step

    def _pass(self, source, sink, limit):
        try:
            while limit is None or limit > 0:
                data = source.recv(65536 if limit is None else min(limit, 65536))
                if not data:
                    break
                sink.sendall(data)
                limit = None if limit is None else limit - len(data)
            self.cuts += limit == 0
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()


def test_a_connection_cut_anywhere(start_server, broker):
    consumer = Consumer(broker, "cut")
    cutter = Cutter(broker.port)
    server = start_server(config(cutter.port, "cut"))
    api, rng = Api(server.address), random.Random(5)
    for _ in range(10):
        some_life(api, rng)
    eventually(lambda: cutter.cuts >= 6, within=40)
    cutter.open = True
    events, repeats = compare(api, consumer)
    print(f"{events} events over {cutter.cuts} cuts, {repeats} repeats")
    cutter.close()
    consumer.close()


def test_without_a_broker_nothing_else_suffers(start_server):
    server = start_server(config(free_port(), "x"))
    api = Api(server.address)
    for _ in range(5):
        api.credit()
    eventually(lambda: api.metrics()["recharge_subscriber_lag_bytes"][frozenset({("subscriber", "amqp")})] > 0)
    assert api.metrics()["recharge_subscriber_failures_total"][frozenset({("subscriber", "amqp")})] >= 1
    expect(api.get("/readyz"), 200)
