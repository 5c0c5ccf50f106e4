"""Orders: placing, paying, reading, lists in pages, closing."""
import pytest

from api import Api, expect, in_threads, new_account

UNKNOWN = "0190a1b2-c3d4-7e5f-8a6b-0123456789ab"
NOT_AN_ID = ["x", "0", UNKNOWN[:-1], UNKNOWN + "0", UNKNOWN.replace("-", "_"), "%00", "..%2f..", "0" * 31]


# --- place_order -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("account", [
    "", "1", "abc", "1381234567", "138123456789", "12812345678", "23812345678", " 13812345678", "13812345678 ",
    "13812345678\n", "+13812345678", "1381234567a", "１３８１２３４５６７８", "13812345678\x00"])
def test_invalid_account(api, account):
    expect(api.post("/api/place_order", {"account": account, "amount": 50}), 400, error="invalid_account",
           msg="Invalid account")


@pytest.mark.parametrize("body, field", [
    ({"amount": 50}, "account"), ({"account": 13812345678, "amount": 50}, "account"),
    ({"account": None, "amount": 50}, "account"), ({"account": "13812345678"}, "amount"),
    ({"account": "13812345678", "amount": 5, "gateway": 5}, "gateway"),
    ({"account": "13812345678", "amount": 5, "gateway": "nobody"}, "gateway"),
    ({"account": "13812345678", "amount": 5, "subject": 5}, "subject"),
    ({"account": "13812345678", "amount": 5, "subject": "x" * 129}, "subject"),
    ({"account": "13812345678", "amount": 5, "subject": "é" * 65}, "subject")])
def test_place_order_names_the_field(api, body, field):
    reply = expect(api.post("/api/place_order", body), 400)
    assert reply["error"] in ("invalid_request", "invalid_" + field) and field in reply["msg"].lower()


def test_subject_and_unknown_members(api):
    reply = api.post("/api/place_order", {"account": new_account(), "amount": 5, "subject": "é" * 64, "new": {"a": [1]}})
    expect(reply, 200)


def test_account_pattern_setting(start_server):
    api = Api(start_server('[accounts]\npattern = "^user-[a-z]{1,8}$"\n').address)
    expect(api.post("/api/place_order", {"account": "13812345678", "amount": 1}), 400, error="invalid_account")
    api.credit("user-anna", "3.00")
    assert api.balance("user-anna") == 3
    api.assert_books("user-anna")


def test_currency_setting(start_server):
    api = Api(start_server('[orders]\ncurrency = "EUR"\n').address)
    account = new_account()
    order_id, _ = api.credit(account)
    assert api.order(order_id)["currency"] == "EUR"
    assert api.get(f"/api/check_balance?account={account}")["currency"] == "EUR"


def test_gateway_binds_by_place_order_or_pay(api):
    placed = api.place(gateway="simulated")
    assert api.order(placed)["gateway"] == "simulated"
    order_id = api.place()
    assert api.order(order_id)["gateway"] is None
    expect(api.post("/api/pay", {"order_id": order_id, "gateway": "simulated"}), 200)
    assert api.order(order_id)["gateway"] == "simulated"


# --- pay -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("order_id", [UNKNOWN, "x", ""])
def test_pay_unknown_order(api, order_id):
    reply = api.pay(order_id)
    if order_id:
        expect(reply, 404, error="order_not_found", msg="Order not found")
    else:
        assert reply.status in (400, 404)


@pytest.mark.parametrize("body, field", [
    ({}, "order_id"), ({"order_id": 5}, "order_id"), ({"order_id": UNKNOWN, "method": "card"}, "method"),
    ({"order_id": UNKNOWN, "method": 5}, "method"), ({"order_id": UNKNOWN, "client_ip": 5}, "client_ip"),
    ({"order_id": UNKNOWN, "return_url": 5}, "return_url"), ({"order_id": UNKNOWN, "gateway": 5}, "gateway")])
def test_pay_names_the_field(api, body, field):
    assert field in expect(api.post("/api/pay", body), 400, error="invalid_request")["msg"]


def test_pay_takes_its_optional_members(api):
    expect(api.post("/api/pay", {"order_id": api.place(), "method": "qr", "client_ip": "192.0.2.1",
                                 "return_url": "https://shop.example/done"}), 200, status="paid")


# --- reading ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("order_id", [UNKNOWN] + NOT_AN_ID)
def test_order_not_found(api, order_id):
    expect(api.get(f"/api/orders/{order_id}"), 404)
    expect(api.post(f"/api/orders/{order_id}/refund", {"refund_id": "a"}), 404)
    expect(api.request("POST", f"/api/orders/{order_id}/close"), 404)
    expect(api.get(f"/api/orders/{order_id}/explain"), 404)


def test_balance_of_an_account_never_credited(api):
    reply = expect(api.get(f"/api/check_balance?account={new_account()}"), 200)
    assert b'0.00' in reply.body


@pytest.mark.parametrize("query", ["", "?account=", "?account=abc", "?account=13812345678x", "?account=%31%33", "?acount=1", "?account=%"])
def test_balance_of_an_invalid_account(api, query):
    reply = expect(api.get("/api/check_balance" + query), 400)
    assert reply["error"] in ("invalid_account", "invalid_request") and "account" in reply["msg"].lower()


