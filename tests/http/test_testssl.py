"""Debian's testssl.sh finds nothing above LOW: its checks of protocols, ciphers, forward secrecy, defaults and of every known
fault. RECHARGE_LONG=1: all that it has, by RSA as well.
"""
import json
import os
import shutil
import subprocess

import pytest

from certificates import Authority

LONG = bool(os.environ.get("RECHARGE_LONG"))
SHORT_CHECKS = ["--protocols", "--server-defaults"]
ABOVE_LOW = ("MEDIUM", "HIGH", "CRITICAL")
# An authority of a test has no address where it could be asked whether a certificate was revoked.
OWN = ("crlDistributionPoints=URI:http://localhost/ca.crl",)


def findings(address, authority, folder):
    """[(id, severity, finding)] of everything that it looked at."""
    out = folder / "testssl.json"
    checks = [] if LONG else SHORT_CHECKS
    subprocess.run(["testssl", "--quiet", "--color", "0", "--warnings", "off", "--add-ca", str(authority.file), "--ip", address[0],
                    "--nodns", "none", "--jsonfile", str(out), *checks, f"localhost:{address[1]}"],
                   stdin=subprocess.DEVNULL, capture_output=True, timeout=900, check=False)
    found = [(each["id"], each["severity"], each["finding"]) for each in json.loads(out.read_text())]
    assert len(found) > 20, found
    return found


@pytest.mark.parametrize("kind", ("ec", "rsa") if LONG else ("ec",))
def test_nothing_above_low(start_server, tmp_path, kind):
    if shutil.which("testssl") is None:
        pytest.skip("testssl.sh is not there")
    authority = Authority(tmp_path / "ca")
    daemon = start_server(authority.settings(authority.sign("server", kind=kind, more=OWN)))
    found = findings(daemon.address, authority, tmp_path)
    counts = {severity: sum(each[1] == severity for each in found) for severity in sorted({each[1] for each in found})}
    print(f"{kind}: {counts}; LOW: {[each[0] for each in found if each[1] == 'LOW']}")
    assert [each for each in found if each[1] in ABOVE_LOW] == []
    said = {each[0]: each[2] for each in found}
    assert all(said[version].startswith("not offered") for version in ("SSLv2", "SSLv3", "TLS1", "TLS1_1")), said
    assert all(said[version].startswith("offered") for version in ("TLS1_2", "TLS1_3")), said


def test_a_certificate_that_is_not_good_is_seen(start_server, tmp_path):
    """Another authority is believed: testssl.sh must say so."""
    if shutil.which("testssl") is None:
        pytest.skip("testssl.sh is not there")
    authority, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other", "Other")
    daemon = start_server(authority.settings(authority.sign("server", more=OWN)))
    out = tmp_path / "testssl.json"
    subprocess.run(["testssl", "--quiet", "--color", "0", "--warnings", "off", "--add-ca", str(other.file), "--ip", "127.0.0.1", "--nodns",
                    "none", "--jsonfile", str(out), "--server-defaults", f"localhost:{daemon.address[1]}"],
                   stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False)
    assert any(each["severity"] in ABOVE_LOW for each in json.loads(out.read_text()))
