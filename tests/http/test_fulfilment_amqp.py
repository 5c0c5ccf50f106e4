"""Recharges that workers behind RabbitMQ perform ([fulfilment] kind = "amqp"): recharge.requested goes out as an event,
recharge.completed or recharge.failed come in from a queue, acknowledged only after they are durable. The worker is the example of
tools/examples; skipped, with the reason, where Debian's broker or npm is missing."""
import json
import os
import random
import subprocess
import sys
import threading
import time
from datetime import datetime, timezone

import pytest

from api import Api, eventually, expect
from broker import Between, Broker, Cluster, amqp_section
from conftest import SECRETS
from daemon import Daemon, binary, run_once
from faulty import broken_server, must_fail
from gateways import Stripe
from held import held, need_strace
from replies import REPOSITORY
from test_fulfilment import ends, pay, served, stuck
from test_readme import run_session
from test_webhooks import receivers_folder

sys.path.insert(0, str(REPOSITORY / "tests" / "gateways"))
from fake_gateway import FakeGateway  # noqa: E402

LONG = os.environ.get("RECHARGE_LONG") == "1"
TOOL = [binary("RECHARGE_BIN", "recharge")]


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    made = Broker(tmp_path_factory.mktemp("broker"))
    yield made
    made.close()


class Worker:
    """kind: of its queues, at the broker."""

    def __init__(self, brokers, folder, exchange, kind=""):
        self.lines, self.ready, self.file = [], threading.Event(), folder / "done"
        self.command = ["node", str(REPOSITORY / "tools" / "examples" / "recharge_worker.mjs"),
                        ",".join(f"amqp://guest:guest@127.0.0.1:{broker.port}" for broker in brokers), exchange,
                        f"{exchange}.results", str(self.file), kind]
        self.start()

    def start(self):
        self.ready.clear()
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True,
                                        env=os.environ | {"RECHARGE_MODULES": receivers_folder()})
        threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True).start()
        assert self.ready.wait(60), "the worker does not get to the broker"

    def _read(self, lines):
        for line in lines:
            message = json.loads(line)
            self.ready.set() if "ready" in message else self.lines.append(message)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def done(self):
        return [json.loads(line) for line in self.file.read_text().splitlines()] if self.file.exists() else []


def config(brokers, exchange, gateway=None, again_ms=1000):
    return (amqp_section([broker.port for broker in brokers], exchange) +
            f'[fulfilment]\nkind = "amqp"\nresults_queue = "{exchange}.results"\nretry_first_ms = 50\nretry_most_ms = {again_ms}\n'
            + (gateway.config() if gateway else ""))


def test_workers_recharge_though_all_are_killed(tmp_path, broker):
    """40 orders (2,000 with RECHARGE_LONG=1); recharged and the worker are killed in between. Each is done once."""
    stripe, draws = FakeGateway(Stripe("stripe", tmp_path)), random.Random(7)
    daemon = Daemon(tmp_path / "server", SECRETS + config([broker], "saga", stripe))
    daemon.listen = "%s:%d" % daemon.address
    worker, ids = Worker([broker], tmp_path, "saga"), {}
    try:
        for part in range(4):
            api = Api(daemon.address)
            for _ in range(500 if LONG else 10):
                amount = draws.choice(["50.00", "20.00", "7.13"])
                ids[pay(api, stripe, amount=amount)] = "refunded" if amount.endswith(".13") else "recharged"
            api.close()
            if part == 1:
                daemon.restart(kill=True)
            if part == 2:
                worker.kill()
                worker.start()
        api = Api(daemon.address)
        for order_id, status in ids.items():
            ends(api, order_id, status, 60)
        results = worker.done()
        assert sorted(one["request_id"] for one in results) == sorted(f"{order_id}-1" for order_id in ids)
        assert sum(stripe.money_out.values()) == sum(status == "refunded" for status in ids.values())
        assert api.ledger_sum() == 0 and stuck(api) == []
        # What comes again, late or for nobody, changes nothing, and is not left in the queue.
        events = expect(api.get("/api/events?limit=1"), 200)["next_after"]
        again = [{**one, "type": "recharge.failed" if "completed" in one["type"] else "recharge.completed"} for one in results[:5]]
        again += [{"type": "recharge.completed", "request_id": results[0]["request_id"][:-1] + "9"}, {"type": "other"}]
        send(broker, "saga.results", again)
        time.sleep(0.7)
        assert {order_id: api.status(order_id) for order_id in ids} == ids and events
        assert api.ledger_sum() == 0
        api.close()
        daemon.stop()
        verified = run_once("verify", "--data-dir", str(daemon.data_dir), "--decide", program=TOOL)
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert left_in(broker, "saga.results") == 0
    finally:
        worker.kill()
        stripe.close()
        daemon.discard()


