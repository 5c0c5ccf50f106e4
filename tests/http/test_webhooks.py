"""Outgoing webhooks: signed, in the order of each order, tried again, given up, sent anew; over kill -9."""
import base64
import json
import os
import random
import signal
import subprocess
import threading
import time
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from email.utils import formatdate

import pytest

from api import Api, eventually, expect, new_account
from daemon import binary, slowdown
from faulty import must_fail, running
from held import held, need_strace
from npm import npm_folder
from receiver import Receiver
from replies import REPOSITORY
from signing import ed25519_public_key, webhook_v1, webhook_v1a
from test_events import judge, read, some_life

SECRETS = ["whsec_" + base64.b64encode(bytes(range(i, i + 32))).decode() for i in (1, 2)]
SEED = bytes(range(100, 132))
PRIVATE = "whsk_" + base64.b64encode(SEED + ed25519_public_key(SEED)).decode()


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


def settings(folder, url, name="shop", secrets=(SECRETS[0],), more="allow_private = true\nretries = [\"1s\", \"1s\"]\n"):
    file = folder / f"{name}.secret"
    file.write_text("\n".join(secrets) + "\n")
    return f'[webhook.{name}]\nurl = "{url}"\nsecret_file = "{file}"\n{more}'


def show(server, name="shop"):
    return expect(Api(server.address).get(f"/api/webhooks/{name}"), 200)["webhook"]


def tool(server, *arguments):
    return subprocess.run([binary("RECHARGE_BIN", "recharge"), "--server", server.url, "webhook", *arguments],
                          capture_output=True, text=True, timeout=20, check=True).stdout


def test_everything_is_told_signed_and_in_order(start_server, receiver, tmp_path):
    server = start_server(settings(tmp_path, receiver.url, secrets=(*SECRETS, PRIVATE)))
    api, rng = Api(server.address), random.Random(3)
    orders = [some_life(api, rng) for _ in range(30)]
    events, _ = read(api)
    eventually(lambda: len(receiver.taken()) == len(events), within=20)
    assert sorted(receiver.taken(), key=lambda event: event["id"]) == [json.loads(json.dumps(e, default=float)) for e in events]
    for order in orders:
        mine = [event["id"] for event in receiver.taken() if (event["order"] or {}).get("order_id") == order]
        assert mine == sorted(mine)
    for index, (_, event, body, headers) in enumerate(receiver.calls):
        message, at = headers["webhook-id"], headers["webhook-timestamp"]
        assert message == event["id"] and abs(int(at) - time.time()) < 30
        *shared, private = headers["webhook-signature"].split(" ")
        assert shared == [webhook_v1(body, secret, message, at) for secret in SECRETS]
        if index < 6:  # slow here
            assert private == webhook_v1a(body, SEED, message, at)
        assert headers["content-type"] == "application/json"


def test_only_the_types_that_were_asked_for(start_server, receiver, tmp_path):
    server = start_server(settings(tmp_path, receiver.url) + 'events = ["order.recharged"]\n')
    order, _ = Api(server.address).credit()
    eventually(lambda: receiver.taken())
    time.sleep(0.3)
    assert [(event["type"], event["order"]["order_id"]) for event in receiver.taken()] == [("order.recharged", order)]


def one_that_fails_holds_up_its_order_alone(start, folder):
    account = new_account()
    receiver = Receiver(lambda event, attempt: 500 if event["account"] == account and event["type"] == "order.placed"
                        and attempt <= 2 else 200)
    server = start(settings(folder, receiver.url))
    api = Api(server.address)
    bad = api.place(account)
    eventually(lambda: receiver.calls)
    expect(api.callback(bad), 200)
    good = [api.credit()[0] for _ in range(20)]
    eventually(lambda: len(receiver.taken()) >= 40, within=2)
    assert {event["order"]["order_id"] for event in receiver.taken()} == set(good), "the others went ahead"
    eventually(lambda: len(receiver.taken()) == 42, within=10)
    mine = [event["type"] for event in receiver.taken() if event["order"]["order_id"] == bad]
    assert mine == ["order.placed", "order.recharged"]
    receiver.close()


def test_one_that_fails_holds_up_its_order_alone(start_server, tmp_path):
    one_that_fails_holds_up_its_order_alone(start_server, tmp_path)


