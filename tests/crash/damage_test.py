#!/usr/bin/python3
"""Random bit flips and truncations over the files of a data folder that a load has made.

Each case damages one file of a copy, lets `recharge verify` judge it, starts recharged on it, and asks for every order
and balance. Whatever is answered with 200 must be what the undamaged folder answers. The journal's damage is found by
verify always, and at the start from the books' position on; with exit 4 and the file's name. Damage of the books is
found by verify, or changes nothing that can be asked for; `verify --rebuild` then repairs it. No process dies of
SIGBUS, and verify and rebuild die of nothing.

    damage_test.py [--cases N] [--seed S]     # RECHARGE_LONG=1: 1,000 cases instead of 15; RECHARGE_SEED: the seed

The same cases then run on a folder of a build whose checksums and hashes are blind (BLIND_LIBRARY, preloaded): there
this test must see damage served as good, or it could not see it anywhere.

The binaries are taken from RECHARGED_BIN and RECHARGE_BIN, else from build/release/bin.
"""
import argparse
import collections
import http.client
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "http"))

from api import Api, new_account  # noqa: E402
from daemon import Daemon, binary, clean_environment  # noqa: E402
from signing import VECTOR_SECRET  # noqa: E402

SEGMENT_BYTES = 8 << 20
MAX_GROUP_BYTES = 1 << 20  # of the journal
CONFIG = f"""[callback]
secrets = [{{id = "main", secret = "{VECTOR_SECRET}"}}]
[orders]
expire_after_s = 86400
[store]
checkpoint_interval_ms = 200
segment_bytes = {SEGMENT_BYTES}
"""


def check(condition, *what):
    if not condition:
        raise AssertionError(" ".join(map(str, what)))


class Folder:
    """A data folder made by use, and what it answers. The journal has a tail behind the books: killed at the end."""

    def __init__(self, root, credits, environment):
        self.root, self.environment = Path(root), environment
        daemon = Daemon(self.root, CONFIG, env=environment, arguments=["--threads", "2"])
        try:
            api = Api(daemon.address)
            self.orders, self.accounts = [], []
            for number in range(credits):
                account = new_account()
                self.orders.append(api.credit(account, f"{number % 90 + 1}.25")[0])
                self.accounts.append(account)
                if number == credits * 9 // 10:
                    daemon.restart(kill=False)
                    api = Api(daemon.address)
            self.answers = self.ask(daemon.address)
            check(all(status == 200 for status, _ in self.answers.values()), "the undamaged folder refuses")
        finally:
            if daemon.process is not None:
                daemon.kill()
        self.data = daemon.data_dir
        segments = sorted((self.data / "journal").glob("*.journal"))
        self.files = [self.data / "FORMAT", *segments, self.data / "books" / "data.mdb"]
        self.weights = [1, *(4 / len(segments) for _ in segments), 5]

    def ask(self, address):
        """Status and body of everything that can be asked; nothing more once the server is gone."""
        answers, api = {}, Api(address)
        for target in [f"/api/orders/{order}" for order in self.orders] + [
                f"/api/check_balance?account={account}" for account in self.accounts]:
            try:
                reply = api.get(target)
            except OSError:
                break
            except http.client.HTTPException:  # the server is gone
                break
            except (ValueError, AssertionError) as error:  # an answer that says what no answer may: damage, served
                answers[target] = (None, repr(error).encode())
                continue
            answers[target] = (reply.status, bytes(reply.body))
        return answers


def damage(path, rng, may_cut=True):
    """One bit, or the file's end; where, in words."""
    size = path.stat().st_size
    if rng.random() < 0.2 and may_cut:
        left = rng.randrange(size)
        os.truncate(path, left)
        return f"cut to {left} of {size} bytes"
    with open(path, "r+b") as file:
        # Half of the flips where the file is in use: a segment is mostly zeros.
        used = size
        if path.suffix == ".journal" and rng.random() < 0.5:
            used = max(512, len(file.read().rstrip(b"\0")))
        offset, bit = rng.randrange(used), rng.randrange(8)
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ (1 << bit)]))
    return f"bit {bit} of byte {offset} of {size}"


def tool(folder, environment, *more):
    result = subprocess.run([binary("RECHARGE_BIN", "recharge"), "verify", "--data-dir", str(folder), *more],
                            capture_output=True, text=True, timeout=120, env=clean_environment(environment), check=False)
    return result.returncode, result.stdout + result.stderr


