"""Secrets are exchanged by SIGHUP under load: no valid callback is refused, and no revoked secret is good for long."""
import os
import signal
import threading
import time

from api import Api, expect, in_threads
from faulty import must_fail, running

LONG = os.environ.get("RECHARGE_LONG") == "1"
SENDERS = 4
REVOKED_WITHIN_S = 1.0
PROBES = 20


def rotate(folder, broken=None, reloads=100 if LONG else 10):
    """Two secrets are active at a time. Each reload drops the older and adds a new one; the one that both have is used
    to sign all the while. One thread rotates, the others send."""
    secret = "secret-of-generation-{:06d}".format

    def config(generation):
        return "[callback]\nsecrets = [%s]\n" % ", ".join(
            f'{{id = "g{number}", secret = "{secret(number)}"}}' for number in (generation, generation + 1))

    with running(folder, config(0), secrets="", broken=broken) as daemon:
        shared = {"common": 1, "revoked": None}  # generations
        done, lock, sent = threading.Event(), threading.Lock(), [0] * SENDERS
        in_use = [None] * SENDERS  # which secret a sender has a callback under way with

        def send(index):
            api = Api(daemon.address)
            while not done.is_set():
                with lock:
                    in_use[index] = shared["common"]
                    revoked = shared["revoked"]
                order_id = api.place()
                expect(api.callback(order_id, secret=secret(in_use[index])), 200, msg="Recharge succeeded")
                sent[index] += 1
                with lock:
                    in_use[index] = None
                if revoked is not None and sent[index] % 8 == 0:
                    expect(api.callback(order_id, secret=secret(revoked)), 403, error="invalid_signature")

        def refused_everywhere(generation):
            """On several connections, which lie on different threads."""
            for _ in range(PROBES):
                probe = Api(daemon.address)
                status = probe.callback(paid, secret=secret(generation)).status
                probe.close()
                if status != 403:
                    return False
            return True

        def reload_all():
            for generation in range(1, reloads + 1):
                daemon.config_file.write_text(config(generation))
                at = time.monotonic()
                daemon.signal(signal.SIGHUP)
                while not refused_everywhere(generation - 1):
                    assert time.monotonic() - at <= REVOKED_WITHIN_S, f"generation {generation - 1} is still accepted"
                taken.append(time.monotonic() - at)
                with lock:
                    shared["revoked"], shared["common"] = generation - 1, generation + 1
                while any(used == generation for used in in_use):
                    assert not failed.is_set(), "a sender failed"
                    time.sleep(0.001)

        api, taken, failed = Api(daemon.address), [], threading.Event()
        paid = api.place()
        expect(api.callback(paid, secret=secret(1)), 200)

        def work(index):
            try:
                send(index) if index < SENDERS else reload_all()
            except BaseException:
                failed.set()
                raise
            finally:
                if index == SENDERS or failed.is_set():
                    done.set()

        in_threads(SENDERS + 1, work)
        log = daemon.log_file.read_text()
        assert log.count("settings reloaded") == reloads and "secret-of-generation" not in log
        assert sum(sent) > reloads, sent
        print(f"{reloads} reloads, {sum(sent)} callbacks, the slowest revocation {max(taken) * 1000:.0f} ms")


def test_rotation_under_load(tmp_path):
    rotate(tmp_path)


def test_a_reload_that_changes_nothing_is_seen(tmp_path):
    must_fail(rotate, tmp_path, broken="deaf_to_reloads", reloads=2)
