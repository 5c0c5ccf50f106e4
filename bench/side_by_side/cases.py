"""The cases of bench/compare. Each runs its pairs in turn with the same client, looks up every order that was acknowledged
in the server that was killed and started again, and adds one sample a pair to its goals. A case whose books do not balance
has no samples."""
import shutil
import subprocess
import threading
import time
from collections import defaultdict
from pathlib import Path

from . import peers
from .processes import Failure, allocated_bytes, device_bytes, memory_bytes, stop_all, written_bytes
from .recharged import BIN, Load, Meter, Recharged, Wrk
from .subscribers import subscribers

GOAL_ORDERS, GOAL_ACCOUNTS = 10_000_000, 1_000_000
CALLBACK_BYTES = 256  # the value that Redis stores: about the body of a callback
BYTES_AN_ORDER = 2_000  # of disk, journal included: more than was ever seen


class Bench:
    def __init__(self, folder, table, options, say):
        self.folder, self.goals, self.options, self.say = Path(folder), table, options, say
        self.runs, self.notes = [], []
        self.series = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))  # plot, line, x: values
        self.fastest = 40_000.0  # callbacks a second seen so far: how many are prepared
        self.servers = 0
        self.shared = None
        self.started_nginx = None

    @property
    def pairs(self):
        return range(self.options.pairs)

    @property
    def seconds(self):
        return self.options.seconds

    def fresh_server(self):
        self.servers += 1
        return Recharged(self.folder / f"recharged-{self.servers}")

    def server(self):
        if self.shared is None:
            self.shared = self.fresh_server()
        return self.shared

    def nginx(self):
        if self.started_nginx is None:
            self.started_nginx = peers.Nginx(self.folder)
        return self.started_nginx

    def discard(self, server):
        server.kill()
        shutil.rmtree(server.folder)

    def orders_for(self, seconds):
        return int(self.fastest * 1.4 * seconds)

    def load(self, server, *options, steps=None):
        report = Load(server.url, server.secret_file, self.folder).run(*options, steps=steps)
        if report["mix"] == "callback":
            self.fastest = max(self.fastest, report["rate"])
        self.runs.append({"options": " ".join(str(option) for option in options), **report})
        return report

    def note_run(self, name, report, cpu_seconds=None):
        cpu = f", {cpu_seconds / report['replies'] * 1e6:.1f} µs of server CPU each" if cpu_seconds else ""
        self.say(f"  {name}: {report['rate']:,.0f}/s{cpu}, generator {report['generator_cpu_percent']:.0f} % of a core")


def callbacks_beside_nginx(bench, connections, mix="callback", orders=None, server=None):
    """One pair. Returns (report, CPU per callback, nginx's CPU per request, bytes written)."""
    server, nginx = server or bench.server(), bench.nginx()
    mine, theirs = Meter(), Meter(nginx.pid)
    written = {}

    def begin_beside():
        server.restart()
        mine.pids = (server.pid,)
        theirs.begin()

    def begin_mine():
        theirs.end()
        written["before"] = written_bytes(server.pid)
        mine.begin()

    def books():
        mine.end()
        written["after"] = written_bytes(server.pid)
        server.restart_after_crash()

    sized = ("--orders", orders) if orders else ("--orders", bench.orders_for(bench.seconds))
    report = bench.load(server, "--mix", mix, "--connections", connections, "--duration", bench.seconds, *sized,
                        "--accounts", bench.options.accounts, "--beside", nginx.url,
                        steps={"beside": begin_beside, "measure": begin_mine, "books": books})
    bench.note_run(f"nginx, {connections} connections", report["beside"], theirs.seconds)
    bench.note_run(f"recharged, {mix}", report, mine.seconds)
    return report, mine.seconds / report["replies"], theirs.seconds / report["beside"]["replies"], written


