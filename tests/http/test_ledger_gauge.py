"""The sum of the ledger is watched while the server runs: where it is not zero, nothing more is changed.

The broken build applies a transfer without the entry on its debit side: a credit without its counter-entry.
"""
import json

import pytest

from api import Api, eventually, expect, new_account
from faulty import broken_server


def refused(reply):
    expect(reply, 503, error="ledger_unbalanced")
    assert int(reply.header("retry-after")) >= 1


def test_the_sum_is_zero_and_the_server_ready(server):
    api = Api(server.address)
    order_id, _ = api.credit()
    expect(api.refund(order_id, "r", "1.00"), 200)
    expect(api.get("/readyz"), 200)
    assert api.ledger_sum() == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_a_credit_without_its_counter_entry_stops_changes(start_server, threads):
    daemon = start_server(arguments=["--threads", str(threads)], **broken_server("without_counter_entry"))
    api, account = Api(daemon.address), new_account()
    accounts = [new_account() for _ in range(20)]  # on shards of every thread
    waiting = [api.place(other) for other in accounts]
    expect(api.get("/readyz"), 200)
    order_id, _ = api.credit(account)
    eventually(lambda: api.get("/readyz").status == 503)
    refused(api.get("/readyz"))
    assert api.ledger_sum() == 5000

    for other, order in zip(accounts, waiting):
        refused(api.callback(order))
        refused(api.post("/api/place_order", {"account": other, "amount": "1"}))
    refused(api.pay(waiting[0]))
    refused(api.close_order(waiting[0]))
    refused(api.refund(order_id, "r"))
    refused(api.debit(account, "d", "1.00"))

    assert api.status(order_id) == "recharged" and api.balance(account) == 50
    assert len(api.entries(account)) == 1 and api.exceptions() == []
    assert api.status(waiting[0]) == "pending"
    expect(api.get(f"/api/orders/{order_id}/explain"), 200, status="recharged")
    expect(api.get("/livez"), 200)
    unavailable = [value for labels, value in api.metrics()["recharge_callbacks_total"].items()
                   if dict(labels)["outcome"] == "unavailable"]
    assert sum(unavailable) == len(waiting)
    errors = [json.loads(line) for line in daemon.log_file.read_text().splitlines() if '"error"' in line]
    named = [entry["msg"] for entry in errors if "ledger" in entry["msg"]]
    assert len(named) == 1 and "sums to 5000 minor units" in named[0], errors

    daemon.restart()  # found at the start, too: the books were written with the wrong sum
    api = Api(daemon.address)
    refused(api.get("/readyz"))
    refused(api.callback(waiting[0]))
    assert api.balance(account) == 50
