"""Servers that are broken on purpose (tests/CMakeLists.txt), and the check that a test notices them."""
import http.client
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import SECRETS
from daemon import Daemon, binary


def _beside_recharged(name):
    program = Path(binary()).with_name(name)
    if not program.is_file():
        pytest.fail(f"{program} is missing: build it")  # which must_fail() does not take for a fault that was seen
    return [str(program)]


def broken_server(name):
    """As arguments for Daemon."""
    return {"program": _beside_recharged(f"recharged_{name}")}


def broken_tool(name):
    """As the program of run_once()."""
    return _beside_recharged(f"recharge_{name}")


@contextmanager
def running(folder, config="", broken=None, secrets=SECRETS, **options):
    """A server of its own. A broken one may end as it likes."""
    program = broken_server(broken) if broken else {}
    try:
        daemon = Daemon(folder, secrets + config, **options, **program)
    except AssertionError as error:
        pytest.fail(str(error))
    try:
        yield daemon
        if not broken:
            daemon.stop()
    finally:
        daemon.discard()


def must_fail(check, *arguments, **options):
    """check() is run on something that is broken on purpose: it must see that."""
    with pytest.raises((AssertionError, OSError, http.client.HTTPException)) as seen:
        check(*arguments, **options)
    print(f"seen: {str(seen.value)[:200]}")