def callbacks_by_wrk(bench, connections):
    """The same pair with wrk as the client. It keeps no list of what was acknowledged: counted is what was answered with 200,
    and after kill -9 as many orders have to be recharged, at most those more that were under way when it stopped."""
    server, nginx = bench.server(), bench.nginx()
    prepared = Wrk(server, bench.folder / "wrk", bench.orders_for(bench.seconds), bench.options.accounts)
    server.restart()
    mine, theirs = Meter(server.pid), Meter(nginx.pid)
    before = server.metric('recharge_orders{status="recharged"}')
    beside = prepared.run(nginx.url, connections, bench.seconds, theirs, "beside.txt")
    report = {**prepared.run(server.url, connections, bench.seconds, mine), "beside": beside, "mix": "callback by wrk"}
    server.restart_after_crash()
    credited = server.metric('recharge_orders{status="recharged"}') - before
    if not report["replies"] <= credited <= report["replies"] + connections:
        raise Failure(f"the books do NOT balance: {report['replies']} answered, {credited:.0f} credited")
    if server.metric("recharge_ledger_sum_minor_units") != 0:
        raise Failure("the books do NOT balance: the ledger's sum is not zero")
    bench.fastest = max(bench.fastest, report["rate"])
    bench.runs.append({"options": f"wrk, {connections} connections", **report})
    bench.note_run(f"nginx, {connections} connections, wrk", beside, theirs.seconds)
    bench.note_run("recharged, wrk", report, mine.seconds)
    return report, mine.seconds / report["replies"], theirs.seconds / beside["replies"], None


def callbacks(bench):
    """P1, P2, and both by connections."""
    one_pair = callbacks_by_wrk if bench.options.client == "wrk" else callbacks_beside_nginx
    for connections in bench.options.connections:
        for pair in bench.pairs:
            if pair > 0 and connections not in (64, 256):
                break  # no goal: one pair for the plot
            report, mine, theirs, _ = one_pair(bench, connections)
            ratio = report["rate"] / report["beside"]["rate"]
            if f"P1/{connections}" in bench.goals:
                bench.goals[f"P1/{connections}"].add(ratio)
                bench.goals[f"P2/{connections}"].add(mine / theirs)
                if report["generator_cpu_percent"] > 95 or report["beside"]["generator_cpu_percent"] > 95:
                    bench.goals[f"P1/{connections}"].note = "the generator was at its limit: P2 decides"
            for line, rate, cpu in (("recharged", report["rate"], mine), ("nginx", report["beside"]["rate"], theirs)):
                bench.series["throughput"][line][connections].append(rate)
                bench.series["cpu"][line][connections].append(cpu * 1e6)


def latency(bench):
    """P3: open loop from the intended time, beside a bare flush."""
    server = bench.server()
    closed = bench.load(server, "--connections", 64, "--duration", bench.seconds, "--orders",
                        bench.orders_for(bench.seconds), "--accounts", bench.options.accounts,
                        steps={"measure": server.restart, "books": server.restart_after_crash})
    bench.note_run("closed loop, 64 connections", closed)
    for part in bench.options.offered:
        for pair in bench.pairs:
            if pair > 0 and part != 0.5:
                break
            one_latency(bench, server, closed["rate"] * part, part)


