"""The Debian package: what lintian says of it, and its whole life in a system made by debootstrap.

RECHARGE_LONG=1: installed, started by its unit's command, upgraded, removed and purged in such a system; a minute, and it
needs a mirror of Debian. RECHARGE_MIRROR names another one.
"""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "http"))
from signing import callback_fields, signed_body  # noqa: E402

BUILD = Path(os.environ.get("RECHARGE_BUILD") or ROOT / "build" / "release")
LONG = bool(os.environ.get("RECHARGE_LONG"))
MIRROR = os.environ.get("RECHARGE_MIRROR", "http://deb.debian.org/debian")
UNIT = ROOT / "tools" / "package" / "recharged.service"


def need(program):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not there")


def run(*command, **options):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=600, **options)
    assert result.returncode == 0, f"{command}\n{result.stdout[-3000:]}{result.stderr[-3000:]}"
    return result.stdout


def make(folder, release=1):
    need("dpkg-shlibdeps")
    run("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", folder, "-D", f"CPACK_DEBIAN_PACKAGE_RELEASE={release}")
    (package,) = folder.glob("recharge_*.deb")
    return package


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return make(tmp_path_factory.mktemp("package"))


def lint(package):
    """The errors that lintian names."""
    need("lintian")
    result = subprocess.run(["lintian", "--no-cfg", "--allow-root", str(package)], capture_output=True, text=True, check=False,
                            timeout=300)
    print(result.stdout)
    return [line for line in result.stdout.splitlines() if line.startswith("E:")]


def test_lintian_finds_no_error(package):
    assert lint(package) == []


def test_lintian_would_find_one(package, tmp_path):
    """The same package without its copyright and with a file that anybody may write."""
    run("dpkg-deb", "-R", package, tmp_path / "files")
    (tmp_path / "files/usr/share/doc/recharge/copyright").unlink()
    (tmp_path / "files/etc/recharged/recharged.toml").chmod(0o666)
    run("dpkg-deb", "-b", "--root-owner-group", tmp_path / "files", tmp_path / "bad.deb")
    assert lint(tmp_path / "bad.deb")


def test_contents(package):
    listing = run("dpkg-deb", "-c", package)
    for name in ("usr/sbin/recharged", "usr/bin/recharge", "lib/systemd/system/recharged.service", "etc/recharged/recharged.toml",
                 "lib/systemd/system/recharged.socket", "usr/share/man/man8/recharged.8.gz", "usr/share/man/man1/recharge.1.gz",
                 "usr/share/bash-completion/completions/recharge", "usr/share/zsh/vendor-completions/_recharge",
                 "usr/share/fish/vendor_completions.d/recharge.fish"):
        assert f"./{name}\n" in listing, name
    assert re.search(r"drwx------ root/root .* \./etc/recharged/keys/", listing), listing
    assert "/etc/recharged/recharged.toml" in run("dpkg-deb", "-I", package, "conffiles")


def test_the_man_page_names_every_verb(package, tmp_path):
    run("dpkg-deb", "-x", package, tmp_path)
    page = run("zcat", tmp_path / "usr/share/man/man1/recharge.1.gz")
    verbs = re.findall(r"^  (\w+) {2,}", run(tmp_path / "usr/bin/recharge", "--help").split("Subcommands:")[1], re.M)
    assert len(verbs) > 10
    for verb in verbs:
        assert f"\n.B {verb}\n" in page
    for page in ("man1/recharge.1.gz", "man8/recharged.8.gz"):
        warnings = subprocess.run(f"zcat {tmp_path}/usr/share/man/{page} | man --warnings -E UTF-8 -l -Tutf8 -Z - >/dev/null",
                                  shell=True, capture_output=True, text=True, check=False, env={**os.environ, "MANROFFSEQ": ""})
        assert warnings.stderr == "", warnings.stderr


# --- a system of its own ---------------------------------------------------------------------------------------------

class System:
    def __init__(self, folder, packages="ca-certificates"):
        self.folder = folder
        run("debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", folder, MIRROR)
        (folder / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
        (folder / "usr/sbin/policy-rc.d").chmod(0o755)

    def run(self, *command):
        return run("chroot", self.folder, "/usr/bin/env", "DEBIAN_FRONTEND=noninteractive", *command)

    def install(self, package):
        shutil.copy(package, self.folder / "tmp")
        self.run("apt-get", "install", "-y", "--no-install-recommends", f"/tmp/{package.name}")

    def start(self):
        """By the command of its unit, with the socket, folder and notification that systemd would give."""
        (command,) = re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), re.M)
        data = self.folder / "var/lib/recharged"
        data.mkdir(mode=0o700, exist_ok=True)
        self.listening = socket.create_server(("127.0.0.1", 0))
        fd = self.listening.fileno()
        return subprocess.Popen(
            ["chroot", self.folder, "sh", "-c", f"RECHARGED_STORE__DATA_DIR=/var/lib/recharged LISTEN_FDS=1 LISTEN_PID=$$ exec {command}"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=lambda: os.dup2(fd, 3, inheritable=True), close_fds=False)

    def ask(self, method, path, body=None):
        import http.client
        connection = http.client.HTTPConnection(*self.listening.getsockname(), timeout=20)
        connection.request(method, path, body)
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())


def life(package, upgrade, folder):
    system = System(folder)
    system.install(package)
    settings = folder / "etc/recharged/recharged.toml"
    settings.write_text(settings.read_text() + "# mine\n")
    process = system.start()
    assert process.stdout.readline().startswith(b"recharged listening on http://127.0.0.1:")
    account = "13812345678"
    status, order = system.ask("POST", "/api/place_order", json.dumps({"account": account, "amount": "5.00"}))
    assert status == 200, order
    secret = (folder / "var/lib/recharged/callback.secret").read_text().strip()
    fields = callback_fields(order["order_id"], "txn-1", amount="5.00")
    assert system.ask("POST", "/api/payment_callback", signed_body(fields, secret))[0] == 200
    process.terminate()
    assert process.wait(20) == 0

    system.install(upgrade)
    assert system.run("dpkg-query", "-W", "-f", "${Version}", "recharge").endswith("-2")
    assert settings.read_text().endswith("# mine\n")
    process = system.start()
    process.stdout.readline()
    assert system.ask("GET", f"/api/check_balance?account={account}")[1]["balance"] == 5.0
    process.terminate()
    assert process.wait(20) == 0

    system.run("apt-get", "remove", "-y", "recharge")
    assert settings.exists() and (folder / "var/lib/recharged/FORMAT").exists()
    system.run("apt-get", "purge", "-y", "recharge")
    left = run("find", folder / "etc", folder / "var/lib", folder / "usr", folder / "lib/", "-iname", "*recharge*", "-not", "-path",
               "*/apt/*")
    assert left == "", left


def test_life_in_a_system_of_its_own(package, tmp_path_factory):
    if not LONG:
        pytest.skip("a minute: RECHARGE_LONG=1")
    need("debootstrap")
    if os.getuid() != 0:
        pytest.skip("debootstrap needs root")
    started = time.monotonic()
    life(package, make(tmp_path_factory.mktemp("upgrade"), release=2), tmp_path_factory.mktemp("system"))
    print(f"{time.monotonic() - started:.0f} s")
