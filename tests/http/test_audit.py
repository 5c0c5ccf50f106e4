"""Lines of the log: one for every refused signature and every action of an operator; requests with order, outcome and trace."""
import json
import signal
import socket
import time

from admin import admin_address
from api import Api, eventually, expect, new_account
from faulty import must_fail, running
from gateways import Stripe
from signing import VECTOR_SECRET

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
JSON = '[log]\nformat = "json"\n'


def lines(daemon, **members):
    """Those of the log with these members."""
    found = [json.loads(line) for line in daemon.log_file.read_text().splitlines()]
    return [line for line in found if all(line.get(name) == value for name, value in members.items())]


def refused_signatures(folder, broken=None):
    config = JSON + 'level = "error"\n[server]\ntrusted_proxies = ["127.0.0.1"]\n' + Stripe("stripe", folder).config()
    with running(folder / "own", config, broken=broken) as daemon:
        api = Api(daemon.address)
        order_id = api.place(gateway="native")
        for number in range(50):
            headers = {"X-Request-Id": f"forged-{number}", "X-Forwarded-For": "203.0.113.7"}
            reply = api.post("/api/payment_callback", {"order_id": order_id, "signature": "0" * 64}, headers)
            expect(reply, 403, error="invalid_signature")
        assert api.post("/api/callbacks/stripe", "{}", {"X-Request-Id": "forged-stripe"}).status == 400
        eventually(lambda: len(lines(daemon, msg="audit", event="signature_refused")) == 51)
        found = lines(daemon, event="signature_refused", gateway="native", client="203.0.113.7")
        assert [line["request_id"] for line in found] == [f"forged-{number}" for number in range(50)]
        assert [line["client"] for line in lines(daemon, gateway="stripe")] == ["127.0.0.1"]
        expect(api.callback(order_id), 200)  # and none for a right one
        assert len(lines(daemon, event="signature_refused")) == 51
        text = daemon.log_file.read_text()
        assert VECTOR_SECRET not in text and "0" * 64 not in text and order_id not in text


def test_a_flood_of_forged_callbacks_is_counted(start_server):
    daemon = start_server(JSON + 'level = "error"\n')
    api = Api(daemon.address)
    body = json.dumps({"order_id": api.place(), "signature": "0" * 64}).encode()
    request = b"POST /api/payment_callback HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    begun = time.monotonic()
    with socket.create_connection(daemon.address, timeout=60) as client, client.makefile("rb") as replies:
        for _ in range(250):
            client.sendall(request * 16)
            for _ in range(16):
                assert b" 403 " in replies.readline()
                size = 0
                while (line := replies.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        size = int(line.split(b":")[1])
                replies.read(size)

    def told():
        single = lines(daemon, event="signature_refused", gateway="native")
        more = lines(daemon, event="signatures_refused", gateway="native")
        return len(single), sum(int(line["count"]) for line in more)

    eventually(lambda: sum(told()) == 4000)
    assert told()[0] <= 100 * (time.monotonic() - begun + 2)


def test_every_refused_signature_has_its_line(tmp_path):
    refused_signatures(tmp_path)


def test_refused_signatures_without_a_line_are_seen(tmp_path):
    must_fail(refused_signatures, tmp_path, broken="keeping_refusals_to_itself")


def test_every_action_of_an_operator_has_its_line(start_server, tmp_path):
    daemon = start_server(JSON + f'level = "error"\n[admin]\nlisten = "127.0.0.1:0"\nbackup_dir = "{tmp_path}"\n')
    # The address is told at level info: found by its process instead.
    daemon.config_file.write_text(daemon.config_file.read_text().replace('level = "error"', 'level = "info"'))
    daemon.restart()
    clients, operators = Api(daemon.address), Api(admin_address(daemon))
    order_id = clients.place(amount="50.00")
    clients.callback(order_id, amount="49.00")
    (entry,) = operators.exceptions(order_id)
    exception_id = entry["exception_id"]
    expect(operators.post("/admin/log_level", {"level": "error"}, {"X-Request-Id": "a1"}), 200)
    expect(operators.post("/admin/checkpoint", "", {"X-Request-Id": "a2"}), 200)
    expect(operators.post("/admin/backup", {"name": "b1"}, {"X-Request-Id": "a3"}), 200)
    expect(operators.post(f"/api/exceptions/{exception_id}/resolve", {"action": "dismiss", "note": "seen"},
                          {"X-Request-Id": "a4"}), 200)
    daemon.signal(signal.SIGHUP)
    eventually(lambda: lines(daemon, event="operator", action="reload"))
    seen = [(line["action"], line.get("on"), line["request_id"]) for line in lines(daemon, event="operator", client="127.0.0.1")]
    assert seen == [("log_level", "error", "a1"), ("checkpoint", None, "a2"), ("backup", "b1", "a3"),
                    ("resolve_dismiss", exception_id, "a4")]
    daemon.stop()
    assert lines(daemon, event="operator", action="stop")
    daemon.start()


def test_a_line_for_each_request(start_server):
    daemon = start_server(JSON + "access = true\n")
    api = Api(daemon.address)
    account = new_account()
    reply = api.post("/api/place_order", {"account": account, "amount": "5.00"}, {"X-Request-Id": "r1", "traceparent": TRACEPARENT})
    order_id = expect(reply, 200)["order_id"]
    expect(api.callback(order_id, amount="5.00"), 200)
    expect(api.request("GET", "/livez", headers={"X-Request-Id": "r3", "traceparent": "00-nonsense"}), 200)
    eventually(lambda: len(lines(daemon, msg="request")) == 3)
    placed, credited, alive = lines(daemon, msg="request")
    assert placed == placed | {"route": "/api/place_order", "status": 200, "request_id": "r1", "order_id": order_id,
                               "outcome": "order_placed", "trace_id": TRACE}
    assert credited == credited | {"order_id": order_id, "outcome": "recharge_succeeded"} and "trace_id" not in credited
    assert alive["request_id"] == "r3" and not {"order_id", "outcome", "trace_id"} & set(alive)
    assert account not in daemon.log_file.read_text()


def test_sampling(start_server):
    daemon = start_server(JSON + "access = true\nsample = 10\n", arguments=["--threads", "1"])
    api = Api(daemon.address)
    for _ in range(100):
        expect(api.get("/livez"), 200)
    for _ in range(5):
        expect(api.get("/nothing"), 404)  # what does not go well is always there
    eventually(lambda: len(lines(daemon, msg="request", status=404)) == 5)
    assert len(lines(daemon, msg="request", status=200)) == 10
    daemon.config_file.write_text(daemon.config_file.read_text().replace("sample = 10", "sample = 1"))
    daemon.signal(signal.SIGHUP)
    eventually(lambda: lines(daemon, msg="settings reloaded"))
    before = len(lines(daemon, msg="request", status=200))
    eventually(lambda: api.get("/livez").status == 200 and len(lines(daemon, msg="request", status=200)) > before)