def one_latency(bench, server, rate, part):
    flush = peers.flush_loop(bench.folder, min(3, bench.seconds))
    seconds = max(bench.options.latency_seconds, 6)  # a checkpoint begins every 5 s
    counted = []

    def count():
        counted.append({"checkpoints": server.metric("recharge_checkpoint_seconds_count"), **server.journal_counters()})

    def begin():
        server.restart()
        count()

    def books():
        count()
        server.restart_after_crash()

    report = bench.load(server, "--connections", 256, "--rate", int(rate), "--duration", seconds, "--accounts",
                        bench.options.accounts, steps={"measure": begin, "books": books})
    took = report["latency_ms"]
    seen = {name: counted[1][name] - counted[0][name] for name in counted[0]}
    p50, p99 = flush[len(flush) // 2], flush[int(len(flush) * 0.99)]
    bench.say(f"  {rate:,.0f}/s ({part:.2f} of the maximum): p50 {took['p50']:.2f}, p99 {took['p99']:.2f}, worst "
              f"{took['max']:.1f} ms over {seen['checkpoints']:.0f} checkpoints; its flushes: {seen['seconds'] / seen['flushes'] * 1e3:.2f} "
              f"ms in the mean, {seen['records'] / seen['flushes']:.1f} records each; bare flush: p50 {p50:.2f}, p99 {p99:.2f}, "
              f"worst {flush[-1]:.1f} ms")
    for name in ("p50", "p90", "p99"):
        bench.series["latency"][name][int(rate)].append(took[name])
    if part == 0.5:
        bench.goals["P3/p50"].add(max(0.0, took["p50"] - 0.1) / p50)
        bench.goals["P3/p99"].add(took["p99"] / p99)
        if seen["checkpoints"] > 0:
            bench.goals["P3/worst"].add(took["max"])
        else:
            bench.goals["P3/worst"].reason = "no checkpoint ran"


def hot(bench):
    """P4."""
    server = bench.server()
    for pair in bench.pairs:
        rates = []
        for name, spread in (("spread", ("--accounts", GOAL_ACCOUNTS)), ("one account", ("--hot-account",))):
            report = bench.load(server, "--connections", 64, "--duration", bench.seconds, "--orders",
                                bench.orders_for(bench.seconds), *spread,
                                steps={"measure": server.restart, "books": server.restart_after_crash})
            bench.note_run(name, report)
            rates.append(report["rate"])
            bench.series["hot"][name][pair + 1].append(report["rate"])
        bench.goals["P4"].add(rates[1] / rates[0])


def repeats(bench):
    """P5."""
    for mix, goal in (("duplicate", "P5/again"), ("forged", "P5/forged")):
        for _ in bench.pairs:
            report, _, _, written = callbacks_beside_nginx(bench, 64, mix, orders=20_000)
            bench.goals[goal].add(report["rate"] / report["beside"]["rate"])
            bench.goals["P5/bytes"].add(written["after"] - written["before"])


def balance(bench):
    """P6: look-ups of accounts that have a balance."""
    server, nginx = bench.server(), bench.nginx()
    bench.load(server, "--requests", 20_000, "--accounts", 20_000, "--no-books")
    server.restart()
    for _ in bench.pairs:
        report = bench.load(server, "--mix", "balance", "--connections", 64, "--duration", bench.seconds, "--accounts",
                            20_000, "--beside", nginx.url)
        bench.note_run("nginx", report["beside"])
        bench.note_run("check_balance", report)
        bench.goals["P6"].add(report["rate"] / report["beside"]["rate"])


def fill(bench, server):
    """Orders, each credited, in rounds over the same accounts."""
    left = bench.options.orders
    accounts = min(GOAL_ACCOUNTS, left)
    while left > 0:
        count = min(accounts, left)
        report = bench.load(server, "--requests", count, "--accounts", accounts, "--connections", 256, "--no-books")
        left -= count
        bench.series["growth"]["while it grows"][bench.options.orders - left].append(report["rate"])
        bench.say(f"  {bench.options.orders - left:,} orders stored: {report['rate']:,.0f}/s")


def growth(bench):
    """P7, P8."""
    if shutil.disk_usage(bench.folder).free < bench.options.orders * BYTES_AN_ORDER + (2 << 30):
        raise Failure(f"{bench.folder} has no room for {bench.options.orders:,} orders")
    full = bench.fresh_server()
    fill(bench, full)
    full.stop()
    disk = allocated_bytes(full.data, leave_out=["journal"]) / bench.options.orders
    wholly = bench.options.orders >= GOAL_ORDERS
    for name in ("P7/rate", "P7/memory", "P7/disk", "P8"):
        bench.goals[name].wholly = wholly
    bench.goals["P7/disk"].add(disk)
    for _ in bench.pairs:
        empty = bench.fresh_server()
        before, _ = filled_run(bench, empty)
        bench.discard(empty)
        full.start()
        after, memory = filled_run(bench, full)
        seconds = killed_in_mid_load(bench, full)
        full.stop()
        bench.say(f"  empty {before:,.0f}/s, full {after:,.0f}/s, {memory / 2**20:.0f} MiB, {disk:.0f} bytes an order, "
                  f"started in {seconds:.2f} s")
        bench.goals["P7/rate"].add(after / before)
        bench.goals["P7/memory"].add(memory / 2**20)
        bench.goals["P8"].add(seconds)
        bench.series["growth"]["measured alone"][0].append(before)
        bench.series["growth"]["measured alone"][bench.options.orders].append(after)
    full.start()
    bench.discard(full)


def filled_run(bench, server):
    memory = []

    def books():
        memory.append(memory_bytes(server.pid))
        server.restart_after_crash()

    report = bench.load(server, "--connections", 256, "--duration", bench.seconds, "--orders",
                        bench.orders_for(bench.seconds), "--accounts", bench.options.accounts,
                        steps={"measure": server.restart, "books": books})
    return report["rate"], memory[0]


def killed_in_mid_load(bench, server):
    """The seconds until it accepts requests again; then every acknowledged order is looked up."""
    started = []
    killer = threading.Timer(bench.seconds / 2, server.child.process.kill)
    killer.daemon = True
    bench.load(server, "--connections", 256, "--duration", bench.seconds, "--orders", bench.orders_for(bench.seconds),
               "--accounts", bench.options.accounts, "--tolerate-disconnect",
               steps={"measure": killer.start, "books": lambda: (killer.join(), server.kill(), started.append(server.start()))})
    return started[0]


def writes(bench):
    """P9: from the first callback until all of them are in the books."""
    server = bench.server()
    for _ in bench.pairs:
        counted = []

        def begin():
            server.settle()
            counted.append(device_bytes(server.data))

        def books():
            server.settle()
            counted.append(device_bytes(server.data))
            server.restart_after_crash()

        report = bench.load(server, "--connections", 64, "--duration", max(bench.seconds, 3), "--orders",
                            bench.orders_for(max(bench.seconds, 3)), "--accounts", bench.options.accounts,
                            steps={"measure": begin, "books": books})
        each = (counted[1] - counted[0]) / report["replies"]
        bench.say(f"  {each:,.0f} bytes a callback over {report['replies']:,} callbacks")
        bench.goals["P9"].add(each)


def redis(bench):
    """P10."""
    server, store = bench.server(), peers.Redis(bench.folder)
    for connections in (64, 256):
        requests = 20_000
        for _ in bench.pairs:
            rate = store.sets_per_second(connections, requests, CALLBACK_BYTES)
            requests = max(20_000, int(rate * bench.seconds))
            report = bench.load(server, "--connections", connections, "--duration", bench.seconds, "--orders",
                                bench.orders_for(bench.seconds), "--accounts", bench.options.accounts,
                                steps={"measure": server.restart, "books": server.restart_after_crash})
            bench.say(f"  Redis SET, {connections} connections: {rate:,.0f}/s")
            bench.note_run("recharged", report)
            bench.goals[f"P10/{connections}"].add(report["rate"] / rate)
    store.child.stop()


def frameworks(bench):
    """P11: the same client, the same checks of the books after PostgreSQL was ended without a checkpoint."""
    server = bench.server()
    secret = bench.folder / "peer.secret"
    secret.write_text(server.secret_file.read_text())
    postgres = peers.Postgres(bench.folder)
    applications = {"P11/fastify": (peers.Fastify, 8_000), "P11/flask": (peers.Flask, 3_000)}
    for goal, (make, fastest) in applications.items():
        application = make(postgres, secret, bench.folder)
        application.secret_file = secret
        for _ in bench.pairs:
            theirs, mine = Meter(*application.pids), Meter(server.pid)
            other = bench.load(application, "--connections", 64, "--duration", bench.seconds, "--orders",
                               int(fastest * bench.seconds), "--accounts", 1_000, "--setup-pipeline", 1,
                               steps={"measure": theirs.begin,
                                      "books": lambda: (theirs.end(), application.restart_after_crash())})
            bench.note_run(application.name, other, theirs.seconds)
            report = bench.load(server, "--connections", 64, "--duration", bench.seconds, "--orders",
                                bench.orders_for(bench.seconds), "--accounts", 1_000, steps={
                                    "measure": lambda: (server.restart(), setattr(mine, "pids", (server.pid,)), mine.begin()),
                                    "books": lambda: (mine.end(), server.restart_after_crash())})
            bench.note_run("recharged", report, mine.seconds)
            bench.goals[goal].add(report["rate"] / other["rate"])
        application.child.stop()
    postgres.child.stop()


# What each way of access needs: settings, and options of the client.
ACCESS = ("plain", "access", "https")
SETTINGS = {
    "plain": "",
    "access": '[auth]\nmode = "jwt"\nkeys = [{kid = "1", algorithm = "HS256", file = "token.key"}]\n'
              '[rate_limit]\nenabled = true\naddress.callback = 6000000\naddress.write = 6000000\naddress.read = 6000000\n'
              "account.write = 0\naccount.read = 0\n",
    "https": '[tls]\ncertificate_file = "certificate.pem"\nkey_file = "certificate.key"\n',
}


def access_server(bench, way):
    """(a server, options of its client)"""
    folder = bench.folder / f"access-{way}"
    folder.mkdir()
    (folder / "recharged.toml").write_text(SETTINGS[way])
    options = []
    if way == "access":
        (folder / "token.key").write_text("a secret for the tokens of a measurement")
        token = subprocess.run([BIN / "recharge", "token", "--key-file", folder / "token.key", "--kid", "1", "--scope",
                                "orders:write,balance:read,orders:read,admin", "--ttl", "36000"], capture_output=True, text=True,
                               check=True).stdout.strip()
        options = ["--token", token]
    elif way == "https":
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                        folder / "certificate.key", "-out", folder / "certificate.pem"], capture_output=True, check=True)
        options = ["--ca-file", str(folder / "certificate.pem")]
    server = Recharged(folder, ["--config", folder / "recharged.toml"], "https" if way == "https" else "http")
    return server, options


