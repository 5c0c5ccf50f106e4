"""`recharge reconcile`: bills of every gateway against the books of a running server. What agrees is silent; every planted
difference is found, named, and nothing else."""
import calendar
import csv
import gzip
import hashlib
import io
import itertools
import json
import os
import random
import subprocess
import time
import uuid

import pytest

import bills
from api import Api, eventually, new_account
from daemon import binary, run_once, sanitizer
from faulty import broken_tool, must_fail
from gateways import Alipay, Standard, Stripe, Wechat, fen
from test_gateway_calls import FakeGateway

KINDS = {kind.kind: kind for kind in (Alipay, Wechat, Stripe, Standard)}
NOBODYS = "0190a1b2-c3d4-7e5f-8a6b-0000000a{:04d}"
_numbers = itertools.count()
LONG = os.environ.get("RECHARGE_LONG") == "1"


@pytest.fixture(scope="module")
def gateways(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bills")
    return {name: kind(name, folder) for name, kind in KINDS.items()}


@pytest.fixture(scope="module")
def fakes(gateways):
    """Those that carry refunds out."""
    made = {name: FakeGateway(gateway) for name, gateway in gateways.items() if name != "standard"}
    yield made
    for fake in made.values():
        fake.close()


@pytest.fixture(scope="module")
def daemon(start_module_server, gateways, fakes):
    return start_module_server("[store]\ncheckpoint_interval_ms = 100\n" + gateways["standard"].config()
                               + "".join(fake.config() for fake in fakes.values()))


@pytest.fixture
def api(daemon):
    client = Api(daemon.address)
    yield client
    client.close()


@pytest.fixture(params=list(KINDS))
def gateway(request, gateways):
    return gateways[request.param]


def pay(api, gateway, amount="50.00", placed=None):
    """A payment that is credited, or kept where the order was placed for another amount: its row."""
    now = int(time.time())
    row = {"kind": "payment", "order_id": api.place(new_account(), placed or amount, gateway=gateway.name),
           "transaction": gateway.new_transaction(), "amount": amount, "at": now}
    assert gateway.is_ack(gateway.send(api, gateway.payment(row["order_id"], amount, row["transaction"], paid_at=now)))
    return row


def paid_there(fakes, gateway, row):
    """The gateway knows the payment, so that it can send it back."""
    if gateway.kind in fakes:
        number = row["order_id"].replace("-", "")
        fakes[gateway.kind].payments[number] = {"amount": fen(row["amount"]), "state": "paid", "transaction": row["transaction"]}


def pay_for_nothing(api, gateway):
    """A payment of an order that was never placed: kept as unknown_order."""
    row = {"kind": "payment", "order_id": NOBODYS.format(next(_numbers)), "transaction": gateway.new_transaction(), "amount": "49.99",
           "at": int(time.time())}
    gateway.send(api, gateway.payment(row["order_id"], row["amount"], row["transaction"], paid_at=row["at"]))
    return row


def refund(api, fakes, gateway, row, refund_id, amount):
    """Carried out: its row."""
    paid_there(fakes, gateway, row)
    eventually(lambda: api.refund(row["order_id"], refund_id, amount).json["refund"]["status"] == "succeeded", within=10)
    return row | {"kind": "refund", "amount": amount, "refund": bills.refund_number(row["order_id"], refund_id)}


class Reconciler:
    """Of one gateway, whose earlier payments are in every bill."""

    def __init__(self, daemon, gateway, folder, program=None):
        self.daemon, self.gateway, self.folder, self.rows = daemon, gateway, folder, []
        self.program = program or [binary("RECHARGE_BIN", "recharge")]

    def run(self, bill, *more, code=None, env=None):
        file = self.folder / "bill"
        file.write_bytes(bill)
        zone, date = bills.noon_zone(time.time())
        form = ["--bill-format", "plain"] if self.gateway.kind == "standard" else []
        done = run_once("reconcile", "--gateway", self.gateway.name, "--bill", str(file), "--data-dir", str(self.daemon.data_dir),
                        "--date", date, "--tz", zone, *form, *more, program=self.program, env=env)
        assert code is None or done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    def found(self, rows):
        """The differences of a bill with these rows, as soon as the books have caught up with the journal."""
        def complete():
            done = self.run(bills.WRITERS[self.gateway.kind](rows), "--json")
            assert done.returncode in (0, 1), done.stderr
            self.report = json.loads(done.stdout)
            assert (done.returncode == 0) == self.report["clean"] == (not self.report["differences"])
            return moment(self.report["books_complete_until"]) > asked  # of the same millisecond is not before it
        asked = int(time.time() * 1000)
        eventually(complete)
        return sorted((d["difference"], d["kind"], d["id"]) for d in self.report["differences"])


def moment(text):
    """Milliseconds."""
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) * 1000 + int(text[20:23])


