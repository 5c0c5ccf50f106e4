"""The main way, as a merchant goes it: order, payment, signed callback, balance."""
import hashlib
import json
import re

import pytest

from api import Api, expect, new_account, new_transaction
from signing import Raw, callback_fields, signed_body


def test_original_sketch(start_server):
    api = Api(start_server().address)
    placed = expect(api.post("/api/place_order", '{"account":"13812345678","amount":50.0}'), 200,
                    status="pending", currency="CNY")
    order_id = placed["order_id"]

    paid = expect(api.pay(order_id), 200, msg="Payment succeeded", status="paid")
    assert api.balance("13812345678") == 0

    body = signed_body(callback_fields(order_id, paid["transaction_id"], amount="50.0"))
    expect(api.post("/api/payment_callback", body), 200, msg="Recharge succeeded")
    expect(api.post("/api/payment_callback", body), 200, msg="Already processed")
    tampered = body.replace(b"50.0,", b"90.0,")
    assert tampered != body
    expect(api.post("/api/payment_callback", tampered), 403, msg="Invalid signature", error="invalid_signature")

    reply = expect(api.get("/api/check_balance?account=13812345678"), 200, account="13812345678", currency="CNY")
    assert re.search(rb'"balance": ?50\.00[,}]', reply.body)
    order = api.order(order_id)
    assert order["status"] == "recharged" and order["transaction_id"] == paid["transaction_id"]
    assert order["paid_at"] and order["recharged_at"]
    entries = api.assert_books("13812345678")
    assert [(entry["kind"], entry["amount"], entry["order_id"]) for entry in entries] == [("recharge", 50, order_id)]


@pytest.mark.parametrize("amount, shown", [
    ("50.0", "50.00"), ("50", "50.00"), ("50.00", "50.00"), ("0.01", "0.01"), ("1000000.00", "1000000.00"),
    ('"7.5"', "7.50"), ("0.1", "0.10")])
def test_money_leaves_as_a_number_with_two_digits(api, amount, shown):
    reply = expect(api.post("/api/place_order", f'{{"account":"{new_account()}","amount":{amount}}}'), 200)
    assert re.search(rb'"amount": ?' + re.escape(shown.encode()) + rb"[,}]", reply.body), reply
    read = api.get(f"/api/orders/{reply['order_id']}")
    assert re.search(rb'"amount": ?' + re.escape(shown.encode()) + rb"[,}]", read.body), read
    assert re.search(rb'"refunded_amount": ?0\.00[,}]', read.body), read


def test_callback_is_right_without_a_pay_before(api):
    account = new_account()
    order_id, transaction_id = api.credit(account, "12.30")
    order = api.order(order_id)
    assert (order["status"], order["transaction_id"]) == ("recharged", transaction_id)
    assert api.balance(account) == order["amount"]
    api.assert_books(account)


def test_simulated_transaction_gives_way_to_the_verified_one(api):
    order_id = api.place()
    simulated = api.pay(order_id)["transaction_id"]
    assert api.order(order_id)["transaction_id"] == simulated
    verified = new_transaction()
    expect(api.callback(order_id, verified), 200, msg="Recharge succeeded")
    assert api.order(order_id)["transaction_id"] == verified != simulated
    expect(api.callback(order_id, verified), 200, msg="Already processed")


def test_new_order_shows_what_was_not_reached_as_null(api):
    account = new_account()
    order_id = api.place(account, "9.99", subject="Top-up №1")
    order = api.order(order_id)
    assert order["order_id"] == order_id and order["account"] == account and order["status"] == "pending"
    assert order["paid_at"] is order["recharged_at"] is order["transaction_id"] is None
    assert order["created_at"] < order["expires_at"]


def test_order_ids_are_time_ordered_uuids_and_accept_only_lower_case(api):
    account = new_account()
    ids = [api.place(account) for _ in range(3)]
    assert len(set(ids)) == 3
    expect(api.get(f"/api/orders/{ids[0].upper()}"), 404, error="order_not_found")


def test_explain_tells_the_way_of_an_order(api):
    order_id = api.place()
    before = expect(api.get(f"/api/orders/{order_id}/explain"), 200, order_id=order_id, status="pending").json
    assert before["missing"] and before["next_action"] and len(before["steps"]) == 1
    body = signed_body(callback_fields(order_id))
    expect(api.post("/api/payment_callback", body), 200)
    after = expect(api.get(f"/api/orders/{order_id}/explain"), 200, status="recharged").json
    assert len(after["steps"]) > 1 and not after["missing"]
    assert [step["at"] for step in after["steps"]] == sorted(step["at"] for step in after["steps"])
    digest = hashlib.blake2b(body, digest_size=32).hexdigest()
    found = [step["evidence"] for step in after["steps"] if (step["evidence"] or {}).get("digest")]
    assert {(evidence["digest"], evidence["key_id"]) for evidence in found} == {(digest, "main")}
    assert b"signature" not in json.dumps(after, default=str).encode()


def test_explain_of_an_unknown_order(api):
    expect(api.get("/api/orders/0190a1b2-c3d4-7e5f-8a6b-0123456789ab/explain"), 404, error="order_not_found")


def test_health_and_metrics(api):
    expect(api.get("/livez"), 200)
    expect(api.get("/readyz"), 200)
    api.credit()
    metrics = api.metrics()
    requests = metrics["recharge_http_requests_total"]
    assert any(dict(labels).get("route") == "/api/place_order" and dict(labels)["code"] == "200" for labels in requests)
    assert any({"gateway", "outcome"} <= set(dict(labels)) for labels in metrics["recharge_callbacks_total"])
    statuses = {dict(labels)["status"] for labels in metrics["recharge_orders"]}
    assert {"pending", "recharged"} <= statuses
    for histogram in ("recharge_http_request_duration_seconds", "recharge_journal_flush_seconds",
                      "recharge_journal_group_records", "recharge_checkpoint_seconds"):
        assert any(name.startswith(histogram) for name in metrics), histogram
    assert min(metrics["recharge_disk_free_bytes"].values()) > 0
    assert sum(metrics["recharge_ledger_sum_minor_units"].values()) == 0


def test_no_account_or_order_in_a_metric_label(api):
    account = new_account()
    order_id, transaction_id = api.credit(account)
    api.get(f"/api/accounts/{account}/entries")
    api.get("/api/no/such/" + account)
    text = api.get("/metrics").body.decode()
    for private in (account, order_id, transaction_id):
        assert private not in text


def test_logs_mask_accounts_and_hide_secrets(start_server):
    daemon = start_server()
    api = Api(daemon.address)
    account = new_account()
    order_id, _ = api.credit(account)
    api.get(f"/api/check_balance?account={account}")
    api.get(f"/api/accounts/{account}/entries")
    api.post("/api/place_order", {"account": account, "amount": "bad"})
    api.callback(order_id, secret="wrong" * 8)
    daemon.restart()
    log = daemon.log_file.read_text(encoding="utf-8")
    assert log
    assert account not in log
    assert api.secret not in log
    for line in log.splitlines():
        assert isinstance(json.loads(line), dict), f"not a JSON line: {line!r}"


def test_amount_text_reaches_the_signature_unchanged(api):
    """50.0 and 50.00 are the same money, yet each is signed as it was sent."""
    for text in ("50.0", "50.00", "50"):
        order_id = api.place(amount="50")
        expect(api.callback(order_id, amount=Raw(text)), 200, msg="Recharge succeeded")
