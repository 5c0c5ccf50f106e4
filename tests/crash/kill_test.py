#!/usr/bin/python3
"""kill -9 in mid-load, judged from outside: nothing acknowledged is lost, and nothing happens twice.

Each cycle places, credits, repeats, refunds and spends from 32 connections, kills recharged after 5 to 500 ms, has
`recharge verify` walk the journal, starts recharged again and compares what it shows with this process's own list of
what was sent and what was acknowledged. In the end everything is sent again, and the books must match exactly. Then
the same is done with builds that are broken on purpose, and lies are told about what was acknowledged: all are seen.

    kill_test.py [--cycles N] [--seed S]     # RECHARGE_LONG=1: 500 cycles instead of 20; RECHARGE_SEED: the seed

The binaries are taken from RECHARGED_BIN and RECHARGE_BIN, else from build/release/bin.
"""
import argparse
import os
import random
import sys
import tempfile
import time

from oracle import (CONFIG, READY_WITHIN_S, Load, check, check_all, check_balances, check_payments,
                    check_that_it_fails, check_that_lies_are_seen, send_all_again, verify)
from broken import broken_disk, without_deduplication
from daemon import Daemon

BROKEN_CYCLES = 20  # at the most, until a broken build is seen


def sample(payments_by_cycle, rng):
    """The last cycle whole, and an earlier one."""
    return payments_by_cycle[-1] + (rng.choice(payments_by_cycle[:-1]) if len(payments_by_cycle) > 1 else [])


def run(folder, rng, cycles, program=None, env=None, final=None):
    """Raises AssertionError where a rule is broken. Returns (payments, slowest start)."""
    daemon, by_cycle, slowest = Daemon(folder, CONFIG, program=program, env=env), [], 0.0
    try:
        for cycle in range(cycles):
            load = Load(daemon.address, rng, cycle)
            time.sleep(rng.uniform(0.005, 0.5))
            daemon.kill()
            by_cycle.append(load.join())
            verify(daemon.data_dir)
            daemon.start()
            slowest = max(slowest, daemon.ready_seconds)
            check(daemon.ready_seconds < READY_WITHIN_S, "ready only after", daemon.ready_seconds, "s")
            looked_at = sample(by_cycle, rng)
            check_payments(daemon.address, looked_at)
            check_balances(daemon.address, looked_at)
            if cycle % 10 == 9:
                print(f"{cycle + 1} cycles: {sum(map(len, by_cycle))} payments, slowest start {slowest:.2f} s", flush=True)
        payments = [payment for payments in by_cycle for payment in payments]
        check_all(daemon.address, payments)
        send_all_again(daemon.address, payments)
        if final:
            final(daemon.address, payments)
        daemon.stop()
        verify(daemon.data_dir)
        return payments, slowest
    except BaseException:
        print(daemon.log_tail()[-1000:], file=sys.stderr)
        raise
    finally:
        if daemon.process is not None:
            daemon.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cycles", type=int, default=500 if os.environ.get("RECHARGE_LONG") == "1" else 20)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("RECHARGE_SEED") or
                                                        random.SystemRandom().randrange(2**32)))
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.cycles} cycles", flush=True)
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="recharge-kill-") as folder:
        payments, slowest = run(f"{folder}/sound", rng, options.cycles, final=check_that_lies_are_seen)
        acknowledged = {kind: sum(payment.acknowledged(kind) for payment in payments)
                        for kind in ("place", "credit", "refund", "debit", "second")}
        check(all(acknowledged.values()) or options.cycles < 5, "the load is not complete:", acknowledged)
        print(f"{len(payments)} payments, acknowledged before the kill or after: {acknowledged}; "
              f"slowest start {slowest:.2f} s", flush=True)
        for what, broken in (("replies before the write", broken_disk("write_late")),
                             ("no deduplication", without_deduplication())):
            check_that_it_fails(what, lambda: run(f"{folder}/{what}", rng, BROKEN_CYCLES, **broken))
    print(f"each credited once; seed {options.seed}")


if __name__ == "__main__":
    main()
