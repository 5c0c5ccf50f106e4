"""recharged as a process: started on a free port and a data folder, ended by its process id."""
import functools
import os
import re
import select
import signal
import subprocess
import time
from pathlib import Path

from replies import REPOSITORY

REPORT = re.compile(r"(ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|: runtime error: )")
READY_LINE = re.compile(r"recharged listening on (https?)://(127\.0\.0\.1):([0-9]+)\n")


def binary(variable="RECHARGED_BIN", name="recharged"):
    path = Path(os.environ.get(variable) or REPOSITORY / "build" / "release" / "bin" / name)
    assert path.is_file(), f"{path} is missing: build it, or name another in {variable}"
    return str(path)


# Servers come and go here by the thousand.
SMALL = {"RECHARGED_STORE__RESERVE_BYTES": str(4 << 20)}


@functools.cache
def sanitizer():
    """What recharged was built with: "address", "thread" or None."""
    program = Path(binary()).read_bytes()
    return "thread" if b"__tsan_init" in program else "address" if b"__asan_init" in program else None


def slowdown():
    """How many times as long a server takes by its sanitizer; what is promised in seconds is promised of the others."""
    return {"address": 4, "thread": 10, None: 1}[sanitizer()]


def clean_environment(extra=None):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RECHARGE")}
    environment.update(extra or {})
    return environment


def run_once(*arguments, env=None, timeout=20, program=None):
    """For runs that end by themselves: the finished process with its exit code and output."""
    return subprocess.run([*(program or [binary()]), *arguments], env=clean_environment(env), timeout=timeout,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


class Daemon:
    """A running recharged. Errors: AssertionError with the end of its log where it does not start or stop as it should."""

    def __init__(self, folder, config=None, arguments=(), env=None, data_dir=None, ready_within=15,
                 program=None):
        """program: the command's beginning where it is not plainly recharged; the process must stay the same one."""
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data_dir = Path(data_dir) if data_dir else self.folder / "data"
        self.config_file = self.folder / "recharged.toml"
        self.log_file = self.folder / "stderr.log"
        self.env, self.arguments, self.ready_within = env, list(arguments), ready_within
        self.program = list(program) if program else [binary()]
        self.has_config = config is not None
        if self.has_config:
            self.config_file.write_text(config, encoding="utf-8")
        self.listen = "127.0.0.1:0"
        self.process = None
        self.start()

    def command(self):
        command = [*self.program, "--listen", self.listen, "--data-dir", str(self.data_dir)]
        if self.has_config:
            command += ["--config", str(self.config_file)]
        return command + self.arguments

    def start(self):
        started = time.monotonic()
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                                            env=clean_environment({**SMALL, **(self.env or {})}))
        output = select.poll()  # select() takes no descriptor beyond 1023, and a test may hold as many
        output.register(self.process.stdout, select.POLLIN)
        line, deadline = b"", started + self.ready_within * slowdown()
        while not line.endswith(b"\n"):
            ready = output.poll(1000 * max(0, deadline - time.monotonic()))
            part = os.read(self.process.stdout.fileno(), 4096) if ready else b""
            if not part:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"recharged did not get ready; exit {self.process.returncode}, stdout {line!r}\n"
                                     + self.log_tail())
            line += part
        match = READY_LINE.fullmatch(line.decode())
        assert match, f"unexpected line on stdout: {line!r}"
        self.address = (match[2], int(match[3]))
        self.url = f"{match[1]}://{match[2]}:{match[3]}"
        self.ready_seconds = time.monotonic() - started
        return self

    def log_tail(self):
        return self.log_file.read_text(encoding="utf-8", errors="replace")[-4000:]

    def assert_no_report(self):
        """Of a sanitizer, where the server was built with one."""
        log = self.log_file.read_text(encoding="utf-8", errors="replace")
        found = REPORT.search(log)
        assert not found, log[max(0, found.start() - 200):found.start() + 4000]

    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=20):
        try:
            code = self.process.wait(timeout * slowdown())
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("recharged did not end in time\n" + self.log_tail()) from None
        rest = self.process.stdout.read()
        self.process.stdout.close()
        assert rest == b"", f"more than one line on stdout: {rest!r}"
        return code

    def stop(self):
        """SIGTERM; it must end with 0."""
        if self.process is None:
            return
        if self.running():
            self.signal(signal.SIGTERM)
        code = self.wait()
        self.process = None
        self.assert_no_report()
        assert code == 0, f"exit {code} after SIGTERM\n" + self.log_tail()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process = None
        self.assert_no_report()

    def discard(self):
        """Ends what is still there, at the end of a test that may have failed."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def restart(self, kill=False, arguments=None):
        self.kill() if kill else self.stop()
        if arguments is not None:
            self.arguments = list(arguments)
        return self.start()