def test_given_up_is_kept_and_sent_anew(start_server, receiver, tmp_path):
    receiver.answer = lambda event, attempt: 503
    server = start_server(settings(tmp_path, receiver.url))
    order = Api(server.address).place()
    eventually(lambda: [d["state"] for d in show(server)["deliveries"]] == ["given_up"], within=15)
    (kept,) = show(server)["deliveries"]
    assert kept["attempts"] == 3 and kept["last_status"] == 503 and "503" in tool(server, "show", "shop")
    server.restart(kill=True)
    receiver.answer = lambda event, attempt: 200
    time.sleep(0.5)
    assert receiver.taken() == [], "given up is given up, also after a crash"
    tool(server, "resend", "shop", kept["event_id"])
    eventually(lambda: [event["order"]["order_id"] for event in receiver.taken()] == [order])
    eventually(lambda: show(server)["deliveries"] == [])


@pytest.mark.parametrize("form", [str, lambda seconds: formatdate(time.time() + seconds + 1, usegmt=True)], ids=["seconds", "date"])
def test_retry_after_is_honoured(start_server, receiver, tmp_path, form):
    receiver.answer = lambda event, attempt: (429, {"Retry-After": form(2)}) if attempt == 1 else 200
    server = start_server(settings(tmp_path, receiver.url))
    Api(server.address).place()
    eventually(lambda: receiver.calls)
    began = time.monotonic()
    eventually(receiver.taken, within=10)
    assert time.monotonic() - began > 1.6


def test_410_switches_it_off_until_it_is_resumed(start_server, receiver, tmp_path):
    receiver.answer = lambda event, attempt: 410
    server = start_server(settings(tmp_path, receiver.url))
    api = Api(server.address)
    api.place()
    eventually(lambda: show(server)["state"] == "off")
    assert "shop" in tool(server, "list") and "off" in tool(server, "list")
    api.place()
    time.sleep(0.5)
    assert len(receiver.calls) == 1
    server.restart()
    assert show(server)["state"] == "off"
    receiver.answer = lambda event, attempt: 200
    tool(server, "resume", "shop")
    eventually(lambda: len(receiver.taken()) == 2, within=10)


def test_a_secret_is_exchanged_by_a_reload(start_server, receiver, tmp_path):
    server = start_server(settings(tmp_path, receiver.url))
    api, file = Api(server.address), tmp_path / "shop.secret"

    def signed_by(secret):
        api.place()
        eventually(lambda: receiver.calls)
        _, _, body, headers = receiver.calls.pop()
        return webhook_v1(body, secret, headers["webhook-id"], headers["webhook-timestamp"]) in headers["webhook-signature"].split(" ")

    assert signed_by(SECRETS[0]) and not signed_by(SECRETS[1])
    file.write_text("nonsense")
    server.signal(signal.SIGHUP)
    time.sleep(0.5)
    assert signed_by(SECRETS[0]), "a bad file changes nothing"
    file.write_text(SECRETS[1])
    server.signal(signal.SIGHUP)
    eventually(lambda: signed_by(SECRETS[1]))
    assert not signed_by(SECRETS[0])


def test_redirects_are_not_followed(start_server, receiver, tmp_path):
    other = Receiver()
    receiver.answer = lambda event, attempt: (302, {"Location": other.url})
    server = start_server(settings(tmp_path, receiver.url))
    Api(server.address).place()
    eventually(lambda: show(server)["failed"] == 3, within=15)
    assert other.calls == []
    other.close()


def test_private_addresses_are_refused(start_server, receiver, tmp_path):
    server = start_server(settings(tmp_path, receiver.url, more='retries = ["1s"]\n'))
    Api(server.address).place()
    eventually(lambda: show(server)["failed"] >= 1, within=10)
    assert receiver.calls == []


def test_pause_and_resume(start_server, receiver, tmp_path):
    server = start_server(settings(tmp_path, receiver.url))
    tool(server, "pause", "shop")
    eventually(lambda: show(server)["state"] == "paused")
    api = Api(server.address)
    orders = [api.place() for _ in range(5)]
    time.sleep(0.4)
    assert receiver.calls == []
    server.restart(kill=True)
    tool(server, "resume", "shop")
    eventually(lambda: sorted(event["order"]["order_id"] for event in receiver.taken()) == sorted(orders))


