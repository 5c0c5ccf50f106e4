"""Goals, verdicts, and how both are shown."""
import json
import os
import platform
import statistics
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_CHOSEN = "not chosen"


@dataclass
class Goal:
    name: str
    what: str
    compare: str  # ">=", "<="; "": shown without a verdict
    bound: float
    unit: str = ""
    samples: list = field(default_factory=list)
    note: str = ""
    wholly: bool = True  # measured at the size that the goal names
    reason: str = NOT_CHOSEN  # why there is no figure

    def add(self, value):
        self.samples.append(value)

    @property
    def median(self):
        return statistics.median(self.samples) if self.samples else None

    @property
    def verdict(self):
        if not self.samples:
            return f"not measured: {self.reason}"
        if not self.compare:
            return "no goal"
        met = self.median >= self.bound if self.compare == ">=" else self.median <= self.bound
        return ("met" if met else "MISSED") + ("" if self.wholly else ", at a smaller size than the goal's")


def goals():
    table = [
        ("P1/64", "callbacks/s ÷ nginx `return 200`, 64 connections", ">=", 0.85),
        ("P1/256", "the same, 256 connections", ">=", 0.85),
        ("P2/64", "server CPU per callback ÷ nginx's per request, 64 connections", "<=", 1.8),
        ("P2/256", "the same, 256 connections", "<=", 1.5),
        ("P3/p50", "p50 at half of the maximum, less 0.1 ms, ÷ p50 of a bare append + fdatasync", "<=", 2),
        ("P3/p99", "p99 ÷ its p99", "<=", 3),
        ("P3/worst", "worst reply while checkpoints run", "<=", 20, "ms"),
        ("P4", "one account ÷ spread over as many as there are orders", ">=", 0.9),
        ("P5/again", "duplicates/s ÷ nginx", ">=", 0.9),
        ("P5/forged", "forgeries/s ÷ nginx", ">=", 0.9),
        ("P5/bytes", "bytes written for both", "<=", 0, "B"),
        ("P6", "check_balance/s ÷ nginx", ">=", 0.9),
        ("P7/rate", "callbacks/s with a full store ÷ empty", ">=", 0.9),
        ("P7/memory", "resident beside the page cache, full store", "<=", 1024, "MiB"),
        ("P7/disk", "disk an order beside the journal", "<=", 400, "B"),
        ("P8", "start after kill -9 in mid-load, full store", "<=", 2, "s"),
        ("P9", "device bytes a callback, zero-fill and checkpoint counted", "<=", 1.5 * 1024, "B"),
        ("P10/64", "callbacks/s ÷ Redis SET, appendfsync always, 64 connections", ">=", 1),
        ("P10/256", "the same, 256 connections", ">=", 1),
        ("P11/fastify", "callbacks/s ÷ Fastify + PostgreSQL, 64 connections", ">=", 10),
        ("access/rate", "callbacks/s with tokens and limits on ÷ off, 64 connections", ">=", 0.92),
        ("access/cpu", "server CPU per callback with tokens and limits on ÷ off", "<=", 1.08),
        ("access/https", "callbacks/s over HTTPS ÷ over HTTP, 64 connections", ">=", 0.5),
        ("access/https-cpu", "server CPU per callback over HTTPS ÷ over HTTP", "<=", 2),
        ("P11/flask", "callbacks/s ÷ Flask + gunicorn + PostgreSQL, 64 connections", ">=", 20),
    ]
    told = {"webhook": "a webhook is", "amqp": "RabbitMQ is", "streams": "100 streams are", "websockets": "100 WebSockets are",
            "reader": "a reader of events is", "all": "all of these are"}
    for name, whom in told.items():
        table.append((f"told/{name}", f"callbacks/s while {whom} told ÷ nobody told, 64 connections", ">=", 0.9))
        table.append((f"told/{name}-cpu", "server CPU per callback, the same", "", 0))
    way = {"forged": "refused for its signature", "again": "credited before: nothing is changed", "unflushed": "credited, without the flush",
           "flushed": "credited and flushed"}
    for connections in (64, 256):
        for name, what in way.items():
            table.append((f"steps/{name}/{connections}", f"server CPU ÷ nginx's, {connections} connections: {what}", "", 0))
            table.append((f"steps/{name}-us/{connections}", "the same", "", 0, "µs"))
    return {row[0]: Goal(*row) for row in table}


def short(value, unit=""):
    if value is None:
        return "-"
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2
    return f"{value:.{digits}f}" + (f" {unit}" if unit else "")


def command_line(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    return done.stdout.strip()


def machine():
    model = [line.split(": ")[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "kernel": platform.release(),
            "cores": len(os.sched_getaffinity(0)), "processor": model[0] if model else platform.machine(),
            "commit": command_line("git", "describe", "--always", "--dirty"), "nginx": nginx_version()}


def nginx_version():
    done = subprocess.run(["/usr/sbin/nginx", "-v"], capture_output=True, text=True, check=False) \
        if Path("/usr/sbin/nginx").exists() else None
    return done.stderr.strip().rpartition("/")[2] if done else ""


def as_text(table, notes):
    rows = [("goal", "what", "wanted", "median", "spread", "verdict")]
    for goal in table.values():
        if not goal.samples and goal.reason == NOT_CHOSEN:
            continue
        spread = f"{short(min(goal.samples))} to {short(max(goal.samples))} ({len(goal.samples)})" if goal.samples else "-"
        wanted = f"{'≥' if goal.compare == '>=' else '≤'} {goal.bound:g}" if goal.compare else "-"
        rows.append((goal.name, goal.what, wanted, short(goal.median, goal.unit), spread, goal.verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)) + "  " + row[5] for row in rows]
    return "\n".join([*lines, "", *notes]) + "\n"


def as_json(table, notes, runs, options):
    return json.dumps({
        "machine": machine(), "options": options, "notes": notes, "runs": runs,
        "goals": [{"name": goal.name, "what": goal.what, "compare": goal.compare, "bound": goal.bound, "unit": goal.unit,
                   "median": goal.median, "samples": goal.samples, "verdict": goal.verdict} for goal in table.values()],
    }, indent=1, ensure_ascii=False) + "\n"
