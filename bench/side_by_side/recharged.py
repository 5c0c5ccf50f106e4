"""recharged as it is measured, and `recharge load` as the client of every server."""
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from .processes import Child, Failure, cpu_seconds, free_port, killed_after

BIN = Path(os.environ.get("RECHARGE_BENCH_BIN") or Path(__file__).parents[2] / "build" / "profiled" / "bin")


class Recharged:
    """One data folder on one port; killed and started again as often as a case wants."""

    def __init__(self, folder, arguments=(), scheme="http", environment=None):
        self.folder, self.port, self.environment = Path(folder), free_port(), environment
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data, self.arguments = self.folder / "data", list(arguments)
        # In memory where that is possible: a line for each refused signature is nothing that the books wrote.
        memory = Path("/dev/shm")
        self.logs = tempfile.TemporaryDirectory(prefix="recharged-log-", dir=memory if memory.is_dir() else self.folder)
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self.child = None
        self.start()

    @property
    def pid(self):
        return self.child.pid

    @property
    def secret_file(self):
        return self.data / "callback.secret"

    def start(self, within=120):
        """Returns the seconds until requests are accepted."""
        begun = time.monotonic()
        self.child = Child([BIN / "recharged", "--listen", f"127.0.0.1:{self.port}", "--data-dir", self.data,
                            *self.arguments], Path(self.logs.name) / "recharged.log", stdout=subprocess.PIPE,
                           env=self.environment)
        with killed_after(within, self.child):
            line = self.child.process.stdout.readline()
        if b"listening on" not in line:
            raise Failure(f"recharged did not start: {self.child.log_tail()}")
        return time.monotonic() - begun

    def kill(self):
        """As a crash of the process ends it."""
        self.child.stop(signal.SIGKILL)

    def stop(self):
        if self.child.stop() != 0:
            raise Failure(f"recharged ended with {self.child.process.returncode}: {self.child.log_tail()}")

    def restart_after_crash(self):
        self.kill()
        return self.start()

    def restart(self):
        """A clean stop writes the books: nothing of what came before is left to be done."""
        self.stop()
        self.start()

    def metric(self, name):
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as reply:
            for line in reply.read().decode().splitlines():
                if line.rpartition(" ")[0] == name:
                    return float(line.rpartition(" ")[2])
        raise Failure(f"recharged has no metric {name}")

    def journal_counters(self):
        """Flushes, their seconds, and the records in them, so far."""
        return {"flushes": self.metric("recharge_journal_flush_seconds_count"),
                "seconds": self.metric("recharge_journal_flush_seconds_sum"),
                "records": self.metric("recharge_journal_group_records_sum")}

    def settle(self, within=60):
        """Until a checkpoint that began after now has ended, so that what came before is not measured."""
        wanted = self.metric("recharge_checkpoint_seconds_count") + 2
        body = b'{"account":"13800000000","amount":1}'
        deadline = time.monotonic() + within
        while self.metric("recharge_checkpoint_seconds_count") < wanted:
            if time.monotonic() > deadline:
                raise Failure("no checkpoint within a minute")
            urllib.request.urlopen(f"{self.url}/api/place_order", body, timeout=10).close()
            time.sleep(0.05)

    def verify(self, scratch):
        """Journal and books of the stopped server, from the beginning."""
        done = subprocess.run([BIN / "recharge", "verify", "--data-dir", self.data, "--scratch-dir", scratch],
                              capture_output=True, text=True, check=False, timeout=3600)
        if done.returncode != 0:
            raise Failure(f"recharge verify: {done.stdout}{done.stderr}")


class Load:
    """One run of `recharge load`, which stops at each step until what is to be done there is done."""

    def __init__(self, server_url, secret_file, folder, options=()):
        self.command = [str(BIN / "recharge"), "--server", server_url, "--secret-file", str(secret_file), "--json", *options]
        self.log = Path(folder) / "load.log"

    def run(self, *options, steps=None, within=900):
        """steps: what to call at "beside", "measure" and "books". Returns the report.
        Errors: Failure where the load has no result, or the books do not balance."""
        options = [str(option) for option in options]
        self.log.unlink(missing_ok=True)
        child = Child([*self.command, "load", *options, "--stepwise"], self.log, stdin=subprocess.PIPE,
                      stdout=subprocess.PIPE)
        report = None
        try:
            with killed_after(within, child):
                for line in child.process.stdout:
                    step = re.fullmatch(rb"step (\w+)\n", line)
                    if not step:
                        report = json.loads(line)
                        continue
                    action = (steps or {}).get(step[1].decode())
                    if action:
                        action()
                    child.process.stdin.write(b"\n")
                    child.process.stdin.flush()
                code = child.process.wait()
        finally:
            child.stop()
        if report and report["books"] and not report["books"]["balanced"]:
            raise Failure(f"the books do NOT balance: {report['books']['shown']}")
        if code != 0 or report is None:
            raise Failure(f"recharge load {' '.join(options)}: exit code {code}: {child.log_tail()}")
        return report


class Wrk:
    """wrk on one thread over callbacks that were signed before."""

    def __init__(self, server, folder, orders, accounts):
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([BIN / "recharge", "--server", server.url, "--secret-file", server.secret_file, "load", "--accounts",
                        str(accounts), "--requests", str(orders), "--emit-wrk", folder], capture_output=True, check=True,
                       timeout=300)
        bodies = (folder / "callbacks.txt").read_bytes()
        (folder / "beside.txt").write_bytes(bodies * 4)  # who only answers may see one again

    def run(self, url, connections, seconds, meter, bodies="callbacks.txt"):
        """One run, its server's CPU taken by the meter. Returns rate, replies and the generator's CPU.
        Errors: Failure where a reply was not 200, or the bodies were used up."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        meter.begin()
        done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", self.folder / "callback.lua",
                               url, "--", self.folder / bodies, "1"], capture_output=True, text=True, check=True,
                              timeout=300)
        meter.end()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        counts = re.search(r"(\d+) requests in ([\d.]+)s", done.stdout)
        if counts is None or "used up" in done.stdout or "other than 200: 0" not in done.stdout:
            raise Failure(f"wrk on {url}: {done.stdout}")
        took = float(counts[2])
        loading = float(re.search(r"before the clock started: ([\d.]+)", done.stdout)[1])
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {"rate": int(counts[1]) / took, "replies": int(counts[1]), "generator_cpu_percent": 100 * (used - loading) / took}


class Meter:
    """CPU time between two steps, of processes and all below them."""

    def __init__(self, *pids):
        self.pids, self.seconds = pids, None

    def begin(self):
        self.before = cpu_seconds(*self.pids)

    def end(self):
        self.seconds = cpu_seconds(*self.pids) - self.before
