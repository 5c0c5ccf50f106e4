"""The oracle in a process of its own: outside recharged, and outside the driver that starts and kills it.

It makes the load, keeps the list of what was sent and acknowledged, and judges. When its driver dies it ends recharged,
starts it once more on the same folder, judges alone, and leaves what it found in FOLDER/verdict: "sound", or why not.
"""
import contextlib
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

from daemon import Daemon
from oracle import (CONFIG, Load, check_all, check_balances, check_payments, check_that_lies_are_seen, send_all_again,
                    settle)

KINDS = ("place", "credit", "refund", "debit", "second")


class Judge:
    """What the driver may ask for, by name. address: of the recharged that is judged."""

    def __init__(self, folder, program, env):
        self.folder, self.program, self.env = folder, program, env
        self.payments, self.last, self.running = [], [], None

    def load(self, address, seed):
        self.running = Load(address, random.Random(seed), len(self.payments) % 10000)

    def join(self):
        self.last, self.running = self.running.join(), None
        self.payments.append(self.last)

    def look_at(self, address, seed):
        """The last load whole, and an earlier one."""
        earlier = random.Random(seed).choice(self.payments[:-1]) if len(self.payments) > 1 else []
        check_payments(address, self.last + earlier)
        check_balances(address, self.last + earlier)

    def all(self):
        return [payment for payments in self.payments for payment in payments]

    def everything(self, address, lies):
        check_all(address, self.all())
        send_all_again(address, self.all())
        if lies:
            check_that_lies_are_seen(address, self.all())

    def acknowledged(self):
        return {"payments": len(self.all()),
                **{kind: sum(payment.acknowledged(kind) for payment in self.all()) for kind in KINDS}}

    def alone(self):
        end_users_of(self.folder / "data")
        if self.running:
            self.join()
        time.sleep(0.2)  # until the folder's lock is free
        settle(Daemon(self.folder, CONFIG, program=self.program, env=self.env), self.all())


def end_users_of(data_dir):
    """What the dead driver has left running on this folder, and on no other: recharged, or a verify."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(data_dir).encode() in entry.read_bytes().split(b"\0"):
                os.kill(int(entry.parent.name), signal.SIGKILL)


def answer(judge, what, arguments):
    try:
        return getattr(judge, what)(*arguments)
    except Exception as error:
        return error if isinstance(error, AssertionError) else AssertionError(repr(error))


def serve(pipe, drivers_end, judge):
    drivers_end.close()  # or the driver's end would never be seen
    os.setsid()
    while True:
        try:
            what, arguments = pipe.recv()
            if what == "end":
                return
            pipe.send(answer(judge, what, arguments))
        except (EOFError, OSError):  # the driver is dead, whatever this was about
            break
    try:
        judge.alone()
        verdict = "sound"
    except Exception as error:
        verdict = f"{type(error).__name__}: {error}"
    (judge.folder / "verdict.tmp").write_text(verdict, encoding="utf-8")
    (judge.folder / "verdict.tmp").rename(judge.folder / "verdict")


class Oracle:
    """The driver's side. Raises the AssertionError of what it asked for."""

    def __init__(self, folder, program=None, env=None):
        fork = multiprocessing.get_context("fork")
        self.pipe, theirs = fork.Pipe()
        self.process = fork.Process(target=serve, args=(theirs, self.pipe, Judge(Path(folder), program, env)))
        self.process.start()
        theirs.close()

    def ask(self, what, *arguments):
        self.pipe.send((what, arguments))
        answer = self.pipe.recv()
        if isinstance(answer, AssertionError):
            raise answer
        return answer

    def end(self):
        self.pipe.send(("end", ()))
        self.process.join()
