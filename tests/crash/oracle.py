"""The outside judge of crash tests: a load over 32 connections that keeps its own list of what was sent and what was
acknowledged, and comparisons of that list with what recharged shows afterwards. None of it is shared with the server.

The rules, by number: 1 every acknowledged change is there; 2 no payment is credited twice; 3 the ledger's sum is zero,
every balance is the sum of its entries, and the credits lie between what was acknowledged and what was sent; 4 the
journal's chain is whole (`recharge verify`); 5 after everything was sent again, exactly what was sent is there.
"""
import contextlib
import http.client
import json
import random
import subprocess
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "http"))

from api import in_threads, parse_metrics  # noqa: E402
from daemon import Daemon, binary, clean_environment, slowdown  # noqa: E402
from signing import VECTOR_SECRET, Raw, Text, callback_fields, signed_body  # noqa: E402

CONNECTIONS = 32
ACCOUNTS_PER_CONNECTION = 2
READY_WITHIN_S = 5.0 * slowdown()
# The same bytes are sent again at the end of a run, so their timestamps must not grow stale.
CONFIG = f"""[callback]
secrets = [{{id = "main", secret = "{VECTOR_SECRET}"}}]
tolerance_s = 0
[orders]
expire_after_s = 86400
[store]
checkpoint_interval_ms = 200
segment_bytes = 8388608
"""
TAKEN_WITHIN_S = 5.0 * slowdown()
GONE = (OSError, http.client.HTTPException)  # how a killed server looks from here
# What the steps after the credit are, and how often they are taken.
LATER_STEPS = {"repeat": 0.3, "refund": 0.2, "debit": 0.2, "second": 0.05}


def check(condition, *what):
    if not condition:
        raise AssertionError(" ".join(map(str, what)))


class Refused(Exception):
    """A 429 or 503 in the middle of the load."""

    def __init__(self, status, slug, retry_after):
        super().__init__(f"{status} {slug}, Retry-After {retry_after}")
        self.slug, self.retry_after = slug, retry_after


class Client:
    """One kept-alive connection that is never made anew."""

    def __init__(self, address, timeout=20):
        self.connection = http.client.HTTPConnection(*address, timeout=timeout)
        self.connection.connect()
        self.connection.auto_open = 0

    def close(self):
        self.connection.close()

    def request(self, method, path, body=None, headers=None):
        self.connection.request(method, path, body=body, headers=headers or {})
        answer = self.connection.getresponse()
        data = answer.read()
        if answer.status in (429, 503):
            raise Refused(answer.status, json.loads(data)["error"], answer.getheader("Retry-After"))
        check(answer.status == 200, method, path, "answered", answer.status, data)
        return data, answer.headers

    def get(self, path):
        return json.loads(self.request("GET", path)[0], parse_float=Decimal)

    def post(self, path, body, headers=None):
        data, headers = self.request("POST", path, body, headers)
        return json.loads(data, parse_float=Decimal), headers

    def entries(self, account):
        return self._pages(f"/api/accounts/{account}/entries?limit=100")

    def exceptions(self):
        return self._pages("/api/exceptions?limit=100")

    def _pages(self, path):
        items, page = [], self.get(path)
        while True:
            items += page["data"]
            if not page["has_more"]:
                return items
            page = self.get(f"{path}&cursor={page['next_cursor']}")

    def ledger_sum(self):
        samples = parse_metrics(self.request("GET", "/metrics")[0].decode())["recharge_ledger_sum_minor_units"]
        return sum(samples.values())


@contextlib.contextmanager
def client(address):
    made = Client(address)
    try:
        yield made
    finally:
        made.close()


class Step:
    """One request, as far as it was sent and acknowledged. Times are those of time.monotonic()."""

    def __init__(self, request_id, path, body, effect=0, headers=None):
        self.request_id, self.path, self.body, self.effect = request_id, path, body, Decimal(effect)
        self.headers = {"X-Request-Id": request_id, **(headers or {})}
        self.sent_at = self.acknowledged_at = self.reply = None

    @property
    def sent(self):
        return self.sent_at is not None

    @property
    def acknowledged(self):
        return self.acknowledged_at is not None


