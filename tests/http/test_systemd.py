"""What systemd sees, played by the test: notifications, the watchdog, and a socket that outlives the server."""
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from api import Api, eventually, expect
from daemon import Daemon, binary, clean_environment, run_once
from faulty import broken_server, must_fail
from replies import REPOSITORY

UNITS = REPOSITORY / "tools" / "package"
WATCHDOG_S = 1.0
MAX_EXPOSURE = 1.5


class Manager:
    """A socket of notifications, as systemd has one."""

    def __init__(self, folder):
        self.path = str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.received = []

    def wait(self, text, within=5.0):
        """Until a message has this line; the seconds it took."""
        started = time.monotonic()
        while not any(text in message.split("\n") for message in self.received):
            left = within - (time.monotonic() - started)
            assert left > 0, f"no {text} in {self.received}"
            self.socket.settimeout(left)
            try:
                self.received.append(self.socket.recv(4096).decode())
            except socket.timeout:
                pass
        self.received = []
        return time.monotonic() - started


def notifications(folder, broken=None):
    manager = Manager(folder)
    env = {"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))}
    daemon = Daemon(folder / "own", "", env=env, **(broken_server(broken) if broken else {}))
    try:
        manager.wait("READY=1")
        for _ in range(8):  # twice as long as the watchdog waits, at the least
            assert manager.wait("WATCHDOG=1") < WATCHDOG_S / 2
        daemon.signal(signal.SIGHUP)
        manager.wait("RELOADING=1")
        manager.wait("READY=1")
        daemon.signal(signal.SIGTERM)
        manager.wait("STOPPING=1")
        assert daemon.wait() == 0
        daemon.process = None
    finally:
        if daemon.process is not None:
            daemon.process.kill()
            daemon.process.wait()


def test_notifications_and_watchdog(tmp_path):
    notifications(tmp_path)


def test_a_watchdog_that_no_loop_feeds_is_seen(tmp_path):
    must_fail(notifications, tmp_path, broken="without_beats")


# --- a socket that is handed over ------------------------------------------------------------------------------------

def start_with(listening, folder, config="", env=None):
    """A server that finds the socket at descriptor 3, as systemd gives it."""
    folder.mkdir(exist_ok=True)
    (folder / "recharged.toml").write_text(config)

    def hand_over():
        os.dup2(listening.fileno(), 3, inheritable=True)

    command = ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", binary(), "--data-dir", str(folder / "data"), "--config",
               str(folder / "recharged.toml"), "--threads", "2"]
    with open(folder / "stderr.log", "ab") as log:
        return subprocess.Popen(command, env=clean_environment({"LISTEN_FDS": "1"} | (env or {})), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=log, preexec_fn=hand_over, close_fds=False)


def listening_socket(host="127.0.0.1"):
    listening = socket.create_server((host, 0), backlog=1024)
    listening.set_inheritable(False)
    return listening


def test_a_restart_loses_no_connection(tmp_path):
    """Clients that connect anew for each request, and never try a second time, while the server is restarted five times."""
    listening = listening_socket()
    address, done, sent, failures = listening.getsockname(), threading.Event(), [0] * 4, []
    process = start_with(listening, tmp_path / "own")
    assert process.stdout.readline() == b"recharged listening on http://127.0.0.1:%d\n" % address[1]

    def ask(index):
        while not done.is_set():
            api = Api(address)
            try:
                expect(api.get("/api/check_balance?account=13812345678"), 200)
                sent[index] += 1
            except Exception as error:  # judged by the test's own thread
                failures.append(error)
            finally:
                api.close()

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            before = sum(sent)
            eventually(lambda: sum(sent) > before + 20)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            time.sleep(0.1)
            process = start_with(listening, tmp_path / "own")
            process.stdout.readline()
        before = sum(sent)
        eventually(lambda: sum(sent) > before + 20)
    finally:
        done.set()
        for thread in threads:
            thread.join()
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    print(f"{sum(sent)} connections over 5 restarts, {len(failures)} failures")
    assert failures == [], failures[:3]


def test_the_rules_of_listening_hold_for_a_socket_that_is_handed_over(tmp_path):
    process = start_with(listening_socket("0.0.0.0"), tmp_path / "own")
    assert process.wait(20) == 3
    assert "only loopback is listened on" in (tmp_path / "own" / "stderr.log").read_text()


def test_what_is_no_listening_socket_is_refused(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        process = start_with(other, tmp_path / "own")
        assert process.wait(20) == 3
        assert "no listening socket" in (tmp_path / "own" / "stderr.log").read_text()


# --- the unit --------------------------------------------------------------------------------------------------------

def exposure(unit):
    result = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)], capture_output=True,
                            text=True, check=False, timeout=60)
    match = re.search(r"Overall exposure level for \S+: ([0-9.]+)", result.stdout)
    assert match, result.stdout + result.stderr
    print(match[0])
    return float(match[1])


def test_the_sandbox(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not there")
    assert exposure(UNITS / "recharged.service") <= MAX_EXPOSURE
    weak = tmp_path / "recharged.service"
    text = (UNITS / "recharged.service").read_text()
    weak.write_text(text.replace("PrivateUsers=yes\n", "").replace("SystemCallFilter=@system-service\n", ""))
    assert exposure(weak) > MAX_EXPOSURE


def test_the_shipped_settings_are_good(tmp_path):
    text = (UNITS / "recharged.toml").read_text()
    folder = tmp_path / "credentials"
    folder.mkdir()
    file = tmp_path / "recharged.toml"
    file.write_text(text)
    assert run_once("check-config", "--config", str(file)).returncode == 0
    # And so are those that are proposed in it.
    for name in ("certificate.pem", "certificate.key"):
        text = re.sub(r"\n\[tls\]|\n# \[tls\]", "\n# [tls]", text)
    (folder / "keys_callback.secret").write_text("x" * 40)
    (folder / "keys_token.key").write_text("x" * 40)
    proposed = re.sub(r"(?m)^# (?=\[|[a-z_]+ = )", "", text)
    proposed = re.sub(r"(?s)\[tls\].*?(?=\n\[)", "", proposed)  # needs a certificate
    file.write_text(proposed)
    result = run_once("check-config", "--config", str(file), env={"CREDENTIALS_DIRECTORY": str(folder)})
    assert result.returncode == 0 and "[auth]\nmode" in proposed, result.stderr + proposed