def access(bench):
    """What tokens, limits and HTTPS cost a callback: three servers in turn."""
    servers = {way: access_server(bench, way) for way in ACCESS}
    for _ in bench.pairs:
        rates, cpu = {}, {}
        for way, (server, options) in servers.items():
            meter = Meter()

            def begin():
                server.restart()
                meter.pids = (server.pid,)
                meter.begin()

            def books():
                meter.end()
                server.restart_after_crash()

            report = Load(server.url, server.secret_file, bench.folder, options).run(
                "--connections", 64, "--duration", bench.seconds, "--orders", bench.orders_for(bench.seconds), "--accounts",
                bench.options.accounts, steps={"measure": begin, "books": books})
            bench.runs.append({"options": way, **report})
            bench.note_run(way, report, meter.seconds)
            rates[way], cpu[way] = report["rate"], meter.seconds / report["replies"]
        bench.goals["access/rate"].add(rates["access"] / rates["plain"])
        bench.goals["access/cpu"].add(cpu["access"] / cpu["plain"])
        bench.goals["access/https"].add(rates["https"] / rates["plain"])
        bench.goals["access/https-cpu"].add(cpu["https"] / cpu["plain"])
    for server, _ in servers.values():
        bench.discard(server)


def steps(bench):
    """What the parts of a callback's way take of the server, each with all before it, ÷ nginx's request."""
    library = bench.folder / "no_flush.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, Path(__file__).parents[1] / "no_flush.c"], check=True)
    without_flush = Recharged(bench.folder / "without-flush", environment={"LD_PRELOAD": str(library)})
    for connections in (64, 256):
        for _ in bench.pairs:
            for name, mix, orders, server in (("forged", "forged", 20_000, None), ("again", "duplicate", 20_000, None),
                                              ("unflushed", "callback", None, without_flush), ("flushed", "callback", None, None)):
                _, mine, theirs, _ = callbacks_beside_nginx(bench, connections, mix, orders, server)
                bench.goals[f"steps/{name}/{connections}"].add(mine / theirs)
                bench.goals[f"steps/{name}-us/{connections}"].add(mine * 1e6)
    bench.discard(without_flush)


