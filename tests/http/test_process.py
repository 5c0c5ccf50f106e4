"""recharged as a process: settings, exit codes, signals, restarts."""
import json
import os
import random
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


# --- configuration ---------------------------------------------------------------------------------------------------

def write(tmp_path, text):
    file = tmp_path / "recharged.toml"
    file.write_text(text, encoding="utf-8")
    return file


GOOD_CONFIG = SECRETS + """tolerance_s = 120
required_fields = ["order_id", "transaction_id", "amount", "status", "timestamp"]
[server]
listen = "127.0.0.1:0"
threads = 2
max_body_bytes = 4096
max_header_bytes = 8192
request_timeout_ms = 5000
drain_timeout_ms = 5000
[store]
kind = "lmdb"
[accounts]
pattern = "^[a-z]{1,20}$"
[orders]
currency = "CNY"
max_amount = "500.00"
expire_after_s = 60
late_payment = "review"
[auth]
mode = "off"
[gateway.simulated]
success_rate = 0.5
auto_callback = false
"""


def test_check_config_good(tmp_path):
    result = run_once("check-config", "--config", str(write(tmp_path, GOOD_CONFIG)))
    assert result.returncode == 0, result.stderr


def test_check_config_without_a_file():
    assert run_once("check-config").returncode == 0


BAD_CONFIGS = {
    # name: (text, line of the fault, what the message names)
    "no TOML": ("[server\n", 1, ""),
    "no value": ("[server]\nthreads =\n", 2, ""),
    "unknown table": ("[servers]\nthreads = 1\n", 1, "servers"),
    "unknown key": ("[server]\nthread = 1\n", 2, "thread"),
    "unknown key at the top": ("threads = 1\n", 1, "threads"),
    "unknown key of a secret": ('[callback]\nsecrets = [{id = "a", secrt = "x"}]\n', 2, "secrt"),
    "unknown key of a gateway": ('[gateway.simulated]\n\nrate = 1\n', 3, "rate"),
    "wrong type": ('[server]\nmax_body_bytes = "many"\n', 2, "max_body_bytes"),
    "negative threads": ("[server]\nthreads = -1\n", 2, "threads"),
    "too many threads": ("[server]\nthreads = 100000\n", 2, "threads"),
    "listen without a port": ('[server]\nlisten = "127.0.0.1"\n', 2, "listen"),
    "listen port too large": ('[server]\nlisten = "127.0.0.1:65536"\n', 2, "listen"),
    "bad pattern": ('[accounts]\npattern = "("\n', 2, "pattern"),
    "max_amount as a fraction": ("[orders]\nmax_amount = 0.1\n", 2, "max_amount"),
    "malformed max_amount": ('[orders]\nmax_amount = "1.234"\n', 2, "max_amount"),
    "late_payment": ('[orders]\nlate_payment = "keep"\n', 2, "late_payment"),
    "currency": ('[orders]\ncurrency = "cny"\n', 2, "currency"),
    "success_rate above one": ("[gateway.simulated]\nsuccess_rate = 1.5\n", 2, "success_rate"),
    "empty secret": ('[callback]\nsecrets = [{id = "a", secret = ""}]\n', 2, "secret"),
    "secret twice": ('[callback]\nsecrets = [{id = "a", secret = "x", secret_file = "/x"}]\n', 2, "secret"),
    "secret without a value": ('[callback]\nsecrets = [{id = "a"}]\n', 2, "secret"),
    "two secrets of one id": ('[callback]\nsecrets = [{id = "a", secret = "x"}, {id = "a", secret = "y"}]\n', 2, "a"),
    "secret file missing": ('[callback]\nsecrets = [{id = "a", secret_file = "/nonexistent/secret"}]\n', 2, "/nonexistent/secret"),
    "tolerance_s negative": ("[callback]\ntolerance_s = -1\n", 2, "tolerance_s"),
    "store kind postgres": ('[store]\nkind = "postgres"\n', 2, "not in this build"),
    "store kind unknown": ('[store]\nkind = "files"\n', 2, "kind"),
    "auth mode unknown": ('[auth]\nmode = "basic"\n', 2, "mode"),
    "gateway without a kind": ("[gateway.mine]\n", 1, "kind"),
    "gateway kind unknown": ('[gateway.mine]\nkind = "paypal"\n', 2, "kind"),
    "gateway kind alipay": ('[gateway.alipay]\nkind = "alipay"\n', 2, "not in this build"),
    "gateway kind wechat": ('[gateway.wechat]\nkind = "wechat"\n', 2, "not in this build"),
    "gateway kind stripe": ('[gateway.stripe]\nkind = "stripe"\n', 2, "not in this build"),
    "native gateway without a secret": ('[gateway.mine]\nkind = "native"\n', 1, "secret"),
}


