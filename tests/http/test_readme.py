"""The session in README.md works as it is written, against a server started as it says.

The session is the first fenced bash block after `<!-- session -->`. It takes the server's address from RECHARGE_URL
and the callback secret's file from RECHARGE_SECRET_FILE, each with the default of a server started by tools/run.
"""
import os
import re
import subprocess

from daemon import binary, clean_environment
from replies import REPOSITORY

README = REPOSITORY / "README.md"


def session():
    text = README.read_text(encoding="utf-8")
    match = re.search(r"<!-- session -->.*?```(?:bash|sh|console)\n(.*?)```", text, re.DOTALL)
    assert match, "README.md has no bash block after <!-- session -->"
    return match[1]


def test_session_is_there():
    text = session()
    for path in ("place_order", "post pay ", "payment_callback", "check_balance"):
        assert path in text


def test_session_runs_as_written(start_server):
    daemon = start_server(None, secrets=False)
    environment = clean_environment({
        "RECHARGE_URL": daemon.url,
        "RECHARGE_SECRET_FILE": str(daemon.data_dir / "callback.secret"),
        "PATH": os.path.dirname(binary()) + os.pathsep + os.environ["PATH"],
    })
    result = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", session()], env=environment, cwd=REPOSITORY,
                            capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    for expected in ("Payment succeeded", "Recharge succeeded", "Already processed", "Invalid signature", "50.00"):
        assert expected in result.stdout, result.stdout + result.stderr
    positions = [result.stdout.index(text) for text in ("Payment succeeded", "Recharge succeeded", "Already processed")]
    assert positions == sorted(positions)
