#!/usr/bin/python3
"""Backups of a running server under full load: each is a durable prefix of the history, alone and judged from outside.

Each round runs 32 connections that place and credit, takes a backup meanwhile, restores it, and compares what a
recharged on the restored folder shows with this process's own list: everything acknowledged before the backup began
is there, nothing is there twice, nothing that was never sent. Its journal is the live journal's beginning, byte for
byte. Then everything is sent to it again, and the books must match exactly. The live folder must not grow by more
than the load explains.

    backup_test.py [--rounds N] [--seed S]     # RECHARGE_LONG=1: 50 rounds instead of 3; RECHARGE_SEED: the seed

The binaries are taken from RECHARGED_BIN and RECHARGE_BIN, else from build/release/bin.
"""
import argparse
import copy
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "http"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import oracle  # noqa: E402
from api import in_threads  # noqa: E402
from daemon import Daemon, binary, clean_environment, run_once  # noqa: E402
from oracle import (Load, Payment, check, check_balances, check_payments, check_that_lies_are_seen,  # noqa: E402
                    client, verify)

oracle.LATER_STEPS = {"repeat": 0.2}  # an order that a backup does not hold is placed anew: what follows has another id


def tool(*arguments):
    return subprocess.run([binary("RECHARGE_BIN", "recharge"), *map(str, arguments)], capture_output=True, text=True,
                          timeout=300, env=clean_environment(), check=False)


def succeed(*arguments):
    result = tool(*arguments, "--json")
    check(result.returncode == 0, "recharge", *arguments, "exits", result.returncode, result.stdout, result.stderr)
    return json.loads(result.stdout)


def refused(why, *arguments):
    result = tool(*arguments)
    check(result.returncode in (1, 4), why, "is accepted:", result.returncode, result.stdout, result.stderr)


def journal(folder):
    return sorted((Path(folder) / "journal").glob("*.journal"))


def check_is_prefix(backup, live, end):
    """The backup's journal is the beginning of the live one, and zeros follow it."""
    check(len(journal(backup)) == end["segment"], "the backup has", journal(backup))
    for number, path in enumerate(journal(backup), 1):
        mine, theirs = path.read_bytes(), (live / "journal" / path.name).read_bytes()
        used = end["offset"] if number == end["segment"] else len(theirs)
        check(mine[:used] == theirs[:used], path, "differs from the live journal")
        check(mine.count(0, used) == len(mine) - used, path, "goes on behind its end")


def acknowledged_by(moment, payments):
    """The payments as their clients knew them then; what was acknowledged later may or may not be there."""
    known = copy.deepcopy(payments)
    for payment in known:
        for step in payment.steps.values():
            if step.acknowledged and step.acknowledged_at > moment:
                step.acknowledged_at = step.reply = None
    return known


def redeliver(address, payments):
    """Everything again. An order that the backup does not hold is placed anew, and its payment signed for it."""
    groups, again = [payments[index::8] for index in range(8)], [[] for _ in range(8)]

    def work(index):
        with client(address) as over:
            for payment in groups[index]:
                anew = Payment(payment.account, payment.number, payment.amount)
                for kind in ("place", "credit"):
                    anew.step(kind).sent_at = 0.0  # it may be known
                    anew.send(kind, over)
                again[index].append(anew)

    in_threads(len(groups), work)
    return [payment for payments in again for payment in payments]


def judge(folder, restored, moment, payments):
    """A recharged on the restored folder: what was acknowledged before is there, and nothing that was never sent."""
    expected = acknowledged_by(moment, payments)
    server = Daemon(folder, oracle.CONFIG, data_dir=restored)
    try:
        check_payments(server.address, expected)
        check_balances(server.address, expected)
        check_that_lies_are_seen(server.address, [payment for payment in expected if payment.acknowledged("place")])
        check_balances(server.address, redeliver(server.address, payments), exactly=True)
        server.stop()
    finally:
        if server.process is not None:
            server.kill()


