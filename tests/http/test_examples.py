"""What lies in tools/examples works: the page with live updates in headless Chromium, the receiver that sends an SMS."""
import base64
import http.client
import json
import os
import shutil
import subprocess
import threading
import time

import pytest

from api import Api, eventually, expect, new_account
from browser import Browser
from faulty import must_fail
from replies import REPOSITORY
from signing import webhook_v1
from test_webhooks import settings
from tokens import Keys, bearer

EXAMPLES = REPOSITORY / "tools" / "examples"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


class Example:
    """Port 0; its lines."""

    def __init__(self, source, **env):
        if not shutil.which("node"):
            pytest.skip("node is needed to run the examples")
        self.process = subprocess.Popen(["node", str(source), "0"], stdout=subprocess.PIPE, text=True, env=os.environ | env)
        self.first, self.lines = self.process.stdout.readline(), []
        threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True).start()

    def close(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def browser():
    made = Browser()
    yield made
    made.close()


def test_the_page_shows_an_order_live_both_ways(start_server, browser, tmp_path):
    """The payer's browser has no token: the shop's server adds it. After a restart both connections come back by themselves,
    and are told what they missed."""
    keys = Keys(tmp_path)
    server = start_server(keys.settings())
    api, admin = Api(server.address), bearer(keys.token("admin"))

    def post(path, body):
        return expect(api.post(path, body, admin), 200)

    order = post("/api/place_order", {"account": new_account(), "amount": "50.00"})["order_id"]
    shop = Example(EXAMPLES / "live_page.mjs", RECHARGE_URL=server.url, RECHARGE_TOKEN=keys.token("orders:read"))
    try:
        browser(open=shop.first.strip().replace("…", order))
        for section in ("sse", "ws"):
            assert "snapshot" in browser(read=f"#{section} ol", until="snapshot")["text"]
            assert browser(read=f"#{section} output")["text"] == "pending"
        post("/api/pay", {"order_id": order})
        for section in ("sse", "ws"):
            assert browser(read=f"#{section} output", until="paid")["text"] == "paid"
        server.listen = "%s:%d" % server.address
        server.restart(kill=True)
        api = Api(server.address)
        expect(api.callback(order), 200)
        for section in ("sse", "ws"):
            assert browser(read=f"#{section} output", until="recharged")["text"] == "recharged"
            lines = browser(read=f"#{section} ol")["text"].split("\n")
            assert [line.split()[-1] for line in lines] == ["snapshot", "order.paid", "order.recharged"], "nothing twice, nothing missed"
    finally:
        shop.close()


@pytest.fixture
def sms(tmp_path):
    (tmp_path / "sms_secret").write_text(SECRET + "\n")
    made = Example(EXAMPLES / "sms.mjs", WEBHOOK_SECRET_FILE=str(tmp_path / "sms_secret"), SMS_DONE_FILE=str(tmp_path / "done"))
    made.port = int(made.first.split()[-1])
    yield made
    made.close()


def test_an_sms_for_each_top_up(start_server, sms, tmp_path):
    server = start_server(settings(tmp_path, f"http://127.0.0.1:{sms.port}/", name="sms", secrets=(SECRET,)))
    api, account = Api(server.address), new_account()
    order, _ = api.credit(account)
    expect(api.refund(order, "r1", "20.00"), 200)
    eventually(lambda: len(sms.lines) == 2)
    sent = [json.loads(line) for line in sms.lines]
    assert {one["phone"] for one in sent} == {account}
    assert [one["text"] for one in sent] == ["Your top-up of 50.00 CNY has arrived.", "20.00 CNY were refunded to you."]


def forged_messages_are_refused_and_repeats_sent_once(port, lines):
    event = {"id": "evt_1", "type": "order.recharged", "account": "13800000000", "order": {"amount": 5, "currency": "CNY"}}
    body, now = json.dumps(event).encode(), str(int(time.time()))

    def post(body=body, message="evt_1", at=now, signature=None):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        signature = webhook_v1(body, SECRET, message, at) if signature is None else signature
        connection.request("POST", "/", body, {"webhook-id": message, "webhook-timestamp": at, "webhook-signature": signature})
        return connection.getresponse().status

    old = str(int(now) - 301)
    good = webhook_v1(body, SECRET, "evt_1", now)
    for wrong in ({"signature": ""}, {"signature": "v1,"}, {"signature": good[:-4] + "AAA="}, {"signature": good.replace("v1,", "v2,")},
                  {"body": body.replace(b"138", b"139"), "signature": good}, {"message": "evt_2", "signature": good}, {"at": old},
                  {"at": "soon"}):
        assert post(**wrong) == 403, wrong
    assert lines == []
    for _ in range(3):
        assert post(signature=f"v1,AAAA {good}") == 204
    time.sleep(0.1)
    assert len(lines) == 1


def test_forged_messages_are_refused_and_repeats_sent_once(sms):
    forged_messages_are_refused_and_repeats_sent_once(sms.port, sms.lines)


@pytest.mark.parametrize("right, wrong", [("return came.length === right.length && timingSafeEqual(came, right)", "return true"),
                                          ("<= TOLERANCE_S", "<= Infinity"), ("!done.has(event.id)", "true")])
def test_a_careless_receiver_is_seen(tmp_path, right, wrong):
    source = (EXAMPLES / "sms.mjs").read_text()
    assert source.count(right) == 1
    (tmp_path / "sms.mjs").write_text(source.replace(right, wrong))
    (tmp_path / "sms_secret").write_text(SECRET + "\n")
    example = Example(tmp_path / "sms.mjs", WEBHOOK_SECRET_FILE=str(tmp_path / "sms_secret"), SMS_DONE_FILE=str(tmp_path / "done"))
    try:
        must_fail(forged_messages_are_refused_and_repeats_sent_once, int(example.first.split()[-1]), example.lines)
    finally:
        example.close()