def node(broker, script):
    done = subprocess.run(["node", "--input-type=module", "-e", f"""
import {{ createRequire }} from "node:module";
const amqp = createRequire(process.env.RECHARGE_MODULES + "/")("amqplib");
const connection = await amqp.connect("amqp://guest:guest@127.0.0.1:{broker.port}");
const channel = await connection.createConfirmChannel();
{script}
await connection.close();
"""], capture_output=True, text=True, timeout=60, check=False, env=os.environ | {"RECHARGE_MODULES": receivers_folder()})
    assert done.returncode == 0, done.stderr
    return done.stdout


def send(broker, queue, messages):
    node(broker, f"for (const one of {json.dumps(messages)}) channel.sendToQueue({json.dumps(queue)}, Buffer.from(JSON.stringify(one)));"
                 "await channel.waitForConfirms();")


def left_in(broker, queue):
    return int(node(broker, f"console.log((await channel.checkQueue({json.dumps(queue)})).messageCount);"))


def test_workers_that_come_later_are_asked_again_under_the_same_id(tmp_path, broker):
    """Nobody was bound to the exchange when it was asked for."""
    with served(tmp_path / "server", config([broker], "late", again_ms=400)) as (_, api):
        order_id = api.place()
        expect(api.callback(order_id), 200, msg="Payment recorded")
        eventually(lambda: [one["calls"] >= 2 for one in stuck(api)] == [True], 10)
        assert stuck(api)[0]["waits_for"] == "the answer of the supplier amqp, which may have done it (no worker has reported)"
        worker = Worker([broker], tmp_path, "late")
        try:
            ends(api, order_id, "recharged", 20)
            assert [one["request_id"] for one in worker.done()] == [order_id + "-1"]
        finally:
            worker.kill()


@pytest.mark.parametrize("step, withheld", [("asked for, not sent", "messages"), ("sent, not confirmed", "confirms"),
                                            ("the result recorded, not acknowledged", "acks")])
def test_kill_9_at(step, withheld, tmp_path, broker):
    """Each recharge is performed once, and its result leaves the queue in the end."""
    exchange, between = f"kill-{withheld}", Between(broker.port)
    worker = Worker([broker], tmp_path, exchange)
    daemon = Daemon(tmp_path / "server", SECRETS + config([between], exchange))
    daemon.listen = "%s:%d" % daemon.address
    try:
        api = Api(daemon.address)
        eventually(lambda: len(between.reached_at) == 2)
        first = api.place()
        expect(api.callback(first), 200, msg="Payment recorded")
        ends(api, first, "recharged")
        eventually(lambda: left_in(broker, f"{exchange}.results") == 0)
        between.withheld = withheld
        order_id = api.place()
        expect(api.callback(order_id), 200, msg="Payment recorded")
        if withheld == "messages":
            time.sleep(0.3)
        if withheld == "confirms":
            eventually(lambda: len(worker.done()) == 2)
        if withheld == "acks":
            ends(api, order_id, "recharged")
        assert api.status(order_id) == ("recharged" if withheld == "acks" else "recharging")
        assert len(worker.done()) == (1 if withheld == "messages" else 2)
        api.close()
        daemon.kill()
        between.withheld = None
        daemon.start()
        api = Api(daemon.address)
        ends(api, order_id, "recharged", 20)
        eventually(lambda: left_in(broker, f"{exchange}.results") == 0, 20)
        assert [one["request_id"] for one in worker.done()] == [f"{first}-1", f"{order_id}-1"]
        assert api.ledger_sum() == 0 and stuck(api) == []
        api.close()
        daemon.stop()
    finally:
        worker.kill()
        between.close()
        daemon.discard()


def test_the_session_of_the_readme_runs_as_written(broker):
    result = run_session("worker session", RECHARGE_BROKER=f"127.0.0.1:{broker.port}", RECHARGE_MODULES=receivers_folder())
    assert "200 Payment recorded" in result.stdout and "supplier amqp recharged, reference node-1" in result.stdout, result.stdout


def keeps_a_result_until_it_is_durable(step, folder, broker, exchange, broken=None):
    """A result is there, its record is held up, and the process is killed: the broker has kept it, and hands it out again."""
    need_strace(folder)
    queue, between = f"{exchange}.results", Between(broker.port)
    daemon = Daemon(folder / "server", SECRETS + config([between], exchange, again_ms=600_000), **broken_server(broken) if broken else {})
    daemon.listen = "%s:%d" % daemon.address
    try:
        api = Api(daemon.address)
        eventually(lambda: len(between.reached_at) == 2)
        order_id = api.place()
        expect(api.callback(order_id), 200, msg="Payment recorded")
        eventually(lambda: api.status(order_id) == "recharging")
        api.close()
        with held(daemon, step):
            send(broker, queue, [{"type": "recharge.completed", "request_id": f"{order_id}-1", "reference": "once"}])
            eventually(lambda: between.delivered == 1)
            time.sleep(0.4)  # it would be acknowledged within 20 ms
            killed_at = datetime.now(timezone.utc)
        daemon.kill()
        assert between.acked == 0, "acknowledged before it is durable"
        assert left_in(broker, queue) == 1
        daemon.start()
        api = Api(daemon.address)
        ends(api, order_id, "recharged")
        eventually(lambda: between.acked == 1)
        assert between.delivered == 2 and left_in(broker, queue) == 0
        recorded_at = datetime.fromisoformat(api.order(order_id)["recharged_at"].replace("Z", "+00:00"))
        assert (recorded_at < killed_at) == (step == "written, not flushed")
        told = [event["type"] for event in expect(api.get("/api/events?limit=100"), 200)["data"]]
        assert told.count("order.recharged") == 1 and api.ledger_sum() == 0 and stuck(api) == []
        api.close()
        daemon.stop()
        verified = run_once("verify", "--data-dir", str(daemon.data_dir), "--decide", program=TOOL)
        assert verified.returncode == 0, verified.stdout + verified.stderr
    finally:
        between.close()
        daemon.discard()


