"""The sessions in README.md work as they are written, against a server started as it says.

A session is the first fenced bash block after `<!-- session -->`, or `<!-- explain session -->`. It takes the server's address from RECHARGE_URL
and the callback secret's file from RECHARGE_SECRET_FILE, each with the default of a server started by tools/run.
"""
import os
import re
import shutil
import subprocess

import pytest

from test_simulate import Process

from broker import free_port
from daemon import binary, clean_environment
from replies import REPOSITORY

README = REPOSITORY / "README.md"


def session(mark="session"):
    text = README.read_text(encoding="utf-8")
    match = re.search(f"<!-- {mark} -->.*?```(?:bash|sh|console)\n(.*?)```", text, re.DOTALL)
    assert match, f"README.md has no bash block after <!-- {mark} -->"
    return match[1]


def test_session_is_there():
    text = session()
    for path in ("place_order", "post pay ", "payment_callback", "check_balance"):
        assert path in text


def run(daemon, text):
    environment = clean_environment({
        "RECHARGE_URL": daemon.url,
        "RECHARGE_SECRET_FILE": str(daemon.data_dir / "callback.secret"),
        "PATH": os.path.dirname(binary()) + os.pathsep + os.environ["PATH"],
    })
    result = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", text], env=environment, cwd=REPOSITORY,
                            capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result


def test_explain_session_runs_as_written(start_server):
    result = run(start_server(None, secrets=False), session("explain session"))
    shown = README.read_text(encoding="utf-8")
    for part in ("200 Payment recorded for review (amount_mismatch)", "    expected  50.00 CNY", "    came      49.99 CNY",
                 "missing      a decision on the payment kept as amount_mismatch",
                 "next action  have the gateway send the right amount, which is then credited by itself"):
        assert part in result.stdout and part in shown, result.stdout + result.stderr


def test_session_runs_as_written(start_server):
    result = run(start_server(None, secrets=False), session())
    for expected in ("Payment succeeded", "Recharge succeeded", "Already processed", "Invalid signature", "50.00"):
        assert expected in result.stdout, result.stdout + result.stderr
    positions = [result.stdout.index(text) for text in ("Payment succeeded", "Recharge succeeded", "Already processed")]
    assert positions == sorted(positions)


def run_session(mark, **environment):
    """One that starts its own server."""
    environment = clean_environment({"RECHARGE_LISTEN": f"127.0.0.1:{free_port()}", **environment,
                                     "PATH": os.path.dirname(binary()) + os.pathsep + os.environ["PATH"]})
    result = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", session(mark).replace("$PWD/build/release/bin:", "")],
                            env=environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result


def test_told_session_runs_as_written():
    if not shutil.which("node"):
        pytest.skip("node is needed to run the example")
    result = run_session("told session", SMS_PORT=str(free_port()))
    assert '"phone":"13812345678","text":"Your top-up of 50.00 CNY has arrived."' in result.stdout, result.stdout + result.stderr
    assert "sms" in result.stdout[result.stdout.index("has arrived"):]


def test_supplier_session_runs_as_written():
    result = run_session("supplier session", SUPPLIER_LISTEN=f"127.0.0.1:{free_port()}")
    assert result.stdout.count("200 Payment recorded") == 3 and "supplier acme asked" in result.stdout, result.stdout
    assert '"performed":' in result.stdout


def test_gateway_session_runs_as_written(tmp_path):
    dev = Process("dev", "--port", "0")
    try:
        url = dev.read_until(r"listening on (http\S+)")[1]
        gateways = dev.read_until(r"are at (http\S+);")[1]
        environment = clean_environment({"RECHARGE_URL": url, "GATEWAYS_URL": gateways, "TMPDIR": str(tmp_path),
                                         "PATH": os.path.dirname(binary()) + os.pathsep + os.environ["PATH"]})
        result = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", session("gateway session")], env=environment, cwd=REPOSITORY,
                                capture_output=True, text=True, timeout=60, check=False)
    finally:
        dev.stop()
    assert result.returncode == 0, result.stdout + result.stderr
    assert "recharged" in result.stdout and "scheme alipay" in result.stdout
    assert (tmp_path / "bill.zip").read_bytes().startswith(b"PK")
