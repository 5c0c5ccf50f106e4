"""GET /api/orders/{id}/explain and `recharge order explain`: why an order is as it is, by state and by exception."""
import hashlib
import subprocess
import time

import pytest

from api import Api, expect, new_transaction
from daemon import binary, clean_environment
from signing import VECTOR_SECRET, callback_fields, object_text, signed_body, webhook_headers
from test_exceptions import CONFIG, KINDS, Kept
from test_states import STATES, reach




@pytest.fixture(scope="module")
def exceptional(start_module_server):
    return start_module_server(CONFIG)


@pytest.fixture(scope="module")
def short(start_module_server):
    return start_module_server("[orders]\nexpire_after_s = 1\n")


def explained(api, order_id, status):
    reply = expect(api.get(f"/api/orders/{order_id}/explain"), 200, order_id=order_id, status=status).json
    assert [step["at"] for step in reply["steps"]] == sorted(step["at"] for step in reply["steps"])
    return reply


# state: the last step, what is missing, what to do; None: null
LAST_STEP = {
    "pending": ("order placed for 50.00 CNY", "a payment and its verified callback", "recharge pay "),
    "paid": ("payment simulated", "the gateway's verified callback", "have the gateway send its callback again"),
    "failed": ("verified callback: the payment failed", "a payment that succeeds", "recharge pay "),
    "recharged": ("verified callback: 50.00 CNY credited", None, None),
    "partially_refunded": ("refund first of 20.00 CNY settled", None, None),
    "refunded": ("refund first of 50.00 CNY settled", None, None),
    "closed": ("order closed", None, "place a new order"),
    "expired": ("order expired without a payment", None, "place a new order"),
}


@pytest.mark.parametrize("state", STATES)
def test_state(server, short, state):
    case = reach(server, short, state)
    reply = explained(case.api, case.order_id, state)
    event, missing, action = LAST_STEP[state]
    assert reply["steps"][0]["event"].startswith("order placed for 50.00 CNY, to be paid by ")
    assert reply["steps"][-1]["event"].startswith(event)
    assert reply["missing"] == missing
    assert reply["next_action"] is None if action is None else action in reply["next_action"]