@pytest.mark.parametrize("step", ["not written", "written, not flushed"])
def test_a_result_is_kept_until_it_is_durable(step, tmp_path, broker):
    keeps_a_result_until_it_is_durable(step, tmp_path, broker, f"kept{len(step)}")


def test_an_acknowledgement_before_the_record_is_seen(tmp_path, broker):
    must_fail(keeps_a_result_until_it_is_durable, "not written", tmp_path, broker, "early", "acknowledging_early")


@pytest.mark.parametrize("part", [0.0, 0.5] if LONG else [0.5], ids=lambda part: f"after_{part}")
def test_connections_cut_in_any_frame(tmp_path, broker, part):
    """Of the two, the one that comes back first: what goes out, or what comes in. RECHARGE_LONG=1: in each of 30 frames."""
    exchange, ids, between = f"cut{int(part * 10)}", [], Between(broker.port)
    worker = Worker([broker], tmp_path, exchange)
    try:
        with served(tmp_path / "server", config([between], exchange, again_ms=400)) as (_, api):
            for frame in range(1, 31) if LONG else (12, 17):
                before = between.cuts
                between.cut_at(frame, part)
                while between.cuts == before:
                    ids.append(api.place())
                    expect(api.callback(ids[-1]), 200, msg="Payment recorded")
                    time.sleep(0.05)
                for order_id in ids:
                    ends(api, order_id, "recharged", 20)
            assert sorted(one["request_id"] for one in worker.done()) == sorted(f"{order_id}-1" for order_id in ids)
            eventually(lambda: left_in(broker, f"{exchange}.results") == 0)
            assert api.ledger_sum() == 0 and stuck(api) == []
            print(f"{len(ids)} orders over {between.cuts} cuts")
    finally:
        worker.kill()
        between.close()


def test_results_come_over_the_next_broker(tmp_path, broker):
    """Of the settings' two, the first is lost."""
    first, second, worker = Between(broker.port), Between(broker.port), Worker([broker], tmp_path, "over")
    try:
        with served(tmp_path / "server", config([first, second], "over")) as (_, api):
            for lost in (False, True):
                if lost:
                    first.close()
                order_id = api.place()
                expect(api.callback(order_id), 200, msg="Payment recorded")
                ends(api, order_id, "recharged", 20)
            assert len(first.reached_at) == len(second.reached_at) == 2, "what goes out, and what comes in"
            assert len(worker.done()) == 2
    finally:
        worker.kill()
        first.close()
        second.close()


def test_workers_recharge_though_each_node_of_a_cluster_is_killed(tmp_path):
    """RECHARGE_LONG=1. The queues are quorum queues, also the one of the results, which the worker made; both know all nodes."""
    if not LONG:
        pytest.skip("RECHARGE_LONG=1: three brokers take half a minute")
    cluster = Cluster(tmp_path)
    try:
        worker, ids = Worker(cluster.nodes, tmp_path, "nodes", "quorum"), []
        with served(tmp_path / "server", config(cluster.nodes, "nodes")) as (_, api):
            for victim in (0, 2, 1):
                for part in range(3):
                    for _ in range(30):
                        ids.append(api.place())
                        expect(api.callback(ids[-1]), 200, msg="Payment recorded")
                    if part == 0:
                        cluster.nodes[victim].kill()
                ends(api, ids[-1], "recharged", 60)  # with a node less
                cluster.nodes[victim].start()
            for order_id in ids:
                ends(api, order_id, "recharged", 60)
            assert sorted(one["request_id"] for one in worker.done()) == sorted(f"{order_id}-1" for order_id in ids)
            assert api.ledger_sum() == 0 and stuck(api) == []
    finally:
        if "worker" in locals():
            worker.kill()
        cluster.close()


def test_amqp_needs_a_broker(tmp_path):
    file = tmp_path / "recharged.toml"
    file.write_text('[fulfilment]\nkind = "amqp"\n')
    done = run_once("check-config", "--config", str(file))
    assert done.returncode == 3 and "fulfilment.kind: amqp needs [amqp]" in done.stderr, done.stderr
