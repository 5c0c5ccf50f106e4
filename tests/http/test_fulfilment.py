"""Recharges that a supplier performs ([fulfilment] kind = "http"): what it was asked is never assumed, always asked; each order
ends recharged once or refunded, whatever suppliers, gateways and kill -9 do meanwhile."""
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from decimal import Decimal

import pytest

from api import Api, eventually, expect, in_threads, new_account
from conftest import SECRETS
from daemon import Daemon, binary, clean_environment, run_once, slowdown
from faulty import broken_server, must_fail, running
from gateways import Stripe
from held import held, need_strace
from replies import REPOSITORY
from supplier import Supplier

sys.path.insert(0, str(REPOSITORY / "tests" / "gateways"))
from fake_gateway import Dropped, FakeGateway  # noqa: E402

LONG = os.environ.get("RECHARGE_LONG") == "1"
SEED = os.environ.get("RECHARGE_SEED") or str(int.from_bytes(os.urandom(4), "big"))
TOOL = [binary("RECHARGE_BIN", "recharge")]


def settings(*suppliers, gateway=None, deadline_ms=600_000, **more):
    names = ", ".join(f'"{supplier.name}"' for supplier in suppliers)
    return (f'[fulfilment]\nkind = "http"\nsuppliers = [{names}]\ndeadline_ms = {deadline_ms}\nretry_first_ms = 30\n'
            "retry_most_ms = 120\n" + "".join(supplier.config(**more) for supplier in suppliers)
            + (gateway.config() if gateway else ""))


@pytest.fixture
def acme(tmp_path):
    made = Supplier(tmp_path, "acme")
    yield made
    made.close()
    made.check()


@pytest.fixture
def other(tmp_path):
    made = Supplier(tmp_path, "other")
    yield made
    made.close()
    made.check()


@pytest.fixture
def stripe(tmp_path):
    made = FakeGateway(Stripe("stripe", tmp_path))
    yield made
    made.close()
    made.check()


def pay(api, stripe=None, account=None, amount="50.00"):
    """A paid order; the callback is answered as soon as that is durable."""
    order_id = api.place(account, amount)
    if stripe is None:
        reply = api.callback(order_id, amount=amount)
        expect(reply, 200, msg="Payment recorded")
    else:
        transaction = stripe.pay(order_id, int(Decimal(amount) * 100))
        assert stripe.account.is_ack(stripe.account.send(api, stripe.account.payment(order_id, amount, transaction)))
    return order_id


def ends(api, order_id, status, within=10):
    eventually(lambda: api.status(order_id) == status, within)


def stuck(api):
    return expect(api.get("/api/orders/stuck"), 200)["data"]


def explained(api, order_id):
    return [step["event"] for step in expect(api.get(f"/api/orders/{order_id}/explain"), 200)["steps"]]


@contextmanager
def served(folder, config, **options):
    """A server of its own, and a client of it that is gone before it stops."""
    with running(folder, config, **options) as daemon:
        api = Api(daemon.address)
        try:
            yield daemon, api
        finally:
            api.close()


# --- what goes well ------------------------------------------------------------------------------------------------------

def test_a_supplier_recharges(tmp_path, acme):
    acme.script = ["later"]
    with served(tmp_path / "server", settings(acme)) as (daemon, api):
        account = new_account()
        order_id = pay(api, account=account)
        eventually(lambda: api.status(order_id) == "recharging")
        order = api.order(order_id)
        assert order["fulfilment"] == "http" and order["recharged_at"] is None and order["paid_at"]
        eventually(lambda: acme.requests_of(order_id))  # it is begun before it is sent
        [request_id] = acme.requests_of(order_id)
        assert request_id == order_id + "-1"
        eventually(lambda: acme.asked_for[request_id] >= 2)
        [open_work] = stuck(api)
        assert (open_work["kind"], open_work["supplier"], open_work["request_id"]) == ("recharge", "acme", request_id)
        assert open_work["waits_for"] == "the answer of the supplier acme, which may have done it (in process at the supplier)"
        listed = run_once("orders", "stuck", "--server", daemon.url, program=TOOL)
        assert listed.returncode == 0 and order_id in listed.stdout and "acme" in listed.stdout, listed
        for reply in (api.callback(order_id, api.order(order_id)["transaction_id"]), api.callback(order_id, status="fail")):
            expect(reply, 200, msg="Already processed")
        expect(api.close_order(order_id), 409, error="invalid_state")
        expect(api.refund(order_id, "r-1"), 409, error="invalid_state")
        page = expect(api.get(f"/pay/{order_id}"), 200).body.decode()
        assert "Paid, the recharge is on its way" in page and "data-wait" in page and "<a" not in page
        acme.finish(request_id)
        ends(api, order_id, "recharged")
        assert stuck(api) == [] and api.balance(account) == Decimal("0.00") and api.ledger_sum() == 0
        expect(api.refund(order_id, "r-1"), 409, error="invalid_state")
        steps = explained(api, order_id)
        assert [re.sub(", transaction .*|reference .*", "", step).replace(request_id, "ID") for step in steps] == [
            steps[0], "verified callback: 50.00 CNY paid, for a supplier to recharge", "attempt 1, request ID: supplier acme asked",
            "attempt 1, request ID: supplier acme left it open 1 times", "attempt 1, request ID: supplier acme recharged, "]
        told = [event["type"] for event in expect(api.get("/api/events?limit=100"), 200)["data"]]
        assert told == ["order.placed", "order.paid", "order.recharging", "order.recharged"]
        assert acme.times_done(order_id) == 1 and len(acme.posts) == 1


