"""Fixtures: a server shared by the tests of a run, and private ones with settings of their own."""
import itertools

import pytest

from api import Api
from daemon import Daemon
from replies import DOCUMENT
from signing import VECTOR_SECRET
from wire import Wire

SECRETS = f'[callback]\nsecrets = [{{id = "main", secret = "{VECTOR_SECRET}"}}]\n'


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    daemon = Daemon(tmp_path_factory.mktemp("shared"), SECRETS)
    yield daemon
    daemon.stop()


def _factory(tmp_path_factory, name):
    daemons, numbers = [], itertools.count()

    def start(config="", secrets=True, **options):
        """config: TOML after the callback secret; secrets=False: config alone, and None: no file."""
        text = config if not secrets else SECRETS + config
        daemon = Daemon(tmp_path_factory.mktemp(f"{name}{next(numbers)}"), text, **options)
        daemons.append(daemon)
        return daemon

    yield start
    for daemon in daemons:
        daemon.stop()


@pytest.fixture
def start_server(tmp_path_factory):
    yield from _factory(tmp_path_factory, "own")


@pytest.fixture(scope="module")
def start_module_server(tmp_path_factory):
    yield from _factory(tmp_path_factory, "module")


@pytest.fixture
def api(server):
    client = Api(server.address)
    yield client
    client.close()


@pytest.fixture
def wire(server):
    connection = Wire(server.address)
    yield connection
    connection.close()


def pytest_collection_modifyitems(items):
    """Nothing here may be left out without being seen."""
    for item in items:
        for mark in ("skip", "skipif", "xfail"):
            assert item.get_closest_marker(mark) is None, f"{item.nodeid} is marked {mark}"


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"documented replies seen: {len(DOCUMENT.seen)} kinds")
