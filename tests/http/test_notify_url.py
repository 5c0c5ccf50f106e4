"""An order's own address: which are taken, what it is told, over kill -9, and that no host waits for another."""
import base64
import json
import signal
import socket
import time
from contextlib import ExitStack

import pytest

from api import Api, eventually, expect, new_account
from certificates import Authority
from daemon import binary, run_once
from faulty import must_fail, running
from receiver import Receiver
from signing import webhook_v1

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
FAR = "[store]\ncheckpoint_interval_ms = 3600000\n"  # what is told must not wait for a checkpoint


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


def host_of(receiver):
    return receiver.url.split("/")[2]


def settings(folder, *hosts, private=True, secret=SECRET):
    file = folder / "notify.secret"
    file.write_text(secret + "\n")
    return (f'[webhook]\nallowed_hosts = {json.dumps(hosts)}\nnotify_secret_file = "{file}"\n'
            f'notify_allow_private = {str(private).lower()}\nnotify_retries = ["1s", "1s"]\n')


def show(server, host):
    return expect(Api(server.address).get(f"/api/webhooks/notify%40{host.replace(':', '%3A')}"), 200)["webhook"]


def act(server, host, action, **more):
    target = f"/api/webhooks/notify%40{host.replace(':', '%3A')}"
    expect(Api(server.address).post(target, {"action": action, **more}), 200)


def told(receiver, order):
    return [event["type"] for event in receiver.taken() if event["order"]["order_id"] == order]


def test_all_that_happens_to_the_order_and_nothing_else_is_told(start_server, receiver, tmp_path):
    server = start_server(settings(tmp_path, host_of(receiver)))
    api = Api(server.address)
    order, _ = api.credit(notify_url=receiver.url + "?order=77&key=%7B1%7D")
    api.credit()  # nobody is told of this one
    expect(api.callback(order), 200, exception="duplicate_payment")
    expect(api.refund(order, "r-1"), 200)
    expected = ["order.placed", "order.recharged", "exception.opened", "refund.requested", "refund.succeeded"]
    eventually(lambda: len(receiver.taken()) >= len(expected))
    time.sleep(0.1)
    assert [event["type"] for event in receiver.taken()] == expected
    assert set(receiver.paths) == {"/hook?order=77&key=%7B1%7D"}
    for _, event, body, headers in receiver.calls:
        assert headers["webhook-signature"] == webhook_v1(body, SECRET, event["id"], headers["webhook-timestamp"])
        assert headers["webhook-id"] == event["id"] and b"notify_url" not in body
    for shown in (expect(api.get("/api/events?limit=100"), 200), api.order(order),
                  expect(api.get(f"/api/orders/{order}/explain"), 200), show(server, host_of(receiver))):
        assert "/hook" not in str(shown), "it may carry a secret of its owner's"
    assert "/hook" not in server.log_file.read_text()


def test_its_secret_is_exchanged_by_a_reload(start_server, receiver, tmp_path):
    server = start_server(settings(tmp_path, host_of(receiver)))
    other = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()
    (tmp_path / "notify.secret").write_text(other)
    server.signal(signal.SIGHUP)
    eventually(lambda: "settings reloaded" in server.log_file.read_text())
    Api(server.address).place(notify_url=receiver.url)
    eventually(lambda: receiver.calls)
    _, event, body, headers = receiver.calls[0]
    assert headers["webhook-signature"] == webhook_v1(body, other, event["id"], headers["webhook-timestamp"])


