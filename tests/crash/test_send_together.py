"""Replies leave many at a time, by io_uring. A system that refuses it, and calls that fail in mid-load, cost no reply."""
import time

import pytest

from broken import beside
from faults import need_io_uring, need_strace, seeded, under_strace
from oracle import Load, check, check_that_it_fails, serving, settle

LOAD_S = 0.4
FAULTS = {"refused": "io_uring_setup:error=EPERM", "failing": "io_uring_enter:error=ENOMEM:when=50+"}


def run(folder, inject, program=None):
    need_strace(folder)
    need_io_uring()
    log = folder / "strace"
    with serving(folder, program=under_strace(inject, log, program)) as daemon:
        load = Load(daemon.address, seeded(inject), 0)
        time.sleep(LOAD_S)
        payments = load.join()
        check(not load.endings, "connections ended:", load.endings)
        check(sum(payment.acknowledged("credit") for payment in payments) > len(load.threads), "hardly a credit")
        check("(INJECTED)" in log.read_text(), "nothing failed")
        settle(daemon, payments)


@pytest.mark.parametrize("fault", FAULTS)
def test_replies_leave_all_the_same(tmp_path, fault):
    run(tmp_path, FAULTS[fault])


def test_replies_lost_by_a_failing_call_are_seen(tmp_path):
    check_that_it_fails("replies lost", lambda: run(tmp_path, FAULTS["failing"], [beside("recharged_losing_replies")]))
