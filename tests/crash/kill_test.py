#!/usr/bin/python3
"""kill -9 in mid-load, judged from outside: nothing acknowledged is lost, and nothing happens twice.

Each cycle places, credits, repeats, refunds and spends from 32 connections, kills recharged after 5 to 500 ms, has
`recharge verify` walk the journal, starts recharged again and compares what it shows with the list of what was sent and
what was acknowledged, which a third process keeps (oracle_process.py): it goes on judging when this one is killed, and
that is tried. In the end everything is sent again, and the books must match exactly. Then
the same is done with builds that are broken on purpose, and lies are told about what was acknowledged: all are seen.

    kill_test.py [--cycles N] [--seed S]     # RECHARGE_LONG=1: 500 cycles instead of 20; RECHARGE_SEED: the seed

The binaries are taken from RECHARGED_BIN and RECHARGE_BIN, else from build/release/bin.
"""
import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from oracle import CONFIG, READY_WITHIN_S, check, check_that_it_fails, verify
from oracle_process import Oracle
from broken import broken_disk, without_deduplication
from daemon import Daemon

BROKEN_CYCLES = 20  # at the most, until a broken build is seen


def run(folder, rng, cycles, program=None, env=None, lies=False, longest_load_s=0.5):
    """Raises AssertionError where a rule is broken. Returns (what was acknowledged by kind, slowest start)."""
    daemon, slowest = Daemon(folder, CONFIG, program=program, env=env), 0.0
    oracle = Oracle(folder, program, env)
    try:
        for cycle in range(cycles):
            oracle.ask("load", daemon.address, rng.getrandbits(64))
            time.sleep(rng.uniform(0.005, longest_load_s))
            daemon.kill()
            oracle.ask("join")
            verify(daemon.data_dir)
            daemon.start()
            slowest = max(slowest, daemon.ready_seconds)
            check(daemon.ready_seconds < READY_WITHIN_S, "ready only after", daemon.ready_seconds, "s")
            oracle.ask("look_at", daemon.address, rng.getrandbits(64))
            if cycle % 10 == 9:
                print(f"{cycle + 1} cycles: {oracle.ask('acknowledged')['payments']} payments, "
                      f"slowest start {slowest:.2f} s", flush=True)
        oracle.ask("everything", daemon.address, lies)
        acknowledged = oracle.ask("acknowledged")
        daemon.stop()
        verify(daemon.data_dir)
        return acknowledged, slowest
    except BaseException:
        print(daemon.log_tail()[-1000:], file=sys.stderr)
        raise
    finally:
        oracle.end()
        if daemon.process is not None:
            daemon.kill()


def verdict_without_driver(folder, rng, broken):
    """What the oracle says when its driver, this script in another process, is killed in the middle: of a sound build
    after two kills of recharged, of a broken one in the first load, before the driver can notice anything."""
    command = [sys.executable, __file__, "--cycles", "1000", "--seed", str(rng.getrandbits(32)), "--folder", str(folder)]
    driver = subprocess.Popen(command + (["--without-deduplication"] if broken else []), stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    log, deadline = folder / "stderr.log", time.monotonic() + 60
    while not log.exists() or (not broken and log.read_text().count("recovered") < 2):
        check(driver.poll() is None and time.monotonic() < deadline, "the driver does not get on")
        time.sleep(0.05)
    time.sleep(2 if broken else rng.uniform(0, 0.5))
    driver.kill()
    driver.wait()
    while not (folder / "verdict").exists():
        check(time.monotonic() < deadline, "the oracle does not say what it found")
        time.sleep(0.05)
    return (folder / "verdict").read_text()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cycles", type=int, default=500 if os.environ.get("RECHARGE_LONG") == "1" else 20)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("RECHARGE_SEED") or
                                                        random.SystemRandom().randrange(2**32)))
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)  # of a driver that is killed itself
    parser.add_argument("--without-deduplication", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        broken = {"longest_load_s": 600, **without_deduplication()} if options.without_deduplication else {}
        run(options.folder, random.Random(options.seed), options.cycles, **broken)
        return
    print(f"seed {options.seed}, {options.cycles} cycles", flush=True)
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="recharge-kill-") as folder:
        acknowledged, slowest = run(f"{folder}/sound", rng, options.cycles, lies=True)
        check(all(acknowledged.values()) or options.cycles < 5, "the load is not complete:", acknowledged)
        print(f"acknowledged before the kill or after: {acknowledged}; slowest start {slowest:.2f} s", flush=True)
        verdict = verdict_without_driver(Path(folder) / "alone", rng, broken=False)
        check(verdict == "sound", "without its driver the oracle says", verdict)
        verdict = verdict_without_driver(Path(folder) / "alone-broken", rng, broken=True)
        check(verdict.startswith("AssertionError"), "without its driver the oracle says of a broken build", verdict)
        print(f"the oracle outlived its driver; of a broken build it said: {verdict[:100]}", flush=True)
        for what, broken in (("replies before the write", broken_disk("write_late")),
                             ("no deduplication", without_deduplication())):
            check_that_it_fails(what, lambda: run(f"{folder}/{what}", rng, BROKEN_CYCLES, **broken))
    print(f"each credited once; seed {options.seed}")


if __name__ == "__main__":
    main()
