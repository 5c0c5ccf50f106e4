"""A disk that fails or is slow under the journal.

After any error of a record's write or flush nothing more is acknowledged, and the process ends with 1 within a second;
what was acknowledged before is there after the next start. Flushes of 300 ms make replies late, but each comes within
5 s or is a 503, and memory stays as it is.
"""
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest

from api import Api, eventually, expect, in_threads, new_account
from broken import beside, broken_disk
from daemon import Daemon, slowdown
from faults import first_injection, injected, need, need_strace, resident_bytes, seeded
from oracle import CONFIG, Load, check, check_all, check_that_it_fails, serving, settle, verify
from streams import Stream
from web_sockets import WebSocket

EXIT_WITHIN_S = 1.0 * slowdown()
JOURNAL = r"/journal/\d+\.journal>"
REPLY_WITHIN_S = 5.0
SLOW_FLUSH_US = 300_000
SLOW_CALL_US = 100_000
MEMORY_BYTES = 32 << 20  # that the process may grow by while flushes are slow: its buffers are bounded


def wait_until_acknowledged_after_failure(load, log):
    """Until a credit was sent and acknowledged after the journal's first failed call. Raises no AssertionError: this is
    the set-up of a test that must fail, not its verdict."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        failed_at = first_injection(log, JOURNAL)
        if failed_at is not None and any(
                payment.acknowledged("credit") and payment.steps["credit"].sent_at > failed_at
                for payments in load.lists for payment in list(payments)):
            return
        time.sleep(0.05)
    raise TimeoutError("nothing was acknowledged after a failed call")


def fail_in_mid_load(folder, rng, inject, ends=True, **broken):
    """ends=False: the process is taken to go on, and is killed."""
    with serving(folder, **broken) as daemon:
        load = Load(daemon.address, rng, 0, refusals_end=True)  # between the failure and the end it may say 503
        time.sleep(rng.uniform(0.1, 0.4))
        log = Path(folder) / "strace"
        with injected(daemon.process, inject, log):
            if ends:
                try:
                    code = daemon.process.wait(timeout=EXIT_WITHIN_S + 3)
                except subprocess.TimeoutExpired:
                    raise AssertionError("the process goes on") from None
            else:
                wait_until_acknowledged_after_failure(load, log)
                daemon.process.kill()
                code = daemon.process.wait()
        ended_at = time.monotonic()
        daemon.kill()
        payments = load.join()
        if ends:
            check(code == 1, "exit", code)
            failed_at = first_injection(log, JOURNAL)
            check(failed_at is not None, "no call of the journal failed")
            check(ended_at - failed_at <= EXIT_WITHIN_S, "it ended only", ended_at - failed_at, "s after the failure")
            late = [step.request_id for payment in payments for step in payment.steps.values()
                    if step.acknowledged and step.sent_at > failed_at]
            check(not late, "acknowledged after the failure:", late)
        daemon.start()
        settle(daemon, payments)


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
@pytest.mark.parametrize("call", ["pwrite64", "fdatasync"])
def test_error_ends_the_process(tmp_path, call, error):
    need_strace(tmp_path)
    fail_in_mid_load(tmp_path, seeded(call + error), f"{call}:error={error}")


def test_swallowed_errors_are_seen(tmp_path):
    need_strace(tmp_path)
    swallowing, inject = broken_disk("swallow_errors"), "pwrite64:error=EIO"
    check_that_it_fails("it goes on", lambda: fail_in_mid_load(tmp_path / "on", seeded("swallow"), inject, **swallowing))
    check_that_it_fails("acknowledged and not written", lambda: fail_in_mid_load(
        tmp_path / "lost", seeded("swallow"), inject, ends=False, **swallowing))


def test_read_only_disk_ends_the_process(tmp_path):
    """A file system that gave itself up, as ext4 does after an error of its disk."""
    need("mkfs.ext4", "mount", root=True)
    image, mounted = tmp_path / "image", tmp_path / "mounted"
    subprocess.run(["truncate", "-s", "64M", image], check=True)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    mounted.mkdir()
    if subprocess.run(["mount", "-o", "loop", image, mounted], check=False).returncode != 0:
        pytest.skip("loop devices may not be mounted here")
    try:
        daemon = Daemon(tmp_path, CONFIG, data_dir=mounted / "data")
        load = Load(daemon.address, seeded("read-only"), 0, refusals_end=True)
        time.sleep(0.3)
        failed_at = time.monotonic()
        subprocess.run(["mount", "-o", "remount,abort", mounted], check=True)
        try:
            assert daemon.process.wait(timeout=EXIT_WITHIN_S + 3) == 1
            assert time.monotonic() - failed_at <= EXIT_WITHIN_S
        finally:
            daemon.kill()
        payments = load.join()
        subprocess.run(["umount", mounted], check=True)
        subprocess.run(["mount", "-o", "loop", image, mounted], check=True)
        daemon.start()
        settle(daemon, payments)
    finally:
        subprocess.run(["umount", "-l", mounted], check=False)


# --- a slow disk -----------------------------------------------------------------------------------------------------

def pipelined_orders(address, index, seconds):
    """As many orders as a connection takes, 64 at a time; the slowest batch of replies."""
    body = f'{{"account":"1380000{index:04d}","amount":1}}'.encode()
    request = b"POST /api/place_order HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    slowest, deadline = 0.0, time.monotonic() + seconds
    with socket.create_connection(address, timeout=30) as connection:
        while time.monotonic() < deadline:
            started = time.monotonic()
            connection.sendall(request * 64)
            received = b""
            while received.count(b"HTTP/1.1 ") < 64 or not received.endswith(b"}"):
                part = connection.recv(1 << 20)
                check(part, "the connection ended")
                received += part
            check(received.count(b"HTTP/1.1 200 ") + received.count(b"HTTP/1.1 503 ") == 64, "an unexpected reply")
            slowest = max(slowest, (time.monotonic() - started) / 4)  # 16 at work at a time
    return slowest


def slow_flushes(folder, rng, flush_us, seconds, pipelines=16, **broken):
    with serving(folder, **broken) as daemon:
        warm = Load(daemon.address, rng, 0)
        time.sleep(0.5)
        payments = warm.join()
        before = resident_bytes(daemon.process.pid)
        with injected(daemon.process, f"fdatasync:delay_exit={flush_us}", Path(folder) / "strace"):
            load = Load(daemon.address, rng, 1, refusals={"overloaded"})
            load.stop.wait(seconds if pipelines == 0 else 0)
            batches = in_threads(pipelines, lambda index: pipelined_orders(daemon.address, index, seconds))
            grown = resident_bytes(daemon.process.pid) - before
        payments += load.join()
        steps = [step for payment in payments for step in payment.steps.values() if step.acknowledged]
        slowest = max(max(step.acknowledged_at - step.sent_at for step in steps), max(batches, default=0))
        check(slowest < REPLY_WITHIN_S, "a reply took", slowest, "s")
        check(grown < MEMORY_BYTES, "the process grew by", grown, "bytes")
        check_all(daemon.address, payments)
        daemon.stop()
        verify(daemon.data_dir)
        print(f"flushes of {flush_us / 1e6} s: slowest reply {slowest:.2f} s, memory grew by {grown >> 10} KiB, "
              f"{len(load.refused)} refused of {len(steps)}")


def test_slow_flushes(tmp_path):
    need_strace(tmp_path)
    slow_flushes(tmp_path, seeded("slow"), SLOW_FLUSH_US, 3)


def nothing_is_told_before_its_flush(folder, **broken):
    """A stream, a WebSocket and who asks for the events hear of a credit only when it is written and flushed, each of which
    takes a while here."""
    with serving(folder, **broken) as daemon:
        api, account = Api(daemon.address), new_account()
        orders = [api.place(account) for _ in range(3)]
        stream = Stream(daemon.address, f"/api/accounts/{account}/events")
        web = WebSocket(daemon.address, f"/api/ws?account={account}")
        stream.next(), web.next()
        latest = expect(api.get("/api/events?after=latest"), 200)["next_after"]

        def asked(order):
            reader = Api(daemon.address)
            eventually(lambda: any(event["order"]["order_id"] == order for event in expect(
                reader.get(f"/api/events?after={latest}"), 200)["data"]), step=0.01)

        heard, log = [], Path(folder) / "strace"
        with injected(daemon.process, f"pwrite64,fdatasync:delay_exit={SLOW_CALL_US}", log):
            for order in orders:
                ways = (lambda: expect(api.callback(order), 200), stream.next, web.next, lambda: asked(order))
                heard.append(min(in_threads(len(ways), lambda index: (ways[index](), time.time())[1])))
        written = [float(at) for at in re.findall(r"(\d+\.\d+) pwrite64\(\d+<[^>]*" + JOURNAL, log.read_text())]
        took = min(at - max(write for write in written if write < at) for at in heard)
        check(took >= 2 * SLOW_CALL_US / 1e6, "told", took, "s after its write began, by two calls of", SLOW_CALL_US, "us")
        print(f"told {took:.3f} s after its write began at the soonest")


def test_nothing_is_told_before_its_flush(tmp_path):
    need_strace(tmp_path)
    nothing_is_told_before_its_flush(tmp_path / "sound")
    check_that_it_fails("told before the flush", lambda: nothing_is_told_before_its_flush(
        tmp_path / "late", **broken_disk("flush_late")))


def what_is_under_way_is_told(folder, **broken):
    """Who begins to listen while a change is under way is told of it, be it the first listener or one of several."""
    with serving(folder, **broken) as daemon:
        api, accounts, streams = Api(daemon.address), [new_account() for _ in range(4)], []
        orders = [api.place(account) for account in accounts]
        with injected(daemon.process, f"pwrite64,fdatasync:delay_exit={3 * SLOW_CALL_US}", Path(folder) / "strace"):
            for order, account in zip(orders, accounts):
                def listen(at=account):
                    time.sleep(SLOW_CALL_US / 1e6)
                    streams.append(Stream(daemon.address, f"/api/accounts/{at}/events"))
                    streams[-1].next()
                ways = (lambda paid=order: expect(api.callback(paid), 200), listen)
                in_threads(len(ways), lambda index, ways=ways: ways[index]())
        for order, stream in zip(orders, streams):
            try:
                event = stream.next()[2]
            except OSError as silence:
                check(False, "not told of", order, silence)
            check((event["type"], event["order"]["order_id"]) == ("order.recharged", order), "told", event)


def test_what_is_under_way_is_told(tmp_path):
    need_strace(tmp_path)
    what_is_under_way_is_told(tmp_path / "sound")
    check_that_it_fails("changes under way are forgotten", lambda: what_is_under_way_is_told(
        tmp_path / "forgetting", program=[beside("recharged_forgetting_what_is_under_way")]))


def test_too_slow_replies_and_hoarded_memory_are_seen(tmp_path):
    need_strace(tmp_path)
    check_that_it_fails("flushes beyond all bounds, and nobody refused for them", lambda: slow_flushes(
        tmp_path / "slow", seeded("slow"), round(REPLY_WITHIN_S * 1.1e6), 6, pipelines=0,
        env={"RECHARGED_SERVER__MAX_LATENCY_MS": "0"}))
    check_that_it_fails("memory kept at each flush", lambda: slow_flushes(
        tmp_path / "hoard", seeded("slow"), 100_000, 2, pipelines=0, **broken_disk("hoard")))
