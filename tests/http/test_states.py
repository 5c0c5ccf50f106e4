"""The table of states: one case for each cell, by event and by the state that it meets."""
import time
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

from api import Api, expect, new_account, new_transaction

STATES = ["pending", "failed", "paid", "recharged", "partially_refunded", "refunded", "closed", "expired"]
AMOUNT = Decimal("50.00")
EXPIRE_AFTER_S = 2


@pytest.fixture(scope="module")
def short(start_module_server):
    """Its orders expire soon: a case that needs `expired` waits for it, the others are done before."""
    return start_module_server(f"[orders]\nexpire_after_s = {EXPIRE_AFTER_S}\n")


class Case:
    def __init__(self, api, account, order_id, transaction_id):
        self.api, self.account, self.order_id, self.transaction_id = api, account, order_id, transaction_id

    def status(self):
        return self.api.status(self.order_id)

    def balance(self):
        return self.api.balance(self.account)


def parse_time(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def wait_until_past(api, order_id):
    end = parse_time(expect(api.get(f"/api/orders/{order_id}"), 200)["order"]["expires_at"])
    time.sleep(max(0.0, (end - datetime.now(timezone.utc)).total_seconds()) + 0.05)


def reach(server, short, state):
    api = Api((short if state == "expired" else server).address)
    account, transaction_id = new_account(), new_transaction()
    order_id = api.place(account)
    case = Case(api, account, order_id, transaction_id)
    if state == "failed":
        expect(api.callback(order_id, transaction_id, status="fail"), 200, msg="Payment failure recorded")
    elif state == "paid":
        case.transaction_id = expect(api.pay(order_id), 200)["transaction_id"]
    elif state in ("recharged", "partially_refunded", "refunded"):
        expect(api.callback(order_id, transaction_id), 200, msg="Recharge succeeded")
        if state != "recharged":
            amount = "20.00" if state == "partially_refunded" else "50.00"
            expect(api.refund(order_id, "first", amount), 200)
    elif state == "closed":
        expect(api.close_order(order_id), 200)
    elif state == "expired":
        wait_until_past(api, order_id)
    assert case.status() == state
    return case


@pytest.fixture
def case(server, short, state):
    made = reach(server, short, state)
    yield made
    made.api.close()


def rows(*table):
    """The rows of one event as pytest parameters, named by their state; every state must have one."""
    named = {}
    for row in table:
        for state in row[0].split():
            named.setdefault(state, []).append((state, *row[1:]))
    assert set(named) == set(STATES)
    return [pytest.param(*row, id=row[0]) for state in STATES for row in named[state]]


# --- pay (simulated) -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("state, status, after", rows(
    ("pending failed paid", 200, "paid"),
    ("recharged", 200, "recharged"),
    ("partially_refunded", 200, "partially_refunded"),
    ("refunded", 200, "refunded"),
    ("closed", 409, "closed"),
    ("expired", 409, "expired"),
))
def test_pay(case, state, status, after):
    before = case.balance()
    reply = expect(case.api.pay(case.order_id), status)
    if status == 200:
        expect(reply, 200, msg="Payment succeeded", status="paid")
        assert reply["transaction_id"] == case.api.order(case.order_id)["transaction_id"]
        if state not in ("pending", "failed"):
            assert reply["transaction_id"] == case.transaction_id
        assert case.api.pay(case.order_id).body == reply.body
    else:
        expect(reply, 409, error="invalid_state")
    assert case.status() == after
    assert case.balance() == before


@pytest.mark.parametrize("before", ["pending", "failed"])
def test_pay_that_fails(start_server, before):
    api = Api(start_server("[gateway.simulated]\nsuccess_rate = 0.0\n").address)
    order_id = api.place()
    if before == "failed":
        expect(api.callback(order_id, status="fail"), 200)
    expect(api.pay(order_id), 400, error="payment_failed", msg="Payment failed")
    assert api.status(order_id) == "failed"
    expect(api.pay(order_id), 400, error="payment_failed")
    expect(api.callback(order_id), 200, msg="Recharge succeeded")
    assert api.status(order_id) == "recharged"


# --- verified success ------------------------------------------------------------------------------------------------

