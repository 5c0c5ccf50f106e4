"""Settings: from the file, the environment and flags; what is wrong with them is said with its place."""
import re

import pytest

from api import Api, expect
from conftest import SECRETS
from daemon import binary, run_once


# --- configuration ---------------------------------------------------------------------------------------------------

def write(tmp_path, text):
    file = tmp_path / "recharged.toml"
    file.write_text(text, encoding="utf-8")
    return file


GOOD_CONFIG = SECRETS + """tolerance_s = 120
required_fields = ["order_id", "transaction_id", "amount", "status", "timestamp"]
[server]
listen = "127.0.0.1:0"
threads = 2
max_body_bytes = 4096
max_header_bytes = 8192
request_timeout_ms = 5000
drain_timeout_ms = 5000
[store]
kind = "lmdb"
[accounts]
pattern = "^[a-z]{1,20}$"
[orders]
currency = "CNY"
max_amount = "500.00"
expire_after_s = 60
late_payment = "review"
[auth]
mode = "off"
[gateway.simulated]
success_rate = 0.5
auto_callback = false
"""


def test_check_config_good(tmp_path):
    result = run_once("check-config", "--config", str(write(tmp_path, GOOD_CONFIG)))
    assert result.returncode == 0, result.stderr


def test_check_config_without_a_file():
    assert run_once("check-config").returncode == 0


BAD_CONFIGS = {
    # name: (text, line of the fault, what the message names)
    "no TOML": ("[server\n", 1, ""),
    "no value": ("[server]\nthreads =\n", 2, ""),
    "unknown table": ("[servers]\nthreads = 1\n", 1, "servers"),
    "unknown key": ("[server]\nthread = 1\n", 2, "thread"),
    "unknown key at the top": ("threads = 1\n", 1, "threads"),
    "unknown key of a secret": ('[callback]\nsecrets = [{id = "a", secrt = "x"}]\n', 2, "secrt"),
    "unknown key of a gateway": ('[gateway.simulated]\n\nrate = 1\n', 3, "rate"),
    "wrong type": ('[server]\nmax_body_bytes = "many"\n', 2, "max_body_bytes"),
    "negative threads": ("[server]\nthreads = -1\n", 2, "threads"),
    "too many threads": ("[server]\nthreads = 100000\n", 2, "threads"),
    "listen without a port": ('[server]\nlisten = "127.0.0.1"\n', 2, "listen"),
    "listen port too large": ('[server]\nlisten = "127.0.0.1:65536"\n', 2, "listen"),
    "bad pattern": ('[accounts]\npattern = "("\n', 2, "pattern"),
    "max_amount as a fraction": ("[orders]\nmax_amount = 0.1\n", 2, "max_amount"),
    "malformed max_amount": ('[orders]\nmax_amount = "1.234"\n', 2, "max_amount"),
    "late_payment": ('[orders]\nlate_payment = "keep"\n', 2, "late_payment"),
    "currency": ('[orders]\ncurrency = "cny"\n', 2, "currency"),
    "success_rate above one": ("[gateway.simulated]\nsuccess_rate = 1.5\n", 2, "success_rate"),
    "empty secret": ('[callback]\nsecrets = [{id = "a", secret = ""}]\n', 2, "secret"),
    "secret twice": ('[callback]\nsecrets = [{id = "a", secret = "x", secret_file = "/x"}]\n', 2, "secret"),
    "secret without a value": ('[callback]\nsecrets = [{id = "a"}]\n', 2, "secret"),
    "two secrets of one id": ('[callback]\nsecrets = [{id = "a", secret = "x"}, {id = "a", secret = "y"}]\n', 2, "a"),
    "secret file missing": ('[callback]\nsecrets = [{id = "a", secret_file = "/nonexistent/secret"}]\n', 2, "/nonexistent/secret"),
    "tolerance_s negative": ("[callback]\ntolerance_s = -1\n", 2, "tolerance_s"),
    "store kind postgres": ('[store]\nkind = "postgres"\n', 2, "not in this build"),
    "store kind unknown": ('[store]\nkind = "files"\n', 2, "kind"),
    "auth mode unknown": ('[auth]\nmode = "basic"\n', 2, "mode"),
    "gateway without a kind": ("[gateway.mine]\n", 1, "kind"),
    "gateway kind unknown": ('[gateway.mine]\nkind = "paypal"\n', 2, "kind"),
    "alipay without app_id": ('[gateway.alipay]\nkind = "alipay"\n', 1, "app_id"),
    "wechat without mchid": ('[gateway.wechat]\nkind = "wechat"\n', 1, "mchid"),
    "stripe without secret_key_file": ('[gateway.stripe]\nkind = "stripe"\n', 1, "secret_key_file"),
    "native gateway without a secret": ('[gateway.mine]\nkind = "native"\n', 1, "secret"),
}