def each_bad_address_is_refused(start, folder):
    server = start(settings(folder, "shop.example", "127.0.0.1:9", private=False))
    api, account = Api(server.address), new_account()
    for url in ("https://other.example/", "https://shop.example.other.example/", "https://shop.example:444/",
                "https://shop.example@other.example/", "https://u:p@shop.example/", "https://shop.example/#part",
                "https://shop.example\\@other.example/", "https://shop.example/a b", "https://shop.example/\u00e9",
                "http://shop.example/", "http://127.0.0.1:9/", "ftp://shop.example/", "//shop.example/", "",
                "https://shop.example/" + "x" * 492, 7, ["https://shop.example/"]):
        refused = expect(api.post("/api/place_order", {"account": account, "amount": "1.00", "notify_url": url}), 400,
                         error="invalid_request")
        assert "notify_url" in refused["msg"], (url, refused)
    assert api.pages(f"/api/orders?account={account}") == [], "nothing was placed"
    for url in ("https://shop.example/" + "x" * 491, "https://SHOP.example:443?a=b", None):
        expect(api.post("/api/place_order", {"account": account, "amount": "1.00", "notify_url": url}), 200)
    body = json.dumps({"account": account, "amount": "1.00", "notify_url": "https://shop.example/x"}).replace("/", "\\/")
    expect(api.post("/api/place_order", body), 200)
    assert len(api.pages(f"/api/orders?account={account}")) == 4


def test_each_bad_address_is_refused(start_server, tmp_path):
    each_bad_address_is_refused(start_server, tmp_path)


def test_without_allowed_hosts_none_is_taken(api):
    refused = expect(api.post("/api/place_order", {"account": new_account(), "amount": "1.00",
                                                   "notify_url": "https://shop.example/"}), 400, error="invalid_request")
    assert "webhook.allowed_hosts" in refused["msg"]


def test_it_is_part_of_what_a_key_stands_for(start_server, receiver, tmp_path):
    server = start_server(settings(tmp_path, host_of(receiver)))
    api = Api(server.address)
    body = {"account": new_account(), "amount": "1.00", "notify_url": receiver.url}
    first = expect(api.post("/api/place_order", body, {"Idempotency-Key": "k"}), 200)
    again = expect(api.post("/api/place_order", body, {"Idempotency-Key": "k"}), 200)
    assert again["order_id"] == first["order_id"]
    expect(api.post("/api/place_order", body | {"notify_url": receiver.url + "2"}, {"Idempotency-Key": "k"}), 422,
           error="idempotency_mismatch")
    eventually(receiver.taken)
    time.sleep(0.1)
    assert told(receiver, first["order_id"]) == ["order.placed"] and len(receiver.calls) == 1


def killed_between_placing_and_telling(start, folder):
    """Twice, before any checkpoint: with the first event not told yet, and with it told and noted."""
    receiver = Receiver(lambda event, attempt: 503 if attempt == 1 else 200)
    server = start(FAR + settings(folder, host_of(receiver)))
    order = Api(server.address).place(notify_url=receiver.url)
    eventually(lambda: receiver.calls)
    server.restart(kill=True)
    eventually(lambda: told(receiver, order) == ["order.placed"])
    event = receiver.taken()[0]["id"]
    eventually(lambda: show(server, host_of(receiver))["after"] >= event)
    server.restart(kill=True)
    expect(Api(server.address).callback(order), 200)
    eventually(lambda: told(receiver, order) == ["order.placed", "order.recharged"], within=3)
    assert len({body for _, event, body, _ in receiver.calls if event["type"] == "order.placed"}) == 1
    receiver.close()
    return server, order


def test_killed_between_placing_and_telling(start_server, tmp_path):
    server, _ = killed_between_placing_and_telling(start_server, tmp_path)
    server.stop()
    for option in ("--decide", "--rebuild"):
        verified = run_once("verify", "--data-dir", str(server.data_dir), option, program=[binary("RECHARGE_BIN", "recharge")])
        assert verified.returncode == 0, verified.stdout + verified.stderr


def test_found_in_the_books_after_a_checkpoint_and_books_made_anew(start_server, receiver, tmp_path):
    server = start_server("[store]\ncheckpoint_interval_ms = 100\n" + settings(tmp_path, host_of(receiver)))
    orders = [Api(server.address).place(notify_url=receiver.url) for _ in range(3)]
    eventually(lambda: len(receiver.taken()) == 3)
    time.sleep(0.5)
    server.restart(kill=True)
    expect(Api(server.address).callback(orders[0]), 200)
    server.stop()
    rebuilt = run_once("verify", "--data-dir", str(server.data_dir), "--rebuild", program=[binary("RECHARGE_BIN", "recharge")])
    assert rebuilt.returncode == 0, rebuilt.stderr
    server.start()
    expect(Api(server.address).close_order(orders[1]), 200)
    eventually(lambda: told(receiver, orders[0]) == ["order.placed", "order.recharged"])
    eventually(lambda: told(receiver, orders[1]) == ["order.placed", "order.closed"])


