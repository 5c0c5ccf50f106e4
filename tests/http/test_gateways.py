"""Alipay, WeChat Pay, Stripe and Standard Webhooks at /api/callbacks/{gateway}: exactly their acknowledgement and refusal,
credit once, nothing for what is not this order's payment. The same with the gateways' SDKs: test_gateway_sdks.py."""
import signal
import time

import pytest

from api import Api, eventually, expect, in_threads, new_account
from conftest import SECRETS
from daemon import run_once
from faulty import must_fail, running
from gateways import Alipay, Standard, Stripe, Wechat, shared_key

KINDS = [Alipay, Wechat, Stripe, Standard]
UNKNOWN = "0190a1b2-c3d4-7e5f-8a6b-0123456789ab"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("gateways")


@pytest.fixture(scope="module")
def gateways(folder):
    named = {kind.kind: kind(kind.kind, folder) for kind in KINDS}
    return named | {"alipay-2": Alipay("alipay-2", folder, app_id="2021000000000002"),
                    "wechat-2": Wechat("wechat-2", folder, appid="wx0000000000000002")}


@pytest.fixture(scope="module")
def daemon(start_module_server, gateways):
    return start_module_server("".join(gateway.config() for gateway in gateways.values()))


@pytest.fixture
def api(daemon):
    client = Api(daemon.address)
    yield client
    client.close()


@pytest.fixture(params=[kind.kind for kind in KINDS])
def gateway(request, gateways):
    return gateways[request.param]


def counted(api, gateway, outcome):
    samples = api.metrics().get("recharge_callbacks_total", {})
    return samples.get(frozenset({("gateway", gateway.name), ("outcome", outcome)}), 0)


def test_a_payment_is_credited_once_however_often_it_is_told(api, gateway):
    account, transaction = new_account(), gateway.new_transaction()
    order_id = api.place(account, gateway=gateway.name)
    for _ in range(3):  # each sending is signed anew
        assert gateway.is_ack(gateway.send(api, gateway.payment(order_id, transaction=transaction)))
    order = api.order(order_id)
    assert (order["status"], order["transaction_id"], order["gateway"]) == ("recharged", transaction, gateway.name)
    assert [entry["amount"] for entry in api.assert_books(account)] == [50]
    evidence = api.get(f"/api/orders/{order_id}/explain")["steps"][-1]["evidence"]
    assert evidence["gateway"] == gateway.name and len(evidence["digest"]) == 64
    assert evidence["scheme"] == ("standard_webhooks" if gateway.kind == "standard" else gateway.kind)


def test_both_forms_of_an_order_id(api, gateway):
    order_id = api.place()
    form = order_id if gateway.kind in ("alipay", "wechat") else order_id.replace("-", "")
    changes = {"out_trade_no": form} if gateway.kind in ("alipay", "wechat") else {}
    assert gateway.is_ack(gateway.send(api, gateway.payment(form, **changes)))
    assert api.status(order_id) == "recharged"


def test_at_the_same_time_on_many_connections(daemon, api, gateway):
    account = new_account()
    order_id, transaction = api.place(account), gateway.new_transaction()
    message = gateway.payment(order_id, transaction=transaction)

    def send(_):
        client = Api(daemon.address)
        assert gateway.is_ack(gateway.send(client, message))
        client.close()

    in_threads(16, send)
    assert len(api.assert_books(account)) == 1


@pytest.mark.parametrize("kind", ["amount_mismatch", "duplicate_payment", "late_payment", "gateway_mismatch"])
def test_every_exception_is_acknowledged_and_kept_once(api, gateway, gateways, kind):
    account = new_account()
    other = gateways["stripe" if gateway.kind != "stripe" else "alipay"]
    order_id = api.place(account, gateway=(other if kind == "gateway_mismatch" else gateway).name)
    if kind == "duplicate_payment":
        assert gateway.is_ack(gateway.send(api, gateway.payment(order_id)))
    if kind == "late_payment":
        expect(api.close_order(order_id), 200)
    before, transaction = api.balance(account), gateway.new_transaction()
    price = "49.99" if kind == "amount_mismatch" else "50.00"
    for _ in range(2):
        assert gateway.is_ack(gateway.send(api, gateway.payment(order_id, price, transaction)))
    kept = api.exceptions(order_id)
    assert [(entry["kind"], entry["transaction_id"], entry["gateway"]) for entry in kept] == [(kind, transaction, gateway.name)]
    assert api.balance(account) == before and api.ledger_sum() == 0