# kind: (expected, came), each a part of the text; {} is filled with what only the case knows
COMPARED = {
    "late_payment": ("before the order was closed at ", "one that arrived at "),
    "duplicate_payment": ("one payment, transaction ", "another, transaction {transaction}"),
    "amount_mismatch": ("50.00 CNY", "49.99 CNY"),
    "gateway_mismatch": ("a callback of the gateway other", "one of the gateway native"),
    "unknown_order": ("the id of an order", "{order}, which no order has"),
    "stale_callback": ("within callback.tolerance_s of its arrival", "3600 s before it arrived"),
    "balance_limit": ("a balance of at most 9999999999999.99 CNY", "50.00 CNY, which would exceed it"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_open_exception(exceptional, kind):
    kept = Kept(Api(exceptional.address), kind)
    status = None if kind == "unknown_order" else kept.api.status(kept.order_id)
    reply = explained(kept.api, kept.order_id, status)
    step = reply["steps"][-1]
    assert step["event"].startswith(f"exception {kind} opened: {kept.amount} CNY kept, not credited")
    assert kept.transaction_id in step["event"]
    expected, came = COMPARED[kind]
    came = came.format(transaction=kept.transaction_id, order=kept.order_id)
    if kind == "stale_callback":  # a second may have turned between the signing and the sending
        came = came.replace("3600", step["came"].split(", ")[1].split(" ")[0])
        assert 3600 <= int(came.split(" ")[0]) <= 3605
    assert expected in step["expected"] and came in step["came"]
    assert step["exception_id"] == kept.entry["exception_id"]
    assert step["evidence"]["key_id"] == "main" and step["evidence"]["scheme"] == "fields"
    assert reply["missing"] == f"a decision on the payment kept as {kind}"
    actions = "refund|dismiss" if kind == "unknown_order" else "credit|refund|dismiss"
    assert f"recharge exceptions resolve {step['exception_id']} --action {actions}" in reply["next_action"]
    assert f"/api/exceptions/{step['exception_id']}/resolve" in reply["next_action"]


WORDS = {"credit": "credited to the account's balance", "refund": "sent back to the payer",
         "dismiss": "dismissed, nobody was credited"}


@pytest.mark.parametrize("action", WORDS)
@pytest.mark.parametrize("kind", KINDS)
def test_resolved_exception(exceptional, kind, action):
    kept = Kept(Api(exceptional.address), kind)
    if kind == "balance_limit":
        expect(kept.api.debit(kept.account, "room", "100.00"), 200)
    resolved = kept.api.resolve(kept.entry["exception_id"], action, note="by phone")
    if kind == "unknown_order" and action == "credit":
        expect(resolved, 409)
        return
    expect(resolved, 200)
    status = None if kind == "unknown_order" else kept.api.status(kept.order_id)
    reply = explained(kept.api, kept.order_id, status)
    assert reply["steps"][-1]["event"] == f"exception {kind} resolved: {WORDS[action]} (by phone)"
    assert "resolve" not in (reply["next_action"] or "")
    if action == "credit":
        assert reply["missing"] is None


@pytest.mark.parametrize("kind, again", [
    ("stale_callback", {"timestamp": int(time.time())}), ("amount_mismatch", {"amount": "50.00"})])
def test_superseded_exception(exceptional, kind, again):
    kept = Kept(Api(exceptional.address), kind)
    if "timestamp" in again:
        again = {"timestamp": int(time.time())}
    expect(kept.send(**again), 200, msg="Recharge succeeded")
    reply = explained(kept.api, kept.order_id, "recharged")
    assert [step["event"].split(":")[0] for step in reply["steps"][-3:]] == [
        f"exception {kind} opened", f"exception {kind} resolved", "verified callback"]
    assert reply["missing"] is None and reply["next_action"] is None


@pytest.mark.parametrize("scheme", ["fields", "standard_webhooks", "both"])
def test_evidence_names_the_signature_scheme_and_survives_a_restart(start_server, scheme):
    daemon = start_server()
    api = Api(daemon.address)
    order_id = api.place()
    fields = callback_fields(order_id, new_transaction())
    body = signed_body(fields)
    if scheme == "standard_webhooks":
        body = object_text(fields).encode()
    headers = {} if scheme == "fields" else webhook_headers(body, VECTOR_SECRET)
    expect(api.post("/api/payment_callback", body, headers), 200, msg="Recharge succeeded")
    before = explained(api, order_id, "recharged")
    assert before["steps"][-1]["evidence"] == {
        "gateway": "native", "key_id": "main", "scheme": scheme,
        "digest": hashlib.blake2b(body, digest_size=32).hexdigest()}
    daemon.restart(kill=True)  # from the journal
    assert explained(Api(daemon.address), order_id, "recharged") == before
    daemon.restart()  # from the books
    assert explained(Api(daemon.address), order_id, "recharged") == before


def test_kept_payments_are_explained_from_the_books_too(start_server):
    daemon = start_server(CONFIG)
    orders = {}
    for kind in KINDS:
        kept = Kept(Api(daemon.address), kind)
        orders[kept.order_id] = kept.api.get(f"/api/orders/{kept.order_id}/explain").body
    daemon.restart()
    api = Api(daemon.address)
    assert {order_id: api.get(f"/api/orders/{order_id}/explain").body for order_id in orders} == orders


def test_a_forged_callback_leaves_the_explanation_as_it_was(server):
    api = Api(server.address)
    order_id = api.place()
    before = explained(api, order_id, "pending")
    expect(api.callback(order_id, secret="not the secret"), 403)
    assert explained(api, order_id, "pending") == before
    assert "invalid signature" in before["next_action"]


def test_an_id_of_nothing_is_not_found(server):
    expect(Api(server.address).get("/api/orders/0190a1b2-c3d4-7e5f-8a6b-00000000dead/explain"), 404,
           error="order_not_found")


def test_the_tool_shows_every_step(exceptional):
    kept = Kept(Api(exceptional.address), "amount_mismatch")
    shown = subprocess.run([binary("RECHARGE_BIN", "recharge"), "--server", exceptional.url, "order", "explain",
                            kept.order_id], env=clean_environment(), capture_output=True, text=True, timeout=20, check=True)
    lines = shown.stdout.splitlines()
    assert lines[0] == f"{kept.order_id}  pending"
    assert "    expected  50.00 CNY" in lines and "    came      49.99 CNY" in lines
    evidence = next(line for line in lines if line.startswith("    evidence  "))
    assert "gateway native, key_id main, scheme fields, digest " in evidence
    assert any(line.startswith("next action  ") and kept.entry["exception_id"] in line for line in lines)