def test_an_endpoint_that_hangs_holds_up_no_other(start_server, receiver, tmp_path):
    gate = threading.Event()
    slow = Receiver(lambda event, attempt: gate.wait(30) and 200)
    server = start_server(settings(tmp_path, receiver.url) + settings(tmp_path, slow.url, name="slow"))
    api = Api(server.address)
    for _ in range(20):
        api.credit()
    eventually(lambda: len(receiver.taken()) == 40)
    lag = api.metrics()["recharge_subscriber_lag_bytes"]
    eventually(lambda: api.metrics()["recharge_subscriber_lag_bytes"][frozenset({("subscriber", "webhook-shop")})] == 0)
    assert len(lag) == 2 and slow.taken() == []
    gate.set()
    eventually(lambda: len(slow.taken()) == 40, within=20)
    slow.close()


def test_no_more_at_once_and_no_longer_than_allowed(start_server, tmp_path):
    """The first two attempts have no answer in time."""
    flying, most, lock = 0, [], threading.Lock()

    def answer(event, attempt):
        nonlocal flying
        with lock:
            flying += 1
            most.append(flying)
            number = len(most)
        time.sleep(1.5 if number <= 2 else 0.03)
        with lock:
            flying -= 1
        return 200

    receiver = Receiver(answer)
    server = start_server(settings(tmp_path, receiver.url, more='allow_private = true\nretries = ["1s"]\ntimeout_s = 1\nconcurrency = 3\n'))
    api = Api(server.address)
    for _ in range(12):
        api.place()
    eventually(lambda: show(server)["delivered"] == 12, within=15)
    assert show(server)["failed"] == 2, "by their timeout"
    assert max(most) == 3 and len(most) == 14
    receiver.close()


def test_what_failed_at_once_is_not_tried_again_at_once(start_server, receiver, tmp_path):
    """By default after 5 s, a fifth more or less."""
    receiver.answer = lambda event, attempt: 500
    server = start_server(settings(tmp_path, receiver.url, more="allow_private = true\n"))
    api, begun = Api(server.address), datetime.now(timezone.utc)
    for _ in range(7):
        api.place()
    eventually(lambda: [d["attempts"] for d in show(server)["deliveries"]] == [1] * 7)
    ended = datetime.now(timezone.utc)
    waits = [datetime.fromisoformat(d["next_attempt_at"].replace("Z", "+00:00")) for d in show(server)["deliveries"]]
    assert all(begun + timedelta(seconds=3.99) <= at <= ended + timedelta(seconds=6.01) for at in waits), waits
    assert max(waits) - min(waits) > timedelta(milliseconds=200) and len(set(waits)) > 4


