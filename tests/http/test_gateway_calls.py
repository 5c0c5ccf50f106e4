"""Payments started at gateways, asked for when their callback was lost, closed, and refunded: against a small gateway that
checks every request's signature, loses answers, and outlives a recharged that is killed (tests/gateways/fake_gateway.py)."""
import re
import ssl
import sys
import time

import pytest

from api import Api, eventually, expect, in_threads, new_account
from certificates import Authority
from conftest import SECRETS
from daemon import run_once
from faulty import must_fail, running
from gateways import Alipay, Stripe, Wechat
from replies import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "tests" / "gateways"))
from fake_gateway import FakeGateway  # noqa: E402

KINDS = [Alipay, Wechat, Stripe]
SHOWN = {"alipay": "qr_code", "wechat": "qr_code", "stripe": "client_secret"}


class Shop:
    """recharged and the gateways that it calls."""

    def __init__(self, folder, config=""):
        self.fakes = {kind.kind: FakeGateway(kind(kind.kind, folder)) for kind in KINDS}
        self.config = config + "".join(fake.config() for fake in self.fakes.values())

    def close(self):
        for fake in self.fakes.values():
            fake.close()

    def check(self):
        for fake in self.fakes.values():
            fake.check()


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    made = Shop(tmp_path_factory.mktemp("shop"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def daemon(start_module_server, shop):
    return start_module_server(shop.config)


@pytest.fixture
def api(daemon, shop):
    client = Api(daemon.address)
    yield client
    client.close()
    shop.check()


@pytest.fixture(params=[kind.kind for kind in KINDS])
def fake(request, shop):
    return shop.fakes[request.param]


def start(api, order_id, fake, **more):
    return api.post("/api/pay", {"order_id": order_id, "gateway": fake.kind, **more})


def number(order_id):
    return order_id.replace("-", "")


def paid_order(api, fake, amount="50.00", account=None):
    """Started, paid, and told."""
    order_id = api.place(account, amount)
    expect(start(api, order_id, fake), 200)
    transaction = fake.pay(order_id)
    assert fake.account.is_ack(fake.account.send(api, fake.account.payment(order_id, amount, transaction)))
    assert api.status(order_id) == "recharged"
    return order_id


# --- starting --------------------------------------------------------------------------------------------------------

def test_what_the_payer_is_shown_stays_the_same(api, fake):
    order_id, before = api.place(), fake.count("start")
    first = expect(start(api, order_id, fake), 200)
    assert number(order_id) in first[SHOWN[fake.kind]] and first["status"] == "pending"
    for _ in range(2):
        assert start(api, order_id, fake).json == first.json
    assert fake.count("start") == before + 1
    assert api.order(order_id)["gateway"] == fake.kind
    if fake.kind != "stripe":
        expires = fake.payments[number(order_id)]["expires"]
        order = api.order(order_id)
        assert expires[:4] in (order["expires_at"][:4], "2027") and len(expires) >= 19


def test_a_trace_is_handed_on(api, fake):
    """W3C Trace Context: the same trace and flags, and a parent of our own; no trace where none came."""
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    for header, seen in (({}, 0), ({"traceparent": f"00-{trace}-{parent}-01"}, 1), ({"traceparent": "00-nonsense"}, 0)):
        before = len(fake.traces)
        expect(api.post("/api/pay", {"order_id": api.place(), "gateway": fake.kind}, header), 200)
        sent = [value for value in fake.traces[before:] if value]
        assert len(sent) == seen
        for value in sent:
            version, same, own, flags = value.split("-")
            assert (version, same, flags) == ("00", trace, "01") and own != parent and int(own, 16) != 0


def test_pages_for_a_phone(api, shop):
    alipay, wechat = shop.fakes["alipay"], shop.fakes["wechat"]
    order_id, before = api.place(), alipay.count("start")
    page = expect(start(api, order_id, alipay, method="h5", return_url="https://shop.example/done"), 200)
    assert page["pay_url"].startswith(alipay.url + "?") and "alipay.trade.wap.pay" in page["pay_url"]
    assert start(api, order_id, alipay, method="h5", return_url="https://shop.example/done").json == page.json
    assert alipay.count("start") == before, "no call is needed"
    order_id = api.place()
    page = expect(start(api, order_id, wechat, method="h5", client_ip="203.0.113.9", return_url="https://shop.example/?a=1"), 200)
    assert page["pay_url"].endswith("&redirect_url=https%3A%2F%2Fshop.example%2F%3Fa%3D1")


def test_what_cannot_be_started(api, shop, fake):
    order_id = api.place()
    for body, field in [({"gateway": "unknown"}, "gateway"), ({"method": "cash"}, "method"), ({"client_ip": "x"}, "client_ip"),
                        ({"return_url": "javascript:x"}, "return_url")]:
        reply = start(api, order_id, fake, **body)
        assert reply.status == 400 and field in reply["msg"], reply
    expect(api.post("/api/pay", {"order_id": order_id}), 400)  # several could be meant
    bound = api.place(gateway=fake.kind)
    expect(api.post("/api/pay", {"order_id": bound}), 200)  # the order says which
    other = shop.fakes["stripe" if fake.kind != "stripe" else "alipay"]
    expect(start(api, bound, other), 409, error="invalid_state")
    expect(start(api, "0190a1b2-c3d4-7e5f-8a6b-0123456789ab", fake), 404, error="order_not_found")
    closed = api.place()
    expect(api.close_order(closed), 200)
    expect(start(api, closed, fake), 409, error="invalid_state")
    expect(start(api, order_id, fake, method="qr" if fake.kind == "stripe" else "h5"), 400 if fake.kind == "stripe" else 200) \
        if fake.kind != "wechat" else None


@pytest.mark.parametrize("fault", ["late", "drop", "forge", "busy"])
def test_an_answer_that_proves_nothing_is_not_shown(api, fake, fault):
    order_id = api.place()
    fake.fail("start", fault)
    expect(start(api, order_id, fake), 503, error="gateway_unavailable")
    shown = expect(start(api, order_id, fake), 200)
    assert number(order_id) in shown[SHOWN[fake.kind]]


def test_a_refusal_says_so(api, fake):
    order_id = api.place()
    fake.fail("start", "refuse SOME_REASON")
    expect(start(api, order_id, fake), 400, error="payment_failed")
    assert api.status(order_id) == "pending"
    expect(start(api, order_id, fake), 200)


# --- asking ----------------------------------------------------------------------------------------------------------

def lost_callbacks_cost_seconds(address, shop):
    api = Api(address)
    orders = {kind: api.place() for kind in shop.fakes}
    for kind, order_id in orders.items():
        expect(start(api, order_id, shop.fakes[kind]), 200)
    paid = {kind: fake.pay(orders[kind]) for kind, fake in shop.fakes.items()}
    for kind, order_id in orders.items():
        eventually(lambda: api.status(order_id) == "recharged", within=8)  # noqa: B023
        assert api.order(order_id)["transaction_id"] == paid[kind]
        evidence = api.get(f"/api/orders/{order_id}/explain")["steps"][-1]["evidence"]
        assert (evidence["gateway"], evidence["key_id"]) == (kind, "query")
    assert api.ledger_sum() == 0
    api.close()


def test_lost_callbacks_cost_seconds(daemon, shop):
    lost_callbacks_cost_seconds(daemon.address, shop)
    shop.check()


def test_a_forged_answer_credits_nobody(api, shop):
    orders = {}
    for kind, fake in shop.fakes.items():
        orders[kind] = api.place()
        expect(start(api, orders[kind], fake), 200)
        fake.pay(orders[kind])
        fake.fail("query", "forge", "forge")
    asked = {kind: fake.count("query") for kind, fake in shop.fakes.items()}
    eventually(lambda: all(fake.count("query") > asked[kind] for kind, fake in shop.fakes.items()), within=8)
    time.sleep(0.3)
    assert all(api.status(order_id) == "pending" for order_id in orders.values())


def test_a_payment_of_the_wrong_amount_is_kept(api, shop):
    fake = shop.fakes["alipay"]
    order_id = api.place()
    expect(start(api, order_id, fake), 200)
    fake.pay(order_id, amount=4999)
    eventually(lambda: api.exceptions(order_id), within=8)
    assert [entry["kind"] for entry in api.exceptions(order_id)] == ["amount_mismatch"]
    assert api.status(order_id) == "pending"


# --- crashes ---------------------------------------------------------------------------------------------------------

def test_what_was_open_is_carried_on_after_a_kill(start_server, tmp_path):
    """Killed after payments were started, and after refunds reached the gateway and before their answers were recorded."""
    shop = Shop(tmp_path)
    daemon = start_server(shop.config)
    api = Api(daemon.address)
    open_orders = {kind: api.place() for kind in shop.fakes}
    refunds = {}
    for kind, fake in shop.fakes.items():
        expect(start(api, open_orders[kind], fake), 200)
        for fault in ("late", "drop"):  # done and not answered; never arrived
            order_id = paid_order(api, fake)
            fake.fail("refund", fault)
            assert expect(api.refund(order_id, "r-1", 20.0), 200)["refund"]["status"] == "pending"
            refunds[order_id] = fake
            eventually(lambda: fake.count("refund") == len([f for f in refunds.values() if f is fake]))  # noqa: B023
    daemon.kill()
    for kind, order_id in open_orders.items():
        shop.fakes[kind].pay(order_id)
    daemon.start()
    api = Api(daemon.address)
    eventually(lambda: all(api.status(order_id) == "recharged" for order_id in open_orders.values()), within=8)
    eventually(lambda: all(api.status(order_id) == "partially_refunded" for order_id in refunds), within=15)
    for fake in shop.fakes.values():
        assert sorted(fake.money_out.values()) == [1, 1], "one refund each, under one number"
        assert all(refund["amount"] == 2000 for refund in fake.refunds.values())
    assert api.ledger_sum() == 0
    shop.check()
    shop.close()


# --- expiry and closing ----------------------------------------------------------------------------------------------

def test_expiry_closes_at_the_gateway_or_credits_what_was_paid(start_server, tmp_path):
    shop = Shop(tmp_path, "[orders]\nexpire_after_s = 2\n")
    api = Api(start_server(shop.config).address)
    unpaid, paid = {}, {}
    for kind, fake in shop.fakes.items():
        unpaid[kind], paid[kind] = api.place(), api.place()
        expect(start(api, unpaid[kind], fake), 200)
        expect(start(api, paid[kind], fake), 200)
        fake.pay(paid[kind])
    for kind, fake in shop.fakes.items():
        eventually(lambda: fake.payments[number(unpaid[kind])]["state"] == "closed", within=15)  # noqa: B023
        assert api.status(unpaid[kind]) == "expired"
        asked = [call for call, argument in fake.calls if argument.get("number") == number(unpaid[kind])]
        assert asked[-2:] == ["query", "close"], "asked first, then closed"
    # Stripe's intents do not say when they were paid: theirs is kept as late.
    eventually(lambda: api.status(paid["alipay"]) == api.status(paid["wechat"]) == "recharged", within=15)
    eventually(lambda: [entry["kind"] for entry in api.exceptions(paid["stripe"])] == ["late_payment"], within=15)
    assert api.ledger_sum() == 0
    shop.check()
    shop.close()


def test_a_closed_order_is_closed_at_the_gateway(api, fake):
    order_id = api.place()
    expect(start(api, order_id, fake), 200)
    expect(api.close_order(order_id), 200)
    eventually(lambda: fake.payments[number(order_id)]["state"] == "closed", within=3)


# --- refunds ---------------------------------------------------------------------------------------------------------

def test_a_refund_is_pending_until_the_gateway_has_done_it(api, fake):
    account = new_account()
    order_id = paid_order(api, fake, account=account)
    refund = expect(api.refund(order_id, "r-1", 20.0), 200)["refund"]
    assert refund["status"] == "pending" and api.balance(account) == 30
    eventually(lambda: api.status(order_id) == "partially_refunded")
    again = expect(api.refund(order_id, "r-1", 20.0), 200)["refund"]
    assert again["status"] == "succeeded"
    assert api.order(order_id)["refunded_amount"] == 20
    expect(api.refund(order_id, "r-2"), 200)
    eventually(lambda: api.status(order_id) == "refunded")
    assert api.balance(account) == 0 and len(api.assert_books(account)) == 3


def test_refunds_at_once_never_exceed_the_payment(daemon, api, fake):
    account = new_account()
    order_id = paid_order(api, fake, account=account)
    before = sum(fake.money_out.values())
    statuses = []

    def refund(i):
        client = Api(daemon.address)
        statuses.append(client.refund(order_id, f"r-{i}", 10.0).status)
        client.close()

    in_threads(12, refund)
    assert sorted(statuses) == [200] * 5 + [409] * 7
    eventually(lambda: api.status(order_id) == "refunded", within=10)
    assert sum(fake.money_out.values()) == before + 5 and api.balance(account) == 0


def lost_refund_answers(address, fake):
    api = Api(address)
    account = new_account()
    order_id = paid_order(api, fake, account=account)
    before = sum(fake.money_out.values())
    fake.fail("refund", "late")
    expect(api.refund(order_id, "r-1", 20.0), 200)
    eventually(lambda: api.status(order_id) == "partially_refunded", within=8)
    assert sum(fake.money_out.values()) == before + 1 and api.balance(account) == 30
    api.close()


def test_a_lost_answer_to_a_refund_is_asked_for(daemon, shop, fake):
    lost_refund_answers(daemon.address, fake)
    shop.check()


def test_a_refused_refund_gives_the_money_back(api, fake):
    account = new_account()
    order_id = paid_order(api, fake, account=account)
    fake.fail("refund", "refuse INVALID")
    expect(api.refund(order_id, "r-1"), 200)
    eventually(lambda: api.balance(account) == 50, within=8)
    assert expect(api.refund(order_id, "r-1"), 200)["refund"]["status"] == "failed"
    assert api.status(order_id) == "recharged"


@pytest.mark.parametrize("kind", ["wechat", "stripe"])
def test_a_notice_has_the_refund_asked_for(api, shop, kind):
    """They accept first, and are done later."""
    fake = shop.fakes[kind]
    order_id = paid_order(api, fake)
    fake.refund_state = "pending"
    expect(api.refund(order_id, "r-1"), 200)
    eventually(lambda: any(refund["state"] == "pending" for refund in fake.refunds.values()))
    fake.refund_state = "succeeded"
    time.sleep(0.3)
    assert api.status(order_id) == "recharged"
    for refund in fake.refunds.values():
        refund["state"] = "succeeded"
    transaction = fake.payments[number(order_id)]["transaction"]
    notice = next(fake.account.refund_notices(order_id, transaction))
    assert fake.account.is_ack(fake.account.send(api, notice))
    eventually(lambda: api.status(order_id) == "refunded", within=2)


# --- policies --------------------------------------------------------------------------------------------------------

def test_policies_send_money_back_or_give_it_to_the_user(start_server, tmp_path):
    shop = Shop(tmp_path, '[orders]\noverpayment = "refund"\nunderpayment = "credit"\nlate_payment = "refund"\n')
    api = Api(start_server(shop.config).address)
    for fake in shop.fakes.values():
        def told(order_id, price, fake=fake):
            expect(start(api, order_id, fake), 200)
            transaction = fake.pay(order_id, round(float(price) * 100))
            assert fake.account.is_ack(fake.account.send(api, fake.account.payment(order_id, price, transaction)))
            return transaction

        rich, poor = new_account(), new_account()
        told(api.place(rich), "60.00")
        told(api.place(poor), "40.00")
        eventually(lambda: sum(fake.money_out.values()) == 1)  # noqa: B023
        assert [refund["amount"] for refund in fake.refunds.values()] == [6000]
        assert (api.balance(rich), api.balance(poor)) == (0, 40)
    assert api.exceptions(state="open") == []
    assert api.ledger_sum() == 0
    shop.check()
    shop.close()


# --- what is seen of calls -------------------------------------------------------------------------------------------

def test_calls_are_counted_by_what_they_proved(daemon, api, fake):
    def counts():
        found = api.metrics().get("recharge_gateway_calls_total", {})
        return {(dict(labels)["call"], dict(labels)["outcome"]): value for labels, value in found.items()
                if dict(labels)["gateway"] == fake.kind}

    before = counts()
    for fault, outcome in (("drop", "no_answer"), ("forge", "unknown"), ("refuse SOME_REASON", "refused"), (None, "done")):
        if fault:
            fake.fail("start", fault)
        order_id = api.place()
        start(api, order_id, fake)
        key = ("start", outcome)
        assert counts().get(key, 0) >= before.get(key, 0) + 1, (key, before, counts())
    metrics = api.metrics()
    durations = metrics["recharge_gateway_call_duration_seconds_count"]
    assert sum(value for labels, value in durations.items() if dict(labels) == {"gateway": fake.kind, "call": "start"}) >= 4
    eventually(lambda: list(api.metrics()["recharge_gateway_calls_under_way"].values()) == [0])
    assert list(metrics["recharge_gateway_work_stuck"].values()) == [0]


def test_explain_tells_what_was_started_and_when_it_is_asked_for(api, shop):
    alipay = shop.fakes["alipay"]
    order_id = api.place()
    expect(start(api, order_id, alipay), 200)
    told = expect(api.get(f"/api/orders/{order_id}/explain"), 200).json
    assert told["steps"][-1]["event"] == "payment started at alipay, by a code to scan"
    assert told["missing"] == "the payment at alipay"
    assert re.search(r"; alipay is asked for it by itself, the next time by 20\d\d-", told["next_action"])


def test_only_known_authorities_are_believed(start_server, tmp_path):
    """gateway_calls.ca_file; without it the gateway's certificate is nobody's, and nothing is sent."""
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.sign("gateway")
    fake = FakeGateway(Stripe("stripe", tmp_path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    fake.server.socket = context.wrap_socket(fake.server.socket, server_side=True)
    config = fake.config().replace("http://127.0.0.1", "https://localhost")
    for ca_file, status in ((authority.file, 200), (None, 503)):
        setting = f'[gateway_calls]\nca_file = "{ca_file}"\n' if ca_file else ""
        client = Api(start_server(setting + config).address)
        expect(start(client, client.place(), fake), status)
        client.close()
    assert fake.count("start") == 1
    refused = run_once("check-config", "--config", str(write_config(tmp_path, '[gateway_calls]\nca_file = "none.pem"\n' + config)))
    assert refused.returncode == 3 and "gateway_calls.ca_file" in refused.stderr and "none.pem" in refused.stderr
    fake.close()


def write_config(folder, text):
    file = folder / "other.toml"
    file.write_text(text)
    return file


def test_a_refund_at_a_gateway_that_is_gone_does_not_wait_for_ever(start_server, tmp_path):
    """What was never sent fails, and the money is back; what may have been sent before stays open, and is seen."""
    shop = Shop(tmp_path)
    alipay = shop.fakes["alipay"]
    daemon = start_server(shop.config)
    api = Api(daemon.address)
    account = new_account()
    order_id, asked = paid_order(api, alipay, account=account), paid_order(api, alipay, account=account)
    alipay.fail("refund", *["late"] * 9)
    alipay.fail("query_refund", *["busy"] * 9)
    assert expect(api.refund(asked, "r-1", 20.0), 200)["refund"]["status"] == "pending"
    eventually(lambda: alipay.count("refund") == 1)
    daemon.stop()
    daemon.config_file.write_text(SECRETS + shop.fakes["stripe"].config())
    daemon.start()
    api = Api(daemon.address)
    assert expect(api.refund(order_id, "r-1", 30.0), 200)["refund"]["status"] == "pending"
    eventually(lambda: expect(api.refund(order_id, "r-1", 30.0), 200)["refund"]["status"] == "failed")
    assert api.balance(account) == 80  # 100 less what was sent before
    eventually(lambda: list(api.metrics()["recharge_gateway_work_stuck"].values()) == [1])
    told = expect(api.get(f"/api/orders/{asked}/explain"), 200).json
    assert "give the keys of alipay, which is not called from here" in told["next_action"]
    assert api.ledger_sum() == 0 and "gateway alipay is not called from here" in daemon.log_file.read_text()
    shop.close()


# --- broken on purpose -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("broken", ["with_fresh_refund_numbers", "assuming_refunds_failed"])
def test_broken_refunds_are_noticed(tmp_path, broken):
    shop = Shop(tmp_path / "shop")
    with running(tmp_path, shop.config, broken) as daemon:
        must_fail(lost_refund_answers, daemon.address, shop.fakes["wechat"])
    shop.close()


def test_a_server_that_does_not_ask_is_noticed(tmp_path):
    shop = Shop(tmp_path / "shop")
    with running(tmp_path, shop.config, "deaf_to_answers") as daemon:
        must_fail(lost_callbacks_cost_seconds, daemon.address, shop)
    shop.close()


def test_secrets_stay_out_of_the_log(daemon):
    log = daemon.log_file.read_text(encoding="utf-8")
    assert "sk_test_1" not in log and "_secret_" not in log and SECRETS.split('"')[3] not in log
