"""What disturbs a running recharged from outside, and how often: strace's injections, and the long or short form."""
import contextlib
import ctypes
import os
import random
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from daemon import binary
from oracle import check

LONG = os.environ.get("RECHARGE_LONG") == "1"
SEED = int(os.environ.get("RECHARGE_SEED") or random.SystemRandom().randrange(2**32))


def seeded(name):
    """A generator of its own for each test; the seed is shown where the test fails."""
    print(f"RECHARGE_SEED={SEED}")
    return random.Random(f"{SEED} {name}")


def need(*programs, root=False):
    """Skips the test where one of the programs, or root, is not there."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    if root and os.geteuid() != 0:
        pytest.skip("needs root")


def need_strace(tmp_path):
    need("strace")
    result = subprocess.run(["strace", "-o", str(tmp_path / "probe"), "true"], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        pytest.skip(f"strace may not trace here: {result.stderr.strip()[:100]}")


def need_io_uring():
    libc, setup = ctypes.CDLL(None, use_errno=True), 425  # the same number on every architecture
    ring = libc.syscall(setup, 1, ctypes.create_string_buffer(120))
    if ring < 0:
        pytest.skip(f"io_uring is not offered here: {os.strerror(ctypes.get_errno())}")
    os.close(ring)


def under_strace(inject, log, program=None):
    """The beginning of a command whose process is recharged itself, traced by a grandchild. Without --seccomp-bpf, with
    which strace 6.1 injects no signals."""
    calls = re.match(r"[^:]+", inject)[0]
    return ["strace", "-D", "-f", "-q", "-o", str(log), "-e", f"trace={calls}", "-e", f"inject={inject}",
            *(program or [binary()])]


@contextlib.contextmanager
def injected(process, inject, log):
    """From here on, until the block or the process ends. In the log: when, which call, which file, what was injected."""
    calls = re.match(r"[^:]+", inject)[0]
    tracer = subprocess.Popen(["strace", "-f", "-q", "-y", "-ttt", "-o", str(log), "-e", f"trace={calls}", "-e",
                               f"inject={inject}", "-p", str(process.pid)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 5
        while process.poll() is None and not all_traced(process.pid):
            check(time.monotonic() < deadline, "strace does not get hold of recharged")
            if tracer.poll() is not None:  # with the process, which the first call may have ended, or without it
                check(ended_within(process, 1), "strace does not get hold of recharged")
            time.sleep(0.005)
        yield tracer
    finally:
        tracer.terminate()
        tracer.wait()


def ended_within(process, seconds):
    try:
        process.wait(timeout=seconds)
        return True
    except subprocess.TimeoutExpired:
        return False


def all_traced(pid):
    try:
        states = [Path(f"/proc/{pid}/task/{task}/status").read_text() for task in os.listdir(f"/proc/{pid}/task")]
    except (FileNotFoundError, ProcessLookupError):
        return True  # it has ended already
    return all(not re.search(r"^TracerPid:\t0$", state, re.MULTILINE) for state in states)


def first_injection(log, path):
    """When a call on a file with such a name first failed, on the clock of time.monotonic(); None: never."""
    offset = time.time() - time.monotonic()
    for line in Path(log).read_text().splitlines():
        if "INJECTED" in line and re.search(path, line):
            return float(line.split()[1]) - offset
    return None


def resident_bytes(pid):
    return int(re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1]) * 1024
