"""The listener for operators: what it shows and does, who may ask, and that nothing of it is elsewhere."""
import re

import pytest

from admin import admin_address
from api import Api, eventually, expect, new_account
from daemon import binary, run_once
from tokens import SCOPES, Keys, bearer

OPERATIONS = [("GET", "/admin/status", None), ("GET", "/admin/backup", None), ("POST", "/admin/backup", {"name": "b"}),
              ("POST", "/admin/checkpoint", ""), ("POST", "/admin/log_level", {"level": "info"})]


@pytest.fixture(scope="module")
def backups(tmp_path_factory):
    return tmp_path_factory.mktemp("backups")


@pytest.fixture(scope="module")
def pair(start_module_server, backups):
    """(clients', operators')"""
    daemon = start_module_server(f'[admin]\nlisten = "127.0.0.1:0"\nbackup_dir = "{backups}"\n')
    return Api(daemon.address), Api(admin_address(daemon))


def test_status_in_detail(pair):
    clients, operators = pair
    before = expect(operators.get("/admin/status"), 200)["orders"]["recharged"]
    clients.credit()
    status = expect(operators.get("/admin/status"), 200, ready=True)
    assert status["checks"] == {"accepting": True, "ledger_balanced": True, "store_writable": True}
    eventually(lambda: operators.get("/admin/status")["orders"]["recharged"] == before + 1)
    assert status["disk_free_bytes"] > 0 and status["connections"] >= 2


def test_operations_are_not_at_the_clients_door(pair):
    clients, operators = pair
    for method, path, body in OPERATIONS:
        reply = clients.request(method, path, body)
        assert reply.status == 404 and reply["error"] == "not_found", path


def test_the_operators_door_takes_no_orders(pair):
    _, operators = pair
    for method, path, body in (("POST", "/api/place_order", {"account": new_account(), "amount": "1.00"}),
                               ("POST", "/api/payment_callback", "{}"), ("POST", "/api/pay", {}),
                               ("GET", "/api/check_balance?account=13812345678", None)):
        assert operators.request(method, path, body).status == 404, path


def test_exceptions_are_listed_and_resolved(pair):
    clients, operators = pair
    order_id = clients.place(amount="50.00")
    expect(clients.callback(order_id, amount="49.00"), 200, exception="amount_mismatch")
    (entry,) = operators.exceptions(order_id)
    expect(operators.resolve(entry["exception_id"], "dismiss"), 200)
    assert expect(operators.get(f"/api/orders/{order_id}/explain"), 200)["steps"]
    assert "recharge_orders" in operators.metrics()
    expect(operators.get("/readyz"), 200)


def test_log_level(start_server):
    daemon = start_server('[admin]\nlisten = "127.0.0.1:0"\n[log]\naccess = true\n')
    clients, operators = Api(daemon.address), Api(admin_address(daemon))

    def logged(mark):
        clients.get("/livez", **{"X-Request-Id": mark})
        return lambda: mark in daemon.log_file.read_text()

    eventually(logged("first-mark"))
    expect(operators.post("/admin/log_level", {"level": "error"}), 200)
    unseen = logged("second-mark")
    expect(operators.post("/admin/log_level", {"level": "info"}), 200)
    eventually(logged("third-mark"))
    assert not unseen()
    for bad in ({}, {"level": "loud"}, {"level": 1}):
        expect(operators.post("/admin/log_level", bad), 400, error="invalid_request")


def test_checkpoint_now(start_server):
    daemon = start_server('[admin]\nlisten = "127.0.0.1:0"\n[store]\ncheckpoint_interval_ms = 3600000\n')
    clients, operators = Api(daemon.address), Api(admin_address(daemon))
    clients.credit()
    assert operators.get("/admin/status")["checkpoints"] == 0
    expect(operators.post("/admin/checkpoint", ""), 200)
    eventually(lambda: operators.get("/admin/status")["checkpoints"] == 1)
    log = daemon.log_file.read_text()
    assert '"event":"operator","action":"checkpoint"' in log


def test_backup_of_the_running_server(pair, backups, tmp_path):
    clients, operators = pair
    account = new_account()
    clients.credit(account)
    expect(operators.post("/admin/backup", {"name": "first"}), 200)
    eventually(lambda: operators.get("/admin/backup")["backup"]["state"] != "running", within=20)
    backup = expect(operators.get("/admin/backup"), 200)["backup"]
    assert backup["state"] == "done" and backup["records"] >= 2 and re.fullmatch("[0-9a-f]{64}", backup["head"])
    restored = run_once("restore", "--from", str(backups / "first"), "--data-dir", str(tmp_path / "data"),
                        program=[binary("RECHARGE_BIN", "recharge")])
    assert restored.returncode == 0, restored.stderr
    expect(operators.post("/admin/backup", {"name": "first"}), 200)  # the folder is there already
    eventually(lambda: operators.get("/admin/backup")["backup"]["state"] == "failed", within=20)
    for bad in ("", "..", "../a", "a/b", "/tmp/a", "a b", "a" * 65, "a\0b"):
        expect(operators.post("/admin/backup", {"name": bad}), 400, error="invalid_request")


def test_a_backup_needs_its_folder(start_server):
    operators = Api(admin_address(start_server('[admin]\nlisten = "127.0.0.1:0"\n')))
    expect(operators.post("/admin/backup", {"name": "a"}), 409, error="invalid_state")


def test_who_may_ask(start_server, tmp_path):
    keys = Keys(tmp_path / "keys")
    daemon = start_server(keys.settings('[admin]\nlisten = "127.0.0.1:0"\n'))
    operators = Api(admin_address(daemon))
    others = " ".join(scope for scope in SCOPES if scope != "admin")
    operations = OPERATIONS + [("GET", "/api/exceptions", None), ("GET", "/api/orders/x/explain", None)]
    for method, path, body in operations:
        expect(operators.request(method, path, body), 401)
        expect(operators.request(method, path, body, bearer(keys.token(others))), 403, error="insufficient_scope")
        if "explain" not in path:
            expect(operators.request(method, path, body, bearer(keys.token("admin", account="13812345678"))), 404)
            assert operators.request(method, path, body, bearer(keys.token("admin"))).status in (200, 409)
    for path in ("/livez", "/readyz", "/metrics"):
        expect(operators.get(path), 200)


def test_settings(tmp_path):
    def check(text):
        file = tmp_path / "recharged.toml"
        file.write_text(text)
        return run_once("check-config", "--config", str(file))

    assert check('[admin]\nlisten = "127.0.0.1:0"\n').returncode == 0
    for text in ('[admin]\nlisten = "0.0.0.0:0"\n', '[admin]\nlisten = "nonsense"\n', '[admin]\nlisten = "127.0.0.1:8080"\n',
                 '[admin]\nbackup_dir = ""\n'):
        result = check(text)
        assert result.returncode == 3 and "admin." in result.stderr, text
