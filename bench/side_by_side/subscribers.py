"""What it costs to tell others: the same load on a server that tells nobody and, in turn, on one with each kind of subscriber,
and with all. A subscriber gets what the servers leave of the processor (lowest priority): in earnest it stands elsewhere. Each run
has a data folder of its own, and its subscribers come when the orders are placed: what is told is what is measured."""
import base64
import contextlib
import http.client
import os
import re
import selectors
import socket
import threading
import time
from pathlib import Path

from . import peers
from .processes import Failure
from .recharged import Load, Meter

LISTENERS = 100  # of each kind
LOWEST = 19
CREDIT = b'"type":"order.recharged"'


def give_way(pid):
    """The process and all of its group."""
    os.setpriority(os.PRIO_PGRP, os.getpgid(pid), LOWEST)
    share_by_session(pid, LOWEST)


def share_by_session(pid, niceness):
    """Where the kernel shares the processors out by session first, niceness counts within one alone."""
    with contextlib.suppress(FileNotFoundError):
        Path(f"/proc/{pid}/autogroup").write_text(str(niceness))


@contextlib.contextmanager
def giving_way_here():
    """What listens in this process; servers and clients have sessions of their own."""
    share_by_session("self", LOWEST)
    try:
        yield
    finally:
        share_by_session("self", 0)


class Webhook:
    """An endpoint that answers at once: nginx."""

    def __init__(self, bench):
        folder = bench.folder / "endpoint"
        folder.mkdir()
        self.endpoint = peers.Nginx(folder)
        give_way(self.endpoint.pid)
        key = folder / "webhook.secret"
        key.write_text("whsec_" + base64.b64encode(os.urandom(32)).decode())
        self.settings = f'[webhook.endpoint]\nurl = "{self.endpoint.url}/"\nsecret_file = "{key}"\nallow_private = true\n'

    def begin(self, server, accounts):
        pass

    def heard(self, server):
        return server.metric('recharge_subscriber_delivered_total{subscriber="webhook-endpoint"}')

    def end(self):
        pass

    def close(self):
        self.endpoint.child.stop()


class Amqp:
    """A queue of RabbitMQ that keeps the last messages in memory."""

    def __init__(self, bench):
        self.broker = peers.RabbitMq(bench.folder)
        give_way(self.broker.pid)
        self.settings = f'[amqp]\nurl = "amqp://guest@127.0.0.1:{self.broker.port}"\nexchange = "recharge"\n'

    def begin(self, server, accounts):
        pass

    def heard(self, server):
        return server.metric('recharge_subscriber_delivered_total{subscriber="amqp"}')

    def end(self):
        pass

    def close(self):
        self.broker.close()


class Aside(threading.Thread):
    """A thread at the lowest priority, and why it ended before it had to."""

    def __init__(self):
        super().__init__(daemon=True)
        self.stopping, self.failure = threading.Event(), None

    def run(self):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST)
        try:
            self.work()
        except (OSError, http.client.HTTPException, Failure) as failure:
            self.failure = failure

    def finish(self):
        self.stopping.set()
        self.join()
        if self.failure:
            raise Failure(f"{self.name}: {self.failure}")


class Ears(Aside):
    """Reads what comes on all these connections, and counts the credits in it."""

    def __init__(self, requests, address):
        super().__init__()
        self.heard, self.selector, self.rest = 0, selectors.DefaultSelector(), {}
        for request in requests:
            connection = socket.create_connection(address, timeout=10)
            connection.sendall(request)
            self.selector.register(connection, selectors.EVENT_READ)
            self.rest[connection] = self.head(connection)
            connection.setblocking(False)

    @staticmethod
    def head(connection):
        """Beyond the head and the beginning of the snapshot."""
        head = b""
        while b"snapshot" not in head:
            part = connection.recv(65536)
            if not part:
                raise Failure(f"a listener was refused: {head[:200]}")
            head += part
        return b""

    def work(self):
        while not self.stopping.is_set():
            for key, _ in self.selector.select(0.1):
                data = key.fileobj.recv(262144)
                if not data:
                    raise Failure("a listener was dropped")
                whole = self.rest[key.fileobj] + data
                self.heard += whole.count(CREDIT)
                self.rest[key.fileobj] = whole[1 - len(CREDIT):]

    def finish(self):
        try:
            super().finish()
        finally:
            for connection in self.rest:
                connection.close()
            self.selector.close()


