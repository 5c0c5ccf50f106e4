"""What a payer sees: /pay/{order_id} in headless Chromium (tests/cashier), the code as SVG and on the terminal.

Skipped, with the reason, where there is no Chromium, node or npm, or where npm cannot fetch playwright-core and a reader of
codes. What needs no browser is always tested."""
import json
import re
import subprocess

import pytest

from api import Api, expect
from browser import Browser
from daemon import binary
from faulty import must_fail, running
from gateways import Alipay, Wechat
from replies import REPOSITORY
from test_gateway_calls import FakeGateway

SOURCES = REPOSITORY / "tests" / "cashier"


@pytest.fixture(scope="module")
def payer():
    made = Browser("payer.mjs", SOURCES, "cashier")  # on a phone
    yield made
    made.close()


@pytest.fixture(scope="module")
def fakes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cashier")
    made = {kind.kind: FakeGateway(kind(kind.kind, folder)) for kind in (Alipay, Wechat)}
    yield made
    for fake in made.values():
        fake.close()


@pytest.fixture(scope="module")
def daemon(start_module_server, fakes):
    return start_module_server("".join(fake.config() for fake in fakes.values()))


@pytest.fixture
def api(daemon):
    client = Api(daemon.address)
    yield client
    client.close()


def started(api, kind="alipay", method="qr", account=None, **more):
    order_id = api.place(account)
    return order_id, expect(api.post("/api/pay", {"order_id": order_id, "gateway": kind, "method": method, **more}), 200)


def page_of(api, order_id):
    return f"http://{api.address[0]}:{api.address[1]}/pay/{order_id}"


def assert_shows(seen, shown):
    assert seen["code"] == shown["qr_code"], "what a camera reads is what the gateway sent"


def test_a_payer_scans_and_sees_the_money_arrive(api, payer, fakes):
    order_id, shown = started(api)
    seen = payer(open=page_of(api, order_id))
    assert_shows(seen, shown)
    assert "50.00 CNY" in seen["text"] and seen["status"] == "Waiting for the payment" and seen["button"] is None
    alipay = fakes["alipay"]
    transaction = alipay.pay(order_id)
    assert alipay.account.is_ack(alipay.account.send(api, alipay.account.payment(order_id, "50.00", transaction)))
    seen = payer(until="Paid")  # by itself
    assert seen["status"] == "Paid" and seen["code"] is None and transaction not in seen["text"]
    assert seen["complaints"] == [] and seen["fits"]
    assert all(url.startswith(page_of(api, order_id)) for url in seen["requested"]), seen["requested"]


def test_a_phone_gets_a_button(api, payer):
    order_id, shown = started(api, "wechat", "h5", client_ip="203.0.113.9")
    seen = payer(open=page_of(api, order_id), language="zh-CN")
    assert seen["button"] == {"label": "立即付款", "url": shown["pay_url"]} and seen["code"] is None
    assert seen["status"] == "等待付款" and seen["title"] == "付款" and seen["complaints"] == []


def test_another_code_is_noticed(tmp_path, payer, fakes):
    """A payer who scans it pays nobody we know."""
    with running(tmp_path, fakes["alipay"].config(), broken="showing_another_code") as broken:
        api = Api(broken.address)
        order_id, shown = started(api)
        must_fail(assert_shows, payer(open=page_of(api, order_id)), shown)
        api.close()


def test_an_address_that_is_not_escaped_is_noticed(tmp_path, fakes):
    with running(tmp_path, fakes["alipay"].config(), broken="showing_raw_addresses") as broken:
        api = Api(broken.address)
        must_fail(test_the_page_reveals_amount_status_and_way_to_pay_alone, api)
        api.close()


def test_the_page_reveals_amount_status_and_way_to_pay_alone(api):
    account = "13800001111"
    order_id = api.place(account, subject="<b>secret</b>")
    expect(api.post("/api/pay", {"order_id": order_id, "gateway": "alipay", "method": "h5"}), 200)
    reply = expect(api.get(f"/pay/{order_id}"), 200)
    page = reply.body.decode()
    assert reply.header("content-type") == "text/html; charset=utf-8"
    policy = reply.header("content-security-policy")
    assert policy.startswith("default-src 'none'; script-src 'sha256-") and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert reply.header("cache-control") == "no-store" and reply.header("x-content-type-options") == "nosniff"
    assert reply.header("referrer-policy") == "strict-origin"  # the gateway wants to see where, and may not see which
    assert "<b>" not in page and "secret</b>" not in page  # the gateway's own address holds it, percent-encoded
    link = re.search(r'<a href="([^"]*)"', page)[1]
    assert link.startswith("http") and "&amp;" in link and "<" not in link
    status = expect(api.get(f"/pay/{order_id}/status"), 200).json
    assert status.keys() == {"code", "status", "amount", "currency", "expires_at", "methods"} and status["methods"] == ["h5"]
    assert account not in page and account not in json.dumps(status, default=str)
    expect(api.close_order(order_id), 200)
    page = expect(api.get(f"/pay/{order_id}"), 200).body.decode()
    assert "Closed" in page and "<a" not in page and "data-wait" not in page  # nothing to pay, nothing to wait for


def test_who_has_no_order_sees_nothing(api):
    for order_id in ("0190a1b2-c3d4-7e5f-8a6b-0123456789ab", "x", "%3Cscript%3E"):
        for path in (f"/pay/{order_id}", f"/pay/{order_id}/status", f"/api/orders/{order_id}/qr.svg"):
            expect(api.get(path), 404, error="order_not_found")


def test_the_page_can_be_switched_off(start_server):
    api = Api(start_server("[cashier]\nenabled = false\n").address)
    order_id = api.place()
    expect(api.get(f"/pay/{order_id}"), 404, error="not_found")
    expect(api.get(f"/pay/{order_id}/status"), 404, error="not_found")
    api.close()


def modules_of_svg(image):
    """The dark modules of an image of unit squares, as rows."""
    size = int(re.search(r'viewBox="0 0 (\d+) \1"', image)[1])
    rows = [[False] * size for _ in range(size)]
    for x, y, run in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", image.split("<path")[2]):
        for column in range(int(x), int(x) + int(run)):
            rows[int(y)][column] = True
    return rows


def modules_of_lines(lines):
    rows = []
    for line in lines:
        rows.append([character in "▀█" for character in line])
        rows.append([character in "▄█" for character in line])
    return rows


def test_the_code_as_svg_and_on_the_terminal(api):
    order_id = api.place()
    expect(api.get(f"/api/orders/{order_id}/qr.svg"), 409, error="invalid_state")
    expect(api.post("/api/pay", {"order_id": order_id, "gateway": "alipay"}), 200)
    reply = expect(api.get(f"/api/orders/{order_id}/qr.svg"), 200)
    assert reply.header("content-type") == "image/svg+xml"
    svg = modules_of_svg(reply.body.decode())
    server = f"http://{api.address[0]}:{api.address[1]}"
    result = subprocess.run([binary("RECHARGE_BIN", "recharge"), "--server", server, "pay", order_id, "--gateway", "alipay", "--qr"],
                            capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode == 0, result.stderr
    drawn = modules_of_lines([line for line in result.stdout.splitlines() if line and set(line) <= set(" ▀▄█")])
    assert len(drawn) >= len(svg) > 20 and drawn[:len(svg)] == svg
    assert sum(map(sum, svg)) > len(svg) ** 2 / 5
