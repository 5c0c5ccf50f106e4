"""recharged as a process: signals, drain, reload, and what it tells its surroundings."""
import json
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

import signing
from api import Api, eventually, expect, in_threads, new_account, new_transaction
from conftest import SECRETS
from daemon import Daemon, binary, clean_environment, run_once
from signing import callback_fields, signed_body
from wire import ConnectionEnded, Wire, request_bytes


# --- signals ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_cleanly(start_server, number):
    daemon = start_server()
    Api(daemon.address).credit()
    daemon.signal(number)
    assert daemon.wait() == 0
    daemon.process = None


@pytest.mark.parametrize("round_number", range(3))
def test_drain_under_load_resets_nobody(start_server, round_number):
    """Each connection ends either between two replies or with 503 draining; what was acknowledged is there."""
    daemon = start_server()
    placed, problems = [], []

    def work(_):
        try:
            with Wire(daemon.address) as connection:
                while True:
                    account = new_account()
                    request = request_bytes("POST", "/api/place_order", f'{{"account":"{account}","amount":1}}'.encode())
                    try:
                        connection.send(request)
                        reply = connection.read_reply("POST", "/api/place_order")
                    except ConnectionEnded as end:
                        if end.partial:
                            problems.append(f"cut reply {end.partial!r}")
                        return
                    if reply.status == 503:
                        expect(reply, 503, error="draining")
                        return
                    placed.append((account, expect(reply, 200)["order_id"]))
                    if (reply.header("connection") or "").lower() == "close":
                        return
        except BrokenPipeError:
            pass  # it had closed between two requests, before this one was sent
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(32)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    for thread in threads:
        thread.join()
    resets = [p for p in problems if isinstance(p, ConnectionResetError)]
    assert not problems, f"{len(resets)} resets of {len(problems)} problems: {problems[:3]}"
    daemon.start()
    api = Api(daemon.address)
    for account, order_id in placed:
        assert api.order(order_id)["account"] == account


def test_half_received_request_at_drain_gets_an_answer(start_server):
    daemon = start_server()
    body = f'{{"account":"{new_account()}","amount":1}}'.encode()
    request = request_bytes("POST", "/api/place_order", body)
    with Wire(daemon.address) as connection:
        connection.send(request[:-10])
        time.sleep(0.2)
        daemon.signal(signal.SIGTERM)
        time.sleep(0.2)
        connection.send_tolerant(request[-10:])
        reply = connection.read_reply("POST", "/api/place_order")
        assert reply.status == 200 or expect(reply, 503, error="draining")
    assert daemon.wait() == 0
    daemon.process = None


