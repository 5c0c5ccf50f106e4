"""HTTPS: versions, sessions, reloads under load, slow handshakes, certificates of gateways, and what check-config says.

RECHARGE_LONG=1: 100 reloads instead of 10.
"""
import http.client
import os
import re
import signal
import socket
import ssl
import struct
import threading
import time

import pytest

from api import Api, eventually, expect, in_threads, new_account
from certificates import Authority, openssl
from daemon import binary, run_once
from faulty import must_fail, running
from gateways import Stripe
from signing import callback_fields, signed_body
from wire import ConnectionEnded, Wire, get, request_bytes

RELOADS = 100 if os.environ.get("RECHARGE_LONG") else 10
SENDERS = 4
DEADLINE_S = 1.0
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def pair(authority):
    return authority.sign("server")


@pytest.fixture(scope="module")
def server(start_module_server, authority, pair):
    return start_module_server(authority.settings(pair))


def test_orders_and_callbacks(server, authority):
    assert server.url.startswith("https://")
    for version in (V12, V13):
        api = Api(server.address, context=authority.context(version=version))
        account = new_account()
        api.credit(account)
        api.assert_books(account)
        expect(api.request("HEAD", "/livez"), 200)


def test_requests_larger_than_a_record_and_many_at_once(server, authority):
    with Wire(server.address, context=authority.context()) as wire:
        body = b'{"account":"13812345678","amount":"1.00","subject":"' + b"x" * 60000 + b'"}'
        wire.send(request_bytes("POST", "/api/place_order", body))
        expect(wire.read_reply("POST", "/api/place_order"), 400)
        wire.send(get(line="GET /openapi.json HTTP/1.1") * 40)
        for _ in range(40):
            expect(wire.read_reply("GET", "/openapi.json"), 200)
        data = get()
        for byte in data:  # one record each
            wire.send(bytes([byte]))
        expect(wire.read_reply("GET", "/livez"), 200)


def test_old_versions_are_refused(server):
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        with pytest.raises(ssl.SSLError, match="(?i)protocol.version"):
            Wire(server.address, context=context)


def test_weak_ciphers_are_refused(server, authority):
    for cipher in ("AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256"):
        context = authority.context(version=V12)
        context.set_ciphers(cipher)
        with pytest.raises(ssl.SSLError, match="(?i)handshake.failure"):
            Wire(server.address, context=context)


def handshakes(server, context):
    samples = Api(server.address, context=context).metrics()["recharge_tls_handshakes_total"]
    return {dict(labels)["result"]: int(value) for labels, value in samples.items()}


@pytest.mark.parametrize("version", (V12, V13))
def test_sessions_are_resumed(server, authority, version):
    context = authority.context(version=version)
    before = handshakes(server, context)
    with Wire(server.address, context=context) as first:
        first.send(get())
        expect(first.read_reply("GET", "/livez"), 200)
        session = first.socket.session
        assert not first.socket.session_reused
    for _ in range(3):
        with Wire(server.address, context=context, session=session) as again:
            again.send(get())
            expect(again.read_reply("GET", "/livez"), 200)
            assert again.socket.session_reused
            if version == V13:
                session = again.socket.session
    after = handshakes(server, context)
    assert after["resumed"] == before["resumed"] + 3 and after["full"] == before["full"] + 2


def test_http_on_this_port_is_told(server):
    with Wire(server.address) as wire:
        wire.send(get())
        reply = expect(wire.read_reply("GET", "/livez"), 400, error="invalid_request")
        assert "HTTPS" in reply["msg"] and wire.ended()


def test_bytes_that_are_no_tls_end_the_connection(server, authority):
    for junk in (b"\0" * 64, b"\x16\x03\x01\xff\xff" + b"x" * 64, os.urandom(512)):
        with Wire(server.address) as wire:
            wire.send_tolerant(junk)
            assert wire.drain(within=4)[1]
    expect(Api(server.address, context=authority.context()).get("/livez"), 200)


# --- slow handshakes -------------------------------------------------------------------------------------------------

def client_hello():
    """The bytes of a handshake's first flight."""
    out = ssl.MemoryBIO()
    context = ssl.create_default_context()
    connection = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return out.read()


