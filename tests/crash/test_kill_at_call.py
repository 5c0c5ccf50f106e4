"""Killed at the Nth call that writes, flushes or replies, and again at the Mth while it recovers from that.

strace delivers the signal before the call takes place. N counts the calls of each thread, so that the load stops at the
Nth of the journal's, of an io thread, of the checkpoint's or, in a fresh folder, of the first start.
"""
import time

import pytest

from broken import broken_disk
from daemon import Daemon
from faults import LONG, need_io_uring, need_strace, seeded, under_strace
from oracle import CONFIG, READY_WITHIN_S, Load, check, check_all, check_that_it_fails, send_all_again, verify

CALLS = ("pwrite64", "fdatasync", "sendto", "io_uring_enter")
# By their first: the long form takes each N up to 200, in pieces; the short one draws three.
NUMBERS = {first: range(first, first + 50) for first in range(1, 200, 50)} if LONG else {1: None}
LOAD_AT_MOST_S = 2.0
RECOVERY_CALLS = 5  # about as many of each kind as it takes to open an old folder


def start_and_expect_kill(daemon, program):
    """True where it became ready before the call at which it is killed."""
    daemon.program, started = program, time.monotonic()
    try:
        daemon.start()
        return True
    except AssertionError:
        check(daemon.process.returncode == -9 and time.monotonic() - started < READY_WITHIN_S, "no start, no kill:",
              daemon.log_tail())
        daemon.process = None
        return False


class Killer:
    """A data folder that goes through one kill after another, and the list of all that was sent to it."""

    def __init__(self, folder, rng, broken=None):
        self.folder, self.rng, self.broken = folder, rng, broken or {}
        self.daemon = Daemon(folder, CONFIG, **self.broken)
        self.plain = self.daemon.program
        self.daemon.stop()
        self.payments, self.blocks, self.kills, self.kills_of_recovery = [], 0, 0, 0

    def fresh_folder(self):
        self.daemon.data_dir = self.folder / f"data-{self.blocks}"
        self.payments = []

    def kill_at(self, call, number):
        self.blocks += 1
        daemon = self.daemon
        if start_and_expect_kill(daemon, under_strace(f"{call}:signal=KILL:when={number}", self.folder / "strace",
                                                      self.plain)):
            load = Load(daemon.address, self.rng, self.blocks)
            deadline = time.monotonic() + LOAD_AT_MOST_S
            while daemon.running() and time.monotonic() < deadline:
                time.sleep(0.01)
            self.kills += not daemon.running()
            daemon.kill()
            self.payments += load.join()
        else:
            self.kills += 1
        inject = f"{self.rng.choice(CALLS[:2])}:signal=KILL:when={self.rng.randint(1, RECOVERY_CALLS)}"
        if start_and_expect_kill(daemon, under_strace(inject, self.folder / "strace", self.plain)):
            daemon.kill()
        else:
            self.kills_of_recovery += 1
        self.look()

    def look(self):
        self.daemon.program = self.plain
        self.daemon.start()
        check(self.daemon.ready_seconds < READY_WITHIN_S, "ready only after", self.daemon.ready_seconds, "s")
        if self.payments:
            check_all(self.daemon.address, self.payments)
        self.daemon.kill()
        verify(self.daemon.data_dir)

    def finish(self):
        self.daemon.program = self.plain
        self.daemon.start()
        if self.payments:
            send_all_again(self.daemon.address, self.payments)
        self.daemon.stop()
        verify(self.daemon.data_dir)


@pytest.mark.parametrize("first", NUMBERS)
@pytest.mark.parametrize("call", CALLS)
def test_kill_at_nth_call(tmp_path, call, first):
    need_strace(tmp_path)
    if call == "io_uring_enter":
        need_io_uring()
    rng = seeded(f"{call} {first}")
    killer = Killer(tmp_path, rng)
    try:
        for number in NUMBERS[first] or (rng.randint(1, 10), rng.randint(11, 40), rng.randint(41, 200)):
            if rng.random() < 0.25:
                killer.finish()
                killer.fresh_folder()
            killer.kill_at(call, number)
        killer.finish()
    finally:
        if killer.daemon.process is not None:
            killer.daemon.kill()
    print(f"{call}: {killer.blocks} runs, {killer.kills} killed at the call, {killer.kills_of_recovery} in recovery")
    assert killer.kills >= (killer.blocks + 1) // 2


def test_replies_before_the_write_are_seen(tmp_path):
    need_strace(tmp_path)

    def attempt():
        killer = Killer(tmp_path, seeded("broken"), broken_disk("write_late"))
        try:
            for number in range(20, 60, 2):
                killer.kill_at("sendto", number)
        finally:
            if killer.daemon.process is not None:
                killer.daemon.kill()

    check_that_it_fails("replies before the write", attempt)
