"""Verified payments that must not be credited as they came: made, listed, settled; their money always in the books."""
import time
from decimal import Decimal

import pytest

from api import Api, eventually, expect, new_account, new_transaction
from daemon import binary, run_once
from faulty import broken_tool, must_fail

OTHER_SECRET = "other-gateway-secret"
CONFIG = f"""
[orders]
max_amount = "9999999999999.99"
[gateway.other]
kind = "native"
secrets = [{{id = "o1", secret = "{OTHER_SECRET}"}}]
"""
UNKNOWN = "0190a1b2-c3d4-7e5f-8a6b-0123456789ab"
LIMIT = Decimal("9999999999999.99")


@pytest.fixture(scope="module")
def exceptional(start_module_server):
    return start_module_server(CONFIG)


@pytest.fixture
def api(exceptional):
    client = Api(exceptional.address)
    yield client
    client.close()


class Kept:
    """A payment kept for review. send(): the same callback again, with the time of now unless it is a stale one."""

    def __init__(self, api, kind):
        self.api, self.kind, self.account, self.transaction_id = api, kind, new_account(), new_transaction()
        self.amount, self.credited, self.fields = Decimal("50.00"), Decimal(0), {}
        self.msg, self.status, self.order_id = "Payment recorded for review", 200, None
        getattr(self, "_" + kind)()
        self.before = self.open_of_kind()
        reply = self.send()
        if self.status == 200:
            expect(reply, 200, msg=self.msg, exception=kind)
        self.entry = self.only()

    def _late_payment(self):
        self.order_id = self.api.place(self.account)
        expect(self.api.close_order(self.order_id), 200)

    def _duplicate_payment(self):
        self.order_id, _ = self.api.credit(self.account)
        self.credited = Decimal("50.00")

    def _amount_mismatch(self):
        self.order_id = self.api.place(self.account)
        self.amount = Decimal("49.99")

    def _gateway_mismatch(self):
        self.order_id = self.api.place(self.account, gateway="other")

    def _unknown_order(self):
        self.order_id, self.status = UNKNOWN[:-6] + f"{time.time_ns() % 0xffffff:06x}", 404

    def _stale_callback(self):
        self.order_id, self.status = self.api.place(self.account), 403
        self.fields = {"timestamp": int(time.time()) - 3600}

    def _balance_limit(self):
        self.api.credit(self.account, str(LIMIT - 10))
        self.credited = LIMIT - 10
        self.order_id = self.api.place(self.account)

    def send(self, **fields):
        fields = {"amount": str(self.amount)} | self.fields | fields
        return self.api.callback(self.order_id, self.transaction_id, **fields)

    def only(self):
        """Its one entry in the list."""
        found = [entry for entry in self.api.exceptions(self.order_id) if entry["transaction_id"] == self.transaction_id]
        assert len(found) == 1, found
        return found[0]

    def open_of_kind(self):
        samples = self.api.metrics().get("recharge_exceptions_open", {})
        return sum(value for labels, value in samples.items() if dict(labels)["kind"] == self.kind)

    def assert_open(self):
        entry = self.only()
        assert (entry["kind"], entry["state"], entry["amount"]) == (self.kind, "open", self.amount)
        assert self.api.balance(self.account) == self.credited
        eventually(lambda: self.open_of_kind() == self.before + 1)
        assert self.api.ledger_sum() == 0
        self.api.assert_books(self.account)


KINDS = ["late_payment", "duplicate_payment", "amount_mismatch", "gateway_mismatch", "unknown_order", "stale_callback",
         "balance_limit"]


@pytest.mark.parametrize("kind", KINDS)
def test_kept_once_however_often_it_is_sent(api, kind):
    kept = Kept(api, kind)
    kept.assert_open()
    slug = {404: "order_not_found", 403: "stale_signature"}.get(kept.status)
    for _ in range(3):
        reply = expect(kept.send(), kept.status)
        assert reply.json.get("error") == slug and (slug or reply["exception"] == kind)
    kept.assert_open()
    assert kept.entry in api.exceptions(state="open")


