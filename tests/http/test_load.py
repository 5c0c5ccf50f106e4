"""recharge load as scripts use it: step by step, beside another server, and without looking at the books. What it says of the
books is worth something only if lost orders are noticed: a server that comes back empty must be."""
import http.server
import json
import shutil
import subprocess
import threading

import pytest

from daemon import Daemon, binary, clean_environment

SMALL = ["--requests", "300", "--connections", "8", "--accounts", "50"]


class Stepwise:
    """A load that waits at each step."""

    def __init__(self, daemon, *options):
        self.process = subprocess.Popen(
            [binary("RECHARGE_BIN", "recharge"), "--server", daemon.url, "--secret-file",
             str(daemon.data_dir / "callback.secret"), "--json", "load", "--stepwise", *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=clean_environment())

    def line(self):
        return self.process.stdout.readline().rstrip("\n")

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def finish(self):
        self.process.stdin.close()
        rest = self.process.stdout.read()
        self.process.stdout.close()
        return self.process.wait(20), json.loads(rest) if rest else None


class Fixed(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    status = 200
    bodies = []

    def do_POST(self):
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


@pytest.fixture(name="other")
def other_server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fixed)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Fixed.bodies, Fixed.status = [], 200
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


class SamePort(Daemon):
    """Comes back where it was, as the load expects it."""
    address = None

    def command(self):
        command = super().command()
        if self.address:
            command[command.index("--listen") + 1] = f"{self.address[0]}:{self.address[1]}"
        return command


@pytest.fixture(name="daemon")
def own_daemon(tmp_path):
    with_port = SamePort(tmp_path)
    yield with_port
    if with_port.running():
        with_port.kill()


def restart_after_kill(daemon, empty):
    daemon.process.kill()
    daemon.process.wait()
    daemon.process.stdout.close()
    if empty:
        secret = (daemon.data_dir / "callback.secret").read_bytes()
        shutil.rmtree(daemon.data_dir)
        daemon.data_dir.mkdir()
        (daemon.data_dir / "callback.secret").write_bytes(secret)
    daemon.start()


@pytest.mark.parametrize("empty", [False, True], ids=["kept", "lost"])
def test_books_are_looked_up_in_the_restarted_server(daemon, empty):
    load = Stepwise(daemon, *SMALL)
    assert load.line() == "step measure"
    load.go_on()
    assert load.line() == "step books"
    restart_after_kill(daemon, empty)
    load.go_on()
    code, report = load.finish()
    assert report["replies"] == 300
    assert report["books"]["balanced"] is not empty, report
    assert (code == 0) is not empty


def test_the_same_requests_go_to_another_server_first(daemon, other):
    load = Stepwise(daemon, *SMALL, "--beside", other)
    for step in ("beside", "measure", "books"):
        assert load.line() == f"step {step}"
        load.go_on()
    code, report = load.finish()
    assert code == 0 and report["books"]["balanced"] and report["books"]["orders"] == 300
    assert report["beside"]["replies"] == 300 and report["beside"]["status"] == {"200": 300}
    sent = [json.loads(body) for body in Fixed.bodies]
    assert len({body["order_id"] for body in sent}) == 300 and all(len(body["signature"]) == 64 for body in sent)


def test_another_server_that_refuses_gives_no_result(daemon, other):
    Fixed.status = 503
    load = Stepwise(daemon, *SMALL, "--beside", other)
    assert load.line() == "step beside"
    load.go_on()
    code, report = load.finish()
    assert code == 1 and report is None


def test_a_script_that_goes_away_ends_the_load(daemon):
    load = Stepwise(daemon, *SMALL)
    assert load.line() == "step measure"
    code, report = load.finish()
    assert code == 1 and report is None


def test_a_store_is_filled_without_looking_at_the_books(daemon):
    load = Stepwise(daemon, *SMALL, "--no-books", "--setup-pipeline", "1")
    assert load.line() == "step measure"
    load.go_on()
    code, report = load.finish()
    assert code == 0 and report["replies"] == 300 and report["books"] is None


def test_a_server_killed_in_mid_load_is_asked_again(daemon):
    load = Stepwise(daemon, "--orders", "20000", "--duration", "5", "--accounts", "50", "--tolerate-disconnect")
    assert load.line() == "step measure"
    load.go_on()
    threading.Timer(0.1, daemon.process.kill).start()
    assert load.line() == "step books"
    restart_after_kill(daemon, empty=False)
    load.go_on()
    code, report = load.finish()
    assert code == 0 and report["books"]["balanced"] and 0 < report["replies"] < 20000
