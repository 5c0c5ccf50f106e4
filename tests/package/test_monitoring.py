"""Alerts and dashboard: Prometheus takes them, every metric in them exists, every alert has its paragraph."""
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "http"))
FOLDER = ROOT / "tools" / "package" / "monitoring"
RULES = (FOLDER / "recharge.rules.yml").read_text()
NAME = re.compile(r"\b((?:recharge|process)_[a-z_]+)\b")


def promtool(*arguments):
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not there")
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60)


def test_rules():
    for command in (["check", "rules", FOLDER / "recharge.rules.yml"], ["test", "rules", FOLDER / "rules_test.yml"]):
        result = promtool(*command)
        assert result.returncode == 0, result.stdout + result.stderr


def test_rules_that_do_not_fire_are_seen(tmp_path):
    (tmp_path / "recharge.rules.yml").write_text(RULES.replace("recharge_ledger_sum_minor_units != 0", "recharge_ledger_sum_minor_units > 0"))
    (tmp_path / "rules_test.yml").write_text((FOLDER / "rules_test.yml").read_text())
    assert promtool("test", "rules", tmp_path / "rules_test.yml").returncode != 0


def test_each_alert_has_its_paragraph():
    alerts = re.findall(r"- alert: (\w+)", RULES)
    assert len(alerts) >= 12 and len(set(alerts)) == len(alerts)
    assert re.findall(r"runbook: README\.md#(\w+)", RULES) == [alert.lower() for alert in alerts]
    text = (FOLDER / "README.md").read_text()
    paragraphs = dict(re.findall(r"^### (\w+)\n(.+?)(?=\n\n|\Z)", text, re.M | re.S))
    assert list(paragraphs) == alerts
    assert all(len(paragraph) > 80 for paragraph in paragraphs.values())


def names_on_the_page(page):
    return {re.sub(r"(_bucket|_sum|_count)$", "", match) for match in re.findall(r"^# TYPE (\S+) ", page, re.M)}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    from api import Api, expect
    from certificates import Authority
    from daemon import Daemon
    folder = tmp_path_factory.mktemp("ca")
    authority, secret = Authority(folder), folder / "secret"
    secret.write_text("whsec_" + "A" * 32)
    told = (f'[webhook.shop]\nurl = "https://shop.example/"\nsecret_file = "{secret}"\n[fulfilment]\nkind = "http"\n'
            f'[supplier.acme]\nurl = "https://acme.example/"\nsecret_file = "{secret}"\n')
    daemon = Daemon(tmp_path_factory.mktemp("server"), authority.settings(authority.sign("server")) + told)
    try:
        api = Api(daemon.address, context=authority.context())
        yield expect(api.get("/metrics"), 200).body.decode()
    finally:
        daemon.stop()


def check_names(text, page):
    known = names_on_the_page(page)
    used = {re.sub(r"(_bucket|_sum|_count)$", "", name) for name in NAME.findall(text)}
    assert used and used <= known, used - known


def test_every_metric_exists(page):
    expressions = re.sub(r"(?m)^ +(summary|runbook|severity|labels|- name|name):.*$", "", RULES)
    check_names(expressions, page)
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    targets = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(targets) >= 15
    check_names("\n".join(targets), page)
    with pytest.raises(AssertionError):
        check_names("rate(recharge_no_such_metric[5m])", page)
