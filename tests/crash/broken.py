"""What is built for these tests beside recharged: servers that are broken on purpose, as arguments for Daemon."""
from pathlib import Path

from daemon import binary


def beside(name):
    path = Path(binary()).parent / name
    if not path.is_file():  # no AssertionError: check_that_it_fails() must not take it for a fault that was seen
        raise FileNotFoundError(f"{path} is missing: build it beside recharged")
    return str(path)


def broken_disk(how):
    """how: what broken_disk_server.cc lists."""
    return {"program": [beside("recharged_on_broken_disk")], "env": {"BROKEN_DISK": how}}


def without_deduplication():
    return {"program": [beside("recharged_without_deduplication")]}
