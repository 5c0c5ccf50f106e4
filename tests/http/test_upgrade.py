"""A data folder that an earlier build left, killed behind a checkpoint, its oldest segment dropped: books and base of schema 3,
records of version 1. It is gone on with as it is, from its books, from its base, and from a backup.

golden/folder_schema_3.tar.xz was made by the last build of that schema (commit 4826fe5)."""
import tarfile
from decimal import Decimal
from pathlib import Path

import pytest

from api import Api, eventually, expect
from conftest import SECRETS
from daemon import Daemon, binary, run_once

FOLDER = Path(__file__).with_name("golden") / "folder_schema_3.tar.xz"
CONFIG = SECRETS + ('[server]\nmax_body_bytes = 1000000\n[store]\nsegment_bytes = 8388608\njournal_retention = "8MiB"\n'
                    "checkpoint_interval_ms = 100\n")
TOOL = [binary("RECHARGE_BIN", "recharge")]
ACCOUNT, OTHER = "13800000001", "13800000002"
KEPT = "01a217db-2c56-7c19-a5c4-b1e1b9571d33"
STATUSES = {
    "01a217db-2c46-7a18-bc7c-f5d41dfcda33": ("pending", "expired"),  # by the time of day
    "01a217db-2c4c-7072-9b08-1ae5f25ef333": ("recharged",), "01a217db-2c4e-75bd-870e-cd0ea23d7e33": ("partially_refunded",),
    "01a217db-2c51-7a11-b56f-857149f2d233": ("refunded",), "01a217db-2c54-7a3f-8b25-bc7d1398b633": ("closed",),
    "01a217db-351c-7ec8-94f6-f1e8a3140733": ("recharged",)}  # behind the last checkpoint


def verified(folder):
    done = run_once("verify", "--data-dir", str(folder), program=TOOL)
    assert done.returncode == 0, (done.stdout, done.stderr)


def take_backup(folder, tmp_path):
    for arguments in (("backup", "--data-dir", str(folder), "--to", str(tmp_path / "backup")),
                      ("restore", "--from", str(tmp_path / "backup"), "--data-dir", str(tmp_path / "restored"))):
        done = run_once(*arguments, program=TOOL)
        assert done.returncode == 0, (done.stdout, done.stderr)
    return tmp_path / "restored"


def first_segment(folder):
    return min(int(path.stem) for path in (folder / "journal").glob("*.journal"))


@pytest.mark.parametrize("begin_with", ["books", "base", "backup"])
def test_a_folder_of_schema_3_is_gone_on_with(tmp_path, begin_with):
    with tarfile.open(FOLDER) as packed:
        packed.extractall(tmp_path)
    folder = tmp_path / "data"
    verified(folder)
    if begin_with == "base":
        (folder / "books" / "data.mdb").unlink()
    if begin_with == "backup":
        folder = take_backup(folder, tmp_path)
    daemon = Daemon(tmp_path / "server", CONFIG, data_dir=folder)
    api = Api(daemon.address)
    for order_id, statuses in STATUSES.items():
        assert api.status(order_id) in statuses
        expect(api.get(f"/api/orders/{order_id}/explain"), 200)
    assert (api.balance(ACCOUNT), api.balance(OTHER)) == (Decimal("45.50"), Decimal("20.00")) and api.ledger_sum() == 0
    api.assert_books(ACCOUNT)
    assert len(api.entries(ACCOUNT)) == 7
    [kept] = api.exceptions(state="open")
    assert (kept["order_id"], kept["amount"]) == (KEPT, Decimal("49.99"))
    expect(api.resolve(kept["exception_id"], "credit"), 200)
    expect(api.refund("01a217db-2c4e-75bd-870e-cd0ea23d7e33", "r-2", "20.00"), 200)
    begun = first_segment(folder)
    for _ in range(0 if begin_with == "backup" else 16):  # until the base is carried forward
        expect(api.callback(api.place(OTHER, "1.00"), amount="1.00", note="n" * 700_000), 200)
    eventually(lambda: begin_with == "backup" or first_segment(folder) > begun, within=20)
    expected = api.balance(ACCOUNT), api.balance(OTHER)
    assert expected[0] == Decimal("75.49")
    daemon.kill()
    verified(folder)
    daemon.start()
    api = Api(daemon.address)
    assert (api.balance(ACCOUNT), api.balance(OTHER)) == expected and api.ledger_sum() == 0
    api.close()
    daemon.stop()
    verified(folder)