def judge(folder, case, rng, environment, counts):
    """Returns what was served although it was not so."""
    copy = case / "data"
    shutil.rmtree(case, ignore_errors=True)
    shutil.copytree(folder.data, copy)
    original = rng.choices(folder.files, folder.weights)[0]
    blind = environment is not None
    if blind:  # it is to be found out: several bits, where records lie
        original = next(file for file in folder.files if file.name == "data.mdb")
    damaged = copy / original.relative_to(folder.data)
    kind = "books" if damaged.name == "data.mdb" else "journal" if damaged.suffix == ".journal" else "FORMAT"
    how = damage(damaged, rng, may_cut=not blind)
    for _ in range(3 if blind else 0):
        damage(damaged, rng, may_cut=False)
    end = len(original.read_bytes().rstrip(b"\0"))
    unused = kind == "journal" and end == 0  # a segment in preparation
    flipped = re.match(r"bit \d of byte (\d+)", how)
    # What lies directly behind the end, where the next group would, is taken for its torn beginning and zeroed.
    behind = kind == "journal" and flipped and end <= int(flipped[1]) < end + MAX_GROUP_BYTES
    what = f"{damaged.name}: {how}"

    code, text = tool(copy, environment)
    check(code in (0, 1, 4), what, ": verify exits", code, text)
    if environment is None:
        check(code == 0 or damaged.name in text, what, ": verify does not name the file:", text)
        check(code == 0 or re.search(r"offset \d+", text), what, ": verify names no offset:", text)
        cut = "cut" in how
        check(code != 0 or kind == "books" or (unused and cut) or behind, what, ": verify finds nothing")
    counts[f"{kind}: " + ("found by verify" if code else "changes nothing")] += 1

    served = []
    try:
        server = Daemon(case, CONFIG, env=environment, data_dir=copy, arguments=["--threads", "2"])
    except AssertionError as error:
        stopped = re.search(r"exit (-?\d+)", str(error))
        check(stopped and int(stopped[1]) != -signal.SIGBUS, what, ":", error)
        if environment is None:
            check(int(stopped[1]) == 4 and damaged.name in str(error), what, ": the start says", error)
        counts[f"{kind}: refused at the start"] += 1
    else:
        try:
            answers = folder.ask(server.address)
            served = [(target, answer, folder.answers[target]) for target, answer in answers.items()
                      if answer[0] != 500 and answer != folder.answers[target]]
            if any(status == 500 for status, _ in answers.values()):
                counts[f"{kind}: refused when read"] += 1
            server.process.poll()
            if len(answers) < len(folder.answers):
                check(server.process.wait(20) != -signal.SIGBUS, what, ": SIGBUS")
                counts[f"{kind}: the process ended when it was read"] += 1
            elif code == 0 and environment is None:
                check(not served and all(status == 200 for status, _ in answers.values()),
                      what, ": verify finds nothing, and a reply differs")
        finally:
            if server.process is not None:
                server.kill()
    if environment is None:
        check(not served, what, ": served as good:", served[:2])
        if kind == "books":
            code, text = tool(copy, None, "--rebuild")
            check(code == 0, what, ": not repaired:", code, text)
            counts["books: repaired from the journal"] += 1
    return served


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1000 if os.environ.get("RECHARGE_LONG") == "1" else 15)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("RECHARGE_SEED") or
                                                        random.SystemRandom().randrange(2**32)))
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.cases} cases", flush=True)
    rng, counts = random.Random(options.seed), collections.Counter()
    with tempfile.TemporaryDirectory(prefix="recharge-damage-") as name:
        root = Path(name)
        try:
            folder = Folder(root / "made", 120, None)
            for _ in range(options.cases):
                judge(folder, root / "case", rng, None, counts)
            for text, count in sorted(counts.items()):
                print(f"{count:6} {text}", flush=True)
            blind = {"LD_PRELOAD": os.environ["BLIND_LIBRARY"]}
            folder, cases, served = Folder(root / "blind", 120, blind), 0, []
            while not served and cases < 200:
                cases += 1
                served = judge(folder, root / "case", rng, blind, collections.Counter())
            check(served, "blind checksums were not noticed in", cases, "cases")
        except BaseException:
            print(f"FAILED with seed {options.seed}", file=sys.stderr)
            raise
    print(f"{options.cases} cases, nothing damaged was served; a blind build did so after {cases} cases; "
          f"seed {options.seed}")


if __name__ == "__main__":
    main()
