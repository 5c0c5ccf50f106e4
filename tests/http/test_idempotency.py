"""Idempotency-Key of place_order: one order however often, and at once, it is asked for."""
import pytest

from api import Api, expect, in_threads, new_account

PATH = "/api/place_order"


def body_for(account, amount="50.00"):
    return f'{{"account":"{account}","amount":{amount}}}'


def place(api, account, key, body=None):
    return api.post(PATH, body or body_for(account), {"Idempotency-Key": key})


def orders_of(api, account):
    return [order["order_id"] for order in api.pages(f"/api/orders?account={account}")]


def test_same_key_and_body_is_the_first_reply_again(api):
    account = new_account()
    first = expect(place(api, account, "key-1"), 200)
    assert first.header("idempotency-replayed") is None
    for _ in range(3):
        again = expect(place(api, account, "key-1"), 200)
        assert again.body == first.body and again.header("idempotency-replayed") == "true"
    assert orders_of(api, account) == [first["order_id"]]


def test_first_reply_stays_whatever_became_of_the_order(api):
    account = new_account()
    first = expect(place(api, account, "key"), 200)
    expect(api.callback(first["order_id"]), 200)
    assert expect(place(api, account, "key"), 200).body == first.body


def test_other_body_is_refused(api):
    account = new_account()
    first = expect(place(api, account, "key"), 200)
    for body in (body_for(account, "50.01"), body_for(account, "50.0"), body_for(account) + " "):
        expect(place(api, account, "key", body), 422, error="idempotency_mismatch")
    assert orders_of(api, account) == [first["order_id"]]
    expect(place(api, account, "key"), 200)


def test_quoted_and_bare_are_the_same_key(api):
    account = new_account()
    first = expect(place(api, account, "abc"), 200)
    assert expect(place(api, account, '"abc"'), 200).body == first.body
    assert len(orders_of(api, account)) == 1


@pytest.mark.parametrize("one, other", [("abc", "abd"), ("abc", "ABC"), ("a b", "a  b"), ("abc", "abc.")])
def test_different_keys_place_different_orders(api, one, other):
    account = new_account()
    assert expect(place(api, account, one), 200)["order_id"] != expect(place(api, account, other), 200)["order_id"]


def test_scope_is_the_account(api):
    one, two = new_account(), new_account()
    assert expect(place(api, one, "same"), 200)["order_id"] != expect(place(api, two, "same"), 200)["order_id"]


def test_without_a_key_every_request_places_an_order(api):
    account = new_account()
    for _ in range(2):
        reply = expect(api.post(PATH, body_for(account)), 200)
        assert reply.header("idempotency-replayed") is None
    assert len(orders_of(api, account)) == 2


@pytest.mark.parametrize("key", ["a", "x" * 255, '"' + "x" * 255 + '"', "with spaces inside", "!#$%&'()*+,-./:;<=>?@[]^_`{|}~"])
def test_well_formed_key(api, key):
    account = new_account()
    first = expect(place(api, account, key), 200)
    assert expect(place(api, account, key), 200).body == first.body


@pytest.mark.parametrize("key", ["", '""', "x" * 256, '"' + "x" * 256 + '"', "tab\tinside", b"\xe9t\xe9"],
                         ids=["empty", "empty quoted", "256", "256 quoted", "tab", "not ASCII"])
def test_malformed_key(api, key):
    account = new_account()
    reply = expect(place(api, account, key), 400, error="invalid_request")
    assert "idempotency-key" in reply["msg"].lower()
    assert orders_of(api, account) == []


def test_refusals_are_not_kept(api):
    account = new_account()
    expect(place(api, account, "key", body_for(account, "0")), 400, error="invalid_amount")
    expect(place(api, account, "key", "{"), 400)
    reply = expect(place(api, account, "key"), 200)
    assert reply.header("idempotency-replayed") is None


def test_at_once_places_one_order(server):
    api, account = Api(server.address), new_account()
    for round_number in range(5):
        key = f"round {round_number}"
        replies = in_threads(32, lambda index: place(Api(server.address), account, key))
        assert {reply.status for reply in replies} == {200}
        assert len({reply.body for reply in replies}) == 1
        assert sum(reply.header("idempotency-replayed") is None for reply in replies) == 1
    assert len(orders_of(api, account)) == 5


def test_key_is_remembered_over_restarts(start_server):
    daemon = start_server()
    account = new_account()
    first = expect(place(Api(daemon.address), account, "kept"), 200)
    for kill in (False, True):
        daemon.restart(kill=kill)
        again = expect(place(Api(daemon.address), account, "kept"), 200)
        assert again.body == first.body and again.header("idempotency-replayed") == "true"