@pytest.fixture(scope="module")
def reconcilers(daemon, gateways, tmp_path_factory):
    return {name: Reconciler(daemon, gateway, tmp_path_factory.mktemp("reconcile")) for name, gateway in gateways.items()}


@pytest.fixture
def books(reconcilers, gateway):
    return reconcilers[gateway.name]


def test_a_bill_that_says_what_the_books_say_is_silent(api, fakes, gateway, books):
    books.rows += [pay(api, gateway, amount) for amount in ("50.00", "0.01", "9999.99")]
    for name, amount in (("r-1", "20.00"), ("r-2", "30.00")):
        books.rows.append(refund(api, fakes, gateway, books.rows[0], name, amount))
    kept = pay(api, gateway, "49.99", placed="50.00")  # amount_mismatch: it was paid, and has to be in the bill
    books.rows.append(kept)
    assert books.found(books.rows) == []
    assert books.report["matched"] == len(books.rows) and books.report["kept_for_review"] == 1
    assert books.report["bill"] == books.report["books"]
    shuffled = random.Random(7).sample(books.rows, len(books.rows))
    assert books.found(shuffled) == []


def test_every_planted_difference_is_found_and_nothing_else(api, gateway, books):
    books.rows += [pay(api, gateway) for _ in range(6)]
    rows = list(books.rows)
    absent, dear, doubled = rows[-1], rows[-2], rows[-3]
    unknown = pay(api, gateway)  # credited, and a bill that names another transaction for the order
    books.rows.append(unknown)
    planted = [row for row in rows if row is not absent and row is not dear] + [dear | {"amount": "50.01"}, doubled]
    other = unknown | {"transaction": gateway.new_transaction()}
    planted += [unknown, other]
    expected = [("amount_differs", "payment", dear["transaction"]), ("duplicate", "payment", doubled["transaction"]),
                ("missing_here", "payment", other["transaction"]), ("missing_there", "payment", absent["transaction"])]
    assert books.found(planted) == sorted(expected)
    named = {d["difference"]: d for d in books.report["differences"]}
    assert named["amount_differs"]["bill_amount"] == 50.01 and named["amount_differs"]["books_amount"] == 50
    assert named["missing_here"]["books_status"] == "order: recharged" and named["missing_here"]["order"] == other["order_id"]
    assert named["missing_there"]["line"] is None and named["missing_there"]["books_status"] == "credited"
    assert books.report["counts"] == {"missing_here": 1, "missing_there": 1, "amount_differs": 1, "status_differs": 0,
                                      "duplicate": 1}


def test_amounts_that_are_not_compared_are_noticed(api, daemon, gateways, reconcilers, tmp_path):
    gateway, rows = gateways["standard"], reconcilers["standard"].rows
    rows.append(pay(api, gateway))
    bent = rows[:-1] + [rows[-1] | {"amount": "50.01"}]
    expected = [("amount_differs", "payment", rows[-1]["transaction"])]

    def check(program):
        assert Reconciler(daemon, gateway, tmp_path, program).found(bent) == expected
    check(None)
    must_fail(check, broken_tool("blind_to_amounts"))


def test_refunds_are_matched_by_their_number(api, fakes, gateway, books):
    row = pay(api, gateway)
    done = refund(api, fakes, gateway, row, "back", "10.00")
    books.rows += [row, done]
    alien = done | {"refund": "at-the-desk-1", "amount": "5.00"}
    assert books.found([r for r in books.rows if r is not done] + [alien, done | {"amount": "10.01"}]) == sorted([
        ("missing_here", "refund", "at-the-desk-1"), ("amount_differs", "refund", done["refund"])])
    assert books.found([r for r in books.rows if r is not done]) == [("missing_there", "refund", done["refund"])]


@pytest.mark.parametrize("known", [True, False])
def test_kept_payments_that_were_sent_back_are_matched(api, fakes, gateway, books, known):
    """Kept because of their amount, or because there is no such order."""
    kept = pay(api, gateway, "49.99", placed="50.00") if known else pay_for_nothing(api, gateway)
    books.rows.append(kept)
    paid_there(fakes, gateway, kept)
    exception = next(e for e in api.exceptions(state="open") if e["transaction_id"] == kept["transaction"])
    assert api.resolve(exception["exception_id"], "refund").status == 200
    number = bills.refund_number(str(uuid.UUID(int=0)), "exception-" + exception["exception_id"])
    back = kept | {"kind": "refund", "amount": "49.99", "refund": number}
    if gateway.kind in fakes:
        eventually(lambda: number in fakes[gateway.kind].refunds, within=10)
    eventually(lambda: books.found(books.rows + [back]) == [], within=15)
    assert books.found(books.rows) == [("missing_there", "refund", number)]
    assert books.found(books.rows + [back | {"amount": "49.98"}]) == [("amount_differs", "refund", number)]
    books.rows.append(back)


