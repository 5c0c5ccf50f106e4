"""`recharge simulate`: payments at simulated gateways with every fault of their callbacks. Credited is what was validly paid,
exactly, and reconcile finds the differences that were planted in the bills, and nothing else."""
import atexit
import functools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest

from api import Api, eventually, expect, new_account
from daemon import Daemon, binary, clean_environment, run_once
from faulty import broken_server
from gateways import Standard

LONG = os.environ.get("RECHARGE_LONG") == "1"
SEED = os.environ.get("RECHARGE_SEED") or str(int.from_bytes(os.urandom(4), "big"))
TOOL = [binary("RECHARGE_BIN", "recharge")]


@functools.cache
def made_keys():
    """Keys of both sides, which take a while."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    prepare(folder)
    return folder


def prepare(folder, *arguments):
    done = run_once("simulate", "--prepare", "--dir", str(folder), *arguments, program=TOOL)
    assert done.returncode == 0, done.stderr
    assert all(file.stat().st_mode & 0o077 == 0 for file in folder.iterdir())


@pytest.fixture(scope="module")
def accounts(tmp_path_factory):
    """Keys of both sides, and settings for servers."""
    return shutil.copytree(made_keys(), tmp_path_factory.mktemp("accounts"), dirs_exist_ok=True)


def storm(accounts, folder, payments, broken=None, seed=SEED):
    """What a storm found wrong at a server of its own; None: nothing."""
    program = broken_server(broken) if broken else {}
    daemon = Daemon(folder, arguments=["--config", str(accounts / "recharged.toml")], **program,
                    env={"RECHARGED_STORE__CHECKPOINT_INTERVAL_MS": "100"})
    try:
        done = run_once("simulate", "--json", "--dir", str(accounts), "--server", daemon.url, "--data-dir", str(daemon.data_dir),
                        "--payments", str(payments), "--seed", seed, program=TOOL, timeout=1200)
    finally:
        daemon.stop()
    assert done.returncode in (0, 1), done.stderr
    report = json.loads(done.stdout)
    assert (done.returncode == 0) == (report["violations_total"] == 0)
    return report


def test_credited_is_what_was_paid_and_bills_differ_where_planted(accounts, tmp_path):
    """600 payments, some 2,000 callbacks (40,000 and more than 100,000 with RECHARGE_LONG=1)."""
    report = storm(accounts, tmp_path, 40_000 if LONG else 600)
    print(f"seed {SEED}: {report}")
    assert report["violations"] == [], f"RECHARGE_SEED={SEED}"
    assert all(count > 0 for count in report["sent"].values()) and report["lost"] > 0
    assert report["planted"] == report["found"] > 20 and report["kept"] > 20 and report["never_told"] > 0
    assert 0.8 * report["orders"] < report["credited"] < report["orders"]
    if LONG:
        assert report["callbacks"] >= 100_000


@pytest.mark.parametrize("broken,words", [
    ("without_deduplication", "instead of"), ("accepting_any_rsa_signature", "callback acknowledged"),
    ("accepting_any_stripe_signature", "forged callback acknowledged"), ("crediting_refund_notices", "nobody told of its payment")])
def test_a_storm_sees_what_is_broken(accounts, tmp_path, broken, words):
    report = storm(accounts, tmp_path, 150, broken, seed="11")
    assert any(words in violation for violation in report["violations"]), report


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A verb that goes on until it is told to stop."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([*TOOL, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, env=clean_environment(), text=True)

    def read_until(self, pattern):
        for line in self.process.stdout:
            match = re.search(pattern, line)
            if match:
                return match
        raise AssertionError(f"ended without {pattern}")

    def stop(self):
        """Its exit code; what it said last is in `last`."""
        self.process.send_signal(signal.SIGTERM)
        self.last = self.process.stdout.read()
        self.process.stdout.close()
        return self.process.wait(20)


def fetch(url, method="GET"):
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=20) as reply:
        return reply.read().decode()


class Served:
    """The simulated gateways and a recharged that calls them, each until the end."""

    def __init__(self, folder, *arguments, broken=None):
        listen, self.keys = f"127.0.0.1:{free_port()}", shutil.copytree(made_keys(), folder / "keys")
        prepare(self.keys, "--listen", listen)
        program = broken_server(broken) if broken else {}
        self.daemon = Daemon(folder / "server", arguments=["--config", str(self.keys / "recharged.toml")], **program,
                             env={"RECHARGED_STORE__CHECKPOINT_INTERVAL_MS": "100"})
        self.arguments = ["simulate", "--json", "--dir", str(self.keys), "--listen", listen, "--server", self.daemon.url,
                          "--data-dir", str(self.daemon.data_dir), "--seed", SEED, *arguments]
        self.url = "http://" + listen

    def begin(self):
        self.gateways = Process(*self.arguments)
        self.gateways.read_until("callbacks to")
        return Api(self.daemon.address)

    def end(self):
        """Its exit code and verdict."""
        code = self.gateways.stop()
        return code, json.loads(self.gateways.last.strip().splitlines()[-1])


def test_the_whole_life_of_a_payment_and_a_verdict_on_it(tmp_path):
    """Paid on the page, credited, half of it sent back and told of by the gateway's own notice; another closed."""
    served = Served(tmp_path, "--time-factor", "100000")
    api, told = served.begin(), {}
    try:
        for gateway in ("alipay", "wechat", "stripe", "standard"):
            account = new_account()
            order_id, closed = (api.place(account, "12.34", gateway=gateway) for _ in range(2))
            if gateway != "standard":
                for started in (order_id, closed):
                    expect(api.post("/api/pay", {"order_id": started, "gateway": gateway}), 200)
                expect(api.close_order(closed), 200)
                eventually(lambda: "closed" in fetch(f"{served.url}/cashier/{gateway}/{closed}"))  # noqa: B023
            page = f"{served.url}/cashier/{gateway}/{order_id}"
            assert "12.34 CNY" in fetch(page + "?amount=12.34", "POST") and "paid" in fetch(page)
            eventually(lambda: api.status(order_id) == "recharged", within=20)  # noqa: B023
            assert api.balance(account) == api.order(order_id)["amount"]
            assert order_id in fetch(served.url + "/")
            if gateway != "standard":
                expect(api.refund(order_id, "r-1", 5.0), 200)
                served.gateways.read_until(rf"{gateway}  order {order_id}  refund \S+  20\d  acknowledged")
                eventually(lambda: api.status(order_id) == "partially_refunded")  # noqa: B023
                told[gateway] = api.metrics()["recharge_callbacks_total"].get(
                    frozenset({("gateway", gateway), ("outcome", "refund_notice")}))
        assert told == {"alipay": 1, "wechat": 1, "stripe": 1}
    finally:
        code, verdict = served.end()
        served.daemon.stop()
    assert code == 0 and verdict["wrong"] == [], verdict
    assert (verdict["paid"], verdict["credited"], verdict["refunds"], verdict["closed"]) == (4, 4, 3, 3)
    assert verdict["bills_compared"] and verdict["planted"] == verdict["found"] == 0


