"""RabbitMQ: every event arrives, by its type, persistent, in order, also while the broker and recharged are killed.

A broker of Debian and a consumer of npm; skipped, with the reason, where either is missing."""
import base64
import json
import os
import random
import re
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from api import Api, eventually, expect
from broker import Between, Broker, Cluster, amqp_section, free_port
from certificates import Authority
from daemon import binary, slowdown
from faulty import must_fail, running
from held import held, need_strace
from receiver import Receiver
from replies import REPOSITORY
from test_events import read, some_life
from test_readme import run_session
from test_webhooks import receivers_folder

LONG = bool(os.environ.get("RECHARGE_LONG"))
AMQP = frozenset({("subscriber", "amqp")})


def long_form(why):
    if not LONG:
        pytest.skip(f"RECHARGE_LONG=1: {why}")


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    authority = Authority(tmp_path_factory.mktemp("authority"))
    made = Broker(tmp_path_factory.mktemp("broker"), (authority.file, *authority.sign("broker")))
    made.authority = authority
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_consumer_is_left():
    yield
    while Consumer.running:
        Consumer.running[-1].close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    long_form("three brokers take half a minute")
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    yield made
    made.close()


class Consumer:
    """hold: the queue is bound, and nothing taken from it before go()."""
    running = []

    def __init__(self, broker, exchange, arguments=None, hold=False):
        self.lines, self.ready = [], threading.Event()
        command = ["node", str(REPOSITORY / "tests" / "webhooks" / "consume.mjs"), f"amqp://guest:guest@127.0.0.1:{broker.port}",
                   exchange, f"{exchange}-queue", json.dumps(arguments or {}), "hold" if hold else ""]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=os.environ | {"RECHARGE_RECEIVERS": receivers_folder()})
        self.running.append(self)
        threading.Thread(target=self._read, daemon=True).start()
        assert self.ready.wait(60), "the consumer does not get to the broker"

    def _read(self):
        for line in self.process.stdout:
            message = json.loads(line)
            if "ready" in message:
                self.ready.set()
            else:
                self.lines.append(message)

    def go(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def first_seen(self):
        found = {}
        for message in list(self.lines):
            found.setdefault(message["id"], message)
        return list(found.values())

    def close(self):
        self.running.remove(self)
        self.process.kill()
        self.process.wait()


def config(port, exchange):
    return amqp_section([port], exchange)


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
    eventually(lambda: Api(server.address).metrics()["recharge_subscriber_lag_bytes"][AMQP] == 0)
    assert frozenset({("subscriber", "amqp"), ("state", "active")}) in metrics["recharge_subscriber_state"]
    consumer.close()


@pytest.mark.parametrize("part", [0.0, 0.5] if LONG else [0.5], ids=lambda part: f"after_{part}")
def test_a_connection_cut_in_any_frame(start_server, broker, part):
    """RECHARGE_LONG=1: in every frame of the handshake, of the messages and of their confirms, before it and in its midst."""
    consumer, between = Consumer(broker, f"cut{int(part * 10)}"), Between(broker.port)
    server = start_server(config(between.port, f"cut{int(part * 10)}"))
    api, rng = Api(server.address), random.Random(5)
    for frame in range(1, 41) if LONG else (5, 13, 17, 20):
        before = between.cuts
        between.cut_at(frame, part)
        while between.cuts == before:  # it connects, and has something to say
            some_life(api, rng)
            time.sleep(0.05)
    events, repeats = compare(api, consumer)
    print(f"{events} events over {between.cuts} cuts, {repeats} repeats")
    between.close()
    consumer.close()


def goes_over(start, broker, exchange, listed=lambda *ports: ports, within=5):
    """Of three brokers the first is not there, and the second goes while it is used."""
    with closing(Consumer(broker, exchange)) as consumer, closing(Between(broker.port)) as first, \
            closing(Between(broker.port)) as second:
        server = start(amqp_section(listed(free_port(), first.port, second.port), exchange))
        api = Api(server.address)
        api.credit()
        compare(api, consumer)
        assert first.reached_at and not second.reached_at, "in order"
        first.close()
        gone = time.monotonic()
        api.credit()
        events, repeats = compare(api, consumer, within=within * slowdown())
        assert events == 4 and "connected again, to 127.0.0.1:%d" % second.port in server.log_file.read_text()
        print(f"the next broker was reached {(second.reached_at[0] - gone) * 1000:.0f} ms after the one before was lost, {repeats} repeats")


def test_the_next_broker_is_tried_when_one_is_lost(start_server, broker):
    goes_over(start_server, broker, "over")


def test_brokers_are_tried_in_order_and_ever_more_slowly_by_rounds(start_server):
    brokers = [Between(), Between(), Between()]
    server = start_server(amqp_section([one.port for one in brokers], "x"))
    eventually(lambda: len(brokers[-1].reached_at) >= 4, within=20)
    tries = sorted((when, index) for index, one in enumerate(brokers) for when in one.reached_at)[:12]
    assert [index for _, index in tries] == 4 * [0, 1, 2]
    gaps = [later - earlier for (earlier, _), (later, _) in zip(tries, tries[1:])]
    between, within = gaps[2::3], sorted(gap for place, gap in enumerate(gaps) if place % 3 != 2)
    assert all(gap > pause for gap, pause in zip(between, (0.19, 0.39, 0.79))), gaps
    assert within[len(within) // 2] < 0.1 * slowdown(), gaps
    log = server.log_file.read_text()
    assert all(log.count(f"127.0.0.1:{one.port}: ") == 1 for one in brokers), "each is complained of once"
    for one in brokers:
        one.close()


def test_a_queue_that_is_full_refuses_and_gets_it_later(start_server, broker):
    consumer = Consumer(broker, "full", arguments={"x-max-length": 5, "x-overflow": "reject-publish"}, hold=True)
    server = start_server(config(broker.port, "full"))
    api = Api(server.address)
    for _ in range(10):
        api.credit()
    failures = lambda: api.metrics()["recharge_subscriber_failures_total"][AMQP]
    eventually(lambda: failures() >= 1)
    assert api.metrics()["recharge_subscriber_lag_bytes"][AMQP] > 0 and "refused a message" in server.log_file.read_text()
    consumer.go()
    events, repeats = compare(api, consumer)
    print(f"{events} events through a queue of 5, refused {failures()} times, {repeats} repeats")
    consumer.close()


def test_over_tls_to_the_right_broker_alone(start_server, broker, tmp_path):
    consumer, stranger = Consumer(broker, "tls"), Authority(tmp_path / "stranger")
    secure = config(broker.tls_port, "tls").replace("amqp://guest@127.0.0.1", "amqps://guest@localhost")  # names alone are compared
    server = start_server(secure + f'ca_file = "{broker.authority.file}"\n')
    api = Api(server.address)
    api.credit()
    assert compare(api, consumer)[0] == 2
    server = start_server(secure + f'ca_file = "{stranger.file}"\n')
    api = Api(server.address)
    api.credit()
    eventually(lambda: api.metrics()["recharge_subscriber_failures_total"][AMQP] >= 1)
    assert api.metrics()["recharge_subscriber_delivered_total"][AMQP] == 0
    consumer.close()


def test_the_session_of_the_readme_runs_as_written(broker):
    if not shutil.which("amqp-consume"):
        pytest.skip("amqp-tools is needed for the README's consumer")
    result = run_session("broker session", RECHARGE_BROKER=f"127.0.0.1:{broker.port}")
    told = [json.loads(line) for line in result.stdout.splitlines() if line.startswith('{"id":"evt_')]
    assert [event["type"] for event in told] == ["order.placed", "order.recharged"], result.stdout + result.stderr
    assert "200 Recharge succeeded" in result.stdout and re.search("^amqp +active", result.stdout, re.MULTILINE), result.stdout


def killed_between_the_call_and_its_record(start, broker, exchange):
    """Where the message or its confirm is lost with the process, it is sent again, the same."""
    with closing(Consumer(broker, exchange)) as consumer, closing(Between(broker.port)) as between:
        server = start(config(between.port, exchange))
        for withheld in ("messages", "confirms"):
            api = Api(server.address)
            eventually(lambda: api.metrics()["recharge_subscriber_lag_bytes"][AMQP] == 0)
            time.sleep(0.3)  # recorded
            seen = len(consumer.lines)
            between.withheld = withheld
            api.place()
            time.sleep(0.5)
            assert len(consumer.lines) - seen == (withheld == "confirms")
            server.kill()
            between.withheld = None
            server.start()
            eventually(lambda: len(consumer.lines) - seen == (2 if withheld == "confirms" else 1))
        compare(Api(server.address), consumer)


def test_killed_between_the_call_and_its_record(start_server, broker):
    killed_between_the_call_and_its_record(start_server, broker, "record")


def test_killed_between_the_confirm_and_the_cursor(start_server, broker, tmp_path):
    """The broker has said that it has the message, and the cursor is held up behind it."""
    need_strace(tmp_path)
    with closing(Consumer(broker, "noted")) as consumer, closing(Between(broker.port)) as between, ExitStack() as stack:
        server, confirmed = start_server(config(between.port, "noted")), threading.Event()
        api = Api(server.address)
        api.place()
        assert compare(api, consumer) == (1, 0)
        time.sleep(0.3)  # recorded

        def hold():
            if not confirmed.is_set():
                stack.enter_context(held(server, "not written"))
                confirmed.set()

        between.on_confirm = hold
        api.place()
        assert confirmed.wait(10)
        time.sleep(0.4)
        stack.close()
        server.kill()
        server.start()
        eventually(lambda: len(consumer.lines) == 3)
        assert compare(Api(server.address), consumer) == (2, 1)


def test_a_broker_that_falls_silent_is_left(start_server, broker):
    """RECHARGE_LONG=1. Nothing comes from it any more, no heartbeat either, and the connection is there."""
    long_form("heartbeats are seconds apart")
    with closing(Consumer(broker, "silent")) as consumer, closing(Between(broker.port)) as between:
        server = start_server(config(between.port, "silent"))
        api = Api(server.address)
        api.credit()
        compare(api, consumer)
        between.withheld, fell_silent = "confirms", time.monotonic()
        api.credit()
        eventually(lambda: "the connection is lost" in server.log_file.read_text(), within=20)
        print(f"left after {time.monotonic() - fell_silent:.1f} s, heartbeats of 2 s")
        between.withheld = None
        eventually(lambda: len(consumer.lines) == 6, within=20)
        assert compare(api, consumer) == (4, 2), "what was not confirmed comes again"


ALARMS = {"disk": (["set_disk_free_limit", "1000000GB"], ["set_disk_free_limit", "50MB"]),
          "memory": (["set_vm_memory_high_watermark", "0"], ["set_vm_memory_high_watermark", "0.4"])}


def held_up_by_an_alarm(start, broker, exchange, kind="disk", orders=30, seconds=0.3):
    """The broker takes no messages. Callbacks are answered, nothing arrives, the lag grows, over a kill of recharged, too; after
    the alarm everything arrives, what it had sent when it was killed again once more."""
    raise_alarm, clear_alarm = ALARMS[kind]
    consumer = Consumer(broker, exchange)
    server = start(config(broker.port, exchange))
    api = Api(server.address)
    api.credit()
    compare(api, consumer)
    broker.control(*raise_alarm)
    try:
        worst, lags = 0.0, []
        for part in range(2):
            for _ in range(orders):
                begun = time.monotonic()
                api.credit()  # asserts that both are answered
                worst = max(worst, time.monotonic() - begun)
            eventually(lambda: server.log_file.read_text().count("takes no messages") > part)
            time.sleep(seconds)
            labelled = api.metrics()
            lags.append(labelled["recharge_subscriber_lag_bytes"][AMQP])
            assert labelled["recharge_subscriber_lag_seconds"][AMQP] >= seconds
            if part == 0:
                server.restart(kill=True)
                api = Api(server.address)
        assert 0 < lags[0] < lags[1] and len(consumer.lines) == 2, "nothing goes through an alarm"
        assert worst < 1 * slowdown(), f"a callback waited {worst:.1f} s for the broker"
    finally:
        broker.control(*clear_alarm)
    eventually(lambda: len(consumer.lines) > 2, within=20, step=0.001)
    server.restart(kill=True)
    api = Api(server.address)
    events, repeats = compare(api, consumer)
    assert events == 2 + 4 * orders
    eventually(lambda: api.metrics()["recharge_subscriber_lag_bytes"][AMQP] == 0)
    print(f"{events} events past an alarm of {kind}, {repeats} repeats; {lags[1]:,} bytes waited; the slowest order and callback "
          f"took {worst * 1000:.0f} ms")
    consumer.close()


@pytest.mark.parametrize("kind", ALARMS if LONG else ["disk"])
def test_a_broker_with_an_alarm_holds_up_nothing_else(start_server, broker, kind):
    """RECHARGE_LONG=1: both alarms, for longer than three heartbeats each time, and more than the connection takes."""
    held_up_by_an_alarm(start_server, broker, f"alarm-{kind}", kind, *((3000, 7) if LONG else ()))


def loses_its_nodes(start, cluster, exchange, listed, kind="quorum", back=True, within=90):
    """In mid-load each node in turn is killed, that of recharged, that of the queue's leader and the third, and comes back.
    listed: the nodes that recharged is told of; where these are several, it goes on while one is down. The consumer is led to
    any, the last one first. It takes nothing before the end: what a node had handed to a consumer when it was killed, RabbitMQ
    hands out again behind others."""
    reader = Between(*(node.port for node in reversed(cluster.nodes)))
    consumer = Consumer(reader, exchange, arguments={"x-queue-type": kind}, hold=True)
    if back:
        leaders = cluster.nodes[0].control("list_queues", "--quiet", "name", "leader")
        assert f"{exchange}-queue\tthree@localhost" in leaders, leaders
    server = start(amqp_section([cluster.nodes[index].port for index in listed], exchange))
    api, stop, waits = Api(server.address), threading.Event(), []
    delivered = lambda: api.metrics()["recharge_subscriber_delivered_total"][AMQP]

    def load(index):
        api, rng = Api(server.address), random.Random(index)
        while not stop.is_set():
            some_life(api, rng)  # asserts every answer
            time.sleep(0.02)

    with ThreadPoolExecutor() as threads:
        loads = [threads.submit(load, index) for index in range(2)]
        try:
            for victim in (0, 2, 1) if back else (2,):
                time.sleep(2)
                cluster.nodes[victim].kill()
                if len(listed) > 1:
                    killed, before = time.monotonic(), delivered()
                    eventually(lambda: delivered() > before + 300, within=30)  # more than could be confirmed on the way
                    waits.append(time.monotonic() - killed)
                else:
                    time.sleep(3)
                if back:
                    cluster.nodes[victim].start()
            time.sleep(2)
        finally:
            stop.set()
        for one in loads:
            one.result()
    eventually(lambda: api.metrics()["recharge_subscriber_lag_bytes"][AMQP] == 0, within)
    consumer.go()
    events, repeats = compare(api, consumer, within)
    print(f"{events} events, {repeats} repeats, each of three nodes killed once; s until 300 more were confirmed: "
          f"{[round(wait, 1) for wait in waits]}")
    for one in (consumer, reader):
        one.close()


@pytest.mark.parametrize("listed", [(0,), (0, 1, 2)], ids=["one_node", "all_listed"])
def test_a_cluster_with_a_quorum_queue_loses_its_nodes(start_server, cluster, listed):
    """RECHARGE_LONG=1. `all_listed`: the publisher goes over to another node by itself."""
    loses_its_nodes(start_server, cluster, f"quorum{len(listed)}", listed)


def tool(server, *arguments):
    done = subprocess.run([binary("RECHARGE_BIN", "recharge"), "--server", server.url, *arguments], capture_output=True, text=True,
                          timeout=20, check=False)
    return done.returncode, done.stdout


def doctor(server):
    """What it finds of subscribers, and whether that is well."""
    _, out = tool(server, "--json", "doctor")
    (found,) = [check for check in json.loads(out)["checks"] if check["check"] == "subscribers"]
    return found["ok"], found["finding"]


def test_paused_resumed_and_begun_anew(start_server, broker):
    """Anew: from the oldest event that is kept, each with its id and bytes from before."""
    consumer, server = Consumer(broker, "anew"), start_server(config(broker.port, "anew"))
    api = Api(server.address)
    for _ in range(5):
        api.credit()
    assert compare(api, consumer) == (10, 0)
    for action, state in (("pause", "paused"), ("resume", "active")):
        assert tool(server, "webhook", action, "amqp")[0] == 0
        eventually(lambda: expect(api.get("/api/webhooks/amqp"), 200)["webhook"]["state"] == state)
        if action == "pause":
            api.credit()
            time.sleep(0.4)
            assert len(consumer.lines) == 10 and "paused" in tool(server, "webhook", "list")[1]
    assert compare(api, consumer) == (12, 0)
    tool(server, "webhook", "restart", "amqp")
    eventually(lambda: len(consumer.lines) == 24)
    assert compare(api, consumer) == (12, 12)
    expect(api.post("/api/webhooks/amqp", {"action": "resend"}), 400, error="invalid_request")
    assert doctor(server) == (True, "amqp active")
    consumer.close()


def test_who_is_too_far_behind_is_lost_and_begins_anew(start_server, tmp_path):
    """RECHARGE_LONG=1. Retention waits for a broker that is not there and a webhook that is paused, as long as it may."""
    long_form("retention looks every 5 s")
    receiver, secret = Receiver(), tmp_path / "secret"
    secret.write_text("whsec_" + base64.b64encode(bytes(32)).decode())
    server = start_server(
        '[store]\nsegment_bytes = 8388608\ncheckpoint_interval_ms = 200\njournal_retention = "1MiB"\n[events]\nhold_mib = 64\n'
        f'[webhook.shop]\nurl = "{receiver.url}"\nsecret_file = "{secret}"\nallow_private = true\nevents = ["order.closed"]\n'
        + config(free_port(), "x"), secrets=False)
    api = Api(server.address)
    tool(server, "webhook", "pause", "shop")
    first = api.place()
    api.close_order(first)
    began = expect(api.get("/api/events?after=latest"), 200)["next_after"]
    states = lambda: {name: expect(api.get(f"/api/webhooks/{name}"), 200)["webhook"]["state"] for name in ("shop", "amqp")}
    assert states() == {"shop": "paused", "amqp": "active"}

    def load(seconds):
        code, out = tool(server, "--json", "--secret-file", str(server.data_dir / "callback.secret"), "load", "--connections", "16",
                         "--duration", str(seconds), "--orders", "30000", "--no-books")
        assert code == 0, out

    load(1)
    assert doctor(server)[0] and "lost" not in doctor(server)[1]
    deadline = time.monotonic() + 180
    while "lost" not in states().values():
        assert time.monotonic() < deadline
        load(1)
    eventually(lambda: states() == {"shop": "lost", "amqp": "lost"}, within=30)
    log = server.log_file.read_text()
    assert "subscriber webhook-shop is lost" in log and "subscriber amqp is lost" in log
    good, finding = doctor(server)
    assert not good and "amqp lost" in finding and "webhook-shop lost" in finding
    eventually(lambda: expect_gone(api, began), within=30)
    for name in ("shop", "amqp"):
        tool(server, "webhook", "restart", name)
    eventually(lambda: states() == {"shop": "active", "amqp": "active"})
    last = api.place()
    api.close_order(last)
    eventually(lambda: [event["order"]["order_id"] for event in receiver.taken()] == [last], within=30)
    assert api.order(first)["status"] == "closed", "what it did not hear of, it reads"
    receiver.close()


def expect_gone(api, after):
    reply = api.get(f"/api/events?after={after}")
    return reply.status == 410


def test_without_a_broker_nothing_else_suffers(start_server):
    server = start_server(config(free_port(), "x"))
    api = Api(server.address)
    for _ in range(5):
        api.credit()
    eventually(lambda: api.metrics()["recharge_subscriber_lag_bytes"][AMQP] > 0)
    assert api.metrics()["recharge_subscriber_failures_total"][AMQP] >= 1
    expect(api.get("/readyz"), 200)
    time.sleep(1)
    good, finding = doctor(server)
    assert good and re.fullmatch(r"amqp active, amqp is [1-9] s behind", finding), finding


# --- what these tests would see ---------------------------------------------------------------------------------------

def test_a_cursor_that_moves_without_a_confirm_is_seen(broker, tmp_path):
    with ExitStack() as stack:
        must_fail(killed_between_the_call_and_its_record,
                  lambda settings: stack.enter_context(running(tmp_path, settings, broken="trusting_the_broker")), broker, "trusting")


def test_a_publisher_that_stays_with_its_broker_is_seen(start_server, broker):
    must_fail(goes_over, start_server, broker, "staying", lambda gone, first, second: (gone, first), 1)


def test_a_queue_on_one_node_is_seen(start_server, cluster):
    must_fail(loses_its_nodes, start_server, cluster, "classic", (0,), "classic", back=False, within=20)


def test_a_lag_that_an_alarm_does_not_show_is_seen(broker, tmp_path):
    long_form("the same broken server is seen above")
    with ExitStack() as stack:
        must_fail(held_up_by_an_alarm,
                  lambda settings: stack.enter_context(running(tmp_path, settings, broken="trusting_the_broker")), broker, "unseen")