def test_dismissed_payments_and_failed_rows_differ_in_status(api, gateways, reconcilers):
    gateway, books = gateways["standard"], reconcilers["standard"]
    kept = pay(api, gateway, "1.00", placed="2.00")
    books.rows.append(kept)
    assert books.found(books.rows) == []
    exception = api.exceptions(kept["order_id"])[0]
    assert api.resolve(exception["exception_id"], "dismiss").status == 200
    books.rows.remove(kept)
    eventually(lambda: books.found(books.rows) == [])  # nobody expects it there any more
    assert books.found(books.rows + [kept]) == [("status_differs", "payment", kept["transaction"])]
    failed = books.rows[-1] | {"state": "failed"}
    assert books.found(books.rows[:-1] + [failed]) == [("status_differs", books.rows[-1]["kind"], (failed.get("refund")
                                                        or failed["transaction"]))]
    never = failed | {"kind": "payment", "transaction": gateway.new_transaction()}
    assert books.found(books.rows + [never]) == []  # it failed there, and is not known here


def test_pending_orders_are_told_by_their_state(api, gateway, books):
    """The lost callback: paid there, pending here."""
    row = {"kind": "payment", "order_id": api.place(new_account(), "50.00", gateway=gateway.name),
           "transaction": gateway.new_transaction(), "amount": "50.00", "at": int(time.time())}
    eventually(lambda: (books.found(books.rows + [row]) == [("missing_here", "payment", row["transaction"])]
                        and books.report["differences"][0]["books_status"] == "order: pending"))


def test_text_and_csv_say_the_same(api, gateways, reconcilers):
    gateway, books = gateways["wechat"], reconcilers["wechat"]
    books.rows.append(pay(api, gateway))
    assert books.found(books.rows) == []
    bill = bills.wechat(books.rows[:-1] + [books.rows[-1] | {"amount": "51.00"}])
    done = books.run(bill, "--output", "csv", code=1)
    lines = list(csv.DictReader(io.StringIO(done.stdout, newline="")))
    assert [(line["difference"], line["bill_amount"], line["books_amount"]) for line in lines] == [
        ("amount_differs", "51.00", "50.00")]
    assert "DO NOT agree" in done.stderr
    done = books.run(bill, code=1)
    assert "amount_differs  payment " + books.rows[-1]["transaction"] in done.stdout and "1 amount_differs\n" in done.stdout
    assert done.stderr == "", "a progress bar without a terminal"
    assert "bill and books agree" in books.run(bills.wechat(books.rows), code=0).stdout


def test_a_terminal_sees_how_far_it_is(gateways, reconcilers, tmp_path):
    books = reconcilers["wechat"]
    bill = tmp_path / "bill"
    bill.write_bytes(bills.wechat(books.rows))
    screen, terminal = os.openpty()
    done = subprocess.run([*books.program, "reconcile", "--gateway", "wechat", "--bill", str(bill), "--date", "2026-11-25",
                           "--data-dir", str(books.daemon.data_dir)], stdout=subprocess.PIPE, stderr=terminal, check=False, timeout=20)
    os.close(terminal)
    shown = os.read(screen, 65536)
    os.close(screen)
    assert done.returncode in (0, 1) and b"reading the bill [" in shown and b"100 %" in shown, (done, shown)
    assert shown.endswith(b"\r\x1b[K"), "the line is left clean"


def test_packed_bills_and_their_hash(api, gateways, reconcilers):
    gateway, books = gateways["wechat"], reconcilers["wechat"]
    books.rows.append(pay(api, gateway))
    assert books.found(books.rows) == []
    bill = bills.wechat(books.rows)
    right, wrong = hashlib.sha1(bill).hexdigest(), hashlib.sha1(bill + b" ").hexdigest()
    for form in (bill, gzip.compress(bill)):
        books.run(form, "--sha1", right, code=0)
        assert "SHA-1" in books.run(form, "--sha1", wrong, code=3).stderr
    books.run(bill, "--sha1", "xyz", code=2)


