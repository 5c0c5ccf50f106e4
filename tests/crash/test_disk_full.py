"""A disk that fills up: changes answer 503 storage_full with Retry-After, callbacks their gateway's own refusal, reads go on, and
when space is freed changes are taken again within 5 s. On ext4 in a loop device and on a small tmpfs.
"""
import contextlib
import errno
import os
import subprocess
import time

import pytest

from api import Api
from daemon import Daemon, run_once, slowdown
from faults import need, seeded
from oracle import CONFIG, Load, check, check_all, check_that_it_fails, client, serving, settle
from test_gateway_answers import Sending, check_refused, every_gateway

DISK_BYTES = 160 << 20  # what is freed lasts for the load's last moments, and for sending all of it again
ROOM_BYTES = 26 << 20  # with the ballast: the first two segments of 8 MiB, and little more
EVIDENCE_BYTES = 40000
FILLED = {"native": "note", "alipay": "passback_params", "wechat": "attach", "stripe": "note", "standard": "note"}
AGAIN_WITHIN_S = 5.0 * slowdown()
READ_WITHIN_S = 1.0  # without a sanitizer


@contextlib.contextmanager
def small_disk(kind, folder):
    need("mount", *(["mkfs.ext4"] if kind == "ext4" else []), root=True)
    mounted = folder / "mounted"
    mounted.mkdir()
    if kind == "ext4":
        image = folder / "image"
        subprocess.run(["truncate", "-s", str(DISK_BYTES), image], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-J", "size=4", image], check=True)
        command = ["mount", "-o", "loop", image, mounted]
    else:
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", mounted]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        pytest.skip(f"{kind} may not be mounted here: {result.stderr.strip()[:100]}")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", "-l", mounted], check=True)


def fill(mounted, name, leave_bytes=0):
    """Ballast that leaves so much room: to the last block where that is none."""
    status = os.statvfs(mounted)
    left = status.f_bavail * status.f_frsize - leave_bytes
    with open(mounted / name, "wb", buffering=0) as ballast:
        while leave_bytes == 0 or left > 0:
            try:
                left -= ballast.write(bytes(min(1 << 16, left) if leave_bytes else 4096))
            except OSError as error:
                check(error.errno == errno.ENOSPC and leave_bytes == 0, "ballast:", error)
                break
    return mounted / name


def wait_until(condition, within, what):
    deadline = time.monotonic() + within
    while not condition():
        check(time.monotonic() < deadline, what)
        time.sleep(0.02)


def read(address, payment):
    """Reads that must go on; the slowest of them."""
    started = time.monotonic()
    with client(address) as over:
        over.get(f"/api/orders/{payment.order_id}")
        over.get(f"/api/check_balance?account={payment.account}")
        over.entries(payment.account)
    check(time.monotonic() - started < READ_WITHIN_S * slowdown(), "reads took", time.monotonic() - started, "s")


def run(mounted, rng, what="journal", free_again=True):
    """what fills the disk: the journal, whose next segment finds no room, or others, so that the books cannot grow."""
    ballast = [fill(mounted, "ballast", ROOM_BYTES)]
    gateways = every_gateway(mounted.parent)
    config = CONFIG + "".join(gateway.config() for gateway in gateways[1:])
    with serving(mounted.parent, config, data_dir=mounted / "data") as daemon:
        api = Api(daemon.address)
        orders = [api.place() for _ in gateways]
        api.close()
        if what == "others":
            segments = mounted / "data" / "journal"
            wait_until(lambda: len(list(segments.glob("*.journal"))) == 2, 5, "the second segment is not made")
            ballast.append(fill(mounted, "more"))
            # A few blocks are left: what the books then write at once is written in part.
            os.truncate(ballast[-1], ballast[-1].stat().st_size - 5 * 4096)
        load = Load(daemon.address, rng, 0, refusals={"storage_full", "overloaded"}, evidence_bytes=EVIDENCE_BYTES)
        wait_until(lambda: any(slug == "storage_full" for _, slug in load.refused) or load.endings, 60,
                   "the disk does not fill up")
        check(not load.endings, "connections ended:", load.endings, daemon.log_tail())
        for _ in range(20):
            read(daemon.address, next(payment for payment in load.payments() if payment.acknowledged("credit")))
            check(daemon.running(), "a full disk ended the process:", daemon.log_tail())
            time.sleep(0.05)
        for gateway, order in zip(gateways, orders):
            # As large as those of the load: a small one may still find room.
            message = gateway.payment(order, **{FILLED[gateway.name]: "x" * EVIDENCE_BYTES})
            reply, took = Sending(daemon.address, gateway, message).send().reply()
            check_refused(gateway, reply, took, [503], within=READ_WITHIN_S)
        if what == "others":
            wait_until(lambda: "checkpoint put off" in daemon.log_file.read_text(), 5, "the books were not kept from growing")
        before = len(load.refused)
        if free_again:
            for file in ballast:
                file.unlink()
        freed_at = time.monotonic()
        # Callbacks with their evidence: a small change may still have found room before.
        wait_until(lambda: any(payment.steps["credit"].acknowledged_at > freed_at for payment in load.payments()
                               if payment.acknowledged("credit")) or load.endings, AGAIN_WITHIN_S,
                   "no change is taken after space was freed")
        check(not load.endings, "connections ended:", load.endings, daemon.log_tail())
        again = time.monotonic() - freed_at
        time.sleep(0.3)
        payments = load.join()
        check_all(daemon.address, payments)
        daemon.kill()
        daemon.start()
        settle(daemon, payments)
        print(f"{before} refused while the disk was full; changes again {again:.2f} s after")


@pytest.mark.parametrize("what", ["journal", "others"])
@pytest.mark.parametrize("kind", ["ext4", "tmpfs"])
def test_full_disk(tmp_path, kind, what):
    with small_disk(kind, tmp_path) as mounted:
        run(mounted, seeded(kind), what)


def test_a_disk_that_stays_full_is_seen(tmp_path):
    with small_disk("tmpfs", tmp_path) as mounted:
        check_that_it_fails("no space freed", lambda: run(mounted, seeded("full"), free_again=False))


@pytest.mark.parametrize("kind", ["ext4", "tmpfs"])
def test_first_start_without_room(tmp_path, kind):
    """Refused with 4, and nothing is left that a later start could trip over."""
    with small_disk(kind, tmp_path) as mounted:
        ballast = fill(mounted, "ballast", 4 << 20)
        (tmp_path / "small.toml").write_text(CONFIG, encoding="utf-8")
        result = run_once("--config", str(tmp_path / "small.toml"), "--listen", "127.0.0.1:0", "--data-dir",
                          str(mounted / "data"))
        assert result.returncode == 4 and "No space" in result.stderr, result
        ballast.unlink()
        Daemon(tmp_path, CONFIG, data_dir=mounted / "data").stop()