def slow_handshakes(folder, authority, pair, broken=None):
    config = f"[server]\nrequest_timeout_ms = {int(DEADLINE_S * 1000)}\n" + authority.settings(pair)
    with running(folder, config, broken=broken) as daemon:
        context, hello = authority.context(), client_hello()
        silent = [socket.create_connection(daemon.address) for _ in range(100)]
        stuck = [socket.create_connection(daemon.address) for _ in range(100)]  # in the middle of the handshake
        for connection in stuck:
            connection.sendall(hello)
        started = time.monotonic()
        trickling = [socket.create_connection(daemon.address) for _ in range(10)]
        open_handshakes = Wire(daemon.address, context=context)  # and then nothing
        honest, at = Api(daemon.address, context=context), 0
        while time.monotonic() - started < DEADLINE_S + 1:
            for connection in trickling:
                try:
                    connection.sendall(hello[at:at + 1])
                except OSError:
                    pass
            at = min(at + 1, len(hello) - 1)
            began = time.monotonic()
            expect(honest.get("/livez"), 200)
            assert time.monotonic() - began < 0.5
            time.sleep(0.05)
        for connection in silent + stuck + trickling:
            connection.settimeout(0.2)
            try:
                while connection.recv(65536):
                    pass
            except ConnectionResetError:
                pass
            except socket.timeout:
                raise AssertionError("a handshake goes on beyond its deadline") from None
            finally:
                connection.close()
        assert open_handshakes.ended(within=0.2)
        assert handshakes(daemon, context)["full"] >= 1


def test_slow_handshakes_end_at_the_deadline(tmp_path, authority, pair):
    slow_handshakes(tmp_path, authority, pair)


def test_handshakes_without_a_deadline_are_seen(tmp_path, authority, pair):
    must_fail(slow_handshakes, tmp_path, authority, pair, broken="waiting_for_handshakes")


# --- reload ----------------------------------------------------------------------------------------------------------

def serial(address, context):
    with Wire(address, context=context) as wire:
        return wire.socket.getpeercert()["serialNumber"]


def reload(folder, authority, reloads, broken=None):
    """Certificates exchanged under load: each is shown within 1 s, and no request fails."""
    pairs = [authority.sign("one"), authority.sign("two", kind="rsa")]
    shown = folder / "cert.pem", folder / "key.pem"

    def show(pair):
        for source, target in zip(pair, shown):
            target.write_bytes(source.read_bytes())

    folder.mkdir(exist_ok=True)
    show(pairs[0])
    with running(folder, authority.settings(shown), broken=broken) as daemon:
        context, done, sent = authority.context(), threading.Event(), [0] * SENDERS

        def send(index):
            kept = Api(daemon.address, context=context)  # one connection all the time
            kept.IDLE_SECONDS = 1000
            first = None
            while not done.is_set():
                kept.credit()
                first = first or kept._connection.sock
                assert kept._connection.sock is first, "the connection was closed"
                fresh = Api(daemon.address, context=context)
                expect(fresh.get("/livez"), 200)
                fresh.close()
                sent[index] += 1

        def reload_all():
            for number in range(1, reloads + 1):
                before = serial(daemon.address, context)
                show(pairs[number % 2])
                daemon.signal(signal.SIGHUP)
                at = time.monotonic()
                while serial(daemon.address, context) == before:
                    assert time.monotonic() - at < 1, "the old certificate is still shown"

        def work(index):
            try:
                send(index) if index < SENDERS else reload_all()
            finally:
                if index == SENDERS:
                    done.set()

        in_threads(SENDERS + 1, work)
        assert sum(sent) > reloads
        print(f"{reloads} reloads, {sum(sent)} credits and new connections beside them")

        shown[1].write_text("no key")
        daemon.signal(signal.SIGHUP)
        eventually(lambda: "settings not reloaded" in daemon.log_file.read_text())
        expect(Api(daemon.address, context=context).get("/livez"), 200)
        assert str(shown[1]) in daemon.log_file.read_text() and "BEGIN" not in daemon.log_file.read_text()


def test_reload_under_load(tmp_path, authority):
    reload(tmp_path / "own", authority, RELOADS)


def test_a_reload_that_changes_nothing_is_seen(tmp_path, authority):
    must_fail(reload, tmp_path / "own", authority, 2, broken="deaf_to_reloads")


def test_tls_is_not_switched_by_a_reload(start_server, authority, pair):
    daemon = start_server(authority.settings(pair))
    daemon.config_file.write_text(daemon.config_file.read_text().split("[tls]")[0])
    daemon.signal(signal.SIGHUP)
    eventually(lambda: "tls was switched, which needs a start" in daemon.log_file.read_text())
    expect(Api(daemon.address, context=authority.context()).get("/livez"), 200)


