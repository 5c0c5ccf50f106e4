"""Servers that are broken on purpose (tests/CMakeLists.txt), and the check that a test notices them."""
from pathlib import Path

import pytest

from daemon import binary


def broken_server(name):
    """As arguments for Daemon. They lie beside recharged."""
    program = Path(binary()).with_name(f"recharged_{name}")
    assert program.is_file(), f"{program} is missing: build it"
    return {"program": [str(program)]}


def must_fail(check, *arguments, **options):
    """check() is run on something that is broken on purpose: it must see that."""
    with pytest.raises((AssertionError, OSError)):
        check(*arguments, **options)