@pytest.mark.parametrize("name", BAD_CONFIGS)
def test_bad_config_exits_3_and_says_where(tmp_path, name):
    text, line, named = BAD_CONFIGS[name]
    file = write(tmp_path, text)
    for command in (["check-config", "--config", str(file)],
                    ["--config", str(file), "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data")]):
        result = run_once(*command)
        assert result.returncode == 3, result
        output = result.stdout + result.stderr
        position = re.search(re.escape(str(file)) + r":(\d+):(\d+)", output)
        assert position, f"no file:line:column in {output!r}"
        assert int(position[1]) == line, output
        assert named in output
    assert not (tmp_path / "data").exists()


def test_missing_config_file(tmp_path):
    result = run_once("--config", str(tmp_path / "none.toml"))
    assert result.returncode == 3 and "none.toml" in result.stderr


def test_secret_stays_out_of_messages(tmp_path):
    secret = "hunter2-secret-value"
    file = write(tmp_path, f'[callback]\nsecrets = [{{id = "a", secret = "{secret}", bogus = 1}}]\n')
    result = run_once("check-config", "--config", str(file))
    assert result.returncode == 3 and secret not in result.stdout + result.stderr


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--threads"], ["--threads", "x"], ["stray"], ["--listen"]],
                         ids=" ".join)
def test_usage_errors_exit_2(arguments):
    result = run_once(*arguments)
    assert result.returncode == 2 and result.stderr


def test_help_and_version():
    result = run_once("--help")
    assert result.returncode == 0
    for flag in ("--config", "--listen", "--data-dir", "--threads", "--version", "check-config"):
        assert flag in result.stdout
    result = run_once("--version")
    assert result.returncode == 0 and re.search(r"\d+\.\d+\.\d+", result.stdout)


def test_listening_beyond_loopback_is_refused(tmp_path):
    """Without auth, and with the simulated gateway."""
    result = run_once("--listen", "0.0.0.0:0", "--data-dir", str(tmp_path / "data"))
    assert result.returncode == 3, result
    config = write(tmp_path, SECRETS + "[auth]\nallow_open = true\n")
    result = run_once("--config", str(config), "--listen", "0.0.0.0:0", "--data-dir", str(tmp_path / "data"))
    assert result.returncode == 3 and "simulated" in result.stderr


def test_environment_beats_the_file_and_a_flag_beats_both(start_server):
    config = '[orders]\nmax_amount = "10.00"\n[accounts]\npattern = "^[a-z]+$"\n'
    daemon = start_server(config, env={"RECHARGED_ORDERS__MAX_AMOUNT": "20.00", "RECHARGED_SERVER__LISTEN": "127.0.0.1:1"})
    api = Api(daemon.address)
    expect(api.post("/api/place_order", {"account": "anna", "amount": "20.00"}), 200)
    expect(api.post("/api/place_order", {"account": "anna", "amount": "20.01"}), 400, error="invalid_amount")


def test_unknown_environment_setting(tmp_path):
    result = run_once("check-config", env={"RECHARGED_ORDERS__MAX_AMOUNTS": "1"})
    assert result.returncode == 3 and "RECHARGED_ORDERS__MAX_AMOUNTS" in result.stderr


def test_port_in_use(tmp_path, server):
    result = run_once("--listen", "%s:%d" % server.address, "--data-dir", str(tmp_path / "data"))
    assert result.returncode == 1 and str(server.address[1]) in result.stderr


# --- the data folder -------------------------------------------------------------------------------------------------

def test_second_instance_is_refused(server):
    started = time.monotonic()
    result = run_once("--listen", "127.0.0.1:0", "--data-dir", str(server.data_dir))
    assert result.returncode == 4 and time.monotonic() - started < 2
    assert str(server.data_dir) in result.stderr
    expect(Api(server.address).get("/readyz"), 200)


