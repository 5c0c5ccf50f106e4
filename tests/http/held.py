"""What is between a call and its record, for as long as a test likes: strace holds up the writes or the flushes of a running
recharged until it is killed. A page that was written outlives kill -9, so that the first leaves no record and the second does."""
import sys
from contextlib import contextmanager

from replies import REPOSITORY

sys.path.append(str(REPOSITORY / "tests" / "crash"))
from faults import injected, need_strace  # noqa: E402,F401

CALLS = {"not written": "pwrite64", "written, not flushed": "fdatasync"}
UNTIL_KILLED_US = 600_000_000


@contextmanager
def held(daemon, what, first=1):
    """Ends with kill -9. first: of the calls of each thread from here on; the ones before it go through."""
    with injected(daemon.process, f"{CALLS[what]}:delay_enter={UNTIL_KILLED_US}:when={first}+", daemon.folder / "strace") as tracer:
        try:
            yield
        finally:
            daemon.process.kill()
            tracer.kill()  # strace would wait for what it holds up