@pytest.mark.parametrize("kind", KINDS)
def test_order_keeps_its_state(api, kind):
    kept = Kept(api, kind)
    if kind == "unknown_order":
        expect(api.get(f"/api/orders/{kept.order_id}"), 404)
        return
    expected = {"late_payment": "closed", "duplicate_payment": "recharged"}.get(kind, "pending")
    order = api.order(kept.order_id)
    if kind == "balance_limit":
        assert order["status"] in ("pending", "paid")
    else:
        assert order["status"] == expected
    assert order["transaction_id"] != kept.transaction_id or kind == "balance_limit"
    steps = expect(api.get(f"/api/orders/{kept.order_id}/explain"), 200)["steps"]
    assert any(kind in step["event"] or kind in str(step["evidence"]) for step in steps)


@pytest.mark.parametrize("action", ["credit", "refund", "dismiss"])
@pytest.mark.parametrize("kind", KINDS)
def test_resolved_with(api, kind, action):
    kept = Kept(api, kind)
    order_before = None if kind == "unknown_order" else api.status(kept.order_id)
    if kind == "balance_limit" and action == "credit":
        expect(api.resolve(kept.entry["exception_id"], action), 409)
        kept.assert_open()
        expect(api.debit(kept.account, "room", "100.00"), 200)
        kept.credited -= 100
    if kind == "unknown_order" and action == "credit":
        expect(api.resolve(kept.entry["exception_id"], action), 409, error="invalid_state")
        kept.assert_open()
        return
    reply = expect(api.resolve(kept.entry["exception_id"], action, note="checked by phone"), 200)
    settled = reply["exception"]
    assert settled["state"] == "resolved" and settled["exception_id"] == kept.entry["exception_id"]
    expected = kept.credited + (kept.amount if action == "credit" else 0)
    assert api.balance(kept.account) == expected
    if order_before:
        assert api.status(kept.order_id) == order_before
    eventually(lambda: kept.open_of_kind() == kept.before)
    assert kept.only() == settled and settled not in api.exceptions(state="open")

    entries = api.assert_books(kept.account)
    if action == "credit":
        assert (entries[0]["kind"], entries[0]["amount"]) == ("exception_credited", kept.amount)
        assert entries[0]["transaction_id"] == kept.transaction_id
    for second in ("credit", "refund", "dismiss"):
        expect(api.resolve(kept.entry["exception_id"], second), 409, error="invalid_state")

    again = kept.send()
    if action == "credit":
        if kind != "stale_callback":
            expect(again, 200, msg="Already processed")
        expect(kept.send(timestamp=int(time.time())), 200, msg="Already processed")
        if order_before:
            assert api.status(kept.order_id) == order_before
    elif kind not in ("unknown_order", "stale_callback"):
        expect(again, 200)
    assert api.balance(kept.account) == expected
    assert kept.only()["state"] == "resolved"
    api.assert_books(kept.account)


@pytest.mark.parametrize("kind, fresh", [
    pytest.param("stale_callback", {"timestamp": ...}, id="fresh after stale"),
    pytest.param("amount_mismatch", {"amount": "50.00"}, id="right amount after a wrong one"),
])
def test_fresh_payment_credits_once_and_closes_it(api, kind, fresh):
    kept = Kept(api, kind)
    if "timestamp" in fresh:
        fresh = {"timestamp": int(time.time())}
    expect(kept.send(**fresh), 200, msg="Recharge succeeded")
    assert api.balance(kept.account) == 50
    assert kept.only()["state"] == "resolved"
    eventually(lambda: kept.open_of_kind() == kept.before)
    for action in ("credit", "refund", "dismiss"):
        expect(api.resolve(kept.entry["exception_id"], action), 409, error="invalid_state")
    expect(kept.send(**fresh), 200, msg="Already processed")
    assert api.balance(kept.account) == 50 and api.status(kept.order_id) == "recharged"
    api.assert_books(kept.account)


def test_stale_repeat_of_a_credited_payment_is_already_processed(api):
    account = new_account()
    order_id, transaction_id = api.credit(account)
    old = int(time.time()) - 86400
    expect(api.callback(order_id, transaction_id, timestamp=old), 200, msg="Already processed")
    assert api.exceptions(order_id) == [] and api.balance(account) == 50


def test_stale_and_unknown_at_once_is_stale_with_the_id_as_sent(api):
    for order_id in (UNKNOWN, "not-an-id-of-ours"):
        transaction_id = new_transaction()
        expect(api.callback(order_id, transaction_id, timestamp=1700000000), 403, error="stale_signature")
        found = [e for e in api.exceptions(order_id) if e["transaction_id"] == transaction_id]
        assert [(e["kind"], e["order_id"]) for e in found] == [("stale_callback", order_id)]
        expect(api.resolve(found[0]["exception_id"], "credit"), 409, error="invalid_state")
        expect(api.resolve(found[0]["exception_id"], "dismiss"), 200)
    assert api.ledger_sum() == 0