def test_redirects_are_not_followed_and_private_addresses_not_called(start_server, receiver, tmp_path):
    other = Receiver()
    receiver.answer = lambda event, attempt: (302, {"Location": other.url})
    server = start_server(settings(tmp_path, host_of(receiver)))
    Api(server.address).place(notify_url=receiver.url)
    eventually(lambda: show(server, host_of(receiver))["failed"] >= 1)
    assert len(receiver.calls) == 1 and other.calls == []
    careful = start_server(settings(tmp_path, host_of(other), private=False))
    Api(careful.address).place(notify_url=other.url.replace("http:", "https:"))
    eventually(lambda: show(careful, host_of(other))["deliveries"])
    assert show(careful, host_of(other))["deliveries"][0]["last_error"] == "the address is not allowed"
    assert other.calls == []
    other.close()


def told_over_tls_by_certificate(start, folder, believed):
    """believed(authority, stranger): the authorities of webhook.ca_file. Who has a wrong certificate is told nothing, and is told
    when it has the right one."""
    authority, stranger = Authority(folder / "authority"), Authority(folder / "stranger", "Stranger")
    right, named, unknown = hosts = [Receiver(certificate=certificate) for certificate in (
        authority.sign("right"), authority.sign("elsewhere", names="DNS:elsewhere.example"), stranger.sign("unknown"))]
    file = folder / "believed.pem"
    file.write_text("".join(one.file.read_text() for one in believed(authority, stranger)))
    try:
        server = start(settings(folder, *map(host_of, hosts)) + f'ca_file = "{file}"\n')
        orders = [Api(server.address).place(notify_url=one.url) for one in hosts]
        eventually(lambda: told(right, orders[0]) == ["order.placed"])
        for wrong in (named, unknown):
            eventually(lambda: wrong.calls or [d["attempts"] >= 1 for d in show(server, host_of(wrong))["deliveries"]] == [True])
            assert wrong.calls == []
            (waiting,) = show(server, host_of(wrong))["deliveries"]
            assert not waiting["last_status"] and "certificate" in waiting["last_error"].lower(), waiting
            wrong.show(authority.sign("right"))
        for one, order in zip(hosts, orders):
            eventually(lambda: told(one, order) == ["order.placed"])
        assert "/hook" not in server.log_file.read_text()
    finally:
        for one in hosts:
            one.close()


def test_told_over_tls_to_the_right_host_alone(start_server, tmp_path):
    told_over_tls_by_certificate(start_server, tmp_path, lambda authority, stranger: [authority])


def test_an_authority_that_cannot_be_read_exits_3(tmp_path):
    (tmp_path / "c.toml").write_text('[webhook]\nca_file = "nowhere.pem"\n')
    result = run_once("check-config", "--config", str(tmp_path / "c.toml"))
    assert result.returncode == 3 and "webhook.ca_file" in result.stderr and "cannot be read" in result.stderr


def test_a_dead_host_delays_no_other(start_server, receiver, tmp_path):
    with socket.socket() as deaf:  # connections are made, and nobody ever answers
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(64)
        dead = f"127.0.0.1:{deaf.getsockname()[1]}"
        server = start_server(settings(tmp_path, dead, host_of(receiver)), arguments=["--threads", "1"])
        api = Api(server.address)
        for _ in range(60):
            api.place(notify_url=f"http://{dead}/")
        began = time.monotonic()
        order, _ = api.credit(notify_url=receiver.url)
        eventually(lambda: told(receiver, order) == ["order.placed", "order.recharged"], within=2)
        assert time.monotonic() - began < 2
        assert show(server, dead)["delivered"] == 0 and show(server, host_of(receiver))["waiting"] == 0


