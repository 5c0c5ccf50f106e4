"""What it costs to tell others: the same load on a server that tells nobody and on one that tells everybody, and how long after
the reply a listener hears of the change. Whoever is told has only what the servers leave of the processor: in earnest it
stands elsewhere."""
import os
import secrets
import statistics
import sys
import threading
import time
from pathlib import Path

from . import peers
from .processes import Failure, memory_bytes
from .recharged import Load, Meter, Recharged

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "http"))

LISTENERS = 100
BROKER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
PROBES_A_SECOND = 25


def gives_way(pid):
    os.setpriority(os.PRIO_PGRP, os.getpgid(pid), 19)


class Told:
    """An endpoint for webhooks, a broker where there is one, and listeners of live updates: as settings and connections."""

    def __init__(self, bench):
        from broker import Broker
        (bench.folder / "endpoint").mkdir()
        self.endpoint = peers.Nginx(bench.folder / "endpoint")
        gives_way(self.endpoint.pid)
        key = bench.folder / "webhook.secret"
        key.write_text("whsec_" + "A" * 44)
        self.settings = f'[webhook.endpoint]\nurl = "{self.endpoint.url}/"\nsecret_file = "{key}"\nallow_private = true\n'
        self.broker = None
        if Path(BROKER).is_file():
            os.environ["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] = "+sbwt none +sbwtdcpu none +sbwtdio none"
            self.broker = Broker(bench.folder / "broker")
            gives_way(self.broker.process.pid)
            self.settings += f'[amqp]\nurl = "amqp://guest@127.0.0.1:{self.broker.port}"\n'
        else:
            bench.say("  without RabbitMQ, which is not installed")
        self.listeners = []

    def listen(self, server):
        from streams import Stream
        from web_sockets import WebSocket
        self.leave()
        address = ("127.0.0.1", server.port)
        for index in range(LISTENERS):
            account = f"138{90000000 + index}"
            if index % 2:
                self.listeners.append(WebSocket(address, f"/api/ws?account={account}"))
            else:
                self.listeners.append(Stream(address, f"/api/accounts/{account}/events"))
            self.listeners[-1].next()

    def leave(self):
        while self.listeners:
            self.listeners.pop().close()

    def close(self):
        self.leave()
        if self.broker:
            self.broker.close()
        self.endpoint.child.stop()


class Probe(threading.Thread):
    """Credits orders of its own, slowly, and listens to each: the milliseconds from the reply to the event."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.stopping, self.waits_ms, self.failure = server, threading.Event(), [], None

    def run(self):
        from api import Api, expect
        from web_sockets import WebSocket
        from streams import Stream
        address = ("127.0.0.1", self.server.port)
        api = Api(address, secret=self.server.secret_file.read_text().strip())
        try:
            while not self.stopping.wait(1 / PROBES_A_SECOND):
                order = api.place(f"139{secrets.randbelow(10**8):08d}")
                web = len(self.waits_ms) % 2
                listener = WebSocket(address, f"/api/ws?order_id={order}") if web else Stream(address, f"/api/orders/{order}/events")
                listener.next()
                heard = []
                waiting = threading.Thread(target=lambda: (listener.next(), heard.append(time.monotonic())))
                waiting.start()
                expect(api.callback(order), 200)
                replied = time.monotonic()
                waiting.join()
                self.waits_ms.append(max(0.0, heard[0] - replied) * 1000)
                listener.close()
        except (OSError, AssertionError, IndexError) as failure:
            self.failure = failure

    def end(self):
        self.stopping.set()
        self.join()
        if self.failure or len(self.waits_ms) < 20:
            raise Failure(f"the probe has {len(self.waits_ms)} answers: {self.failure}")
        self.waits_ms.sort()


def run(bench, server, *options, begin=lambda: None, end=lambda: None, rate=()):
    meter = Meter()

    def measure():
        server.restart()
        meter.pids = (server.pid,)
        begin()
        meter.begin()

    def books():
        meter.end()
        end()
        server.restart_after_crash()

    report = Load(server.url, server.secret_file, bench.folder).run(
        "--connections", 64, "--accounts", bench.options.accounts, *options, *rate, steps={"measure": measure, "books": books})
    bench.runs.append({"options": " ".join(map(str, (*options, *rate))), **report})
    return report, meter.seconds / report["replies"]


def subscribers(bench):
    """Callbacks with webhook, RabbitMQ and 100 listeners ÷ without; and how soon a listener hears."""
    told = Told(bench)
    folder = bench.folder / "told"
    folder.mkdir()
    (folder / "recharged.toml").write_text(told.settings)
    alone, telling = bench.fresh_server(), Recharged(folder, ["--config", folder / "recharged.toml"])
    size = ("--duration", bench.seconds, "--orders", bench.orders_for(bench.seconds))
    rates = []
    for _ in bench.pairs:
        without, cheap = run(bench, alone, *size)
        bench.note_run("telling nobody", without, cheap * without["replies"])
        delivered = {}
        counter = 'recharge_subscriber_delivered_total{subscriber="%s"}'
        names = ("webhook-endpoint", "amqp") if told.broker else ("webhook-endpoint",)

        def end():
            delivered.update({name: telling.metric(counter % name) for name in names})
            told.leave()

        report, dear = run(bench, telling, *size, begin=lambda: told.listen(telling), end=end)
        bench.note_run("telling everybody", report, dear * report["replies"])
        bench.say(f"    told meanwhile: {', '.join(f'{name} {count:,.0f}' for name, count in delivered.items())} of {report['replies']:,}")
        bench.goals["told/rate"].add(report["rate"] / without["rate"])
        bench.goals["told/cpu"].add(dear / cheap)
        rates.append(report["rate"])
    probe = []

    def begin():
        told.listen(telling)
        probe.append(Probe(telling))
        probe[-1].start()

    seconds = max(bench.options.latency_seconds, 6)
    half = statistics.median(rates) / 2
    run(bench, telling, "--duration", seconds, begin=begin, end=lambda: (probe[-1].end(), told.leave()), rate=("--rate", int(half)))
    waits = probe[-1].waits_ms
    bench.say(f"  heard after the reply at {half:,.0f} callbacks/s, {len(waits)} times: p50 {waits[len(waits) // 2]:.1f}, "
              f"p99 {waits[int(len(waits) * 0.99)]:.1f}, worst {waits[-1]:.1f} ms; {memory_bytes(telling.pid) / 2**20:.0f} MiB")
    bench.goals["told/p99"].add(waits[int(len(waits) * 0.99)])
    for server in (alone, telling):
        bench.discard(server)
    told.close()
