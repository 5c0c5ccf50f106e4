"""A journal that is kept short while the server is killed: segments go, and nothing that was acknowledged with them.

Under a load that turns segments over, the base is carried forward, sealed, and segments are dropped; recharged is
killed at any moment of that, the folder verified from its base, and the server judged from outside. The journal stays
within its bound; where all is kept, the same bound must be seen to break.
"""
import time

from faults import LONG, seeded
from oracle import CONFIG, Load, check, check_that_it_fails, serving, settle, verify

KILLS = 60 if LONG else 5
RETENTION = CONFIG + 'journal_retention = "8MiB"\n'  # of segments of 8 MiB: the one in use
MOST_SEGMENTS = 4  # in use, made ahead, and what waits for a checkpoint and for the base
EVIDENCE_BYTES = 30000
GROWS_WITHIN_S = 60
SHORT_WITHIN_S = 15


def numbers(daemon):
    return sorted(int(path.stem) for path in (daemon.data_dir / "journal").glob("*.journal"))


def turn_over(daemon, load):
    """Until the journal has begun another segment."""
    first, deadline = numbers(daemon)[-1], time.monotonic() + GROWS_WITHIN_S
    while numbers(daemon)[-1] == first:
        check(time.monotonic() < deadline and not load.failures, "the journal does not grow", load.failures)
        time.sleep(0.01)


def wait_until_short(daemon):
    """The load may be faster than the sealing; after it the journal is as short as it should be."""
    deadline = time.monotonic() + SHORT_WITHIN_S
    while len(numbers(daemon)) > MOST_SEGMENTS:
        check(time.monotonic() < deadline, "the journal keeps", numbers(daemon))
        time.sleep(0.05)


def run(folder, rng, kills, config=RETENTION, **broken):
    payments, most = [], 0
    with serving(folder, config, **broken) as daemon:
        for block in range(kills):
            load = Load(daemon.address, rng, block, refusals=["overloaded"], evidence_bytes=EVIDENCE_BYTES)
            turn_over(daemon, load)
            time.sleep(rng.uniform(0, 0.8))  # the sealing lies about here
            daemon.kill()
            payments += load.join()
            verify(daemon.data_dir)
            daemon.start()
            most = max(most, len(numbers(daemon)))
            wait_until_short(daemon)
        load = Load(daemon.address, rng, kills, refusals=["overloaded"], evidence_bytes=EVIDENCE_BYTES)
        turn_over(daemon, load)
        payments += load.join()
        wait_until_short(daemon)
        check(numbers(daemon)[0] > 1, "nothing is dropped")
        settle(daemon, payments)
        print(f"{kills} kills, {len(payments)} payments, {most} segments at the most; kept: {numbers(daemon)}")


def test_killed_while_segments_are_dropped(tmp_path):
    run(tmp_path, seeded("retention"), KILLS)


def test_a_journal_that_is_kept_whole_is_seen(tmp_path):
    check_that_it_fails("no retention", lambda: run(tmp_path, seeded("all"), 6, CONFIG))
