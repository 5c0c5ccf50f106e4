"""The wall clock jumps by an hour, back again and by ten years while recharged is at work: timers do not notice, every
payment is credited once, and a callback that comes again a year later is known. The clock is libfaketime's, which
reads it from a file; the monotonic clock is left alone.
"""
import subprocess
import time
from pathlib import Path

import pytest

from api import Api, eventually, expect, new_account
from broken import beside
from daemon import Daemon
from faults import need, seeded
from oracle import CONFIG, Load, check, check_all, check_that_it_fails, send_all_again, verify
from signing import VECTOR_SECRET, callback_fields, signed_body
from wire import Wire

HOUR, YEAR = 3600, 365 * 86400
REQUEST_TIMEOUT_S = 1.5
STRICT = f"""[callback]
secrets = [{{id = "main", secret = "{VECTOR_SECRET}"}}]
[server]
request_timeout_ms = {int(REQUEST_TIMEOUT_S * 1000)}
[store]
segment_bytes = 8388608
"""


def library():
    """libfaketime for threads."""
    need("faketime", "dpkg")
    files = subprocess.run(["dpkg", "-L", "libfaketime"], capture_output=True, text=True, check=False).stdout.split()
    found = [file for file in files if file.endswith("libfaketimeMT.so.1")]
    if not found:
        pytest.skip("needs libfaketimeMT.so.1")
    return found[0]


def program():
    """Without jemalloc, which does not start under libfaketime."""
    return [beside("recharged_with_libc_malloc")]


class Clock:
    """env: for the process that is to see this clock, at the latest a tenth of a second after it was set."""

    def __init__(self, folder, monotonic_too=False):
        self.file = folder / "clock"
        self.set(0)
        self.env = {"LD_PRELOAD": library(), "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_UPDATE_TIMESTAMP_FILE": "0",
                    "FAKETIME_CACHE_DURATION": "0", "FAKETIME_NO_CACHE": "1",
                    "FAKETIME_DONT_FAKE_MONOTONIC": "0" if monotonic_too else "1"}

    def set(self, offset_s):
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{offset_s:+d}\n")
        fresh.rename(self.file)


def kill(daemon):
    """libfaketime leaves what it shares between threads when its process is killed."""
    pid = daemon.process.pid
    daemon.kill()
    for name in ("faketime_shm_", "sem.faketime_sem_"):
        Path("/dev/shm", f"{name}{pid}").unlink(missing_ok=True)


def seen_hour(api):
    """By how many hours the server's clock differs from ours."""
    order = api.order(api.place(new_account()))
    return round((time.mktime(time.strptime(order["created_at"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
                  - time.time()) / HOUR)


def timers_hold(daemon, clock, offset_s):
    """A request that stays incomplete is given up after its time, however the clock jumps meanwhile."""
    with Wire(daemon.address) as idle, Wire(daemon.address) as slow:
        idle.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        expect(idle.read_reply("GET", "/livez"), 200)
        started = time.monotonic()
        slow.send(b"POST /api/place_order HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
        time.sleep(0.3)
        clock.set(offset_s)
        expect(slow.read_reply("POST", "/api/place_order"), 408)
        took = time.monotonic() - started
        check(REQUEST_TIMEOUT_S - 0.1 <= took <= REQUEST_TIMEOUT_S + 1.0, "given up after", took, "s")
        idle.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        expect(idle.read_reply("GET", "/livez"), 200)


def timers(folder, monotonic_too=False):
    folder.mkdir()
    clock = Clock(folder, monotonic_too)
    daemon = Daemon(folder, STRICT, env=clock.env, program=program())
    try:
        for offset_s in (HOUR, -HOUR, 10 * YEAR):
            timers_hold(daemon, clock, offset_s)
    except OSError as error:
        raise AssertionError(f"a connection was lost: {error}") from error
    finally:
        clock.set(0)
        kill(daemon)


def test_timers_do_not_follow_the_clock(tmp_path):
    timers(tmp_path / "own")


def test_timers_on_the_wall_clock_are_seen(tmp_path):
    check_that_it_fails("the monotonic clock jumps too", lambda: timers(tmp_path / "own", monotonic_too=True))


def test_load_across_jumps(tmp_path):
    """The clock is set back once more before the end: a shard's time never is, while it runs and after a start."""
    clock, rng = Clock(tmp_path), seeded("clock")
    daemon, payments = Daemon(tmp_path, CONFIG, env=clock.env, program=program()), []
    try:
        for block, offset_s in enumerate((HOUR, -HOUR, 10 * YEAR, 0)):
            load = Load(daemon.address, rng, block)
            time.sleep(0.3)
            clock.set(offset_s)
            time.sleep(0.3)
            payments += load.join()
            check_all(daemon.address, payments)
            if block % 2:
                kill(daemon)
                daemon.start()
                check(daemon.ready_seconds < 5, "ready only after", daemon.ready_seconds)
        send_all_again(daemon.address, payments, but=("place",))  # in ten years their keys are forgotten
        daemon.stop()
        verify(daemon.data_dir)
    finally:
        if daemon.process is not None:
            kill(daemon)


def test_callback_a_year_later_is_known(tmp_path):
    """With the same old signature, and signed anew by then; on the same process, and after a start."""
    clock = Clock(tmp_path)
    daemon = Daemon(tmp_path, STRICT, env=clock.env, program=program())
    try:
        api = Api(daemon.address)
        account = new_account()
        order_id, other = api.place(account), api.place(account)
        body = signed_body(callback_fields(order_id, "txn-once"))
        expect(api.post("/api/payment_callback", body), 200, msg="Recharge succeeded")
        clock.set(YEAR)
        for _ in range(2):
            api = Api(daemon.address)
            eventually(lambda: seen_hour(api) == YEAR // HOUR)  # pylint: disable=cell-var-from-loop
            expect(api.post("/api/payment_callback", body), 200, msg="Already processed")
            anew = signed_body(callback_fields(order_id, "txn-once", timestamp=int(time.time()) + YEAR))
            expect(api.post("/api/payment_callback", anew), 200, msg="Already processed")
            # What was never credited is stale by now: the clock did jump.
            expect(api.post("/api/payment_callback", signed_body(callback_fields(other, "txn-late"))), 403,
                   error="stale_signature")
            assert api.balance(account) == 50
            api.assert_books(account)
            daemon.restart()
        daemon.stop()
        verify(daemon.data_dir)
    finally:
        if daemon.process is not None:
            kill(daemon)