@pytest.mark.parametrize("name", BAD_CONFIGS)
def test_bad_config_exits_3_and_says_where(tmp_path, name):
    text, line, named = BAD_CONFIGS[name]
    file = write(tmp_path, text)
    for command in (["check-config", "--config", str(file)],
                    ["--config", str(file), "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data")]):
        result = run_once(*command)
        assert result.returncode == 3, result
        output = result.stdout + result.stderr
        position = re.search(re.escape(str(file)) + r":(\d+):(\d+)", output)
        assert position, f"no file:line:column in {output!r}"
        assert int(position[1]) == line, output
        assert named in output
    assert not (tmp_path / "data").exists()


def test_no_gateway_without_each_of_its_keys(tmp_path):
    """Of settings that are whole: every line that is left out is named, and every file that is empty."""
    made = run_once("simulate", "--prepare", "--dir", str(tmp_path), program=[binary("RECHARGE_BIN", "recharge")])
    assert made.returncode == 0, made.stderr
    file = tmp_path / "recharged.toml"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    assert run_once("check-config", "--config", str(file)).returncode == 0
    needed = [line for line in lines if " = " in line and not re.match("livemode|notify_url|base_url", line)]
    assert len(needed) >= 16
    for line in needed:
        at = lines.index(line)
        file.write_text("".join(lines[:at] + lines[at + 1:]), encoding="utf-8")
        result = run_once("check-config", "--config", str(file))
        assert result.returncode == 3 and line.split(" = ")[0] in result.stderr, (line, result)
    file.write_text("".join(lines), encoding="utf-8")
    keys = sorted({tmp_path / name for line in needed for name in re.findall(r'"(\w+\.txt)"', line)})
    assert len(keys) >= 7
    for key in keys:
        content = key.read_bytes()
        key.write_bytes(b"")
        result = run_once("check-config", "--config", str(file))
        assert result.returncode == 3 and key.name in result.stderr, (key, result)
        key.write_bytes(content)


def test_missing_config_file(tmp_path):
    result = run_once("--config", str(tmp_path / "none.toml"))
    assert result.returncode == 3 and "none.toml" in result.stderr


def test_secret_stays_out_of_messages(tmp_path):
    secret = "hunter2-secret-value"
    file = write(tmp_path, f'[callback]\nsecrets = [{{id = "a", secret = "{secret}", bogus = 1}}]\n')
    result = run_once("check-config", "--config", str(file))
    assert result.returncode == 3 and secret not in result.stdout + result.stderr


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--threads"], ["--threads", "x"], ["stray"], ["--listen"]],
                         ids=" ".join)
def test_usage_errors_exit_2(arguments):
    result = run_once(*arguments)
    assert result.returncode == 2 and result.stderr


def test_help_and_version():
    result = run_once("--help")
    assert result.returncode == 0
    for flag in ("--config", "--listen", "--data-dir", "--threads", "--version", "check-config"):
        assert flag in result.stdout
    result = run_once("--version")
    assert result.returncode == 0 and re.search(r"\d+\.\d+\.\d+", result.stdout)


def test_listening_beyond_loopback_is_refused(tmp_path):
    """Without auth, and with the simulated gateway."""
    result = run_once("--listen", "0.0.0.0:0", "--data-dir", str(tmp_path / "data"))
    assert result.returncode == 3, result
    config = write(tmp_path, SECRETS + "[auth]\nallow_open = true\n")
    result = run_once("--config", str(config), "--listen", "0.0.0.0:0", "--data-dir", str(tmp_path / "data"))
    assert result.returncode == 3 and "simulated" in result.stderr


def test_environment_beats_the_file_and_a_flag_beats_both(start_server):
    config = '[orders]\nmax_amount = "10.00"\n[accounts]\npattern = "^[a-z]+$"\n'
    daemon = start_server(config, env={"RECHARGED_ORDERS__MAX_AMOUNT": "20.00", "RECHARGED_SERVER__LISTEN": "127.0.0.1:1"})
    api = Api(daemon.address)
    expect(api.post("/api/place_order", {"account": "anna", "amount": "20.00"}), 200)
    expect(api.post("/api/place_order", {"account": "anna", "amount": "20.01"}), 400, error="invalid_amount")


def test_unknown_environment_setting(tmp_path):
    result = run_once("check-config", env={"RECHARGED_ORDERS__MAX_AMOUNTS": "1"})
    assert result.returncode == 3 and "RECHARGED_ORDERS__MAX_AMOUNTS" in result.stderr
