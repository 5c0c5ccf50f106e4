"""Secrets and settings: credentials of systemd, what check-config shows, and that secrets leave memory after use."""
import os
import re
import signal

from api import Api, eventually, expect
from daemon import clean_environment, run_once
from faulty import must_fail, running
from gateways import Stripe
from signing import VECTOR_SECRET

KEY = "a secret for tokens, of 40 bytes or more."


def show(folder, text, *arguments, env=None):
    file = folder / "recharged.toml"
    file.write_text(text)
    return run_once("check-config", "--show", "--config", str(file), *arguments, env=env)


def shown(result):
    """{setting: (value, origin)}"""
    assert result.returncode == 0, result.stderr
    lines = [re.fullmatch(r"(?:# )?([\w.-]+)(?: = (.*?))? +# (.*)", line) for line in result.stdout.splitlines()]
    assert all(lines), result.stdout
    return {match[1]: (match[2], match[3]) for match in lines}


def test_show_says_where_each_setting_came_from(tmp_path):
    (tmp_path / "stripe").mkdir()
    text = (f'[server]\nmax_connections = 5\n[orders]\nmax_amount = "70.00"\n[callback]\n'
            f'secrets = [{{id = "a", secret = "{VECTOR_SECRET}"}}, {{id = "b", secret_file = "s"}}]\n'
            + Stripe("stripe", tmp_path).config())
    (tmp_path / "s").write_text(VECTOR_SECRET)
    result = show(tmp_path, text, "--listen", "127.0.0.1:9", "--threads", "3",
                  env={"RECHARGED_LOG__LEVEL": "warn", "RECHARGED_ORDERS__EXPIRE_AFTER_S": "60"})
    page = shown(result)
    file = tmp_path / "recharged.toml"
    assert page["server.listen"] == ('"127.0.0.1:9"', "--listen") and page["server.threads"] == ("3", "--threads")
    assert page["server.max_connections"] == ("5", f"{file}:2:19")
    assert page["orders.max_amount"] == ('"70.00"', f"{file}:4:14")
    assert page["orders.expire_after_s"] == ("60", "RECHARGED_ORDERS__EXPIRE_AFTER_S")
    assert page["log.level"] == ('"warn"', "RECHARGED_LOG__LEVEL")
    assert page["rate_limit.enabled"] == ("false", "default") and page["store.kind"] == ('"lmdb"', "default")
    assert page["tls.certificate_file"] == (None, "not set")
    assert page["callback.secrets"][0] == '[{id = "a", secret = "<redacted>"}, {id = "b", secret_file = "s"}]'
    assert page["gateway.stripe.secret_key_file"][0].endswith('secret"')
    assert VECTOR_SECRET not in result.stdout + result.stderr and "whsec_" not in result.stdout


def test_secrets_of_any_form_are_left_out(tmp_path):
    for text, env in (('[callback]\nsecret = "hidden-in-the-file-0123456789abcd"\n', {}),
                      ("", {"RECHARGED_CALLBACK__SECRET": "hidden-in-the-file-0123456789abcd"}),
                      ("", {"RECHARGED_CALLBACK__SECRETS": '[{id="a",secret="hidden-in-the-file-0123456789abcd"}]'})):
        result = show(tmp_path, text, env=env)
        assert "<redacted>" in result.stdout and "hidden" not in result.stdout + result.stderr, result


def test_every_setting_without_a_value_says_its_default(tmp_path):
    """Those that have none are named here."""
    without = {name for name, (value, _) in shown(show(tmp_path, "")).items() if value is None}
    assert without <= {"admin.backup_dir", "admin.listen", "amqp.url", "amqp.urls", "auth.jwks_file", "auth.keys",
                       "callback.allow_from", "callback.secret", "callback.secret_file", "callback.secrets", "fulfilment.suppliers", "gateway_calls.ca_file",
                       "server.trusted_proxies", "tls.certificate_file", "tls.client_ca_file", "tls.key_file",
                       "webhook.ca_file", "webhook.notify_secret_file"}, without


def test_credentials_of_systemd(tmp_path, start_server):
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "callback").write_text(VECTOR_SECRET + "\n")
    (folder / "token").write_text(KEY)
    text = ('[callback]\nsecret_file = "$CREDENTIALS_DIRECTORY/callback"\n[auth]\nmode = "jwt"\n'
            'keys = [{kid = "1", algorithm = "HS256", file = "${CREDENTIALS_DIRECTORY}/token"}]\n')
    env = {"CREDENTIALS_DIRECTORY": str(folder)}
    daemon = start_server(text.replace("[auth]", "[log]\nlevel='info'\n[auth]"), secrets=False, env=env)
    api = Api(daemon.address)
    expect(api.post("/api/place_order", {"account": "13812345678", "amount": "1.00"}), 401)
    expect(api.callback("01a21393-b378-7119-8262-e7868b09a532"), 404, error="order_not_found")  # it was verified
    clean = {name: value for name, value in clean_environment().items() if name != "CREDENTIALS_DIRECTORY"}
    assert "CREDENTIALS_DIRECTORY" not in clean
    refused = show(tmp_path, text)
    assert refused.returncode == 3 and "LoadCredential=" in refused.stderr
    (folder / "callback").write_text("")
    refused = show(tmp_path, text, env=env)
    assert refused.returncode == 3 and f"{folder}/callback: holds no usable secret" in refused.stderr


# --- memory ----------------------------------------------------------------------------------------------------------

def copies(daemon, text):
    """How often the server's memory holds a text."""
    found, text = 0, text[-48:].encode()  # what is free again holds other things at its beginning
    with open(f"/proc/{daemon.process.pid}/maps") as maps, open(f"/proc/{daemon.process.pid}/mem", "rb") as memory:
        for line in maps:
            span, rights, *_ = line.split()
            start, end = (int(part, 16) for part in span.split("-"))
            if rights.startswith("rw") and "[v" not in line and end - start <= 64 << 20:
                try:
                    memory.seek(start)
                    found += memory.read(end - start).count(text)
                except (OSError, ValueError):  # gone in the meantime, or not readable
                    pass
    return found


def forget(folder, broken=None):
    """A secret that was taken out is nowhere in memory, and one in use only where it is used."""
    first, second = os.urandom(128).hex(), os.urandom(128).hex()
    folder.mkdir(exist_ok=True)
    file = folder / "callback.key"
    file.write_text(first)
    with running(folder, f'[callback]\nsecret_file = "{file}"\n', secrets="", broken=broken,
                 arguments=["--threads", "1"]) as daemon:
        api = Api(daemon.address, secret=first)
        api.credit()
        # The verifier has two, by fields and by Standard Webhooks, and nobody else; what a start took along goes soon.
        used = []
        eventually(lambda: used.append(copies(daemon, first)) or used[-1] == 2)
        file.write_text(second)
        daemon.signal(signal.SIGHUP)
        eventually(lambda: "settings reloaded" in daemon.log_file.read_text())
        api.secret = second
        eventually(lambda: api.callback(api.place(), secret=second).status == 200)
        assert copies(daemon, second) >= 1
        left = copies(daemon, first)
        print(f"in use: {used[-1]} places in memory; after its exchange: {left}")
        assert left == 0, f"{left} copies of a secret that is used no more"
        log = daemon.log_file.read_text()
        assert first not in log and second not in log


def test_a_secret_that_was_exchanged_is_nowhere_in_memory(tmp_path):
    forget(tmp_path / "own")


def test_secrets_that_are_not_wiped_are_seen(tmp_path):
    must_fail(forget, tmp_path / "own", broken="keeping_secrets")