class Payment:
    """One order and all that is asked about it: its credit, a second payment, a refund, a debit of its account."""

    def __init__(self, account, number, amount, evidence_bytes=0):
        self.account, self.number, self.amount = account, number, Decimal(amount)
        self.evidence = {"evidence": Text("e" * evidence_bytes)} if evidence_bytes else {}
        body = json.dumps({"account": account, "amount": str(amount)}).encode()
        self.steps = {"place": Step(f"{number}-place", "/api/place_order", body, headers={"Idempotency-Key": f"key-{number}"})}
        self.order_id = None
        self.transaction_id = f"tx-{number}"

    def step(self, kind):
        """Made when it is first asked for; all but "place" need the order's id."""
        if kind not in self.steps:
            request_id = f"{self.number}-{kind}"
            part = (self.amount / 4).quantize(Decimal("0.01"))
            if kind in ("credit", "second"):
                transaction = self.transaction_id + ("-2" if kind == "second" else "")
                fields = callback_fields(self.order_id, transaction, amount=str(self.amount),
                                         paid_at=Raw(int(time.time())), **self.evidence)
                effect = self.amount if kind == "credit" else 0
                made = Step(request_id, "/api/payment_callback", signed_body(fields), effect)
            elif kind == "refund":
                body = json.dumps({"refund_id": f"r-{self.number}", "amount": str(part)}).encode()
                made = Step(request_id, f"/api/orders/{self.order_id}/refund", body, -part)
            else:
                body = json.dumps({"debit_id": f"d-{self.number}", "amount": str(part)}).encode()
                made = Step(request_id, f"/api/accounts/{self.account}/debit", body, -part)
            self.steps[kind] = made
        return self.steps[kind]

    def sent(self, kind):
        return kind in self.steps and self.steps[kind].sent

    def acknowledged(self, kind):
        return kind in self.steps and self.steps[kind].acknowledged

    def send(self, kind, over):
        """Sends the step, for the first time or again, and holds the reply against what it may be."""
        step = self.step(kind)
        again, known = step.sent, step.acknowledged
        if not again:
            step.sent_at = time.monotonic()
        reply, headers = over.post(step.path, step.body, step.headers)
        self._judge(kind, step, reply, headers, again, known)
        if not known:
            step.reply, step.acknowledged_at = reply, time.monotonic()

    def _judge(self, kind, step, reply, headers, again, known):
        if kind == "place":
            check(not known or reply["order_id"] == self.order_id, "placed twice:", self.order_id, reply)
            replayed = headers.get("Idempotency-Replayed") == "true"
            check(replayed if known else again or not replayed, "sent before:", again, "replayed:", replayed, reply)
            self.order_id = reply["order_id"]
        elif kind == "credit":
            allowed = {"Already processed"} if known else {"Recharge succeeded"}
            check(reply["msg"] in (allowed | {"Already processed"} if again else allowed), "the callback of",
                  self.order_id, "answered", reply["msg"], "sent before:", again, "acknowledged before:", known)
        elif kind == "second":
            check(reply.get("exception") == "duplicate_payment" or again, "a second payment answered", reply)
        else:
            check(not known or reply == step.reply, "another answer:", step.reply, reply)
            part = reply["refund" if kind == "refund" else "entry"]["amount"]
            check(abs(part) == -step.effect, "another amount:", step.effect, reply)


