"""Debian's HAProxy in front, as a pool of kept connections and with the PROXY protocol: who the client is, health checks,
and draining under load without a failed request.
"""
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from api import Api, eventually, expect, new_account
from faulty import must_fail
from signing import VECTOR_SECRET

SENDERS = 8

CONFIG = """
global
    maxconn 4000
defaults
    mode http
    timeout connect 2s
    timeout client 10s
    timeout server 10s
    http-reuse always
    option forwardfor
    option httpchk
    http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host recharge
    http-check expect status 200
    default-server check inter 50ms fall 1 rise 1 {options}
frontend clients
    bind 127.0.0.1:{port}
    default_backend recharge
backend recharge
{servers}
frontend state
    bind 127.0.0.1:{state}
    http-request return status 200 content-type text/plain lf-string "%[nbsrv(recharge)]"
"""


def free_ports(count):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


class Proxy:
    def __init__(self, folder, daemons, options=""):
        port, state = free_ports(2)
        self.address, self.state = ("127.0.0.1", port), ("127.0.0.1", state)
        servers = "\n".join(f"    server s{i} 127.0.0.1:{daemon.address[1]}" for i, daemon in enumerate(daemons))
        file = folder / "haproxy.cfg"
        file.write_text(CONFIG.format(port=port, state=state, servers=servers, options=options))
        self.log = open(folder / "haproxy.log", "wb")
        self.process = subprocess.Popen(["haproxy", "-db", "-f", str(file)], stdout=self.log, stderr=self.log)
        eventually(lambda: self.answers() and self.healthy() == len(daemons), within=10)

    def answers(self):
        assert self.process.poll() is None, open(self.log.name).read()
        try:
            socket.create_connection(self.state, timeout=1).close()
            return True
        except OSError:
            return False

    def healthy(self):
        """How many servers it sends requests to."""
        with socket.create_connection(self.state, timeout=5) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            data = b""
            while part := connection.recv(4096):
                data += part
        return int(data.rsplit(b"\r\n\r\n", 1)[1])

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


@pytest.fixture(params=("pool", "proxy protocol"))
def style(request):
    """(settings of the server, options of HAProxy's)"""
    if shutil.which("haproxy") is None:
        pytest.skip("haproxy is not there")
    trusted = '[server]\ntrusted_proxies = ["127.0.0.1"]\n'
    if request.param == "pool":
        return trusted, ""
    return trusted + "proxy_protocol = true\n", "send-proxy-v2"


@pytest.fixture
def start_proxy(tmp_path):
    proxies = []

    def start(*arguments):
        proxies.append(Proxy(tmp_path, *arguments))
        return proxies[-1]

    yield start
    for proxy in proxies:
        proxy.stop()


def test_orders_and_callbacks(start_server, start_proxy, style):
    settings, options = style
    daemon = start_server(settings)
    api = Api(start_proxy([daemon], options).address)
    account = new_account()
    for _ in range(20):
        api.credit(account)
    api.assert_books(account)


def test_the_client_is_who_stands_before_the_proxy(start_server, start_proxy, style):
    """An address that no callback may come from: that of the client, not the proxy's, and not one that it names itself."""
    settings, options = style
    for allowed, status in (("127.0.0.1", 403), ("127.9.9.9", 200)):
        # The proxy connects to the server from 127.0.0.1, clients to the proxy from 127.9.9.9.
        secrets = f'[callback]\nsecrets = [{{id = "main", secret = "{VECTOR_SECRET}"}}]\nallow_from = ["{allowed}"]\n'
        daemon = start_server(secrets + settings, secrets=False)
        proxy = start_proxy([daemon], options)
        api = FromElsewhere(proxy.address)
        order_id = api.place()
        reply = api.callback(order_id)
        assert reply.status == status, reply
        proxy.stop()


class FromElsewhere(Api):
    def request(self, method, target, body=None, headers=None):
        if self._connection is None:
            import http.client
            self._connection = http.client.HTTPConnection(*self.address, timeout=20, source_address=("127.9.9.9", 0))
            self._used = time.monotonic()
        return super().request(method, target, body, {"X-Forwarded-For": "127.0.0.1"} | (headers or {}))


def drain(start_server, start_proxy, style, number=signal.SIGTERM):
    """Of two servers, one is stopped and started again under load, three times: nobody notices."""
    settings, options = style
    settings += "drain_delay_ms = 300\n"
    daemons = [start_server(settings) for _ in range(2)]
    proxy = start_proxy(daemons, options)
    done, sent, failures = threading.Event(), [0] * SENDERS, []

    def send(index):
        api = Api(proxy.address)
        while not done.is_set():
            try:
                api.place()
                sent[index] += 1
            except Exception as error:  # judged by the test's own thread
                failures.append(error)
                api.close()

    threads = [threading.Thread(target=send, args=(index,)) for index in range(SENDERS)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            before = sum(sent)
            eventually(lambda: sum(sent) > before + 50, within=20)
            port = daemons[0].address[1]
            daemons[0].signal(number)
            eventually(lambda: proxy.healthy() == 1, within=10)
            assert daemons[0].wait() == (0 if number == signal.SIGTERM else -number)
            daemons[0].process = None
            daemons[0].listen = f"127.0.0.1:{port}"
            daemons[0].start()
            eventually(lambda: proxy.healthy() == 2, within=10)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    print(f"{sum(sent)} orders over 3 drains, {len(failures)} failures")
    assert failures == [], failures[:3]


def test_drain_under_load(start_server, start_proxy, style):
    drain(start_server, start_proxy, style)


def test_a_server_that_does_not_drain_is_seen(start_server, start_proxy, style):
    if style[1]:
        pytest.skip("once is enough")
    must_fail(drain, start_server, start_proxy, style, signal.SIGKILL)