def test_what_proves_nothing_is_asked_for_under_the_same_request_id(tmp_path, acme, other):
    """The other supplier is never asked: the first may have done it."""
    with served(tmp_path / "server", settings(acme, other, breaker_failures=50)) as (daemon, api):
        for word in ("silent", "closed", "error", "forged", "other", "stale", "nonsense", "lost"):
            acme.script, acme.posts = [word], []
            order_id = pay(api)
            ends(api, order_id, "recharged")
            assert set(acme.requests_of(order_id)) == {order_id + "-1"} and acme.asked_for[order_id + "-1"] >= 1, word
            assert len(acme.posts) == (2 if word == "lost" else 1), (word, acme.posts)
            assert acme.times_done(order_id) == 1 and other.posts == [] and len(set(acme.posts)) == 1, "the same bytes on each repeat"


def test_failover_only_to_whom_nobody_has_done_it(tmp_path, acme, other):
    with served(tmp_path / "server", settings(acme, other)) as (daemon, api):
        acme.script = ["failed"]
        order_id = pay(api)
        ends(api, order_id, "recharged")
        assert acme.requests_of(order_id) == [order_id + "-1"] and other.requests_of(order_id) == [order_id + "-2"]
        assert any("acme did not recharge (out of stock)" in step for step in explained(api, order_id))
        acme.close()  # nothing can be sent to it
        order_id = pay(api)
        ends(api, order_id, "recharged")
        assert other.times_done(order_id) == 1
        assert any("acme was not reached" in step for step in explained(api, order_id))
        acme.__init__(tmp_path, "acme", acme.server.server_address[1])


def test_a_breaker_leaves_a_supplier_alone_that_does_not_answer(tmp_path, acme, other):
    with served(tmp_path / "server", settings(acme, other, breaker_failures=3, breaker_pause_ms=700),
                 arguments=["--threads", "1"]) as (daemon, api):
        acme.script = ["lost"] * 3
        acme.queries = ["silent"] * 50
        first = pay(api)
        eventually(lambda: len(acme.posts) + sum(acme.asked_for.values()) >= 3)
        time.sleep(0.4)
        before = len(acme.posts) + sum(acme.asked_for.values())
        later = [pay(api) for _ in range(5)]
        for order_id in later:
            ends(api, order_id, "recharged")
        assert len(acme.posts) + sum(acme.asked_for.values()) - before <= 1, "but for one that tries it"
        assert all(other.times_done(order_id) == 1 for order_id in later)
        assert api.status(first) == "recharging", "it may have been done"
        acme.queries, acme.script = [], []
        ends(api, first, "recharged")
        assert acme.times_done(first) == 1 and other.times_done(first) == 0


# --- what nobody can do ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("first,second,asked", [("failed", "failed", 1), ("rejected", "done", 0)])
def test_what_nobody_can_recharge_goes_back_through_the_gateway(tmp_path, acme, other, stripe, first, second, asked):
    acme.script, other.script = [first], [second]
    if asked:
        stripe.fail("refund", "late")  # the refund is asked for, too, and moves money once
    with served(tmp_path / "server", settings(acme, other, gateway=stripe)) as (daemon, api):
        order_id = pay(api, stripe)
        ends(api, order_id, "refunded", 20)
        assert (len(acme.posts), len(other.posts)) == (1, asked) and acme.performed == other.performed == []
        assert sum(stripe.money_out.values()) == 1 and api.ledger_sum() == 0 and stuck(api) == []
        told = [event["type"] for event in expect(api.get("/api/events?limit=100"), 200)["data"]]
        assert told[-3:] == ["order.recharge_failed", "refund.requested", "refund.succeeded"]
        assert api.order(order_id)["refunded_amount"] == Decimal("50.00")


