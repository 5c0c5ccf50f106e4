"""A storm of payments through /api/pay, from a seed: gateways that are slow, lose answers, forge and refuse; callbacks that come
twice, forged, or never; payers who pay the wrong amount, or not at all; refunds whose answers are lost, and notices of them.
At the end credited is what was validly paid, every refund moved money once, and reconcile finds what was planted alone."""
import os
import random

import pytest

import bills
from api import Api, eventually, expect, new_account
from gateways import Alipay, Stripe, Wechat, fen
from test_gateway_calls import Shop, number, start
from test_reconcile import Reconciler

LONG = os.environ.get("RECHARGE_LONG") == "1"
SEED = int(os.environ.get("RECHARGE_SEED") or int.from_bytes(os.urandom(4), "big"))
START_FAULTS = ["drop", "late", "forge", "busy", "slow"]
REFUND_FAULTS = ["late", "drop", "busy", "slow"]


class Payer:
    """One order from its placing to its end, as its draws say."""

    def __init__(self, draws, api, fake, pays=False):
        self.draws, self.api, self.fake, self.account = draws, api, fake, new_account()
        self.amount = f"{draws.randrange(1, 500)}.{draws.randrange(100):02d}"
        self.fate = "right" if pays else draws.choices(["right", "wrong", "unpaid"], [60, 25, 15])[0]
        self.told = draws.choices(["once", "twice", "never"], [40, 30, 30])[0]
        self.paid = self.amount if self.fate == "right" else f"{float(self.amount) + 1:.2f}"
        self.refunded, self.transaction = None, None

    def begin(self):
        self.order_id = self.api.place(self.account, self.amount)
        faults = [fault for fault in START_FAULTS if self.draws.random() < 0.15]
        self.fake.fail("start", *faults)
        for _ in range(len(faults) + 1):  # whoever pays tries again
            reply = start(self.api, self.order_id, self.fake)
            if reply.status == 200:
                break
            expect(reply, 503, error="gateway_unavailable")
        expect(reply, 200)
        self.fake.faults["start"] = []

    def pay(self):
        if self.fate == "unpaid":
            return
        self.transaction = self.fake.pay(self.order_id, fen(self.paid))
        gateway = self.fake.account
        forged = gateway.payment(self.order_id, self.amount, gateway.new_transaction())
        refused = gateway.send(self.api, (forged[0], forged[1][:-20] + b"0" * 20))
        assert not gateway.is_ack(refused)
        for _ in range({"once": 1, "twice": 2, "never": 0}[self.told]):
            assert gateway.is_ack(gateway.send(self.api, gateway.payment(self.order_id, self.paid, self.transaction)))

    def ask(self):
        """The lost callback; by itself it would be asked for after five seconds."""
        if self.fate == "unpaid" or self.told != "never":
            return
        self.fake.fail("query", *[fault for fault in ("drop", "forge", "busy") if self.draws.random() < 0.2])
        replies = [self.query()]
        while replies[-1].status != 200 and len(replies) < 10:
            expect(replies[-1], 503, error="gateway_unavailable")
            replies.append(self.query())
        told = expect(replies[-1], 200, state="paid")["outcome"]
        assert told in (("recharge_succeeded", "already_processed") if self.fate == "right" else ("kept_for_review",))

    def query(self):
        named = {"transaction_id": self.transaction} if self.fake.kind == "stripe" else {}
        return self.api.post(f"/api/orders/{self.order_id}/query", named)

    def refund(self):
        if self.fate != "right" or self.draws.random() < 0.6:
            return
        self.refunded = f"{max(1, fen(self.amount) // 2) / 100:.2f}"
        self.fake.fail("refund", *[fault for fault in REFUND_FAULTS if self.draws.random() < 0.3][:1])
        expect(self.api.refund(self.order_id, "r-1", self.refunded), 200)

    def is_refunded(self):
        if self.refunded is None or self.api.status(self.order_id) == "partially_refunded":
            return True
        for notice in self.fake.account.refund_notices(self.order_id, self.transaction):
            assert self.fake.account.is_ack(self.fake.account.send(self.api, notice))  # never credits; has it asked for
            break
        return False

    def judge(self):
        order = self.api.order(self.order_id)
        if self.fate == "right":
            assert order["status"] == ("partially_refunded" if self.refunded else "recharged"), order
            assert order["transaction_id"] == self.transaction
        else:
            assert order["status"] == "pending", order
            kept = [entry["kind"] for entry in self.api.exceptions(self.order_id)]
            assert kept == (["amount_mismatch"] if self.fate == "wrong" else [])
        left = fen(self.amount) - fen(self.refunded or "0.00") if self.fate == "right" else 0
        assert round(self.api.balance(self.account) * 100) == left

    def rows(self):
        if self.fate == "unpaid":
            return
        row = {"kind": "payment", "order_id": self.order_id, "transaction": self.transaction, "amount": self.paid,
               "at": int(self.fake.payments[number(self.order_id)]["paid_at"])}
        yield row
        if self.refunded:
            yield row | {"kind": "refund", "amount": self.refunded, "refund": bills.refund_number(self.order_id, "r-1")}


@pytest.fixture(scope="module")
def storm(start_module_server, tmp_path_factory):
    shop = Shop(tmp_path_factory.mktemp("storm"), "[store]\ncheckpoint_interval_ms = 100\n")
    daemon = start_module_server(shop.config)
    yield shop, daemon
    shop.close()


def test_credited_is_what_was_paid_whatever_gateways_lose(storm, tmp_path):
    shop, daemon = storm
    draws, api = random.Random(SEED), Api(daemon.address)
    print(f"seed {SEED}")
    payers = [Payer(draws, api, shop.fakes[kind.kind], pays=index < 3)
              for kind in (Alipay, Wechat, Stripe) for index in range(400 if LONG else 6)]
    draws.shuffle(payers)
    for step in (Payer.begin, Payer.pay, Payer.ask, Payer.refund):
        for payer in payers:
            step(payer)
        shop.check()
    eventually(lambda: all([payer.is_refunded() for payer in payers]), within=60)
    for payer in payers:
        payer.judge()
    assert api.ledger_sum() == 0
    for kind, fake in shop.fakes.items():
        assert set(fake.money_out.values()) <= {1}, "no refund moved money twice"
        asked = {bills.refund_number(payer.order_id, "r-1") for payer in payers if payer.fake is fake and payer.refunded}
        assert set(fake.money_out) == asked
        rows = [row for payer in payers if payer.fake is fake for row in payer.rows()]
        reconciler = Reconciler(daemon, fake.account, tmp_path)
        assert reconciler.found(rows) == [], kind
        credited = [payer.transaction for payer in payers if payer.fake is fake and payer.fate == "right"]
        absent, dear = draws.sample(credited, 2)
        planted = [row | {"amount": "9999.00"} if row["transaction"] == dear and row["kind"] == "payment" else row
                   for row in rows if not (row["transaction"] == absent and row["kind"] == "payment")]
        assert reconciler.found(planted) == sorted([("amount_differs", "payment", dear), ("missing_there", "payment", absent)])
    shop.check()
    api.close()