def refuse_broken_copies(folder, live, backup):
    """Copies as simpler programs make them; each must be refused."""
    broken, target = folder / "broken", folder / "from-broken"

    def try_copy(why, change):
        shutil.rmtree(broken, ignore_errors=True)
        shutil.copytree(backup, broken)
        change()
        refused(why, "restore", "--from", broken, "--data-dir", target)
        check(not target.exists(), why, "left", target)

    last = broken / "journal" / journal(backup)[-1].name
    end = json.loads(json.dumps(dict(line.split(" ", 1) for line in (backup / "MANIFEST").read_text().splitlines()[1:])))
    offset = int(end["offset"])

    def cut_in_a_group():
        with open(last, "r+b") as file:
            file.seek(offset - 512)
            file.write(bytes(512))

    try_copy("a copy cut in the middle of a group", cut_in_a_group)
    try_copy("a copy without its end", (broken / "MANIFEST").unlink)
    try_copy("a copy that goes beyond the durable position",
             lambda: shutil.copyfile(live / "journal" / last.name, last))
    shutil.rmtree(broken)
    # A plain copy of the live folder, the newest files first: the books end up ahead of the journal.
    shutil.copytree(backup, broken)
    shutil.rmtree(target, ignore_errors=True)
    succeed("restore", "--from", backup, "--data-dir", target)
    shutil.copyfile(live / "books" / "data.mdb", target / "books" / "data.mdb")
    result = run_once("--listen", "127.0.0.1:0", "--data-dir", str(target))
    check(result.returncode == 4, "books ahead of their journal are started:", result.returncode, result.stderr)
    refused("books ahead of their journal", "verify", "--data-dir", target)
    shutil.rmtree(target)
    shutil.rmtree(broken)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50 if os.environ.get("RECHARGE_LONG") == "1" else 3)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("RECHARGE_SEED") or
                                                        random.SystemRandom().randrange(2**32)))
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.rounds} rounds", flush=True)
    rng, payments, slowest = random.Random(options.seed), [], 0.0

    with tempfile.TemporaryDirectory(prefix="recharge-backup-") as name:
        folder = Path(name)
        daemon = Daemon(folder / "live", oracle.CONFIG)
        try:
            for round_number in range(options.rounds):
                backup, restored = folder / "backup", folder / "restored"
                load = Load(daemon.address, rng, round_number)
                time.sleep(rng.uniform(0.2, 0.6))
                began = time.monotonic()
                end = succeed("backup", "--data-dir", daemon.data_dir, "--to", backup)
                slowest = max(slowest, time.monotonic() - began)
                if rng.random() < 0.5:
                    time.sleep(rng.uniform(0, 0.2))
                payments += load.join()
                check_is_prefix(backup, daemon.data_dir, end)
                succeed("restore", "--from", backup, "--data-dir", restored)
                judge(folder / "second", restored, began, payments)
                if round_number == options.rounds - 1:
                    refuse_broken_copies(folder, daemon.data_dir, backup)
                shutil.rmtree(backup)
                shutil.rmtree(restored)
                credits = sum(payment.acknowledged("credit") for payment in payments)
                print(f"round {round_number + 1}: {len(payments)} sent, {credits} credits acknowledged, backup of "
                      f"{end['records']} records in segment {end['segment']}", flush=True)
            books_bytes = (daemon.data_dir / "books" / "data.mdb").stat().st_size
            limit = (8 << 20) + 4096 * len(payments)
            check(books_bytes < limit, "the live books grew to", books_bytes, "bytes for", len(payments), "payments")
            check_payments(daemon.address, payments)
            daemon.stop()
            verify(daemon.data_dir)
        except BaseException:
            print(f"FAILED with seed {options.seed}\n{daemon.log_tail()}", file=sys.stderr)
            raise
        finally:
            if daemon.process is not None:
                daemon.kill()
    print(f"{options.rounds} backups, each a durable prefix; slowest {slowest:.2f} s; live books {books_bytes} bytes for "
          f"{len(payments)} payments; seed {options.seed}")


if __name__ == "__main__":
    main()