def test_after_the_deadline_it_goes_back_unless_it_may_have_been_done(tmp_path, acme):
    acme.script, acme.queries = ["silent"], ["silent"]
    with served(tmp_path / "server", settings(acme, deadline_ms=400, breaker_failures=50)) as (daemon, api):
        maybe = pay(api)
        time.sleep(0.5)
        assert api.status(maybe) == "recharging"
        ends(api, maybe, "recharged")
        acme.close()
        never = pay(api)
        ends(api, never, "refunded")
        assert acme.times_done(never) == 0 and any("was not reached" in step for step in explained(api, never))
        acme.__init__(tmp_path, "acme", acme.server.server_address[1])


def test_a_refund_that_the_gateway_refuses_waits_for_an_operator(tmp_path, acme, stripe):
    acme.script = ["rejected"]
    stripe.fail("refund", "refuse charge_disputed")
    with served(tmp_path / "server", settings(acme, gateway=stripe)) as (daemon, api):
        order_id = pay(api, stripe)
        eventually(lambda: [one["waits_for"] for one in stuck(api)] == ["a refund that its gateway takes: the last one was refused"], 20)
        assert api.status(order_id) == "recharging"
        expect(api.refund(order_id, "again", "10.00"), 409, error="invalid_state")
        expect(api.refund(order_id, "again"), 200)
        ends(api, order_id, "refunded")
        assert sum(stripe.money_out.values()) == 1 and api.ledger_sum() == 0 and stuck(api) == []


# --- kill -9 -----------------------------------------------------------------------------------------------------------------

# What has happened when it is killed. Where a record is named, it is held up at this call.
STEPS = {
    "paid": None,
    "begun, not written": ("not written", 3),  # behind the order and its callback
    "begun, not called": None,
    "called, not answered": None,
    "answered, not written": ("not written", 1),
    "answered, written, not flushed": ("written, not flushed", 1),
    "in process": None,
    "recharged": None,
    "refund: failed, not written": ("not written", 1),
    "refund: failed, not given up": ("not written", 2),
    "refund: given up, not called": None,
    "refund: called, not answered": None,
    "refund: answered, not written": ("not written", 1),
}
LONG_STEPS = {"begun, not called", "in process", "recharged", "refund: failed, not written", "refund: answered, not written"}


def survives_a_kill_at(step, folder, broken=None):
    """Killed once at this step, started again, an order ends as if nothing had happened."""
    folder.mkdir(parents=True, exist_ok=True)
    record, refunded = STEPS[step], step.startswith("refund")
    if record:
        need_strace(folder)
    acme, stripe = Supplier(folder, "acme"), FakeGateway(Stripe("stripe", folder))
    killed, kills = threading.Event(), ExitStack()
    program = broken_server(broken) if broken else {}
    daemon = Daemon(folder / "server", SECRETS + settings(acme, gateway=stripe, timeout_ms=3000), **program)
    daemon.listen = "%s:%d" % daemon.address

    def kill(*_):
        if not killed.is_set():
            killed.set()
            daemon.process.kill()

    def hold(*_):
        """From here on; it is killed when it has come to the record."""
        if not kills.begun:
            kills.begun = True
            kills.enter_context(held(daemon, *record))
            threading.Timer(0.4 * slowdown(), killed.set).start()

    kills.begun, strike = False, hold if record else kill
    plain = stripe.do_refund

    def do_refund(argument):
        if step == "refund: given up, not called" and not killed.is_set():
            kill()
            raise Dropped
        if step.startswith("refund: failed"):
            return plain(argument)
        done = plain(argument)
        strike()
        return done

    try:
        stripe.do_refund = do_refund
        if refunded:
            acme.script = ["failed"]
        if step == "begun, not called":
            acme.before_post = kill
        if step == "in process":
            acme.script = ["later"]
        if step.startswith(("called", "answered", "refund: failed")):
            acme.on_post = strike
        if step == "begun, not written":
            hold()
        api = Api(daemon.address)
        order_id = pay(api, stripe)
        if step == "begun, not written":
            time.sleep(0.3)
            assert acme.posts == [], "called before it is durable that it is begun"
        if step == "paid":
            kill()
        if step == "in process":
            eventually(lambda: acme.asked_for[order_id + "-1"] >= 1)
            kill()
            acme.finish(order_id + "-1")
        if step == "recharged":
            ends(api, order_id, "recharged")
            kill()
        assert killed.wait(10)
        killed_at = datetime.now(timezone.utc)
        api.close()
        kills.close()
        asked = acme.asked_for[order_id + "-1"]
        daemon.restart(kill=True)
        api = Api(daemon.address)
        end = "refunded" if refunded else "recharged"
        eventually(lambda: api.status(order_id) == end or acme.times_done(order_id) > 1, 15)
        assert acme.times_done(order_id) == (0 if refunded else 1)
        assert sum(stripe.money_out.values()) == (1 if refunded else 0)
        assert api.ledger_sum() == 0 and stuck(api) == []
        if step.startswith(("answered", "refund: failed")):  # whether there was a record: who knows does not ask again
            known = step in ("answered, written, not flushed", "refund: failed, not given up")
            assert (acme.asked_for[order_id + "-1"] == asked) == known
        if step.startswith("answered"):
            recorded_at = datetime.fromisoformat(api.order(order_id)["recharged_at"].replace("Z", "+00:00"))
            assert (recorded_at < killed_at) == known
        acme.check()
        stripe.check()
        api.close()
        daemon.stop()
        verified = run_once("verify", "--data-dir", str(daemon.data_dir), "--decide", program=TOOL)
        assert verified.returncode == 0, verified.stdout + verified.stderr
    finally:
        kills.close()
        daemon.discard()
        acme.close()
        stripe.close()


