#!/usr/bin/python3
"""kill -9 in mid-load, judged from outside: nothing acknowledged is lost, and nothing is credited twice.

Each cycle runs place_order and payment_callback from 32 connections, kills recharged after 5 to 500 ms, has
`recharge verify` walk the journal, starts recharged again and compares what it shows with this process's own list of
what was sent and what was acknowledged. In the end everything is sent again, and the books must match exactly.

    kill_test.py [--cycles N] [--seed S]     # RECHARGE_LONG=1: 500 cycles instead of 20; RECHARGE_SEED: the seed

The binaries are taken from RECHARGED_BIN and RECHARGE_BIN, else from build/release/bin.
"""
import argparse
import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from decimal import Decimal
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "http"))

from api import Api, expect, in_threads  # noqa: E402
from daemon import Daemon, binary, clean_environment  # noqa: E402
from signing import VECTOR_SECRET, callback_fields, signed_body  # noqa: E402

CONNECTIONS = 32
ACCOUNTS_PER_CONNECTION = 3
READY_WITHIN_S = 5.0
# The same bytes are sent again at the end of the run, so their timestamps must not grow stale.
CONFIG = f"""[callback]
secrets = [{{id = "main", secret = "{VECTOR_SECRET}"}}]
tolerance_s = 0
[orders]
expire_after_s = 86400
[store]
checkpoint_interval_ms = 200
"""
GONE = (OSError, http.client.HTTPException)  # how a killed server looks from here


class Payment:
    """One order and its payment, as far as it was sent and acknowledged."""

    def __init__(self, account, number, amount):
        self.account, self.amount = account, Decimal(amount)
        self.place_body = json.dumps({"account": account, "amount": amount}).encode()
        self.key, self.transaction_id = f"kill-{number}", f"tx-{number}"
        self.order_id = self.callback_body = None
        self.place_acknowledged = self.callback_sent = self.callback_acknowledged = False

    def placed(self, order_id):
        self.order_id, self.place_acknowledged = order_id, True
        if self.callback_body is None:
            fields = callback_fields(order_id, self.transaction_id, amount=str(self.amount))
            self.callback_body = signed_body(fields)