CREDITED = (200, "Recharge succeeded", None, AMOUNT)


@pytest.mark.parametrize("state, status, msg, exception, credit", rows(
    ("pending failed paid", *CREDITED),
    ("recharged partially_refunded refunded", 200, "Payment recorded for review", "duplicate_payment", 0),
    ("closed expired", 200, "Payment recorded for review", "late_payment", 0),
))
def test_success_with_another_transaction(case, state, status, msg, exception, credit):
    before, other = case.balance(), new_transaction()
    reply = expect(case.api.callback(case.order_id, other), status, msg=msg)
    assert reply.json.get("exception") == exception
    assert case.balance() == before + credit
    assert case.status() == ("recharged" if credit else state)
    found = case.api.exceptions(case.order_id)
    assert [(entry["kind"], entry["transaction_id"], entry["state"]) for entry in found] == (
        [(exception, other, "open")] if exception else [])
    if credit:
        assert case.api.order(case.order_id)["transaction_id"] == other
    expect(case.api.callback(case.order_id, other), 200, msg="Already processed" if credit else msg)
    assert len(case.api.exceptions(case.order_id)) == len(found)
    assert case.balance() == before + credit
    case.api.assert_books(case.account)


@pytest.mark.parametrize("state, msg", rows(
    ("pending failed paid", "Recharge succeeded"),
    ("recharged partially_refunded refunded", "Already processed"),
    ("closed expired", "Payment recorded for review"),
))
def test_success_with_the_same_transaction(case, state, msg):
    before = case.balance()
    expect(case.api.callback(case.order_id, case.transaction_id), 200, msg=msg)
    credited = msg == "Recharge succeeded"
    assert case.status() == ("recharged" if credited else state)
    assert case.balance() == before + (AMOUNT if credited else 0)
    case.api.assert_books(case.account)


@pytest.mark.parametrize("form", ["rfc3339", "rfc3339 with offset", "unix seconds"])
def test_expired_but_paid_on_time_is_recharged(short, form):
    api = Api(short.address)
    account = new_account()
    order_id = api.place(account)
    paid = parse_time(api.order(order_id)["created_at"]) + timedelta(seconds=1)
    wait_until_past(api, order_id)
    assert api.status(order_id) == "expired"
    paid_at = {"rfc3339": paid.strftime("%Y-%m-%dT%H:%M:%SZ"),
               "rfc3339 with offset": paid.astimezone(timezone(timedelta(hours=8))).isoformat(timespec="seconds"),
               "unix seconds": int(paid.timestamp())}[form]
    expect(api.callback(order_id, paid_at=paid_at), 200, msg="Recharge succeeded")
    assert api.status(order_id) == "recharged" and api.balance(account) == AMOUNT
    assert parse_time(api.order(order_id)["paid_at"]) == paid.replace(microsecond=0)


def test_paid_exactly_at_expiry_is_on_time(short):
    api = Api(short.address)
    order_id = api.place()
    expires_at = api.order(order_id)["expires_at"]
    wait_until_past(api, order_id)
    expect(api.callback(order_id, paid_at=expires_at), 200, msg="Recharge succeeded")


def test_expired_and_paid_too_late_is_an_exception(short):
    api = Api(short.address)
    order_id = api.place()
    late = parse_time(api.order(order_id)["expires_at"]) + timedelta(seconds=1)
    wait_until_past(api, order_id)
    expect(api.callback(order_id, paid_at=int(late.timestamp()) + 1), 200, exception="late_payment")
    assert api.status(order_id) == "expired"


def test_closed_but_paid_on_time_stays_an_exception(server):
    case = reach(server, None, "closed")
    paid_at = parse_time(case.api.order(case.order_id)["created_at"])
    expect(case.api.callback(case.order_id, paid_at=int(paid_at.timestamp())), 200, exception="late_payment")
    assert case.status() == "closed" and case.balance() == 0


