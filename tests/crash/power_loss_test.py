#!/usr/bin/python3
"""Loss of power at any moment of a real run: nothing acknowledged is lost, nothing half-written is taken for whole.

recharged runs from its first start with every change of its files, every flush and every reply recorded in order
(disk_recorder.c), under a load that turns the journal's segments over and is written into the books meanwhile; it is
stopped and started once. power_loss_check then makes disks from the recording on which any part of the unflushed
writes and names is lost or torn, opens each, and compares it with what was acknowledged by then. A server that
replies before its flush is recorded too, and flushes are left out of the recording: all of that must be noticed.

Likewise a run in which retention carries the base forward, seals it and drops segments; each of its images is walked
from its base.

    power_loss_test.py [--images N] [--retention M] [--seed S] [--keep DIR]

RECHARGE_LONG=1: 6,000 images instead of 300, and 1,000 with retention instead of none.
"""
import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from oracle import CONFIG, Load, check, check_all
from broken import beside, broken_disk
from daemon import Daemon, clean_environment

EVIDENCE_BYTES = 16000  # of each callback: the 8 MiB of a segment are soon full
SEGMENTS = 3  # one is always made ahead: with three, the second is in use
IMAGES_OF_RECORDING = 2000
RETENTION = CONFIG + 'journal_retention = "8MiB"\n'
SCRATCH = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # real flushes are of no use here
IMAGES_OF_BROKEN = 200


def write_list(path, payments):
    """Each request that was sent: its id, kind, order, account, effect in minor units, transaction."""
    with open(path, "w", encoding="ascii") as file:
        for payment in payments:
            for kind, step in payment.steps.items():
                if payment.sent(kind):
                    print(step.request_id, kind, payment.order_id or "-", payment.account, int(step.effect * 100),
                          payment.transaction_id, file=file)


def segments(root):
    return sorted(int(path.stem) for path in (root / "data" / "journal").glob("*.journal"))


def record(folder, rng, program=None, env=None, dropping=False):
    """A run in folder/disk, its recording in folder/events, and the client's list in folder/list. dropping: until
    retention has dropped segments."""
    root = folder / "disk"
    root.mkdir(parents=True)
    recorder = {"LD_PRELOAD": beside("libdisk_recorder.so"), "DISK_RECORD_FILE": str(folder / "events"),
                "DISK_RECORD_ROOT": str(root)}
    daemon = Daemon(folder, RETENTION if dropping else CONFIG, data_dir=root / "data", program=program,
                    env={**recorder, **(env or {})})
    payments = []
    try:
        for block in range(2):
            first, newest = segments(root)[0], max(segments(root)[-1] + dropping, SEGMENTS)
            load = Load(daemon.address, rng, block, evidence_bytes=EVIDENCE_BYTES)
            deadline = time.monotonic() + 60
            while segments(root)[-1] < newest:
                check(time.monotonic() < deadline and not load.failures, "the journal does not grow", load.failures)
                time.sleep(0.05)
            time.sleep(0.3)
            payments += load.join()
            check_all(daemon.address, payments)
            while dropping and segments(root)[0] == first:  # a thread that only runs when nobody else does
                check(time.monotonic() < deadline, "no segment is dropped:", segments(root))
                time.sleep(0.05)
            daemon.stop()
            if block == 0:
                daemon.start()
    finally:
        if daemon.process is not None:
            daemon.kill()
    write_list(folder / "list", payments)


def judge(folder, images, seed, *more):
    """Half of the images on each of two processes: the worst exit code of power_loss_check, and what they said."""
    processes = [subprocess.Popen(
        [beside("power_loss_check"), "--recording", str(folder / "events"), "--root", str(folder / "disk"), "--list",
         str(folder / "list"), "--images", str(images // 2), "--seed", str(half_seed), *more],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=clean_environment({"TMPDIR": SCRATCH} if SCRATCH else None)) for half_seed in (seed, seed + 1)]
    said = "".join(process.communicate(timeout=3600)[0] for process in processes)
    code = max(process.returncode % 256 for process in processes)  # a signal's number is negative
    print(f"{folder.name} {' '.join(more)}: exit {code}\n{said.strip()[:1200]}", flush=True)
    return code, said


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=6000 if os.environ.get("RECHARGE_LONG") == "1" else 300)
    parser.add_argument("--retention", type=int, default=1000 if os.environ.get("RECHARGE_LONG") == "1" else 0,
                        help="images of a run in which segments are dropped")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("RECHARGE_SEED") or
                                                        random.SystemRandom().randrange(2**32)))
    parser.add_argument("--keep", help="a folder for the recordings, which is kept")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    folder = Path(options.keep or tempfile.mkdtemp(prefix="recharge-power-", dir=SCRATCH))
    for number, first in enumerate(range(0, options.images, IMAGES_OF_RECORDING)):
        sound = folder / f"sound-{number}"
        record(sound, rng)
        code, _ = judge(sound, min(IMAGES_OF_RECORDING, options.images - first), options.seed + 2 * number)
        if code != 0:
            print(f"FAILED with seed {options.seed}; the recording stays in {sound}", file=sys.stderr)
            sys.exit(1)
    dropped = folder / "dropped"
    if options.retention:
        record(dropped, rng, dropping=True)
        code, _ = judge(dropped, options.retention, options.seed, "--walk-all")
        check(code == 0, "FAILED with seed", options.seed, "; the recording stays in", dropped)
        code, said = judge(dropped, IMAGES_OF_BROKEN, options.seed, "--walk-all", "--leave-out", "base")
        check(code == 1 and "VIOLATION" in said, "not noticed: a base that is not flushed")
    late = folder / "late"
    record(late, rng, **broken_disk("flush_late"))
    for where, more in ((late, ()), (sound, ("--leave-out", "journal")), (sound, ("--leave-out", "books"))):
        code, said = judge(where, IMAGES_OF_BROKEN, options.seed, *more)
        check(code == 1 and "VIOLATION" in said, "not noticed:", where.name, *more)
    if not options.keep:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