def test_percent_encoded_query(api):
    account = new_account()
    api.credit(account)
    encoded = "".join(f"%{ord(digit):02x}" for digit in account)
    assert expect(api.get(f"/api/check_balance?account={encoded}"), 200)["balance"] == 50
    assert len(expect(api.get(f"/api/accounts/{encoded}/entries"), 200)["data"]) == 1


# --- lists -----------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def history(server):
    """An account with 25 orders of several states, oldest first."""
    api, account, orders = Api(server.address), new_account(), []
    for number in range(25):
        if number % 5 == 0:
            orders.append((api.credit(account, f"{number + 1}.00")[0], "recharged"))
        else:
            orders.append((api.place(account, f"{number + 1}.00"), "pending"))
            if number % 5 == 1:
                expect(api.close_order(orders[-1][0]), 200)
                orders[-1] = (orders[-1][0], "closed")
    return account, orders


@pytest.mark.parametrize("limit", [None, 1, 2, 7, 24, 25, 26, 100])
def test_orders_newest_first(api, history, limit):
    account, orders = history
    listed = api.pages(f"/api/orders?account={account}", limit)
    assert [(order["order_id"], order["status"]) for order in listed] == orders[::-1]
    assert listed[0] == api.order(listed[0]["order_id"])


@pytest.mark.parametrize("limit, count, more", [(None, 20, True), (1, 1, True), (24, 24, True), (25, 25, False), (100, 25, False)])
def test_size_of_a_page(api, history, limit, count, more):
    reply = expect(api.get(f"/api/orders?account={history[0]}" + (f"&limit={limit}" if limit else "")), 200, has_more=more)
    assert len(reply["data"]) == count and (reply["next_cursor"] is not None) == more


@pytest.mark.parametrize("status", ["pending", "recharged", "closed", "paid", "expired", "refunded"])
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_status_filter(api, history, status, limit):
    account, orders = history
    listed = api.pages(f"/api/orders?account={account}&status={status}", limit)
    assert [order["order_id"] for order in listed] == [order_id for order_id, state in orders[::-1] if state == status]


def test_cursor_stays_while_orders_come(api):
    account = new_account()
    orders = [api.place(account) for _ in range(4)]
    first = expect(api.get(f"/api/orders?account={account}&limit=2"), 200)
    api.place(account)
    second = expect(api.get(f"/api/orders?account={account}&limit=2&cursor={first['next_cursor']}"), 200)
    assert [order["order_id"] for order in first["data"] + second["data"]] == orders[::-1]


def test_list_of_an_account_without_orders(api):
    expect(api.get(f"/api/orders?account={new_account()}"), 200, data=[], has_more=False, next_cursor=None)
    expect(api.get(f"/api/accounts/{new_account()}/entries"), 200, data=[], has_more=False, next_cursor=None)


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=-1", "limit=1.5", "limit=", "limit=x", "limit=99999999999999999999",
                                   "status=nonsense", "status=", "cursor=nonsense", "cursor=%ff%fe"])
def test_list_refuses(api, history, query):
    field = query.split("=")[0]
    reply = expect(api.get(f"/api/orders?account={history[0]}&{query}"), 400, error="invalid_request")
    assert field in reply["msg"]
    if field != "status":
        reply = expect(api.get(f"/api/accounts/{history[0]}/entries?{query}"), 400, error="invalid_request")
        assert field in reply["msg"]


def test_cursor_of_another_account(api, history):
    account = new_account()
    mine = api.place(account)
    cursor = expect(api.get(f"/api/orders?account={history[0]}&limit=3"), 200)["next_cursor"]
    reply = api.get(f"/api/orders?account={account}&cursor={cursor}")
    assert reply.status in (200, 400)
    if reply.status == 200:
        assert {order["order_id"] for order in reply["data"]} <= {mine}, "orders of another account"


def test_lists_need_a_valid_account(api):
    expect(api.get("/api/orders"), 400)
    expect(api.get("/api/orders?account=x"), 400, error="invalid_account")
    expect(api.get("/api/accounts/x/entries"), 400, error="invalid_account")


# --- close -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("body", [None, b"", b"{}"])
def test_close_needs_no_body(api, body):
    order_id = api.place()
    expect(api.request("POST", f"/api/orders/{order_id}/close", body), 200)
    assert api.status(order_id) == "closed"


def test_close_and_callback_at_once_agree(server):
    """Either the order is closed and the payment kept, or it is credited and the close refused."""
    def race(index):
        client = Api(server.address)
        if index == 0:
            return client.close_order(order_id).status
        return expect(client.callback(order_id, "race-1"), 200)["msg"]

    api = Api(server.address)
    for _ in range(10):
        account = new_account()
        order_id = api.place(account)
        closed, msg = in_threads(2, race)
        assert (closed, msg) in ((200, "Payment recorded for review"), (409, "Recharge succeeded"))
        assert api.balance(account) == (0 if closed == 200 else 50)


def test_transaction_id_of_printable_characters(api):
    order_id = api.place()
    transaction_id = "".join(chr(c) for c in range(0x20, 0x60) if chr(c) != "&")[:64].strip()
    expect(api.callback(order_id, transaction_id), 200, msg="Recharge succeeded")
    assert api.order(order_id)["transaction_id"] == transaction_id