def test_a_payment_of_an_unknown_order_is_refused_and_kept_once(api, gateway):
    transaction = gateway.new_transaction()
    for _ in range(2):
        assert gateway.is_refusal(gateway.send(api, gateway.payment(UNKNOWN, transaction=transaction)), 404)
    kept = [entry for entry in api.exceptions(state="open") if entry["transaction_id"] == transaction]
    assert [entry["kind"] for entry in kept] == ["unknown_order"]


def test_an_order_paid_in_time_and_told_late_is_credited(start_server, folder, tmp_path):
    names = [kind(kind.kind, tmp_path) for kind in KINDS]
    daemon = start_server("[orders]\nexpire_after_s = 1\n" + "".join(gateway.config() for gateway in names))
    api = Api(daemon.address)
    placed = {gateway: (api.place(), api.place(), time.time()) for gateway in names}
    eventually(lambda: all(api.status(late) == "expired" for _, late, _ in placed.values()), within=10)
    for gateway, (in_time, late, at) in placed.items():
        assert gateway.is_ack(gateway.send(api, gateway.payment(in_time, paid_at=int(at))))
        assert api.status(in_time) == "recharged", gateway.name
        assert gateway.is_ack(gateway.send(api, gateway.payment(late, paid_at=int(at) + 60)))
        assert [entry["kind"] for entry in api.exceptions(late)] == ["late_payment"]


def test_refund_notices_never_credit(api, gateway):
    """Alipay tells of a refund in part as TRADE_SUCCESS again; before the payment, too."""
    order_id, transaction = api.place(), gateway.new_transaction()
    before = counted(api, gateway, "refund_notice")
    notices = list(gateway.refund_notices(order_id, transaction))
    for message in notices:
        assert gateway.is_ack(gateway.send(api, message))
    api.assert_untouched(order_id)
    assert counted(api, gateway, "refund_notice") == before + len(notices)
    account = new_account()
    order_id, transaction = api.place(account), gateway.new_transaction()
    assert gateway.is_ack(gateway.send(api, gateway.payment(order_id, transaction=transaction)))
    for message in gateway.refund_notices(order_id, transaction):
        assert gateway.is_ack(gateway.send(api, message))
    assert api.status(order_id) == "recharged" and len(api.assert_books(account)) == 1


def test_what_is_not_used_is_acknowledged(api, gateway):
    order_id = api.place()
    assert gateway.is_ack(gateway.send(api, gateway.unused(order_id)))
    api.assert_untouched(order_id)


def test_a_failure_leaves_room_for_the_payment(api, gateway):
    failures = {"alipay": {"trade_status": "TRADE_CLOSED"}, "stripe": {"type": "payment_intent.payment_failed"},
                "standard": {"type": "payment.failed"}}
    if gateway.kind not in failures:
        return  # WeChat tells of none
    order_id = api.place()
    assert gateway.is_ack(gateway.send(api, gateway.payment(order_id, **failures[gateway.kind])))
    assert api.status(order_id) == "failed"
    assert gateway.is_ack(gateway.send(api, gateway.payment(order_id)))
    assert api.status(order_id) == "recharged"


def test_another_identity_is_never_a_payment(api, daemon, gateway):
    order_id, before = api.place(), counted(api, gateway, "wrong_account")
    for name, value in gateway.identity:
        assert gateway.is_refusal(gateway.send(api, gateway.payment(order_id, **{name: value})), 400), (name, value)
    api.assert_untouched(order_id)
    assert counted(api, gateway, "wrong_account") == before + len(gateway.identity)
    if gateway.identity:
        assert f"gateway {gateway.name}: refused a notification that it signed: wrong_account" in daemon.log_file.read_text()


@pytest.mark.parametrize("kind", ["alipay", "wechat"])
def test_accounts_of_one_kind_do_not_pay_for_each_other(api, gateways, kind):
    """The same keys, another app: at the right address it is a gateway_mismatch, at the wrong one it is refused."""
    first, second = gateways[kind], gateways[kind + "-2"]
    order_id = api.place(gateway=first.name)
    assert second.is_ack(second.send(api, second.payment(order_id)))
    assert [entry["kind"] for entry in api.exceptions(order_id)] == ["gateway_mismatch"]
    assert first.is_refusal(first.send(api, second.payment(order_id)), 400)
    assert api.status(order_id) == "pending"
    assert first.is_ack(first.send(api, first.payment(order_id)))
    assert api.status(order_id) == "recharged"