def test_kill_9_in_mid_load(start_server, tmp_path):
    """Every event arrives, repeats have the same id and content, and each order's come in order."""
    rng = random.Random(7)
    receiver = Receiver(lambda event, attempt: 500 if attempt == 1 and rng.random() < 0.1 else 200)
    server = start_server(settings(tmp_path, receiver.url, more='allow_private = true\nretries = ["1s", "1s", "1s", "1s"]\n'),
                          arguments=["--threads", "2"])
    orders = []
    for cycle in range(4):
        stop = threading.Event()

        def load(index, stop=stop):
            api, mine = Api(server.address), random.Random(index)
            try:
                while not stop.is_set():
                    orders.append(some_life(api, mine))
            except (OSError, AssertionError):
                if not stop.is_set():
                    raise

        threads = [threading.Thread(target=load, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.4 + 0.2 * cycle)
        stop.set()
        server.kill()
        for thread in threads:
            thread.join()
        server.start()
    api = Api(server.address)
    events, _ = read(api)
    eventually(lambda: len(receiver.taken()) == len(events), within=60)
    judge(api, events, orders)
    told = receiver.taken()
    assert sorted(event["id"] for event in told) == [event["id"] for event in events]
    contents = {}
    for _, event, body, _ in receiver.calls:
        assert contents.setdefault(event["id"], body) == body
    for order in set(orders):
        mine = [event["id"] for event in told if (event["order"] or {}).get("order_id") == order]
        assert mine == sorted(mine)
    repeats = len(receiver.calls) - len(contents)
    print(f"{len(events)} events, {repeats} sent again, 4 kills")
    receiver.close()


@pytest.mark.parametrize("step", ["not durable", "not called", "not answered", "taken, not noted", "refused, not noted"])
def test_kill_9_at(step, start_server, tmp_path):
    """What the endpoint may not have, or what nobody noted that it has, is sent again, the same; nothing is sent that is not durable.
    The last two: while everything is held up that the answer has written."""
    if "not noted" in step or step == "not durable":
        need_strace(tmp_path)
    killed = threading.Event()

    def answer(event, attempt):
        if killed.is_set() or attempt > 1 or step in ("not durable", "not called"):
            return 200
        if step != "not answered":
            stack.enter_context(held(server, "not written"))
            threading.Timer(0.4 * slowdown(), killed.set).start()
            return 500 if step == "refused, not noted" else 200
        killed.set()
        time.sleep(0.4)
        return 200

    receiver = Receiver(answer)
    server = start_server(settings(tmp_path, receiver.url))
    server.listen = "%s:%d" % server.address
    api = Api(server.address, timeout=0.5 if step == "not durable" else 20)
    with ExitStack() as stack:
        if step == "not durable":
            stack.enter_context(held(server, "not written"))
            with pytest.raises(TimeoutError):
                api.place()
            assert receiver.attempts == {}
        elif step == "not called":
            receiver.close()
            api.place()
            eventually(lambda: show(server)["failed"] >= 1)
        else:
            api.place()
            assert killed.wait(10)
    server.kill()
    if step == "not called":
        receiver = Receiver(answer, port=int(receiver.url.split(":")[2].split("/")[0]))
    server.start()
    api = Api(server.address)
    before = 0 if step == "not durable" else 1
    assert len(read(api)[0]) == before
    api.place()
    events, _ = read(api)
    eventually(lambda: len(receiver.taken()) == len(events) == before + 1, within=10)
    attempts = [receiver.attempts[event["id"]] for event in events]
    assert attempts == {"not durable": [1], "not called": [1, 1]}.get(step, [2, 1])
    assert len({body for _, _, body, _ in receiver.calls}) == len(events), "what is sent again is the same"
    receiver.close()


@pytest.mark.parametrize("config", ['[webhook.shop]\nurl = "ftp://x"\nsecret_file = "FILE"\n',
                                    '[webhook.shop]\nurl = "http://x/"\n',
                                    '[webhook.Shop]\nurl = "http://x/"\nsecret_file = "FILE"\n',
                                    '[webhook.shop]\nurl = "http://x/"\nsecret_file = "FILE"\nevents = ["order.x"]\n',
                                    '[webhook.shop]\nurl = "http://x/"\nsecret_file = "FILE"\nretries = ["5"]\n'])
def test_bad_settings_exit_3(tmp_path, config):
    (tmp_path / "secret").write_text(SECRETS[0])
    (tmp_path / "c.toml").write_text(config.replace("FILE", str(tmp_path / "secret")))
    result = subprocess.run([binary(), "check-config", "--config", str(tmp_path / "c.toml")], capture_output=True, text=True)
    assert result.returncode == 3 and "webhook" in result.stderr


def receivers_folder():
    return npm_folder(REPOSITORY / "tests" / "webhooks", "webhook-receivers", "receivers of npm")


def test_npm_receivers_accept_it_and_see_a_changed_byte(start_server, receiver, tmp_path):
    """standardwebhooks and svix verify what was sent, by either secret while they are exchanged; and refuse another."""
    folder = receivers_folder()
    server = start_server(settings(tmp_path, receiver.url, secrets=SECRETS))
    Api(server.address).credit()
    eventually(lambda: len(receiver.taken()) == 2)
    questions, expected = [], []
    other = "whsec_" + base64.b64encode(bytes(32)).decode()
    for _, event, body, headers in receiver.calls:
        text = body.decode()
        for secret, sent in [(SECRETS[0], text), (SECRETS[1], text), (other, text), (SECRETS[0], text.replace("50.00", "51.00"))]:
            questions.append(json.dumps({"secret": secret, "headers": headers, "body": sent}))
            expected.append(event["id"] if secret in SECRETS and sent == text else None)
    result = subprocess.run(["node", str(REPOSITORY / "tests" / "webhooks" / "verify_lines.mjs")], text=True, timeout=60,
                            input="\n".join(questions) + "\n", env=os.environ | {"RECHARGE_RECEIVERS": folder},
                            capture_output=True, check=True)
    verdicts = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(verdict["standardwebhooks"].get("id"), verdict["svix"].get("id")) for verdict in verdicts] == [(e, e) for e in expected]


# --- what these tests would see ---------------------------------------------------------------------------------------

def test_events_out_of_order_are_seen(tmp_path):
    def start(config):
        return stack.enter_context(running(tmp_path, config, broken="telling_in_any_order"))

    with ExitStack() as stack:
        must_fail(one_that_fails_holds_up_its_order_alone, start, tmp_path)