BENT = {
    "alipay": [("cut short", lambda rows: bills.alipay(rows, ended=False)),
               ("other payments", lambda rows: bills.alipay(rows, counts=(99, 0))),
               ("no line with the names", lambda rows: b"nothing\n"),
               ("no amount", lambda rows: bills.alipay([rows[0] | {"amount": "50.000"}])),
               ("", lambda rows: bills.alipay(rows)[:300])],
    "wechat": [("cut short", lambda rows: bills.wechat(rows, ended=False)),
               ("do not add up", lambda rows: bills.wechat(rows, amount="1.00")),
               ("names of columns", lambda rows: b""),
               ("too long", lambda rows: bills.wechat(rows, subject="x" * 2_000_000)),
               ("another currency", lambda rows: bills.wechat(rows).replace(b"`CNY", b"`USD"))],
    "stripe": [("cut short", lambda rows: bills.stripe(rows)[:-10]),
               ("not a JSON object", lambda rows: bills.stripe(rows).replace(b'"amount":', b'"amount" ')),
               ("not expanded", lambda rows: bills.stripe(rows, last=[bills.stripe_transaction(rows[0], 99) | {"source": "ch_1"}])),
               ("another currency", lambda rows: bills.stripe(rows).replace(b'"cny"', b'"eur"')),
               ("not a list", lambda rows: b"<html>")],
    "standard": [("no column", lambda rows: b"transaction,amount\n"),
                 ("other columns", lambda rows: bills.plain(rows) + b"payment,x\r\n"),
                 ("empty", lambda rows: b""),
                 ("no amount", lambda rows: bills.plain(rows).replace(b"50.00", b"50.0000"))],
}


@pytest.mark.parametrize("kind", BENT)
def test_a_bill_that_is_not_whole_is_refused(api, gateways, reconcilers, kind):
    """Nothing is said to be missing because it could not be read."""
    books = reconcilers[kind]
    rows = books.rows or [pay(api, gateways[kind])]
    rows = [row for row in rows if row["amount"] == "50.00"]
    for words, bend in BENT[kind]:
        done = books.run(bend(rows), code=3)
        assert words in done.stderr and "differences_total" not in done.stdout, (words, done.stderr)


def test_a_bill_that_is_taken_by_halves_is_noticed(api, daemon, gateways, reconcilers, tmp_path):
    broken = Reconciler(daemon, gateways["alipay"], tmp_path, broken_tool("taking_half_a_bill"))
    must_fail(broken.run, bills.alipay(reconcilers["alipay"].rows, ended=False), code=3)


def test_free_text_with_commas_shifts_nothing(api, gateways, reconcilers):
    gateway, books = gateways["alipay"], reconcilers["alipay"]
    books.rows.append(pay(api, gateway))
    assert books.found(books.rows) == []
    for subject in ("a", "a,b,c", "话费,充值"):
        for note in ("", "x,y"):
            if "," in subject and note:
                continue  # two free texts at once cannot be told apart by anybody
            books.run(bills.alipay(books.rows, subject=subject, note=note), code=0)


def test_who_cannot_read_the_books_says_so(gateways, reconcilers, tmp_path):
    books = reconcilers["wechat"]
    bill = tmp_path / "bill"
    bill.write_bytes(bills.wechat([]))
    arguments = ["reconcile", "--gateway", "wechat", "--bill", str(bill), "--date", "2026-11-25"]
    program = [binary("RECHARGE_BIN", "recharge")]
    done = run_once(*arguments, "--data-dir", str(tmp_path), program=program)
    assert done.returncode == 4 and "FORMAT" in done.stderr
    for more in (["--date", "2026-02-30"], ["--tz", "Moon/Base"], ["--tz", "../../etc/passwd"]):
        assert run_once(*arguments, *more, "--data-dir", str(books.daemon.data_dir), program=program).returncode == 2
    assert run_once(*arguments[:-2], "--data-dir", str(books.daemon.data_dir), program=program).returncode == 2


def test_memory_does_not_grow_with_the_bill(gateways, reconcilers, tmp_path):
    """300,000 rows that nobody knows here (10 million with RECHARGE_LONG=1), each reported."""
    count, block = (10_000_000 if LONG else 300_000), 10_000
    books = reconcilers["standard"]
    bill = tmp_path / "large.csv"
    with open(bill, "w", encoding="ascii") as out:
        out.write("transaction_id,order_id,amount,at\n")
        for start in range(0, count, block):
            out.write("".join(f"T{i:020d},0190a1b2-c3d4-7e5f-8a6b-{i:012x},0.01,1700000000\n" for i in range(start, start + block)))
    listed = tmp_path / "differences.csv"
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        try:
            with open(listed, "wb") as out:
                os.dup2(out.fileno(), 1)
                os.execv(binary("RECHARGE_BIN", "recharge"), [
                    "recharge", "reconcile", "--gateway", "standard", "--bill-format", "plain", "--bill", str(bill), "--output", "csv",
                    "--data-dir", str(books.daemon.data_dir), "--scratch-dir", str(tmp_path)])
        finally:
            os._exit(99)
    _, status, usage = os.wait4(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 1
    with open(listed, "rb") as lines:
        assert sum(1 for _ in lines) == count + 1
    print(f"{count} rows: {usage.ru_maxrss // 1024} MiB, {time.monotonic() - started:.1f} s")
    assert usage.ru_maxrss < (256 if sanitizer() is None else 1024) * 1024  # a sanitizer keeps what was freed for a while