@pytest.mark.parametrize("step", [step for step in STEPS if LONG or step not in LONG_STEPS])
def test_kill_9_at(step, tmp_path):
    survives_a_kill_at(step, tmp_path)


def test_a_kill_between_call_and_record_shows_a_build_with_fresh_request_ids(tmp_path):
    must_fail(survives_a_kill_at, "called, not answered", tmp_path, broken="with_fresh_request_ids")


# --- many orders, every fault ----------------------------------------------------------------------------------------------------

class SimulatedSupplier:
    """`recharge simulate supplier` with its faults on."""

    def __init__(self, folder, name, seed):
        self.name, self.file = name, folder / f"{name}.secret"
        self.process = subprocess.Popen(
            [*TOOL, "simulate", "supplier", "--listen", "127.0.0.1:0", "--name", name, "--secret-file", str(self.file), "--seed",
             str(seed), "--faults", "30", "--failing", "15", "--silence-ms", "600", "--late-ms", "100"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean_environment(), text=True)
        self.url = re.search("http:.*", self.process.stdout.readline())[0]
        self.reader = threading.Thread(target=self.process.stdout.read, daemon=True)
        self.reader.start()

    def config(self, **more):
        return (f'[supplier.{self.name}]\nurl = "{self.url}"\nsecret_file = "{self.file}"\ntimeout_ms = 300\n'
                + "".join(f"{key} = {value}\n" for key, value in more.items()))

    def books(self):
        with urllib.request.urlopen(self.url + "/books") as reply:
            return json.load(reply)

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.reader.join()


def done_by(suppliers):
    """How often each order was recharged, by the suppliers' own books."""
    return Counter(one["order_id"] for supplier in suppliers for one in supplier.books()["requests"] if one["status"] == "succeeded")


def everybody_agrees(folder, orders, kills, broken=None, seed=SEED):
    """All end recharged or refunded; suppliers', gateway's and Recharge's books say the same."""
    folder.mkdir(parents=True, exist_ok=True)
    draws = random.Random(int(seed))
    suppliers = [SimulatedSupplier(folder, name, draws.randrange(1 << 30)) for name in ("acme", "other")]
    stripe = FakeGateway(Stripe("stripe", folder))
    program = broken_server(broken) if broken else {}
    config = SECRETS + settings(*suppliers, gateway=stripe, breaker_failures=20, breaker_pause_ms=100)
    daemon = Daemon(folder / "server", config, **program, env={"RECHARGED_STORE__CHECKPOINT_INTERVAL_MS": "100"})
    daemon.listen = "%s:%d" % daemon.address
    try:
        ids, lock = [], threading.Lock()
        parts = 4
        for round_ in range(kills + 1):
            def work(index, share=-(-orders // ((kills + 1) * parts))):
                api = Api(daemon.address)
                for _ in range(share):
                    order_id = pay(api, stripe)
                    with lock:
                        ids.append(order_id)
                api.close()
            in_threads(parts, work)
            if round_ < kills:
                time.sleep(draws.random() * 0.3)
                daemon.restart(kill=True)
        api = Api(daemon.address)
        few = orders <= 1000
        left, deadline = set(ids), time.monotonic() + (40 if few else 1200)
        while left and time.monotonic() < deadline:
            left = {order_id for order_id in left if api.status(order_id) not in ("recharged", "refunded")}
            if few:
                assert max(done_by(suppliers).values(), default=0) <= 1, "an order was recharged twice"
            time.sleep(0.1)
        assert not left, f"{len(left)} of {len(ids)} did not end: {stuck(api)[:3]}"
        statuses = {order_id: api.status(order_id) for order_id in ids}
        times = done_by(suppliers)
        assert {order_id: times[order_id] for order_id in ids} == {
            order_id: int(status == "recharged") for order_id, status in statuses.items()}
        back = sum(refund["amount"] for refund in stripe.refunds.values())
        refunded = sum(status == "refunded" for status in statuses.values())
        assert back == 5000 * refunded and all(count == 1 for count in stripe.money_out.values())
        assert len(stripe.refunds) == refunded
        faults = {}
        for supplier in suppliers:
            for name, count in supplier.books()["faults"].items():
                faults[name] = faults.get(name, 0) + count
        print(f"seed {seed}: {len(ids)} orders, {refunded} refunded, {kills} kills, faults {faults}")
        assert api.ledger_sum() == 0 and stuck(api) == []
        if len(ids) >= 200:
            assert all(count > 0 for name, count in faults.items() if name != "rejected") and 0 < refunded < len(ids)
        stripe.check()
        api.close()
        daemon.stop()
        verified = run_once("verify", "--data-dir", str(daemon.data_dir), "--decide", program=TOOL, timeout=600)
        assert verified.returncode == 0, verified.stdout + verified.stderr
    finally:
        daemon.discard()
        for supplier in suppliers:
            supplier.close()
        stripe.close()


def test_each_order_ends_recharged_or_refunded_and_all_books_agree(tmp_path):
    """240 orders and 3 kills (20,000 and 40 with RECHARGE_LONG=1)."""
    everybody_agrees(tmp_path, 20_000 if LONG else 240, 40 if LONG else 3)


@pytest.mark.parametrize("broken", ["with_fresh_request_ids", "taking_silence_for_failure"])
def test_broken_builds_are_seen(tmp_path, broken):
    must_fail(everybody_agrees, tmp_path, 80, 0, broken, "7")


# --- settings and forms ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text,words", [
    ('[fulfilment]\nkind = "post"\n', "fulfilment.kind: must be wallet, http or amqp"),
    ('[fulfilment]\nkind = "http"\n', "fulfilment.kind: http needs a [supplier.NAME]"),
    ('[supplier.acme]\nurl = "http://x"\n', "supplier.acme: secret_file is missing"),
    ('[supplier.acme]\nurl = "ftp://x"\nsecret_file = "FILE"\n', "supplier.acme.url: must be an http or https URL"),
    ('[supplier.acme]\nurl = "http://x"\nsecret_file = "FILE"\n[fulfilment]\nsuppliers = ["b"]\n', "fulfilment.suppliers: must name each"),
    ('[supplier.a]\nurl = "http://x"\nsecret_file = "FILE"\n[supplier.b]\nurl = "http://x"\nsecret_file = "FILE"\n',
     "fulfilment: suppliers is missing"),
    ('[fulfilment]\nretry_first_ms = 10\nretry_most_ms = 9\n', "fulfilment.retry_most_ms: must not be less"),
])
def test_bad_settings_are_refused(tmp_path, text, words):
    file, secret = tmp_path / "recharged.toml", tmp_path / "secret"
    secret.write_text("whsec_" + "A" * 32)
    file.write_text(text.replace("FILE", str(secret)))
    done = run_once("check-config", "--config", str(file))
    assert done.returncode == 3 and words in done.stderr, done.stderr


def test_the_list_of_stuck_orders_has_pages(tmp_path, acme):
    acme.script = ["later"] * 7
    with served(tmp_path / "server", settings(acme)) as (daemon, api):
        ids = {pay(api) for _ in range(7)}
        eventually(lambda: len(acme.posts) == 7)
        seen, cursor = [], ""
        while True:
            page = expect(api.get(f"/api/orders/stuck?limit=3{cursor}"), 200)
            seen += [one["order_id"] for one in page["data"]]
            if not page["has_more"]:
                break
            cursor = "&cursor=" + page["next_cursor"]
        assert len(seen) == 7 and set(seen) == ids
        for bad in ("x", "9." + "0" * 32 + ".", "3." + "g" * 32 + ".", "3." + "0" * 32):
            expect(api.get(f"/api/orders/stuck?cursor={bad}"), 400, error="invalid_request")
