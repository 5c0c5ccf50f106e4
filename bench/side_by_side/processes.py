"""Processes that a measurement starts, and what they use. Each is ended by its own process id, also on Ctrl-C; a script that
is killed itself takes them along."""
import ctypes
import os
import pwd
import signal
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

PR_SET_PDEATHSIG = 1
SECTOR_BYTES = 512
started = []


class Failure(Exception):
    """What ends a case; its text is shown."""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Child:
    """A process in its own session, so that Ctrl-C in the terminal reaches only the script, which ends it."""

    def __init__(self, command, log, user=None, stdin=subprocess.DEVNULL, stdout=None, env=None, cwd=None,
                 stop_signal=signal.SIGTERM):
        libc = ctypes.CDLL(None, use_errno=True)
        self.name, self.log, self.stop_signal = Path(command[0]).name, log, stop_signal
        with open(log, "ab") as errors:
            self.process = subprocess.Popen(
                [str(part) for part in command], stdin=stdin, stdout=stdout or errors, stderr=errors, user=user,
                group=pwd.getpwnam(user).pw_gid if user else None, start_new_session=True, cwd=cwd,
                env={**os.environ, **(env or {})}, preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, stop_signal))
        started.append(self)

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process.poll() is None

    def stop(self, number=None, within=20):
        """Returns the exit code."""
        if self.running():
            self.process.send_signal(number or self.stop_signal)
        try:
            self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()
        if self in started:
            started.remove(self)
        return self.process.returncode

    def log_tail(self):
        return Path(self.log).read_text(encoding="utf-8", errors="replace")[-2000:]


@contextmanager
def killed_after(seconds, child):
    """Nothing is waited for without an end."""
    timer = threading.Timer(seconds, child.process.kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def stop_all():
    for child in reversed(started[:]):
        child.stop(within=5)


def wait_for_port(port, child, within=20):
    deadline = time.monotonic() + within
    while time.monotonic() < deadline and child.running():
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise Failure(f"{child.name} did not start: {child.log_tail()}")


def tree(pid):
    """The process and all that descend from it."""
    found = [pid]
    for one in found:
        try:
            for task in Path(f"/proc/{one}/task").iterdir():
                found.extend(int(child) for child in (task / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def cpu_seconds(*pids):
    """User and system time of these processes and all below them, those that have ended left out."""
    total = 0.0
    for pid in {one for top in pids for one in tree(top)}:
        try:
            total += time.clock_gettime((~pid << 3) | 2)  # CPUCLOCK_SCHED of a process: nanoseconds, not ticks
        except OSError:
            continue
    return total


def written_bytes(pid):
    """What a process gave to the file system to write. On large folios it counts too much, but nothing is nothing."""
    for line in Path(f"/proc/{pid}/io").read_text().splitlines():
        name, value = line.split(": ")
        if name == "write_bytes":
            return int(value)
    raise Failure("the kernel does not count what a process writes")


def memory_bytes(pid):
    """Resident memory beside the page cache."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise Failure("the kernel does not tell the resident memory")


def device_bytes(path):
    """What the disk under the path has written since the start of the machine, whoever asked for it."""
    device = os.stat(path).st_dev
    stat = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat")
    if not stat.exists():
        raise Failure(f"{path} lies on no block device whose writes are counted")
    return int(stat.read_text().split()[6]) * SECTOR_BYTES


def allocated_bytes(folder, leave_out=()):
    return sum(entry.stat().st_blocks * 512 for entry in Path(folder).rglob("*")
               if entry.is_file() and not set(leave_out) & set(entry.relative_to(folder).parts))


def thread_seconds(pid):
    """CPU time of a server's threads by role, the number of a thread left out: {"io": 1.2, "journal": 0.3, ...}."""
    used = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        role = (task / "comm").read_text().strip().partition("-")[0]
        nanoseconds = int((task / "schedstat").read_text().split()[0])
        used[role] = used.get(role, 0.0) + nanoseconds / 1e9
    return used
