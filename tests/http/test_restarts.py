"""The data folder: one process at a time, the same books after every restart and with any number of threads."""
import os
import random
import threading
import time

import pytest

from api import Api, expect, new_account
from conftest import SECRETS
from daemon import run_once


# --- the data folder -------------------------------------------------------------------------------------------------

def test_second_instance_is_refused(server):
    started = time.monotonic()
    result = run_once("--listen", "127.0.0.1:0", "--data-dir", str(server.data_dir))
    assert result.returncode == 4 and time.monotonic() - started < 2
    assert str(server.data_dir) in result.stderr
    expect(Api(server.address).get("/readyz"), 200)


def test_folder_of_something_else(tmp_path):
    (tmp_path / "data").write_text("a file")
    assert run_once("--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data")).returncode == 4


def test_currency_is_fixed_with_the_folder(start_server):
    daemon = start_server()
    daemon.stop()
    config = daemon.folder / "other.toml"
    config.write_text(SECRETS + '[orders]\ncurrency = "EUR"\n')
    result = run_once("--config", str(config), "--listen", "127.0.0.1:0", "--data-dir", str(daemon.data_dir))
    assert result.returncode in (3, 4) and "currency" in result.stderr.lower()


def books(api, accounts):
    """Everything that can be read about these accounts."""
    seen = {"exceptions": api.exceptions(), "sum": api.ledger_sum()}
    for account in accounts:
        orders = api.pages(f"/api/orders?account={account}", 100)
        seen[account] = (api.balance(account), api.entries(account), orders,
                         [api.get(f"/api/orders/{order['order_id']}/explain").body for order in orders])
    return seen


def lively_history(api, count=12):
    accounts = [new_account() for _ in range(count)]
    for number, account in enumerate(accounts):
        order_id, transaction_id = api.credit(account, f"{number + 1}.50")
        expect(api.callback(order_id, amount=f"{number + 1}.50"), 200, exception="duplicate_payment")
        api.place(account)
        expect(api.close_order(api.place(account)), 200)
        expect(api.pay(api.place(account)), 200)
        expect(api.callback(api.place(account), status="fail"), 200)
        expect(api.debit(account, "d", "0.50"), 200)
        if number % 2:
            expect(api.refund(order_id, "r", "1.00"), 200)
            found = api.exceptions(order_id)[0]
            expect(api.resolve(found["exception_id"], ("credit", "refund", "dismiss")[number % 3]), 200)
        del transaction_id
    return accounts


def test_any_number_of_threads_shows_the_same_books(start_server):
    daemon = start_server(arguments=["--threads", "2"])
    api = Api(daemon.address)
    accounts = lively_history(api)
    before = books(api, accounts)
    assert before["sum"] == 0
    for threads in ("1", "4", "2", "3"):
        daemon.restart(arguments=["--threads", threads])
        api = Api(daemon.address)
        assert books(api, accounts) == before, f"--threads {threads}"
        for account in accounts[:2]:  # and goes on from there
            api.credit(account, "1.00")
        before = books(api, accounts)


@pytest.mark.parametrize("kill", [False, True], ids=["SIGTERM", "SIGKILL"])
def test_restart_keeps_everything(start_server, kill):
    daemon = start_server()
    api = Api(daemon.address)
    accounts = lively_history(api)
    before = books(api, accounts)
    for _ in range(3):
        daemon.restart(kill=kill)
        assert daemon.ready_seconds < 5
        assert books(Api(daemon.address), accounts) == before


def test_kill_keeps_every_acknowledged_reply(start_server):
    """The small form of tests/crash: clients note what was acknowledged, and all of it is there afterwards."""
    daemon = start_server()
    rng = random.Random(int(os.environ.get("RECHARGE_SEED", "7")))
    credited = []
    for _ in range(3):
        address, stop = daemon.address, threading.Event()

        def work(_):
            api = Api(address)
            while not stop.is_set():
                try:
                    account = new_account()
                    order_id, transaction_id = api.credit(account, "3.00")
                    credited.append((account, order_id, transaction_id))
                except OSError:
                    return
                except Exception as error:  # http.client's own, once the process is gone
                    if not stop.is_set():
                        raise error
                    return

        threads = [threading.Thread(target=work, args=(index,)) for index in range(16)]
        for thread in threads:
            thread.start()
        time.sleep(rng.uniform(0.3, 0.8))
        stop.set()
        daemon.kill()
        for thread in threads:
            thread.join()
        daemon.start()
        assert daemon.ready_seconds < 5
        api = Api(daemon.address)
        assert credited
        for account, order_id, transaction_id in credited:
            order = api.order(order_id)
            assert (order["status"], order["transaction_id"]) == ("recharged", transaction_id)
            assert api.balance(account) == 3
        assert api.ledger_sum() == 0