def test_what_the_gateway_knows_nothing_of_is_a_difference(tmp_path):
    """Well signed, and nobody paid: only the bill can tell."""
    served = Served(tmp_path, "--settle", "1")
    api = served.begin()
    try:
        standard, never_paid = Standard("standard", tmp_path), api.place(gateway="standard")
        fetch(f"{served.url}/cashier/standard/{api.place(gateway='standard')}?amount=50.00", "POST")
        key = (served.keys / "standard_webhook.txt").read_text().strip()
        assert standard.is_ack(standard.send(api, standard.payment(never_paid, key=key)))
    finally:
        code, verdict = served.end()
        served.daemon.stop()
    assert code == 1 and len(verdict["wrong"]) == 1 and "found missing_there txn-" in verdict["wrong"][0], verdict


def test_dev_starts_the_gateways_and_ends_with_a_verdict():
    dev = Process("dev", "--port", "0")
    try:
        server = dev.read_until(r"listening on (http://127\.0\.0\.1:(\d+))")
        gateways = dev.read_until(r"are at (http\S+);")[1]
        api = Api(("127.0.0.1", int(server[2])))
        order_id = api.place(new_account(), "1.00", gateway="wechat")
        fetch(f"{gateways}/cashier/wechat/{order_id}?amount=1.00", "POST")
        eventually(lambda: api.status(order_id) == "recharged", within=20)
        api.close()
    finally:
        assert dev.stop() == 0
    assert "1 paid, 1 credited" in dev.last and "server and gateways agree" in dev.last, dev.last