class Load:
    """32 connections that place and credit until they are told to stop, or the server is gone."""

    def __init__(self, address, rng, first_number):
        self.address, self.stop = address, threading.Event()
        self.lists = [[] for _ in range(CONNECTIONS)]
        self.failures = []
        self.threads = [
            threading.Thread(target=self._run, args=(index, random.Random(rng.getrandbits(64)), first_number))
            for index in range(CONNECTIONS)]
        for thread in self.threads:
            thread.start()

    def _run(self, index, rng, first_number):
        connection = http.client.HTTPConnection(*self.address, timeout=20)
        payments = self.lists[index]
        try:
            while not self.stop.is_set():
                account = f"139{index:04d}{rng.randrange(ACCOUNTS_PER_CONNECTION):04d}"
                number = f"{first_number}-{index}-{len(payments)}"
                payment = Payment(account, number, f"{rng.randrange(1, 500)}.{rng.randrange(100):02d}")
                payments.append(payment)
                reply = self._post(connection, "/api/place_order", payment.place_body, {"Idempotency-Key": payment.key})
                payment.placed(reply["order_id"])
                payment.callback_sent = True
                reply = self._post(connection, "/api/payment_callback", payment.callback_body)
                if reply.get("msg") != "Recharge succeeded":
                    raise AssertionError(f"first callback answered {reply}")
                payment.callback_acknowledged = True
        except GONE:
            pass
        except Exception as error:
            self.failures.append(error)
        finally:
            connection.close()

    @staticmethod
    def _post(connection, path, body, headers=None):
        connection.request("POST", path, body=body, headers=headers or {})
        answer = connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise AssertionError(f"{path}: {answer.status} {data!r}")
        return json.loads(data)

    def join(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        if self.failures:
            raise self.failures[0]
        return [payment for payments in self.lists for payment in payments]


def check(condition, *what):
    if not condition:
        raise AssertionError(" ".join(map(str, what)))


def check_payments(address, payments):
    """Every acknowledged reply is still true; what was only sent may or may not have happened."""
    groups = [payments[index::8] for index in range(8)]

    def work(index):
        api = Api(address)
        for payment in groups[index]:
            if not payment.place_acknowledged:
                continue
            order = api.order(payment.order_id)
            check(order["account"] == payment.account and order["amount"] == payment.amount, "another order:", order)
            allowed = {"recharged"} if payment.callback_acknowledged else (
                {"recharged", "pending"} if payment.callback_sent else {"pending"})
            check(order["status"] in allowed, payment.order_id, "is", order["status"], "and must be one of", allowed)
            if order["status"] == "recharged":
                check(order["transaction_id"] == payment.transaction_id, "another transaction:", order)
        api.close()

    in_threads(len(groups), work)


def check_balances(address, payments, exactly=False):
    """acknowledged <= balance <= sent, the entries are a set of what was sent, and the ledger's sum is zero."""
    accounts = {}
    for payment in payments:
        accounts.setdefault(payment.account, []).append(payment)
    api = Api(address)
    for account, mine in accounts.items():
        low = sum(p.amount for p in mine if p.callback_acknowledged)
        high = sum(p.amount for p in mine if p.callback_sent)
        balance = api.balance(account)
        check(low <= balance <= high, account, "holds", balance, "and must hold", low, "to", high)
        if exactly:
            check(balance == high, account, "holds", balance, "and must hold", high)
        entries = api.entries(account)
        check(sum(entry["amount"] for entry in entries) == balance, account, ": the entries do not add up")
        credited = [entry["order_id"] for entry in entries]
        check(len(credited) == len(set(credited)), account, ": credited twice")
        check(set(credited) <= {p.order_id for p in mine if p.callback_sent}, account, ": credited what was never sent")
    check(api.ledger_sum() == 0, "the ledger does not sum up to zero")
    check(api.exceptions() == [], "exceptions without a reason")
    api.close()


def send_all_again(address, payments):
    """After this, everything was sent and acknowledged."""
    groups = [payments[index::8] for index in range(8)]

    def work(index):
        api = Api(address)
        for payment in groups[index]:
            reply = expect(api.post("/api/place_order", payment.place_body, {"Idempotency-Key": payment.key}), 200)
            if payment.place_acknowledged:
                check(reply["order_id"] == payment.order_id, "placed twice:", payment.order_id, reply)
                check(reply.header("idempotency-replayed") == "true", "not a replay:", reply)
            payment.placed(reply["order_id"])
            reply = expect(api.post("/api/payment_callback", payment.callback_body), 200)
            allowed = {"Already processed"} if payment.callback_acknowledged else {"Already processed", "Recharge succeeded"}
            check(reply["msg"] in allowed, "unexpected answer:", reply)
            payment.callback_sent = payment.callback_acknowledged = True
        api.close()

    in_threads(len(groups), work)


def verify(daemon):
    result = subprocess.run([binary("RECHARGE_BIN", "recharge"), "verify", "--data-dir", str(daemon.data_dir)],
                            capture_output=True, text=True, timeout=300, env=clean_environment(), check=False)
    check(result.returncode == 0, "recharge verify exits", result.returncode, result.stdout, result.stderr)


def canary(address, payments):
    """The comparison must be able to fail: claim a credit that never was, and an order that never was."""
    for lie in ("credit", "order"):
        claimed = Payment(payments[0].account, "lie", "1.00")
        claimed.placed(payments[0].order_id if lie == "credit" else "0190a1b2-c3d4-7e5f-8a6b-0123456789ab")
        claimed.callback_sent = claimed.callback_acknowledged = True
        caught = 0
        for comparison in (check_payments, check_balances):
            try:
                comparison(address, payments + [claimed])
            except AssertionError:
                caught += 1
        check(caught == 2, "the comparison does not see a lie about an", lie)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cycles", type=int, default=500 if os.environ.get("RECHARGE_LONG") == "1" else 20)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("RECHARGE_SEED") or
                                                        random.SystemRandom().randrange(2**32)))
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.cycles} cycles", flush=True)
    rng, payments, slowest = random.Random(options.seed), [], 0.0

    with tempfile.TemporaryDirectory(prefix="recharge-kill-") as folder:
        daemon = Daemon(folder, CONFIG)
        try:
            for cycle in range(options.cycles):
                load = Load(daemon.address, rng, cycle)
                time.sleep(rng.uniform(0.005, 0.5))
                daemon.kill()
                fresh = load.join()
                payments += fresh
                verify(daemon)
                daemon.start()
                slowest = max(slowest, daemon.ready_seconds)
                check(daemon.ready_seconds < READY_WITHIN_S, "ready only after", daemon.ready_seconds, "s")
                check_payments(daemon.address, fresh + rng.sample(payments, min(len(payments), 50)))
                check_balances(daemon.address, payments)
                acknowledged = sum(payment.callback_acknowledged for payment in payments)
                print(f"cycle {cycle + 1}: {len(payments)} sent, {acknowledged} credits acknowledged", flush=True)
            check(acknowledged > 0, "the load never credited anything")
            check_payments(daemon.address, payments)
            send_all_again(daemon.address, payments)
            check_payments(daemon.address, payments)
            check_balances(daemon.address, payments, exactly=True)
            canary(daemon.address, payments)
            daemon.stop()
            verify(daemon)
        except BaseException:
            print(f"FAILED with seed {options.seed}\n{daemon.log_tail()}", file=sys.stderr)
            raise
        finally:
            if daemon.process is not None:
                daemon.kill()
    print(f"{len(payments)} payments, each credited once; slowest start {slowest:.2f} s; seed {options.seed}")


if __name__ == "__main__":
    main()