def test_what_is_no_id_of_ours_is_an_unknown_order(api):
    transaction_id = new_transaction()
    expect(api.callback("order-77", transaction_id), 404, error="order_not_found", msg="Order not found")
    found = [e for e in api.exceptions("order-77") if e["transaction_id"] == transaction_id]
    assert [e["kind"] for e in found] == ["unknown_order"]


@pytest.mark.parametrize("fields, status", [
    pytest.param({"status": "fail"}, 404, id="fail for an unknown order"),
    pytest.param({"status": "fail", "timestamp": 1700000000}, 403, id="stale fail for an unknown order"),
])
def test_a_fail_is_never_kept(api, fields, status):
    transaction_id = new_transaction()
    expect(api.callback(UNKNOWN, transaction_id, **fields), status)
    assert not [e for e in api.exceptions(UNKNOWN) if e["transaction_id"] == transaction_id]


def test_order_of_the_checks(api):
    """Stale before unknown, gateway before amount, amount before state."""
    order_id = api.place(gateway="other")
    expect(api.callback(order_id, amount="1.00"), 200, exception="gateway_mismatch")
    closed = api.place()
    expect(api.close_order(closed), 200)
    expect(api.callback(closed, amount="1.00"), 200, exception="amount_mismatch")
    expect(api.callback(order_id, amount="1.00", timestamp=1700000000), 403, error="stale_signature")


# --- a named gateway of kind native ----------------------------------------------------------------------------------

OTHER = {"path": "/api/callbacks/other", "secret": OTHER_SECRET}


def test_named_gateway_credits_its_order(api):
    account = new_account()
    order_id, transaction_id = api.place(account, gateway="other"), new_transaction()
    assert api.order(order_id)["gateway"] == "other"
    expect(api.callback(order_id, transaction_id, **OTHER), 200, msg="Recharge succeeded")
    expect(api.callback(order_id, transaction_id, **OTHER), 200, msg="Already processed")
    assert api.balance(account) == 50
    api.assert_books(account)


def test_named_gateway_has_its_own_secrets(api):
    order_id = api.place(gateway="other")
    expect(api.callback(order_id, path=OTHER["path"]), 403, error="invalid_signature")
    expect(api.callback(order_id, secret=OTHER_SECRET), 403, error="invalid_signature")
    assert api.status(order_id) == "pending" and api.exceptions(order_id) == []


@pytest.mark.parametrize("kind", ["late_payment", "duplicate_payment", "amount_mismatch", "stale_callback"])
def test_named_gateway_acknowledges_every_kept_payment(api, kind):
    order_id, fields = api.place(gateway="other"), {}
    if kind == "late_payment":
        expect(api.close_order(order_id), 200)
    if kind == "duplicate_payment":
        expect(api.callback(order_id, **OTHER), 200)
    if kind == "amount_mismatch":
        fields = {"amount": "1.00"}
    if kind == "stale_callback":
        fields = {"timestamp": 1700000000}
    expect(api.callback(order_id, **OTHER, **fields), 200)
    assert [(e["kind"], e["gateway"]) for e in api.exceptions(order_id)] == [(kind, "other")]
    assert api.ledger_sum() == 0


def test_named_gateway_refuses_an_unknown_order(api):
    transaction_id = new_transaction()
    expect(api.callback(UNKNOWN, transaction_id, **OTHER), 404, error="order_not_found")
    assert [e["kind"] for e in api.exceptions(UNKNOWN) if e["transaction_id"] == transaction_id] == ["unknown_order"]


def test_no_such_gateway(api):
    expect(api.callback(UNKNOWN, path="/api/callbacks/nobody"), 404)
    reply = expect(api.post("/api/place_order", {"account": new_account(), "amount": "1", "gateway": "nobody"}), 400,
                   error="invalid_request")
    assert "gateway" in reply["msg"]
    order_id = api.place()
    reply = expect(api.post("/api/pay", {"order_id": order_id, "gateway": "nobody"}), 400, error="invalid_request")
    assert "gateway" in reply["msg"]


def test_simulated_gateway_is_gone_where_another_is_configured(api):
    body = {"account": new_account(), "amount": "1", "gateway": "simulated"}
    expect(api.post("/api/place_order", body), 400, error="invalid_request")