# --- drain -----------------------------------------------------------------------------------------------------------

def test_drain_in_the_middle_of_a_handshake(start_server, authority, pair):
    daemon = start_server(authority.settings(pair))
    half = Wire(daemon.address)
    inbound, outbound = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = authority.context().wrap_bio(inbound, outbound, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    half.send(outbound.read())
    time.sleep(0.2)
    daemon.signal(signal.SIGTERM)
    eventually(lambda: "draining" in daemon.log_file.read_text())
    time.sleep(0.2)
    while True:
        try:
            connection.do_handshake()
            break
        except ssl.SSLWantReadError:
            inbound.write(half.socket.recv(65536))
    connection.write(get())
    half.send(outbound.read())
    reply = b""
    while b"\r\n\r\n" not in reply or b"Alive" not in reply:
        try:
            reply += connection.read(65536)
        except ssl.SSLWantReadError:
            part = half.socket.recv(65536)
            assert part, reply
            inbound.write(part)
    assert reply.startswith(b"HTTP/1.1 200 ") and b"Connection: close" in reply
    half.close()
    assert daemon.wait() == 0
    daemon.process = None


def test_the_proxy_header_comes_before_the_handshake(start_server, authority, pair):
    daemon = start_server('[server]\ntrusted_proxies = ["127.0.0.1"]\nproxy_protocol = true\n' + authority.settings(pair))
    addresses = socket.inet_aton("203.0.113.9") + socket.inet_aton("127.0.0.1") + struct.pack("!HH", 4000, 443)
    header = b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x21, 0x11]) + struct.pack("!H", len(addresses)) + addresses
    with Wire(daemon.address, context=authority.context(), first=header) as wire:
        wire.send(get())
        expect(wire.read_reply("GET", "/livez"), 200)
    # In one piece with the first flight.
    inbound, outbound = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = authority.context().wrap_bio(inbound, outbound, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    with Wire(daemon.address) as wire:
        wire.send(header + outbound.read())
        inbound.write(wire.socket.recv(65536))
        connection.do_handshake()


# --- certificates of gateways ----------------------------------------------------------------------------------------

def client_certificates(folder, authority, pair, broken=None):
    gateways = Authority(folder / "gateways", "Gateways")
    stripe = Stripe("stripe", folder)
    more = f'client_ca_file = "{gateways.file}"\n[admin]\nlisten = "127.0.0.1:0"\n' + stripe.config()
    with running(folder / "own", authority.settings(pair, more), broken=broken) as daemon:
        plain = Api(daemon.address, context=authority.context())
        order_id = plain.place(gateway="native")
        fields = signed_body(callback_fields(order_id, "txn-1"), plain.secret)
        expect(plain.post("/api/payment_callback", fields), 403, error="client_certificate_required")
        plain.assert_untouched(order_id)
        # A gateway with a protocol of its own has none to show.
        assert plain.post("/api/callbacks/stripe", "{}").status in (400, 403)
        assert b"certificate" not in plain.post("/api/callbacks/stripe", "{}").body
        gateway = Api(daemon.address, context=authority.context(client=gateways.sign("gateway")))
        expect(gateway.post("/api/payment_callback", fields), 200, msg="Recharge succeeded")
        stranger = Authority(folder / "others", "Others").sign("gateway")
        for version in (V12, V13):
            with pytest.raises((ssl.SSLError, ConnectionEnded, OSError)):
                with Wire(daemon.address, context=authority.context(client=stranger, version=version)) as wire:
                    wire.send(get())
                    wire.read_reply("GET", "/livez")
        # A resumed session stands for the certificate that began it.
        context = authority.context(client=gateways.sign("again"))
        with Wire(daemon.address, context=context) as first:
            first.send(get())
            first.read_reply("GET", "/livez")
            session = first.socket.session
        with Wire(daemon.address, context=context, session=session) as again:
            again.send(request_bytes("POST", "/api/payment_callback", fields))
            expect(again.read_reply("POST", "/api/payment_callback"), 200, msg="Already processed")
            assert again.socket.session_reused


def test_callbacks_need_a_client_certificate(tmp_path, authority, pair):
    client_certificates(tmp_path, authority, pair)


def test_callbacks_without_one_are_seen(tmp_path, authority, pair):
    must_fail(client_certificates, tmp_path, authority, pair, broken="ignoring_client_certificates")


# --- settings and the tool -------------------------------------------------------------------------------------------

def check(folder, text):
    file = folder / "recharged.toml"
    file.write_text(text)
    return run_once("check-config", "--config", str(file))


def test_check_config_names_what_is_wrong(tmp_path, authority, pair):
    other = authority.sign("other")
    weak = authority.sign("weak", kind="weak")
    locked, junk = tmp_path / "locked.key", tmp_path / "junk.pem"
    openssl("pkey", "-in", pair[1], "-aes256", "-passout", "pass:x", "-out", locked)
    junk.write_text("not PEM")
    (tmp_path / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert check(tmp_path, authority.settings(pair)).stderr == ""
    for text, words in (
            (f'[tls]\ncertificate_file = "{pair[0]}"\n', "2:20: tls.certificate_file: needs tls.key_file"),
            (f'[tls]\nkey_file = "{pair[1]}"\n', "tls.key_file: needs tls.certificate_file"),
            (f'[tls]\nclient_ca_file = "{authority.file}"\n', "tls.client_ca_file: needs tls.certificate_file"),
            ('[tls]\nkey = "x"\n', "tls.key: unknown key"),
            (authority.settings((tmp_path / "none.pem", pair[1])), "none.pem: cannot be read: No such file"),
            (authority.settings((junk, pair[1])), "junk.pem: holds no certificate in PEM"),
            (authority.settings((tmp_path / "broken.pem", pair[1])), "broken.pem: no usable certificate: "),
            (authority.settings(weak), "weak.pem: no usable certificate: ee key too small"),
            (authority.settings((pair[0], tmp_path / "none.key")), "none.key: cannot be read: No such file"),
            (authority.settings((pair[0], junk)), "junk.pem: holds no private key in PEM"),
            (authority.settings((pair[0], locked)), "locked.key: the key is encrypted"),
            (authority.settings((pair[0], other[1])), f"other.key: is not the key of the certificate in {pair[0]}"),
            (authority.settings(pair, f'client_ca_file = "{junk}"\n'), "junk.pem: holds no certificate in PEM")):
        result = check(tmp_path, text)
        assert result.returncode == 3 and words in result.stderr, (text, result.stderr)
        assert re.search(r"recharged\.toml:\d+:\d+: tls\.", result.stderr), result.stderr
    ended = authority.sign("ended", at="2020-01-01", days=1)
    soon = authority.sign("soon", days=3)
    for bad, words in ((ended, "the certificate has ended on 2020-01-02T"), (soon, "the certificate ends on ")):
        result = check(tmp_path, authority.settings(bad))
        assert result.returncode == 0 and words in result.stderr, result.stderr


def test_tokens_beyond_loopback_need_tls(tmp_path, authority, pair):
    key = tmp_path / "token.key"
    key.write_text("a secret for tokens, of 40 bytes or more.")
    auth = f'[server]\nlisten = "0.0.0.0:0"\n[gateway.simulated]\nallow_simulated = true\n' \
           f'[auth]\nmode = "jwt"\nkeys = [{{kid = "1", algorithm = "HS256", file = "{key}"}}]\n'
    assert check(tmp_path, auth + authority.settings(pair)).returncode == 0
    refused = check(tmp_path, auth)
    assert refused.returncode == 3 and "tokens would be sent in the clear" in refused.stderr


def test_the_tool_speaks_https(server, authority, tmp_path):
    def tool(*arguments, ca=authority.file):
        options = ["--server", f"https://localhost:{server.address[1]}", *(["--ca-file", str(ca)] if ca else [])]
        return run_once(*options, *arguments, program=[binary("RECHARGE_BIN", "recharge")], timeout=60)

    placed = tool("order", "create", "--account", new_account(), "--amount", "5")
    assert placed.returncode == 0, placed.stderr
    secret = tmp_path / "secret"
    secret.write_text(Api(server.address).secret)
    load = tool("--secret-file", str(secret), "load", "--requests", "200", "--connections", "8")
    assert load.returncode == 0, load.stderr + load.stdout
    for command in (["balance", "13812345678"], ["load", "--mix", "balance", "--duration", "1"]):
        stranger = tool(*command, ca=None)
        assert stranger.returncode == 4 and "certificate" in stranger.stderr, stranger.stderr
    with pytest.raises((ssl.SSLError, http.client.HTTPException)):
        Api(server.address, context=ssl.create_default_context()).get("/livez")