# --- verified fail ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("state, msg, after", rows(
    ("pending", "Payment failure recorded", "failed"),
    ("failed", "Already processed", "failed"),
    ("paid", "Already processed", "paid"),
    ("recharged", "Already processed", "recharged"),
    ("partially_refunded", "Already processed", "partially_refunded"),
    ("refunded", "Already processed", "refunded"),
    ("closed", "Already processed", "closed"),
    ("expired", "Already processed", "expired"),
))
def test_fail(case, state, msg, after):
    before = case.balance()
    expect(case.api.callback(case.order_id, case.transaction_id, status="fail"), 200, msg=msg)
    expect(case.api.callback(case.order_id, case.transaction_id, status="fail"), 200, msg="Already processed")
    assert case.status() == after
    assert case.balance() == before
    assert case.api.exceptions(case.order_id) == []


# --- close -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("state, status", rows(
    ("pending failed closed", 200),
    ("paid recharged partially_refunded refunded expired", 409),
))
def test_close(case, state, status):
    reply = expect(case.api.close_order(case.order_id), status)
    if status == 200:
        assert case.status() == "closed"
        assert expect(case.api.close_order(case.order_id), 200).body == reply.body
    else:
        expect(reply, 409, error="invalid_state")
        assert case.status() == state


# --- refund ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("state, status", rows(
    ("pending failed paid closed expired", 409),
    ("recharged partially_refunded", 200),
    ("refunded", 409),
))
def test_refund(case, state, status):
    before = case.balance()
    reply = expect(case.api.refund(case.order_id, "second", "10.00"), status)
    if status == 200:
        assert reply["refund"]["amount"] == Decimal("10.00")
        assert case.status() == "partially_refunded"
        assert case.balance() == before - 10
        expect(case.api.refund(case.order_id, "rest"), 200)
        assert case.status() == "refunded" and case.balance() == 0
    else:
        assert reply["error"] == ("refund_exceeds_payment" if state == "refunded" else "invalid_state")
        assert case.status() == state and case.balance() == before
    case.api.assert_books(case.account)


# --- expiry ----------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def overdue(short):
    """An order of each state on the server of short expiry, all past their time."""
    cases = {state: reach(short, short, state) for state in STATES if state != "expired"}
    for case in cases.values():
        wait_until_past(case.api, case.order_id)
    cases["expired"] = reach(short, short, "expired")
    return cases


@pytest.mark.parametrize("state, after", rows(
    ("pending failed expired", "expired"),
    ("paid", "paid"),
    ("recharged", "recharged"),
    ("partially_refunded", "partially_refunded"),
    ("refunded", "refunded"),
    ("closed", "closed"),
))
def test_expiry(overdue, state, after):
    case = overdue[state]
    assert case.status() == after
    listed = expect(case.api.get(f"/api/orders?account={case.account}"), 200)["data"]
    assert [(order["order_id"], order["status"]) for order in listed] == [(case.order_id, after)]
    filtered = expect(case.api.get(f"/api/orders?account={case.account}&status={after}"), 200)["data"]
    assert [order["order_id"] for order in filtered] == [case.order_id]


def test_expired_reads_so_at_once_and_counts(short):
    api = Api(short.address)
    order_id = api.place()
    wait_until_past(api, order_id)
    assert api.status(order_id) == "expired"
    steps = expect(api.get(f"/api/orders/{order_id}/explain"), 200, status="expired")["steps"]
    assert any("expired" in step["event"] for step in steps)


# --- late_payment ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("setting, msg, balance", [
    pytest.param("credit", "Recharge succeeded", AMOUNT, id="credit"),
    pytest.param("refund", "Payment recorded for review", 0, id="refund"),
    pytest.param("review", "Payment recorded for review", 0, id="review"),
])
@pytest.mark.parametrize("state", ["closed", "expired"])
def test_late_payment_setting(start_server, state, setting, msg, balance):
    daemon = start_server(f'[orders]\nexpire_after_s = 1\nlate_payment = "{setting}"\n')
    case = reach(daemon, daemon, state)
    expect(case.api.callback(case.order_id, "late-1"), 200, msg=msg)
    assert case.balance() == balance
    again = msg if setting == "review" else "Already processed"
    expect(case.api.callback(case.order_id, "late-1"), 200, msg=again)
    assert case.balance() == balance
    case.api.assert_books(case.account)