# --- lists and refusals ----------------------------------------------------------------------------------------------

def test_list_is_newest_first_in_pages(api):
    closed = api.place()
    expect(api.close_order(closed), 200)
    transactions = [new_transaction() for _ in range(5)]
    for transaction_id in transactions:
        expect(api.callback(closed, transaction_id), 200, exception="late_payment")
        time.sleep(0.003)  # ids and times count milliseconds
    listed = [e["transaction_id"] for e in api.pages("/api/exceptions?state=open", limit=2) if e["order_id"] == closed]
    assert listed == transactions[::-1]
    everything = api.pages("/api/exceptions", limit=3)
    ids = [entry["exception_id"] for entry in everything]
    assert len(ids) == len(set(ids)) and set(transactions) <= {entry["transaction_id"] for entry in everything}


@pytest.mark.parametrize("query", ["state=nonsense", "limit=0", "limit=101", "limit=x", "cursor=%00", "cursor=zzz"])
def test_list_refuses(api, query):
    reply = expect(api.get("/api/exceptions?" + query), 400, error="invalid_request")
    assert query.split("=")[0] in reply["msg"]


@pytest.mark.parametrize("body, field", [
    ({"action": "keep"}, "action"), ({}, "action"), ({"action": 1}, "action"), ({"action": "credit", "note": 5}, "note")])
def test_resolve_refuses_malformed(api, body, field):
    kept = Kept(api, "late_payment")
    reply = expect(api.post(f"/api/exceptions/{kept.entry['exception_id']}/resolve", body), 400, error="invalid_request")
    assert field in reply["msg"]
    kept.assert_open()


@pytest.mark.parametrize("exception_id", [UNKNOWN, "no-id", "0"])
def test_resolve_of_an_unknown_one(api, exception_id):
    expect(api.resolve(exception_id, "dismiss"), 404)


# --- many at once ----------------------------------------------------------------------------------------------------

def resolve_all(daemon, *arguments, program):
    return run_once("--server", daemon.url, "exceptions", "resolve", "--all", *arguments, program=program)


def settle_many(start_server, program):
    daemon = start_server(CONFIG)
    api = Api(daemon.address)
    late, mismatched = [], []
    for _ in range(3):
        order_id = api.place()
        expect(api.callback(order_id, amount="49.00"), 200, exception="amount_mismatch")
        mismatched.append(order_id)
    order_id = api.place()
    expect(api.close_order(order_id), 200)
    expect(api.callback(order_id, amount="50.00"), 200, exception="late_payment")
    late.append(order_id)
    refused = resolve_all(daemon, "--kind", "amount_mismatch", "--action", "refund", program=program)
    assert refused.returncode == 2 and "refund 3 payments of 147.00 in all: without a terminal this needs --yes" in refused.stderr
    few = resolve_all(daemon, "--action", "dismiss", "--yes", "--most", "3", program=program)
    assert few.returncode == 1 and "more than 3 are open" in few.stderr
    assert resolve_all(daemon, "--action", "dismiss", "--yes", "--gateway", "nobody", program=program).returncode == 0
    assert resolve_all(daemon, late[0], "--action", "dismiss", program=program).returncode == 2  # one, or all
    assert len(api.exceptions(state="open")) == 4, "nothing was done yet"
    done = resolve_all(daemon, "--kind", "amount_mismatch", "--action", "refund", "--note", "by phone", "--yes", program=program)
    assert done.returncode == 0 and "3 done, 0 refused" in done.stderr, (done.stdout, done.stderr)
    left = api.exceptions(state="open")
    assert [entry["order_id"] for entry in left] == late
    settled = [entry for order in mismatched for entry in api.exceptions(order)]
    assert len(settled) == 3 and all(entry["state"] == "resolved" for entry in settled), settled
    audited = [line for line in daemon.log_file.read_text().splitlines() if "resolve_refund" in line]
    assert all(sum(entry["exception_id"] in line for line in audited) == 1 for entry in settled)
    assert api.ledger_sum() == 0
    api.close()


def test_many_are_settled_at_once_and_each_is_audited(start_server):
    settle_many(start_server, [binary("RECHARGE_BIN", "recharge")])


@pytest.mark.parametrize("broken", ["resolving_unasked", "resolving_every_kind"])
def test_a_tool_that_settles_what_was_not_meant_is_noticed(start_server, broken):
    must_fail(settle_many, start_server, broken_tool(broken))
