"""The package under a systemd of its own: a Debian made by debootstrap and booted by systemd-nspawn.

RECHARGE_LONG=1, for it takes two minutes and needs root and a mirror of Debian (RECHARGE_MIRROR names another one).
"""
import json
import os
import subprocess
import time

import pytest

from test_package import LONG, System, make, need, run
from signing import callback_fields, signed_body

ACCOUNT = "13812345678"
PROBES = """
while [ ! -e /root/stop ]; do n=$((n + 1)); curl -sS -f -o /dev/null --max-time 20 http://127.0.0.1:8080/livez || bad=$((bad + 1)); done
echo "$n ${bad:-0}"
"""


def eventually(condition, within):
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, "not within the time"
        time.sleep(0.2)


class Machine:
    """A booted system; commands are run inside, in all its namespaces."""

    def __init__(self, folder, log):
        self.folder = folder
        with open(log, "wb") as out:
            self.process = subprocess.Popen(["systemd-nspawn", "-q", "-D", folder, "-M", "recharge-test", "--boot", "--register=no", "--keep-unit",
                                             "--private-network"], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        eventually(self.leader, 20)
        try:
            eventually(lambda: self.is_active() or self.process.poll() is not None, 60)
            assert self.is_active(), log.read_text(errors="replace")[-2000:]
        except BaseException:
            self.stop()
            raise

    def leader(self):
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        return next(iter(open(children).read().split()), None)

    def inside(self, *command):
        return ["nsenter", "-t", self.leader(), "-m", "-u", "-i", "-n", "-p", "-C", *command]

    def run(self, *command):
        return run(*self.inside(*command)).strip()

    def is_active(self):
        asked = subprocess.run(self.inside("systemctl", "is-active", "recharged.service"), capture_output=True, text=True, check=False)
        return asked.stdout == "active\n"

    def show(self, name):
        return self.run("systemctl", "show", "-p", name, "--value", "recharged.service")

    def ask(self, path, body=None):
        more = () if body is None else ("-d", body.decode() if isinstance(body, bytes) else body)
        return json.loads(self.run("curl", "-sS", "--max-time", "30", *more, f"http://127.0.0.1:8080{path}"))

    def balance(self):
        return self.ask(f"/api/check_balance?account={ACCOUNT}")["balance"]

    def stop(self):
        self.process.terminate()  # a clean power-off
        try:
            assert self.process.wait(60) == 0
        finally:
            self.process.kill()


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    if not LONG:
        pytest.skip("two minutes: RECHARGE_LONG=1")
    need("debootstrap")
    need("systemd-nspawn")
    if os.getuid() != 0:
        pytest.skip("systemd-nspawn needs root")
    made = System(tmp_path_factory.mktemp("booted"), "ca-certificates,systemd,systemd-sysv,dbus,curl")
    made.folder.chmod(0o755)  # its root folder: users other than root have to come in
    made.install(make(tmp_path_factory.mktemp("package")))
    return made


@pytest.fixture
def machine(system, tmp_path):
    booted = Machine(system.folder, tmp_path / "nspawn.log")
    yield booted
    booted.stop()


def test_service(machine):
    """The unit as it is shipped, with all of its sandbox: an order is credited, and what ends the process is survived."""
    assert machine.show("DynamicUser") == "yes" and machine.show("User") == "recharged"
    order = machine.ask("/api/place_order", json.dumps({"account": ACCOUNT, "amount": "50.00"}))["order_id"]
    secret = machine.run("cat", "/var/lib/recharged/callback.secret")
    callback = signed_body(callback_fields(order, "txn-1", amount="50.00"), secret)
    assert machine.ask("/api/payment_callback", callback)["msg"] == "Recharge succeeded"

    machine.run("systemctl", "reload", "recharged.service")
    eventually(lambda: "settings reloaded" in machine.run("journalctl", "-u", "recharged", "--no-pager"), 5)
    assert machine.show("NRestarts") == "0"

    machine.run("systemctl", "kill", "-s", "KILL", "recharged.service")
    eventually(lambda: machine.show("NRestarts") == "1" and machine.is_active(), 20)
    assert machine.balance() == 50.0

    # Its event loops stand still: the watchdog ends it.
    machine.run("sh", "-c", f"kill -STOP {machine.show('MainPID')}")
    stopped = time.monotonic()
    eventually(lambda: machine.show("NRestarts") == "2" and machine.is_active(), 60)
    print(f"the watchdog ended it after {time.monotonic() - stopped:.0f} s")
    assert machine.balance() == 50.0


def test_no_connection_is_lost_over_restarts(machine):
    (machine.folder / "root" / "stop").unlink(missing_ok=True)
    probes = subprocess.Popen(machine.inside("sh", "-c", PROBES), stdout=subprocess.PIPE, text=True)
    for _ in range(5):
        machine.run("systemctl", "restart", "recharged.service")
        time.sleep(0.3)
    (machine.folder / "root" / "stop").touch()
    asked, failed = map(int, probes.communicate(timeout=60)[0].split())
    print(f"{asked} probes over 5 restarts, {failed} failed")
    assert asked > 20 and failed == 0


def test_a_credential_is_the_secret(system, tmp_path):
    """A file in /etc/recharged/keys that only root reads; the settings name the credential that systemd makes of it."""
    key, settings = system.folder / "etc/recharged/keys/callback.secret", system.folder / "etc/recharged/recharged.toml"
    key.write_text("a secret of the shop, of thirty-two bytes")
    key.chmod(0o400)
    shipped = settings.read_text()
    settings.write_text(shipped + '[callback]\nsecrets = [{id = "main", secret_file = "$CREDENTIALS_DIRECTORY/keys_callback.secret"}]\n')
    machine = None
    try:
        machine = Machine(system.folder, tmp_path / "nspawn.log")
        order = machine.ask("/api/place_order", json.dumps({"account": ACCOUNT, "amount": "1.00"}))["order_id"]
        before = machine.balance()
        callback = callback_fields(order, "txn-2", amount="1.00")
        assert machine.ask("/api/payment_callback", signed_body(callback, "of nobody here, but of thirty-two bytes"))["code"] == 403
        assert machine.ask("/api/payment_callback", signed_body(callback, key.read_text()))["msg"] == "Recharge succeeded"
        assert machine.balance() == before + 1
    finally:
        settings.write_text(shipped)
        if machine is not None:
            machine.stop()