def test_load_sends_what_gateways_send(accounts, tmp_path):
    daemon = Daemon(tmp_path, arguments=["--config", str(accounts / "recharged.toml")])
    try:
        for gateway in ("alipay", "wechat", "stripe", "standard"):
            done = run_once("load", "--gateway", gateway, "--gateway-dir", str(accounts), "--requests", "50", "--connections", "4",
                            "--accounts", "10", "--server", daemon.url, program=TOOL)
            assert done.returncode == 0 and "balanced" in done.stdout, (gateway, done.stdout, done.stderr)
    finally:
        daemon.stop()


def reconcile(daemon, gateway, *more):
    date = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 8 * 3600))
    return run_once("--server", daemon.url, "reconcile", "--gateway", gateway, "--date", date, "--data-dir", str(daemon.data_dir), *more,
                    program=TOOL)


def test_a_bill_is_fetched_and_a_lost_callback_is_asked_for(tmp_path):
    """No callback arrives and nothing was started from here, so that nobody asks by himself: the bill says that it was paid.
    At one gateway by the seed; at all of them with RECHARGE_LONG=1."""
    gateways = ("alipay", "wechat", "stripe")
    listen, nowhere = f"127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
    prepare(shutil.copytree(made_keys(), tmp_path / "keys"), "--listen", listen)
    daemon = Daemon(tmp_path / "server", arguments=["--config", str(tmp_path / "keys" / "recharged.toml")],
                    env={"RECHARGED_STORE__CHECKPOINT_INTERVAL_MS": "100"})
    simulator = Process("simulate", "--dir", str(tmp_path / "keys"), "--listen", listen, "--server", nowhere)
    try:
        url = simulator.read_until(r"simulated gateways at (\S+)")[1]
        api = Api(daemon.address)
        for gateway in gateways if LONG else gateways[int(SEED) % 3:][:1]:
            order_id = api.place(new_account(), "12.34", gateway=gateway)
            fetch(f"{url}/cashier/{gateway}/{order_id}?amount=12.34", "POST")
            found = reconcile(daemon, gateway)
            assert found.returncode == 1 and "1 missing_here" in found.stdout and order_id in found.stdout, (found.stdout, found.stderr)
            assert api.status(order_id) == "pending", "a bill credits nobody"
            fixed = reconcile(daemon, gateway, "--fix")
            assert fixed.returncode == 1 and f"{order_id}: paid, recharge_succeeded" in fixed.stderr, (fixed.stdout, fixed.stderr)
            assert "asked the gateway for 1 payments: 1 credited" in fixed.stderr
            assert api.status(order_id) == "recharged"
            steps = expect(api.get(f"/api/orders/{order_id}/explain"), 200)["steps"]
            assert steps[-1]["evidence"]["key_id"] == "query" and "when it was asked" in steps[-1]["event"]
            eventually(lambda: reconcile(daemon, gateway).returncode == 0, within=10)
        left = [name for name in os.listdir(os.environ.get("TMPDIR", "/tmp")) if name.startswith("recharge-bill-")]
        assert left == [], "fetched bills are removed"
        refused = reconcile(daemon, "standard")
        assert refused.returncode == 1 and "No such gateway is called from here" in refused.stderr
        expect(api.post(f"/api/orders/{api.place()}/query", {}), 409, error="invalid_state")
        waiting = api.place(gateway="alipay")
        expect(api.post(f"/api/orders/{waiting}/query", {}), 200, state="not_found", outcome=None)
        expect(api.post(f"/api/orders/{api.place(gateway='stripe')}/query", {}), 409, error="invalid_state")  # by which intent?
        api.close()
    finally:
        assert simulator.stop() == 4, "where callbacks go, there is nobody to compare with"
        daemon.stop()
