"""SIGTERM in mid-load, again and again, and a second recharged on the same folder while the first is at work."""
import http.client
import subprocess
import time

from broken import broken_disk
from daemon import Daemon, run_once, slowdown
from faults import LONG, seeded
from oracle import (Load, Refused, check, check_all, check_balances, check_payments, check_that_it_fails, client,
                    send_all_again, serving, settle, verify)

STOPS = 100 if LONG else 5
REFUSED_WITHIN_S = 1.0 * slowdown()


def ended_well(ending):
    """How a connection may end: by 503 draining, or by a clean end that is not in the middle of a reply."""
    if isinstance(ending, Refused):
        return ending.slug == "draining" and int(ending.retry_after) > 0
    return isinstance(ending, (http.client.NotConnected, http.client.RemoteDisconnected))


def stop_under_load(daemon, rng, block, stop_it):
    """The payments of a load that was on its way when the server was stopped.

    A request that met the end of its connection was never answered: then it must not have happened either, and is
    taken for one that was never sent."""
    load = Load(daemon.address, rng, block, refusals_end=True)
    time.sleep(rng.uniform(0.05, 0.4))
    stop_it(daemon)
    payments = load.join()
    bad = {index: repr(ending) for index, ending in load.endings.items() if not ended_well(ending)}
    check(not bad, "connections ended badly:", bad)
    check(len(load.endings) == len(load.threads), "connections that were not ended:", load.endings)
    for step in (step for payment in payments for step in payment.steps.values()):
        if not step.acknowledged:
            step.sent_at = None
    return payments


def run(folder, rng, stops, stop_it=Daemon.stop):
    payments = []
    with serving(folder) as daemon:
        for block in range(stops):
            fresh = stop_under_load(daemon, rng, block, stop_it)
            payments += fresh
            daemon.start()
            check_payments(daemon.address, fresh)
            check_balances(daemon.address, fresh, exactly=True)
        check_all(daemon.address, payments, exactly=True)
        with client(daemon.address) as over:  # the orders, too, had not been placed
            for payment in payments:
                if not payment.sent("place"):
                    payment.send("place", over)
        send_all_again(daemon.address, payments)
        daemon.stop()
        verify(daemon.data_dir)


def test_stop_under_load(tmp_path):
    run(tmp_path, seeded("stop"), STOPS)


def test_a_server_that_does_not_drain_is_seen(tmp_path):
    check_that_it_fails("no drain", lambda: run(tmp_path, seeded("stop"), 1, Daemon.kill))


def second_instance(folder, rng, **broken):
    with serving(folder, **broken) as daemon:
        load = Load(daemon.address, rng, 0)
        for _ in range(3):
            started = time.monotonic()
            try:
                second = run_once("--listen", "127.0.0.1:0", "--data-dir", str(daemon.data_dir), **broken, timeout=2)
            except subprocess.TimeoutExpired:
                raise AssertionError("a second instance runs") from None
            check(second.returncode == 4, "a second instance ends with", second.returncode, second.stderr)
            check(time.monotonic() - started <= REFUSED_WITHIN_S, "refused only after", time.monotonic() - started)
        payments = load.join()
        settle(daemon, payments)


def test_second_instance_is_refused_under_load(tmp_path):
    second_instance(tmp_path, seeded("second"))


def test_a_folder_without_a_lock_is_seen(tmp_path):
    check_that_it_fails("no lock", lambda: second_instance(tmp_path, seeded("second"), **broken_disk("no_lock")))