def test_folder_of_something_else(tmp_path):
    (tmp_path / "data").write_text("a file")
    assert run_once("--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data")).returncode == 4


def test_currency_is_fixed_with_the_folder(start_server):
    daemon = start_server()
    daemon.stop()
    config = write(daemon.folder, SECRETS + '[orders]\ncurrency = "EUR"\n')
    result = run_once("--config", str(config), "--listen", "127.0.0.1:0", "--data-dir", str(daemon.data_dir))
    assert result.returncode in (3, 4) and "currency" in result.stderr.lower()


def books(api, accounts):
    """Everything that can be read about these accounts."""
    seen = {"exceptions": api.exceptions(), "sum": api.ledger_sum()}
    for account in accounts:
        orders = api.pages(f"/api/orders?account={account}", 100)
        seen[account] = (api.balance(account), api.entries(account), orders,
                         [api.get(f"/api/orders/{order['order_id']}/explain").body for order in orders])
    return seen


def lively_history(api, count=12):
    accounts = [new_account() for _ in range(count)]
    for number, account in enumerate(accounts):
        order_id, transaction_id = api.credit(account, f"{number + 1}.50")
        expect(api.callback(order_id, amount=f"{number + 1}.50"), 200, exception="duplicate_payment")
        api.place(account)
        expect(api.close_order(api.place(account)), 200)
        expect(api.pay(api.place(account)), 200)
        expect(api.callback(api.place(account), status="fail"), 200)
        expect(api.debit(account, "d", "0.50"), 200)
        if number % 2:
            expect(api.refund(order_id, "r", "1.00"), 200)
            found = api.exceptions(order_id)[0]
            expect(api.resolve(found["exception_id"], ("credit", "refund", "dismiss")[number % 3]), 200)
        del transaction_id
    return accounts


def test_any_number_of_threads_shows_the_same_books(start_server):
    daemon = start_server(arguments=["--threads", "2"])
    api = Api(daemon.address)
    accounts = lively_history(api)
    before = books(api, accounts)
    assert before["sum"] == 0
    for threads in ("1", "4", "2", "3"):
        daemon.restart(arguments=["--threads", threads])
        api = Api(daemon.address)
        assert books(api, accounts) == before, f"--threads {threads}"
        for account in accounts[:2]:  # and goes on from there
            api.credit(account, "1.00")
        before = books(api, accounts)


@pytest.mark.parametrize("kill", [False, True], ids=["SIGTERM", "SIGKILL"])
def test_restart_keeps_everything(start_server, kill):
    daemon = start_server()
    api = Api(daemon.address)
    accounts = lively_history(api)
    before = books(api, accounts)
    for _ in range(3):
        daemon.restart(kill=kill)
        assert daemon.ready_seconds < 5
        assert books(Api(daemon.address), accounts) == before


def test_kill_keeps_every_acknowledged_reply(start_server):
    """The small form of tests/crash: clients note what was acknowledged, and all of it is there afterwards."""
    daemon = start_server()
    rng = random.Random(int(os.environ.get("RECHARGE_SEED", "7")))
    credited = []
    for _ in range(3):
        address, stop = daemon.address, threading.Event()

        def work(_):
            api = Api(address)
            while not stop.is_set():
                try:
                    account = new_account()
                    order_id, transaction_id = api.credit(account, "3.00")
                    credited.append((account, order_id, transaction_id))
                except OSError:
                    return
                except Exception as error:  # http.client's own, once the process is gone
                    if not stop.is_set():
                        raise error
                    return

        threads = [threading.Thread(target=work, args=(index,)) for index in range(16)]
        for thread in threads:
            thread.start()
        time.sleep(rng.uniform(0.3, 0.8))
        stop.set()
        daemon.kill()
        for thread in threads:
            thread.join()
        daemon.start()
        assert daemon.ready_seconds < 5
        api = Api(daemon.address)
        assert credited
        for account, order_id, transaction_id in credited:
            order = api.order(order_id)
            assert (order["status"], order["transaction_id"]) == ("recharged", transaction_id)
            assert api.balance(account) == 3
        assert api.ledger_sum() == 0


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