CASES = {
    "callbacks": (callbacks, ("P1", "P2")),
    "latency": (latency, ("P3",)),
    "hot": (hot, ("P4",)),
    "repeats": (repeats, ("P5",)),
    "balance": (balance, ("P6",)),
    "growth": (growth, ("P7", "P8")),
    "writes": (writes, ("P9",)),
    "redis": (redis, ("P10",)),
    "frameworks": (frameworks, ("P11",)),
    "access": (access, ("access",)),
    "subscribers": (subscribers, ("told",)),
    "steps": (steps, ("steps",)),
}
BY_NAME_ALONE = ("steps",)  # they explain goals, and have none


def run_case(bench, name):
    """A failure ends this case, leaves the others, and voids what it had measured."""
    function, goals = CASES[name]
    bench.say(f"{name}: {function.__doc__.splitlines()[0]}")
    begun = time.monotonic()
    try:
        function(bench)
    except (Failure, OSError, ValueError, ArithmeticError, peers.subprocess.SubprocessError) as error:
        for goal in bench.goals.values():
            if goal.name.split("/")[0] in goals:
                goal.samples.clear()
                goal.reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        bench.say(f"  VOID: {error}")
        stop_all()  # whatever state they are in
        bench.shared = bench.started_nginx = None
        return False
    finally:
        bench.say(f"  {time.monotonic() - begun:.0f} s")
    return True
