"""`recharge report`: the trial balance of a day, of a running server, held against what the clients know."""
import csv
import io
import json
import time
from decimal import Decimal

import pytest

from api import Api, eventually, new_account
from bills import noon_zone
from daemon import binary, run_once
from faulty import must_fail, running

FAST = "[store]\ncheckpoint_interval_ms = 100\n"


def run(data_dir, *more, code=0, date=None, zone=None):
    today = noon_zone(time.time())
    done = run_once("report", "--date", date or today[1], "--tz", zone or today[0], "--data-dir", str(data_dir), *more,
                    program=[binary("RECHARGE_BIN", "recharge")])
    assert code is None or done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done


def settled(data_dir, transfers):
    """The report as soon as the books hold so many transfers of the day."""
    def complete():
        reports[:] = [json.loads(run(data_dir, "--json").stdout, parse_float=Decimal)]
        return sum(flow["transfers"] for flow in reports[0]["flows"]) == transfers
    reports = []
    eventually(complete)
    return reports[0]


def accounts(report):
    return {(line["account"], line["gateway"]): [line[side] for side in ("opening", "debits", "credits", "closing")]
            for line in report["accounts"]}


def history(api):
    """Eight transfers over every kind of account but one of another gateway."""
    account = new_account()
    order_id, _ = api.credit(account, "50.00")                                     # 1
    api.credit(account, "7.00")                                                    # 2
    assert api.refund(order_id, "r", "20.00").status == 200                        # 3, 4
    assert api.debit(account, "d", "5.00").status == 200                           # 5
    kept = api.place(account, "9.00")
    assert api.callback(kept, amount="8.00").status == 200                         # 6
    assert api.resolve(api.exceptions(kept)[0]["exception_id"], "credit").status == 200  # 7
    api.callback(api.place(account, "3.00"), amount="2.00")                        # 8
    return account


def check(data_dir, api):
    account = history(api)
    report = settled(data_dir, 8)
    zero = Decimal(0)
    assert accounts(report) == {
        ("users", None): [zero, 25, 65, 40],
        ("clearing", "native"): [zero, 67, 20, -47],
        ("in_transit", "native"): [zero, 20, 20, zero],
        ("suspense", "native"): [zero, 8, 10, 2],
        ("spending", None): [zero, zero, 5, 5]}
    assert report["sum"]["opening"] == report["sum"]["closing"] == 0 and report["faults"] == []
    assert report["sum"]["debits"] == report["sum"]["credits"] == 120
    assert {(f["gateway"], f["moved"]): (f["transfers"], f["amount"]) for f in report["flows"]} == {
        ("native", "recharge"): (2, 57), ("native", "refund_reserved"): (1, 20), ("native", "refund_settled"): (1, 20),
        (None, "debit"): (1, 5), ("native", "payment_kept"): (2, 10), ("native", "exception_credited"): (1, 8)}
    assert api.balance(account) == 40


def test_a_day_is_what_its_clients_did(start_server):
    daemon = start_server(FAST)
    api = Api(daemon.address)
    check(daemon.data_dir, api)
    api.close()

    done = run(daemon.data_dir)
    assert "the day is not complete" in done.stderr and "clearing/native" in done.stdout
    lines = list(csv.DictReader(io.StringIO(run(daemon.data_dir, "--output", "csv").stdout, newline="")))
    for side in ("opening", "closing"):
        assert sum(Decimal(line[side]) for line in lines) == 0
    flows = list(csv.DictReader(io.StringIO(run(daemon.data_dir, "--output", "csv", "--flows").stdout, newline="")))
    assert sum(int(flow["transfers"]) for flow in flows) == 8

    # The day before ends with nothing; what is today's closing is tomorrow's opening.
    zone, today = noon_zone(time.time())
    day = lambda days: time.strftime("%Y-%m-%d", time.gmtime(time.mktime(time.strptime(today, "%Y-%m-%d")) + (days + 0.5) * 86400))
    before, after = (json.loads(run(daemon.data_dir, "--json", date=day(n), zone=zone).stdout, parse_float=Decimal) for n in (-1, 1))
    assert before["accounts"] == [] and before["complete"]
    assert {key: line[0] for key, line in accounts(after).items()} == {
        ("users", None): 40, ("clearing", "native"): -47, ("in_transit", "native"): 0, ("suspense", "native"): 2,
        ("spending", None): 5}
    assert after["flows"] == [] and not after["complete"]


def test_a_stopped_server_s_books_are_complete(start_server):
    daemon = start_server(FAST)
    api = Api(daemon.address)
    history(api)
    api.close()
    daemon.stop()
    assert sum(f["transfers"] for f in json.loads(run(daemon.data_dir, "--json").stdout)["flows"]) == 8


def test_a_ledger_that_does_not_balance_is_seen(tmp_path):
    def broken_day():
        with running(tmp_path, FAST, broken="without_counter_entry") as daemon:
            api = Api(daemon.address)
            history(api)
            eventually(lambda: sum(f["transfers"] for f in json.loads(run(daemon.data_dir, "--json", code=None).stdout)["flows"])
                       == 8)
            run(daemon.data_dir, code=0)
    must_fail(broken_day)


@pytest.mark.parametrize("arguments", [("--date", "2026-13-01"), ("--date", "26-01-01"), ("--tz", "Nowhere"), ("--tz", "/etc/hosts")])
def test_days_and_zones_that_do_not_exist(server, arguments):
    done = run_once("report", "--date", "2026-11-25", *arguments, "--data-dir", str(server.data_dir),
                    program=[binary("RECHARGE_BIN", "recharge")])
    assert done.returncode == 2 and done.stdout == ""


def test_days_are_those_of_the_zone(server):
    """A day of a clock that changes has 23 or 25 hours."""
    for date, zone, hours in [("2026-03-29", "Europe/Berlin", 23), ("2026-10-25", "Europe/Berlin", 25),
                              ("2026-10-25", "Asia/Shanghai", 24)]:
        report = json.loads(run(server.data_dir, "--json", date=date, zone=zone).stdout)
        seconds = [time.mktime(time.strptime(report[name][:19], "%Y-%m-%dT%H:%M:%S")) for name in ("from", "until")]
        assert seconds[1] - seconds[0] == hours * 3600
    assert report["from"] == "2026-10-24T16:00:00.000Z"