class Listeners:
    """Each of an account, by these lines of a request."""
    settings = ""

    def __init__(self, target, headers):
        self.target, self.headers, self.ears = target, headers, None

    def begin(self, server, accounts):
        numbers = (13_800_000_000 + index * max(1, accounts // LISTENERS) for index in range(min(LISTENERS, accounts)))
        requests = [f"GET {self.target.format(account=number)} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n{self.headers}\r\n".encode()
                    for number in numbers]
        self.ears = Ears(requests, ("127.0.0.1", server.port))
        self.ears.start()

    def heard(self, server):
        return self.ears.heard

    def end(self):
        self.ears.finish()

    def close(self):
        pass


def streams(_):
    return Listeners("/api/accounts/{account}/events", "")


def web_sockets(_):
    return Listeners("/api/ws?account={account}", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                     f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n")


class Reading(Aside):
    def __init__(self, port):
        super().__init__()
        self.connection, self.read, self.after = http.client.HTTPConnection("127.0.0.1", port, timeout=10), 0, "latest"
        self.page()

    def page(self):
        """Whether there is more."""
        self.connection.request("GET", f"/api/events?after={self.after}&limit=100")
        reply = self.connection.getresponse()
        body = reply.read()
        after = re.search(rb'"next_after" *: *"([^"]+)"', body)
        if reply.status != 200 or not after:
            raise Failure(f"{reply.status}: {body[:200]}")
        self.after = after[1].decode()
        self.read += body.count(CREDIT)
        return b'"has_more":true' in body

    def work(self):
        while not self.stopping.is_set():
            if not self.page():
                self.stopping.wait(0.05)


class Reader:
    """Who asks for the events, page after page."""
    settings = ""

    def __init__(self, _):
        self.reading = None

    def begin(self, server, accounts):
        self.reading = Reading(server.port)
        self.reading.start()

    def heard(self, server):
        return self.reading.read

    def end(self):
        self.reading.finish()
        self.reading.connection.close()

    def close(self):
        pass


KINDS = {"webhook": Webhook, "amqp": Amqp, "streams": streams, "websockets": web_sockets, "reader": Reader}


def wait_until(condition, complaint, within=20):
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise Failure(complaint)
        time.sleep(0.05)


def run(bench, name, told):
    """One load with these subscribers. Returns (callbacks a second, server CPU of each)."""
    server, meter, counts = bench.fresh_server(), Meter(), {}
    orders = bench.orders_for(bench.seconds)
    accounts = min(orders, bench.options.accounts)
    config = server.folder / "recharged.toml"
    config.write_text("".join(one.settings for one in told.values()))

    def begin():
        server.stop()
        server.arguments = ["--config", config]
        server.start()
        for one in told.values():
            one.begin(server, accounts)
        meter.pids = (server.pid,)
        meter.begin()

    def books():
        meter.end()
        counts.update((kind, one.heard(server)) for kind, one in told.items())
        for kind, one in told.items():
            wait_until(lambda: one.heard(server) > 0, f"{kind} heard of nothing")
            one.end()
        server.arguments = []
        server.restart_after_crash()

    report = Load(server.url, server.secret_file, bench.folder).run(
        "--connections", 64, "--duration", bench.seconds, "--orders", orders, "--accounts", bench.options.accounts,
        steps={"measure": begin, "books": books})
    bench.discard(server)
    bench.fastest = max(bench.fastest, report["rate"])
    each = meter.seconds / report["replies"]
    bench.runs.append({"options": f"subscribers: {name}", "told": counts, "cpu_us": each * 1e6, **report})
    bench.note_run(f"told: {name}", report, meter.seconds)
    if counts:
        bench.say(f"    told meanwhile, of {report['replies']:,}: " + ", ".join(f"{kind} {count:,.0f}" for kind, count in counts.items()))
    return report["rate"], each


def subscribers(bench):
    """Callbacks with subscribers ÷ without: each kind alone, and all."""
    told = {kind: make(bench) for kind, make in KINDS.items()}
    ways = {kind: {kind: one} for kind, one in told.items()} | {"all": told}
    with giving_way_here():
        for _ in bench.pairs:
            for name, chosen in ways.items():
                rate, cpu = run(bench, "nobody", {})
                telling_rate, telling_cpu = run(bench, name, chosen)
                bench.goals[f"told/{name}"].add(telling_rate / rate)
                bench.goals[f"told/{name}-cpu"].add(telling_cpu / cpu)
    for one in told.values():
        one.close()