class Load:
    """Connections that place, credit, repeat, refund and spend until they are told to stop, or the server is gone.

    refusals: slugs of 503 that are taken as an answer: noted, and the step is tried again after a while, for at
    most TAKEN_WITHIN_S after the load was told to stop.
    refusals_end: a refusal ends the connection, and is no failure.
    Afterwards: endings, by connection, how it ended; refused, (when, slug) of each refusal."""

    def __init__(self, address, rng, block, connections=CONNECTIONS, refusals=(), refusals_end=False,
                 evidence_bytes=0):
        self.address, self.block = address, block
        self.refusals, self.refusals_end = set(refusals), refusals_end
        self.evidence_bytes, self.stop = evidence_bytes, threading.Event()
        self.lists = [[] for _ in range(connections)]
        self.failures, self.refused, self.endings = [], [], {}
        self.give_up_at = float("inf")
        self.threads = [threading.Thread(target=self._run, args=(index, random.Random(rng.getrandbits(64))))
                        for index in range(connections)]
        for thread in self.threads:
            thread.start()

    def _run(self, index, rng):
        try:
            with client(self.address) as over:
                while not self.stop.is_set():
                    self._pay(index, rng, over)
        except GONE as error:
            self.endings[index] = error
        except Refused as error:
            self.endings[index] = error
            if not self.refusals_end:
                self.failures.append(error)
        except Exception as error:
            self.failures.append(error)

    def _pay(self, index, rng, over):
        payments = self.lists[index]
        account = f"139{self.block:04d}{index:02d}{rng.randrange(ACCOUNTS_PER_CONNECTION):02d}"
        payment = Payment(account, f"{self.block}-{index}-{len(payments)}",
                          f"{rng.randrange(1, 500)}.{rng.randrange(100):02d}", self.evidence_bytes)
        payments.append(payment)
        for kind in ["place", "credit"] + [kind for kind, share in LATER_STEPS.items() if rng.random() < share]:
            if kind != "repeat":
                self._send(payment, kind, over)
            else:  # this callback again, or an earlier one
                earlier = rng.choice(payments)
                self._send(earlier if earlier.acknowledged("credit") else payment, "credit", over)

    def _send(self, payment, kind, over):
        while True:
            try:
                return payment.send(kind, over)
            except Refused as error:
                if error.slug not in self.refusals or time.monotonic() > self.give_up_at:
                    raise
                check(int(error.retry_after or 0) > 0, "a refusal without Retry-After:", error)
                self.refused.append((time.monotonic(), error.slug))
                time.sleep(0.02)

    def payments(self):
        return [payment for payments in self.lists for payment in payments]

    def join(self):
        self.give_up_at = time.monotonic() + TAKEN_WITHIN_S
        self.stop.set()
        for thread in self.threads:
            thread.join()
        if self.failures:
            raise self.failures[0]
        return self.payments()


def check_payments(address, payments):
    """Rules 1 and 2 by order: every acknowledged reply is still true; what was only sent may or may not have happened."""
    groups = [payments[index::8] for index in range(8)]

    def work(index):
        with client(address) as over:
            for payment in groups[index]:
                if payment.acknowledged("place"):
                    check_order(over.get(f"/api/orders/{payment.order_id}")["order"], payment)

    in_threads(len(groups), work)


def check_order(order, payment):
    check(order["account"] == payment.account and order["amount"] == payment.amount, "another order:", order)
    allowed = {"pending"}
    for kind, status in (("credit", "recharged"), ("refund", "partially_refunded")):
        if payment.acknowledged(kind):
            allowed = {status}
        elif payment.sent(kind):
            allowed = allowed | {status}
    check(order["status"] in allowed, payment.order_id, "is", order["status"], "and must be one of", allowed)
    if order["status"] != "pending":
        check(order["transaction_id"] == payment.transaction_id, "another transaction:", order)


def bounds(payments, happened):
    """The least and the greatest balance, where all that `happened` did, and what was only sent may have."""
    low = high = Decimal(0)
    for payment in payments:
        for kind, step in payment.steps.items():
            if payment.sent(kind):
                surely = happened(step)
                low += step.effect if surely or step.effect < 0 else 0
                high += step.effect if surely or step.effect > 0 else 0
    return low, high