def test_drain_ends_in_time_whatever_clients_do(start_server):
    daemon = start_server("[server]\ndrain_timeout_ms = 1000\n")
    idle = [socket.create_connection(daemon.address) for _ in range(5)]
    stuck = Wire(daemon.address)
    stuck.send(b"POST /api/place_order HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
    time.sleep(0.2)
    started = time.monotonic()
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    assert time.monotonic() - started < 4
    daemon.process = None
    for connection in idle:
        connection.close()
    stuck.close()


def test_readyz_says_draining(start_server):
    """On a connection that was open before; new ones may be refused."""
    daemon = start_server("[server]\ndrain_timeout_ms = 3000\n")
    with Wire(daemon.address) as holder, Wire(daemon.address) as connection:
        holder.send(b"POST /api/place_order HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
        connection.send(b"GET /readyz HTTP/1.1\r\nHost: x\r\n")
        time.sleep(0.2)
        daemon.signal(signal.SIGTERM)
        time.sleep(0.3)
        connection.send(b"\r\n")
        expect(connection.read_reply("GET", "/readyz"), 503, error="draining")
    assert daemon.wait() == 0
    daemon.process = None


def test_sighup_reloads_the_secret_file(start_server, tmp_path):
    secret_file = tmp_path / "secret"
    secret_file.write_text("the first secret\n")
    daemon = start_server(f'[callback]\nsecrets = [{{id = "k", secret_file = "{secret_file}"}}]\n', secrets=False)
    first, second = Api(daemon.address, "the first secret"), Api(daemon.address, "the second secret")
    first.credit()
    order_id = first.place()
    expect(second.callback(order_id), 403, error="invalid_signature")
    secret_file.write_text("the second secret\n")
    expect(second.callback(order_id), 403, error="invalid_signature")
    daemon.signal(signal.SIGHUP)
    eventually(lambda: second.callback(order_id, "after-reload").status == 200, within=2)
    expect(first.callback(first.place()), 403, error="invalid_signature")

    secret_file.write_text("")  # a bad file keeps the old settings
    daemon.signal(signal.SIGHUP)
    eventually(lambda: str(secret_file) in daemon.log_tail(), within=2)
    second.credit()
    assert daemon.running()
    log = daemon.log_file.read_text()
    assert "the first secret" not in log and "the second secret" not in log


def test_sighup_with_a_bad_file_keeps_the_settings_and_says_why(start_server):
    daemon = start_server('[orders]\nmax_amount = "10.00"\n')
    api = Api(daemon.address)
    daemon.config_file.write_text(SECRETS + '[orders]\nmax_amount = "x"\n')
    daemon.signal(signal.SIGHUP)
    eventually(lambda: "max_amount" in daemon.log_tail())
    expect(api.post("/api/place_order", {"account": new_account(), "amount": "10.01"}), 400)
    expect(api.post("/api/place_order", {"account": new_account(), "amount": "10.00"}), 200)
    daemon.config_file.write_text(SECRETS + '[orders]\nmax_amount = "20.00"\n')
    daemon.signal(signal.SIGHUP)
    eventually(lambda: api.post("/api/place_order", {"account": new_account(), "amount": "20.00"}).status == 200)


def test_reload_under_load_refuses_no_valid_callback(start_server):
    daemon = start_server()
    stop = threading.Event()

    def reload(_):
        for _ in range(20):
            daemon.signal(signal.SIGHUP)
            time.sleep(0.05)
        stop.set()

    def work(index):
        if index == 0:
            return reload(index)
        api = Api(daemon.address)
        while not stop.is_set():
            api.credit()

    in_threads(5, work)


# --- what the process tells ------------------------------------------------------------------------------------------

def test_tells_systemd(tmp_path):
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(tmp_path / "notify"))
    notify.settimeout(10)
    daemon = Daemon(tmp_path / "own", SECRETS, env={"NOTIFY_SOCKET": str(tmp_path / "notify")})
    try:
        assert b"READY=1" in notify.recv(4096)
        daemon.signal(signal.SIGTERM)
        assert b"STOPPING=1" in notify.recv(4096)
    finally:
        daemon.stop()
        notify.close()


def test_stdout_has_one_line_and_stderr_json_lines(tmp_path):
    process = subprocess.Popen([binary(), "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data")],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment())
    line = process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    out, log = process.communicate(timeout=20)
    assert process.returncode == 0
    assert re.fullmatch(r"recharged listening on http://127\.0\.0\.1:\d+\n", line + out)
    assert log
    for entry in log.splitlines():
        assert isinstance(json.loads(entry), dict)


def test_data_is_private(server):
    assert server.data_dir.stat().st_mode & 0o007 == 0


def test_secret_of_hex_digits_is_text(start_server, tmp_path):
    """Hex is not decoded: the text of the secret is the key."""
    (tmp_path / "key").write_text(signing.VECTOR_SECRET + "\n")
    daemon = start_server(f'[callback]\nsecrets = [{{id = "k", secret_file = "{tmp_path}/key"}}]\n', secrets=False)
    api = Api(daemon.address)
    order_id = api.place()
    body = signed_body(callback_fields(order_id, new_transaction()), signing.VECTOR_SECRET)
    expect(api.post("/api/payment_callback", body), 200, msg="Recharge succeeded")


def test_port_in_use(tmp_path, server):
    result = run_once("--listen", "%s:%d" % server.address, "--data-dir", str(tmp_path / "data"))
    assert result.returncode == 1 and str(server.address[1]) in result.stderr