def test_410_switches_off_that_order_alone(start_server, receiver, tmp_path):
    server = start_server(settings(tmp_path, host_of(receiver)))
    api, host = Api(server.address), host_of(receiver)
    gone = api.place(notify_url=receiver.url + "/gone")
    other = api.place(notify_url=receiver.url)
    eventually(lambda: len(receiver.taken()) == 2)
    receiver.answer = lambda event, attempt: 410 if event["order"]["order_id"] == gone else 200
    for order in (gone, other):
        expect(api.callback(order), 200)
    eventually(lambda: [d["last_status"] for d in show(server, host)["deliveries"]] == [410])
    (kept,) = show(server, host)["deliveries"]
    assert kept["state"] == "given_up" and show(server, host)["state"] == "active"
    server.restart(kill=True)
    api = Api(server.address)
    for order in (gone, other):
        expect(api.refund(order, "r-1"), 200)
    eventually(lambda: told(receiver, other) == ["order.placed", "order.recharged", "refund.requested", "refund.succeeded"])
    assert told(receiver, gone) == ["order.placed"] and receiver.attempts[kept["event_id"]] == 1
    receiver.answer = lambda event, attempt: 200
    act(server, host, "resend", event_id=kept["event_id"])
    eventually(lambda: told(receiver, gone) == ["order.placed", "order.recharged"])
    eventually(lambda: show(server, host)["deliveries"] == [])
    expect(api.callback(gone), 200, exception="duplicate_payment")
    eventually(lambda: told(receiver, gone)[2:] == ["exception.opened"])


@pytest.mark.parametrize("lines, why", [
    ('allowed_hosts = ["shop.example"]', "nothing is sent unsigned"),
    ('allowed_hosts = ["shop.example"]\nnotify_secret_file = "BAD"', "whsec_"),
    ('allowed_hosts = ["https://shop.example"]\nnotify_secret_file = "FILE"', "is not a host"),
    ('allowed_hosts = ["shop.example/x"]\nnotify_secret_file = "FILE"', "is not a host"),
    ('allowed_hosts = ["*.example"]\nnotify_secret_file = "FILE"', "is not a host"),
    ('allowed_hosts = ["a.example", "A.example"]\nnotify_secret_file = "FILE"', "twice"),
    ('allowed_hosts = [HOSTS]\nnotify_secret_file = "FILE"', "more than 16")])
def test_bad_settings_exit_3(tmp_path, lines, why):
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "bad").write_text("nonsense")
    for name, text in (("FILE", str(tmp_path / "secret")), ("BAD", str(tmp_path / "bad")),
                       ("HOSTS", ", ".join(f'"h{i}.example"' for i in range(17)))):
        lines = lines.replace(name, text)
    (tmp_path / "c.toml").write_text("[webhook]\n" + lines + "\n")
    result = run_once("--config", str(tmp_path / "c.toml"), "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data"))
    assert result.returncode == 3 and why in result.stderr and SECRET not in result.stderr, result.stderr


# --- what these tests would see ---------------------------------------------------------------------------------------

def broken(folder, stack, name):
    return lambda config: stack.enter_context(running(folder / "own", config, broken=name))


def test_a_host_that_is_not_compared_is_seen(tmp_path):
    with ExitStack() as stack:
        must_fail(each_bad_address_is_refused, broken(tmp_path, stack, "telling_any_host"), tmp_path)


def test_an_address_that_the_books_do_not_have_yet_and_that_is_forgotten_is_seen(tmp_path):
    with ExitStack() as stack:
        must_fail(killed_between_placing_and_telling, broken(tmp_path, stack, "forgetting_addresses"), tmp_path)


def test_a_stranger_that_is_believed_is_seen(start_server, tmp_path):
    must_fail(told_over_tls_by_certificate, start_server, tmp_path, lambda authority, stranger: [authority, stranger])
