"""What each gateway is told when nothing can be recorded: its own refusal, by which it sends again, before it gives up waiting
(WeChat Pay after 5 s). While the disk stalls, the server is behind, the body is slow, and the server ends; a full disk is in
test_disk_full.py. In CI a reply is due after 0.5 s, with RECHARGE_LONG=1 by the settings as they are.
"""
import http.client
import signal
import socket
import time

import pytest

from api import Api, eventually, in_threads, new_account
from broken import beside
from daemon import slowdown
from faults import LONG, injected, need_strace
from gateways import Alipay, Standard, Stripe, Wechat
from oracle import check, check_that_it_fails, serving
from replies import Reply
from replies import check as check_reply
from signing import VECTOR_SECRET, callback_fields, signed_body

LIMIT_S = 4.5 if LONG else 0.5
MARGIN_S = 0.5
STALL_US = 7_000_000 if LONG else 1_200_000
ENVIRONMENT = {} if LONG else {"RECHARGED_SERVER__MAX_LATENCY_MS": "500"}


class Native:
    name, path = "native", "/api/payment_callback"

    @staticmethod
    def payment(order_id, **more):
        return {}, signed_body(callback_fields(order_id, "txn_" + order_id, **more))

    @staticmethod
    def is_ack(reply):
        return reply.status == 200

    @staticmethod
    def is_refusal(reply, status):
        return reply.status == status and reply["code"] == status and reply["error"] != ""


def every_gateway(folder):
    return [Native(), *(kind(kind.kind, folder) for kind in (Alipay, Wechat, Stripe, Standard))]


def settings(gateways):
    return f'[callback]\nsecrets = [{{id = "main", secret = "{VECTOR_SECRET}"}}]\n' + "".join(gateway.config() for gateway in gateways[1:])


class Sending:
    """One callback on a connection of its own, sent in parts."""

    def __init__(self, address, gateway, message):
        headers, body = message
        self.gateway, self.socket = gateway, socket.create_connection(address, timeout=30)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {gateway.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode()
        self.parts = [head + body[:len(body) // 2], body[len(body) // 2:]]

    def send(self, parts=2):
        self.sent_at = time.monotonic()
        self.socket.sendall(b"".join(self.parts[:parts]))
        self.parts = self.parts[parts:]
        return self

    def reply(self):
        """(the reply, how long it took)"""
        response = http.client.HTTPResponse(self.socket, method="POST")
        response.begin()
        body = response.read()
        took = time.monotonic() - self.sent_at
        headers = [(name.lower(), value) for name, value in response.getheaders()]
        self.socket.close()
        return check_reply("POST", self.gateway.path, Reply(response.status, headers, body)), took


def check_refused(gateway, reply, took, statuses, within=LIMIT_S):
    check(any(gateway.is_refusal(reply, status) for status in statuses), gateway.name, "is told", reply)
    check(took < (within + MARGIN_S) * slowdown(), gateway.name, "was told after", took, "s")


def stalled_disk(folder, env, **broken):
    gateways = every_gateway(folder)
    with serving(folder, settings(gateways), env=env, **broken) as daemon:
        api = Api(daemon.address)
        accounts = [[new_account() for _ in range(2)] for _ in gateways]
        orders = [[api.place(account) for account in pair] for pair in accounts]
        messages = [[gateway.payment(order) for order in pair] for gateway, pair in zip(gateways, orders)]

        def tell(turn):
            return in_threads(len(gateways), lambda i: Sending(daemon.address, gateways[i], messages[i][turn]).send().reply())

        with injected(daemon.process, f"fdatasync:delay_exit={STALL_US}", folder / "strace"):
            caught = tell(0)  # while the first flush goes on
            behind = tell(1)
        for replies in (caught, behind):
            for gateway, (reply, took) in zip(gateways, replies):
                check_refused(gateway, reply, took, [503])
                check(reply.header("retry-after") is not None, gateway.name, reply)
        print(f"a disk that stalls for {STALL_US / 1e6} s: told after {max(took for _, took in caught):.2f} s at the most, "
              f"when behind after {max(took for _, took in behind):.2f} s")
        shown = [f"/api/orders/{first}" for first, _ in orders]  # reads, too, are refused while it is behind
        eventually(lambda: all(reply.status == 200 and reply["order"]["status"] == "recharged" for reply in map(api.get, shown)),
                   within=20)
        for turn in range(2):  # sent again, as gateways do, until it is recorded
            eventually(lambda turn=turn: all(gateway.is_ack(reply) for gateway, (reply, _) in zip(gateways, tell(turn))), within=20)
        for pair in accounts:
            for account in pair:
                check(len(api.assert_books(account)) == 1, "credited once")
        api.close()
        daemon.stop()


def test_a_stalled_disk(tmp_path):
    need_strace(tmp_path)
    stalled_disk(tmp_path, ENVIRONMENT)


def slow_bodies_and_a_drain(folder, env, **broken):
    gateways = every_gateway(folder)
    with serving(folder, settings(gateways), env=env, **broken) as daemon:
        api = Api(daemon.address)
        orders = [[api.place() for _ in range(3)] for _ in gateways]
        api.close()

        def begin(turn):
            return [Sending(daemon.address, gateway, gateway.payment(mine[turn])).send(1) for gateway, mine in zip(gateways, orders)]

        slow = begin(0)
        slowest = 0
        for sending in slow:
            reply, took = sending.reply()
            check_refused(sending.gateway, reply, took, [408])
            slowest = max(slowest, took)
        halves, whole = begin(1), begin(2)
        time.sleep(0.1)
        daemon.signal(signal.SIGTERM)
        time.sleep(0.1)
        for sending in whole:
            reply, took = sending.send(1).reply()
            check(sending.gateway.is_ack(reply) and took < LIMIT_S, sending.gateway.name, "in a drain:", reply, took)
        for sending in halves:
            reply, took = sending.reply()
            check_refused(sending.gateway, reply, took, [408, 503])
        check(daemon.wait() == 0, "exit")
        daemon.process = None
        print(f"a body that does not come: told after {slowest:.2f} s at the most")


def test_slow_bodies_and_a_drain(tmp_path):
    slow_bodies_and_a_drain(tmp_path, ENVIRONMENT)


def test_waiting_for_the_disk_is_seen(tmp_path):
    need_strace(tmp_path)
    check_that_it_fails("it waits for the disk", lambda: stalled_disk(tmp_path, {"RECHARGED_SERVER__MAX_LATENCY_MS": "0"}))


@pytest.mark.parametrize("what", [stalled_disk, slow_bodies_and_a_drain] if LONG else [slow_bodies_and_a_drain])
def test_words_of_its_own_are_seen(tmp_path, what):
    check_that_it_fails("not the gateway's words", lambda: what(
        tmp_path, ENVIRONMENT, program=[beside("recharged_with_words_of_its_own")]))