def check_balances(address, payments, exactly=False):
    """Rules 2 and 3 by account. REQUIRES: all payments of each account."""
    accounts = {}
    for payment in payments:
        accounts.setdefault(payment.account, []).append(payment)
    with client(address) as over:
        for account, mine in accounts.items():
            low, high = bounds(mine, lambda step: exactly or step.acknowledged)
            balance = over.get(f"/api/check_balance?account={account}")["balance"]
            check(low <= balance <= high, account, "holds", balance, "and must hold", low, "to", high)
            entries = over.entries(account)
            check(sum(entry["amount"] for entry in entries) == balance, account, ": the entries do not add up")
            for kind, steps in (("recharge", "credit"), ("refund", "refund")):
                moved = [entry["order_id"] for entry in entries if entry["kind"] == kind]
                check(len(moved) == len(set(moved)), account, ": twice:", kind)
                allowed = {payment.order_id for payment in mine if payment.sent(steps)}
                check(set(moved) <= allowed, account, ": never sent:", kind, set(moved) - allowed)
        check(over.ledger_sum() == 0, "the ledger does not sum up to zero")


def check_exceptions(address, payments):
    """Second payments, and nothing else, are kept, each once. REQUIRES: all payments."""
    with client(address) as over:
        kept = [exception["order_id"] for exception in over.exceptions()]
    check(len(kept) == len(set(kept)), "kept twice")
    least = {payment.order_id for payment in payments if payment.acknowledged("second")}
    most = {payment.order_id for payment in payments if payment.sent("second")}
    check(least <= set(kept) <= most, "exceptions lost:", least - set(kept), "without reason:", set(kept) - most)


def check_all(address, payments, exactly=False):
    check_payments(address, payments)
    check_balances(address, payments, exactly)
    check_exceptions(address, payments)


def send_all_again(address, payments, but=()):
    """Rule 5: after this, everything that was ever sent was acknowledged, `but` for steps of these kinds."""
    groups = [payments[index::8] for index in range(8)]

    def work(index):
        with client(address) as over:
            for payment in groups[index]:
                for kind in list(payment.steps):
                    if payment.sent(kind) and kind not in but:
                        payment.send(kind, over)

    in_threads(len(groups), work)
    check_all(address, payments, exactly=True)


def verify(data_dir):
    """Rule 4, and the books beside the journal."""
    result = subprocess.run([binary("RECHARGE_BIN", "recharge"), "verify", "--data-dir", str(data_dir)],
                            capture_output=True, text=True, timeout=300, env=clean_environment(), check=False)
    check(result.returncode == 0, "recharge verify exits", result.returncode, result.stdout, result.stderr)


@contextlib.contextmanager
def serving(folder, config=CONFIG, **options):
    """A recharged, with options of Daemon; killed in the end where it still runs."""
    daemon = Daemon(folder, config, **options)
    try:
        yield daemon
    finally:
        if daemon.process is not None:
            daemon.kill()


def settle(daemon, payments):
    """All rules: what is shown now, everything sent again, a clean stop, the journal."""
    check_all(daemon.address, payments)
    send_all_again(daemon.address, payments)
    daemon.stop()
    verify(daemon.data_dir)


def check_that_lies_are_seen(address, payments):
    """The comparisons must be able to fail: claim a credit, an order, a refund and an exception that never were."""
    for lie in ("credit", "order", "refund", "second"):
        claimed = Payment(payments[0].account, "lie", "1.00")
        claimed.order_id = payments[0].order_id if lie != "order" else "0190a1b2-c3d4-7e5f-8a6b-0123456789ab"
        for kind in ("place", "credit") if lie in ("credit", "order") else ("place", lie):
            claimed.step(kind).sent_at = claimed.step(kind).acknowledged_at = 0.0
        try:
            check_all(address, payments + [claimed])
        except AssertionError:
            continue
        raise AssertionError(f"the comparison does not see a lie: {lie}")


def check_that_it_fails(what, attempt):
    """attempt() runs a test on something that is broken on purpose: it must not pass."""
    try:
        attempt()
    except AssertionError as error:
        print(f"{what}: seen, {str(error)[:160]}", flush=True)
        return
    raise AssertionError(f"{what}: not seen")