def test_what_is_signed_and_malformed_is_refused(api, gateway):
    order_id = api.place()
    for message in gateway.malformed(order_id):
        assert gateway.is_refusal(gateway.send(api, message), 400), message
    api.assert_untouched(order_id)


def forged(gateway, order_id):
    """(what, message) for each way in which a message is not signed."""
    headers, body = gateway.payment(order_id)
    for at in range(0, len(body), max(1, len(body) // 40)):
        if gateway.kind == "alipay" and body[at:at + 1] in b"0123456789abcdefABCDEF+%":
            continue  # another escape of the same text
        altered = body[:at] + bytes([body[at] ^ 1]) + body[at + 1:]
        yield f"byte {at}", (headers, altered)
    yield "nothing", (headers, b"")
    if gateway.kind in ("alipay", "wechat"):
        yield "another key", gateway.payment(order_id, key=shared_key("forger"))
    else:
        yield "another secret", gateway.payment(order_id, key="whsec_" + "QUJD" * 8)
    for name in headers:
        if name != "Content-Type":
            yield f"without {name}", ({key: value for key, value in headers.items() if key != name}, body)
            if name != "Wechatpay-Signature-Type":
                yield f"another {name}", (headers | {name: headers[name] + "0"}, body)


def forge_all(api, gateway):
    order_id = api.place()
    for what, message in forged(gateway, order_id):
        if what == "without Wechatpay-Signature-Type":
            continue  # means the only one that there is
        assert gateway.is_refusal(gateway.send(api, message), gateway.refusal), what
    api.assert_untouched(order_id)


def test_forgeries_are_refused_and_leave_nothing(api, gateway):
    forge_all(api, gateway)


def test_a_downgrade_is_refused(api, gateways):
    alipay = gateways["alipay"]
    order_id = api.place()
    assert alipay.is_refusal(alipay.send(api, alipay.payment(order_id, sign_type="RSA")), 403)
    headers, body = alipay.payment(order_id)
    for more in (b"&total_amount=50.00", b"&total%5Famount=50.00", b"&sign=AAAA"):
        assert alipay.is_refusal(alipay.send(api, (headers, body + more)), 403), more
    api.assert_untouched(order_id)


def test_the_time_of_sending_is_held_both_ways(api, gateways):
    """300 s are good for Stripe and Standard Webhooks, and too much for WeChat; a fresh sending heals it."""
    for name, most in (("wechat", 299), ("stripe", 300), ("standard", 300)):
        gateway = gateways[name]
        for sign in (-1, 1):
            order_id = api.place()
            now = int(time.time())
            stale = gateway.payment(order_id, sent_at=now - most - 1 if sign < 0 else now + most + 2)
            assert gateway.is_refusal(gateway.send(api, stale), gateway.refusal), (name, sign)
            api.assert_untouched(order_id)
            good = gateway.payment(order_id, sent_at=now + sign * (most - 1))
            assert gateway.is_ack(gateway.send(api, good)), (name, sign)
            assert api.status(order_id) == "recharged"
    assert counted(api, gateways["stripe"], "stale_signature") == 2


def test_probes_of_wechat_are_refused(api, gateways):
    wechat = gateways["wechat"]
    order_id = api.place()
    probe = wechat.payment(order_id, prefix="WECHATPAY/SIGNTEST/")
    assert wechat.is_refusal(wechat.send(api, probe), 403)
    assert counted(api, wechat, "signature_probe") == 1
    api.assert_untouched(order_id)
    assert wechat.is_ack(wechat.send(api, wechat.payment(order_id)))


def test_a_chunked_notification_is_refused_in_the_gateways_words(api, gateway):
    headers, body = gateway.payment(api.place())
    reply = api.request("POST", gateway.path, iter([body]), headers)
    assert gateway.is_refusal(reply, 411)


def test_keys_are_exchanged_by_a_reload(start_server, tmp_path):
    alipay, wechat, stripe, standard = (kind(kind.kind, tmp_path) for kind in KINDS)
    new = {"alipay": shared_key("new"), "wechat": shared_key("new"), "stripe": "whsec_rechargeTestEndpointSecret02",
           "standard": "whsec_" + "QUJD" * 8}

    def config(keep_old, add_new):
        def both(old, fresh):
            return [key for key, there in ((old, keep_old), (fresh, add_new)) if there]
        serials = {wechat.serial: wechat.key} if keep_old else {}
        serials |= {"PUB_KEY_ID_NEW": new["wechat"]} if add_new else {}
        return SECRETS + (alipay.config(both(alipay.key, new["alipay"])) + wechat.config(serials)
                          + stripe.config(both(stripe.secret, new["stripe"])) + standard.config(both(standard.secret, new["standard"])))

    daemon = start_server(config(True, False), secrets=False)
    api = Api(daemon.address)

    def sends(fresh):
        for gateway in (alipay, wechat, stripe, standard):
            more = {"key": new[gateway.kind]} if fresh else {}
            if fresh and gateway.kind == "wechat":
                more["serial"] = "PUB_KEY_ID_NEW"
            yield gateway, gateway.send(api, gateway.payment(api.place(), **more))

    def reload(text):
        daemon.config_file.write_text(text)
        before = daemon.log_file.read_text().count("settings reloaded")
        daemon.signal(signal.SIGHUP)
        eventually(lambda: daemon.log_file.read_text().count("settings reloaded") > before)
        time.sleep(0.2)  # until every thread has taken it over

    assert all(gateway.is_ack(reply) for gateway, reply in sends(False))
    assert all(gateway.is_refusal(reply, gateway.refusal) for gateway, reply in sends(True))
    reload(config(True, True))
    assert all(gateway.is_ack(reply) for fresh in (False, True) for gateway, reply in sends(fresh))
    reload(config(False, True))
    assert all(gateway.is_refusal(reply, gateway.refusal) for gateway, reply in sends(False))
    assert all(gateway.is_ack(reply) for gateway, reply in sends(True))


def test_a_gateway_without_one_of_its_keys_does_not_start(tmp_path):
    def start(text):
        file = tmp_path / "recharged.toml"
        file.write_text(text)
        results = [run_once(*command) for command in (
            ["check-config", "--config", str(file)],
            ["--config", str(file), "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data")])]
        assert not (tmp_path / "data").exists()
        return results

    bad = tmp_path / "bad"
    for gateway in [kind(kind.kind, tmp_path) for kind in KINDS]:
        lines = gateway.config().splitlines(keepends=True)
        for i, line in enumerate(lines[2:], start=2):
            name = line.split(" = ")[0]
            for result in start("".join(lines[:i] + lines[i + 1:])):
                assert result.returncode == 3 and f"gateway.{gateway.name}.{name}" in result.stderr, (name, result)
            if "file" not in line:
                continue
            for content in (None, b"", b"no key", shared_key("ours").pem if gateway.kind in ("stripe", "standard") else b"MII="):
                bad.unlink(missing_ok=True)
                if content is not None:
                    bad.write_bytes(content)
                file = line.split('"')[-2]
                for result in start("".join(lines).replace(file, str(bad))):
                    assert result.returncode == 3 and str(bad) in result.stderr, (name, content, result)
    for text in (Alipay("alipay", tmp_path).config(), Wechat("wechat", tmp_path).config()):
        for result in start('[orders]\ncurrency = "USD"\n' + text):
            assert result.returncode == 3 and "CNY" in result.stderr


def test_no_secret_in_log_or_replies(daemon, gateways):
    log = daemon.log_file.read_text()
    for secret in (Wechat.api_v3_key.decode(), Stripe.secret, Standard.secret, "sk_test_1"):
        assert secret not in log
    assert "PRIVATE" not in log


def forge_against(folder, broken=None, kind=Alipay):
    gateway = kind(kind.kind, folder)
    with running(folder, SECRETS + gateway.config(), secrets="", broken=broken) as daemon:
        forge_all(Api(daemon.address), gateway)


@pytest.mark.parametrize("kind", [Alipay, Wechat])
def test_a_server_that_takes_any_rsa_signature_is_seen(tmp_path, kind):
    must_fail(forge_against, tmp_path, broken="accepting_any_rsa_signature", kind=kind)


def test_a_server_that_takes_any_stripe_signature_is_seen(tmp_path):
    must_fail(forge_against, tmp_path, broken="accepting_any_stripe_signature", kind=Stripe)


def credit_a_refund(folder, broken=None):
    gateway = Alipay("alipay", folder)
    with running(folder, SECRETS + gateway.config(), secrets="", broken=broken) as daemon:
        test_refund_notices_never_credit(Api(daemon.address), gateway)


def test_a_server_that_credits_refunds_is_seen(tmp_path):
    must_fail(credit_a_refund, tmp_path, broken="crediting_refund_notices")
