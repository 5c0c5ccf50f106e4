"""Damage under a running server: the pass over journal and books names it, and a damaged record is never served."""
import hashlib
import re
import subprocess
import time

import pytest

from api import Api, eventually, expect, new_account
from daemon import binary, clean_environment, run_once

SCRUB = "[store]\nscrub_interval_s = 1\ncheckpoint_interval_ms = 200\n"


def tool(*arguments):
    return subprocess.run([binary("RECHARGE_BIN", "recharge"), *map(str, arguments)], capture_output=True, text=True,
                          timeout=60, env=clean_environment(), check=False)


def flip(path, offset, bit=0):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ (1 << bit)]))


def metric(api, name):
    text = expect(api.get("/metrics"), 200).body.decode()
    return float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1])


def test_passes_go_on_while_it_is_used_and_name_what_is_damaged(start_server):
    daemon = start_server(SCRUB)
    api = Api(daemon.address)
    for _ in range(30):
        api.credit(new_account())
    began = time.time()
    eventually(lambda: metric(api, "recharge_scrub_last_success_timestamp_seconds") > began)
    assert metric(api, "recharge_scrub_bytes_total") > 512 and metric(api, "recharge_scrub_damage_total") == 0
    assert re.search(r"head of the journal [0-9a-f]{64} at segment 1", daemon.log_tail())
    segment = daemon.data_dir / "journal" / "0000000000000001.journal"
    flip(segment, 200)
    eventually(lambda: metric(api, "recharge_scrub_damage_total") > 0)
    assert f"damage found: {segment}: offset 0:" in daemon.log_tail()
    expect(api.get("/readyz"), 200)


def test_a_damaged_record_is_refused_named_and_repaired(start_server):
    daemon = start_server(SCRUB)
    api = Api(daemon.address)
    account = new_account()
    api.credit(account, "12.50")
    assert api.balance(account) == 12.5
    daemon.stop()
    books = daemon.data_dir / "books" / "data.mdb"
    content = books.read_bytes()
    places = [match.end() + 12 for match in re.finditer(re.escape(account.encode()), content)]
    assert places
    for place in places:  # behind the account's text: its row, in whatever page it is, and copies that mean nothing
        flip(books, place)
    daemon.start()
    api = Api(daemon.address)
    reply = api.get(f"/api/check_balance?account={account}")
    expect(reply, 500, error="internal_error")
    eventually(lambda: metric(api, "recharge_scrub_damage_total") > 0)
    assert f"damage found: {books}: offset " in daemon.log_tail() and account not in daemon.log_tail()
    daemon.stop()
    found = tool("verify", "--data-dir", daemon.data_dir)
    assert found.returncode == 1 and f"{books}: offset " in found.stdout
    assert tool("verify", "--rebuild", "--data-dir", daemon.data_dir).returncode == 0
    daemon.start()
    assert Api(daemon.address).balance(account) == 12.5


@pytest.mark.parametrize("name", ["FORMAT", "journal"])
def test_a_newer_format_is_refused_clearly(start_server, name):
    """What a later version would write, with checksums that fit."""
    daemon = start_server()
    Api(daemon.address).credit()
    daemon.stop()
    if name == "FORMAT":
        path = daemon.data_dir / "FORMAT"
        lines = path.read_text().replace("format 1\n", "format 2\n").splitlines(keepends=True)[:-1]
        body = "".join(lines) + "something new\n"
        path.write_text(body + f"checksum {hashlib.blake2b(body.encode(), digest_size=32).hexdigest()}\n")
    else:
        path = daemon.data_dir / "journal" / "0000000000000001.journal"
        content = bytearray(path.read_bytes())
        content[8] = 2
        content[144:160] = hashlib.blake2b(bytes(content[:144]), digest_size=16).digest()
        path.write_bytes(content)
        (daemon.data_dir / "books" / "data.mdb").unlink()  # so that the start reads from the beginning
    result = run_once("--listen", "127.0.0.1:0", "--data-dir", str(daemon.data_dir))
    assert result.returncode == 4 and "newer" in result.stderr and str(path) in result.stderr
    assert tool("verify", "--data-dir", daemon.data_dir).returncode == 4
