"""Who may do what: every route against every kind of token; tokens that are forged; keys that are exchanged."""
import itertools
import json
import os
import signal
import time

import pytest

from admin import admin_address
from api import Api, eventually, expect, new_account, new_transaction
from daemon import binary, run_once
from faulty import must_fail, running
from replies import DOCUMENT
from signing import callback_fields, signed_body
from streams import first_of_stream
from tokens import ALGORITHMS, SCOPES, SECRET, Keys, b64, bearer
from web_sockets import first_of_web_socket

OPERATORS_ONLY = "/admin/"
ROUTES = {(method.upper(), path): operation.get("security")
          for path, item in DOCUMENT.document["paths"].items() for method, operation in item.items()}


def settings_with_operators(keys):
    secret = keys.folder / "webhook.secret"
    secret.write_text("whsec_" + "A" * 44)
    shop = f'[webhook.shop]\nurl = "http://127.0.0.1:9/"\nsecret_file = "{secret}"\nevents = ["exception.resolved"]\n'
    return shop + keys.settings() + f'[admin]\nlisten = "127.0.0.1:0"\nbackup_dir = "{keys.folder / "backups"}"\n'


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def jwt_server(start_module_server, keys):
    return start_module_server(settings_with_operators(keys))


class Scene:
    """Two accounts with an order each, on a server that asks for tokens."""

    def __init__(self, daemon, keys):
        self.api, self.keys = Api(daemon.address), keys
        self.operators = Api(admin_address(daemon))
        self.admin = bearer(keys.token("admin"))
        self.mine, self.others = new_account(), new_account()

    def order(self, account, credited=False):
        reply = self.api.post("/api/place_order", {"account": account, "amount": "50.00"}, self.admin)
        order_id = expect(reply, 200)["order_id"]
        if credited:
            expect(self.api.callback(order_id, amount="50.00"), 200, msg="Recharge succeeded")
        return order_id

    def after_backups(self):
        eventually(lambda: self.operators.request("GET", "/admin/backup", headers=self.admin)["backup"]["state"] != "running")

    def exception(self, account):
        """A payment of another amount, kept for review."""
        order_id = self.order(account)
        expect(self.api.callback(order_id, amount="49.00"), 200, exception="amount_mismatch")
        found = expect(self.api.request("GET", "/api/exceptions?limit=100", headers=self.admin), 200)["data"]
        return next(entry["exception_id"] for entry in found if entry["order_id"] == order_id)


_numbers = itertools.count()


def _callback(scene, account):
    return signed_body(callback_fields(scene.order(account), new_transaction(), amount="50.00"), scene.api.secret)


# For each route: a request about `account` that succeeds for whoever may make it. (path and query, body)
REQUESTS = {
    ("POST", "/api/place_order"): lambda s, a: ("/api/place_order", {"account": a, "amount": "1.00"}),
    ("POST", "/api/pay"): lambda s, a: ("/api/pay", {"order_id": s.order(a)}),
    ("POST", "/api/payment_callback"): lambda s, a: ("/api/payment_callback", _callback(s, a)),
    ("POST", "/api/callbacks/{gateway}"): lambda s, a: ("/api/callbacks/none", "{}"),
    ("GET", "/api/check_balance"): lambda s, a: (f"/api/check_balance?account={a}", None),
    ("GET", "/api/orders"): lambda s, a: (f"/api/orders?account={a}", None),
    ("GET", "/api/orders/{order_id}"): lambda s, a: (f"/api/orders/{s.order(a)}", None),
    ("GET", "/api/orders/{order_id}/explain"): lambda s, a: (f"/api/orders/{s.order(a)}/explain", None),
    ("GET", "/api/orders/stuck"): lambda s, a: ("/api/orders/stuck", None),
    ("POST", "/api/orders/{order_id}/close"): lambda s, a: (f"/api/orders/{s.order(a)}/close", ""),
    ("POST", "/api/orders/{order_id}/refund"): lambda s, a: (
        f"/api/orders/{s.order(a, credited=True)}/refund", {"refund_id": "r", "amount": "1.00"}),
    ("GET", "/api/accounts/{account}/entries"): lambda s, a: (f"/api/accounts/{a}/entries", None),
    ("POST", "/api/accounts/{account}/debit"): lambda s, a: (
        s.order(a, credited=True) and f"/api/accounts/{a}/debit", {"debit_id": f"d{next(_numbers)}", "amount": "1.00"}),
    ("GET", "/api/exceptions"): lambda s, a: ("/api/exceptions", None),
    ("POST", "/api/exceptions/{exception_id}/resolve"): lambda s, a: (
        f"/api/exceptions/{s.exception(a)}/resolve", {"action": "dismiss"}),
    ("GET", "/api/orders/{order_id}/events"): lambda s, a: (f"/api/orders/{s.order(a)}/events", None),
    ("GET", "/api/accounts/{account}/events"): lambda s, a: (f"/api/accounts/{a}/events", None),
    ("GET", "/api/ws"): lambda s, a: (f"/api/ws?account={a}", None),
    ("GET", "/api/webhooks"): lambda s, a: ("/api/webhooks", None),
    ("GET", "/api/webhooks/{webhook}"): lambda s, a: ("/api/webhooks/shop", None),
    ("POST", "/api/webhooks/{webhook}"): lambda s, a: ("/api/webhooks/shop", {"action": "pause"}),
    ("GET", "/api/events"): lambda s, a: ("/api/events?limit=1", None),
    ("GET", "/admin/status"): lambda s, a: ("/admin/status", None),
    ("GET", "/admin/backup"): lambda s, a: ("/admin/backup", None),
    ("POST", "/admin/backup"): lambda s, a: s.after_backups() or ("/admin/backup", {"name": f"b{os.urandom(4).hex()}"}),
    ("POST", "/admin/checkpoint"): lambda s, a: ("/admin/checkpoint", ""),
    ("POST", "/admin/log_level"): lambda s, a: ("/admin/log_level", {"level": "info"}),
    ("GET", "/api/orders/{order_id}/qr.svg"): lambda s, a: (f"/api/orders/{s.order(a)}/qr.svg", None),
    ("POST", "/api/orders/{order_id}/query"): lambda s, a: (f"/api/orders/{s.order(a)}/query", {}),
    ("GET", "/api/gateways/{gateway}/bill"): lambda s, a: ("/api/gateways/none/bill?date=2026-01-01", None),
    ("GET", "/pay/{order_id}"): lambda s, a: (f"/pay/{s.order(a)}", None),
    ("GET", "/pay/{order_id}/status"): lambda s, a: (f"/pay/{s.order(a)}/status", None),
    ("GET", "/livez"): lambda s, a: ("/livez", None),
    ("GET", "/readyz"): lambda s, a: ("/readyz", None),
    ("GET", "/metrics"): lambda s, a: ("/metrics", None),
    ("GET", "/openapi.json"): lambda s, a: ("/openapi.json", None),
}
# What belongs to many is not there for a token that is bound to one account.
OF_ALL_ACCOUNTS = {("GET", "/api/exceptions"), ("GET", "/api/gateways/{gateway}/bill"), ("GET", "/api/orders/stuck"),
                   ("GET", "/api/events"), ("GET", "/metrics"),
                   *((method, path) for method, path in ROUTES if path.startswith("/api/webhooks")),
                   ("POST", "/api/exceptions/{exception_id}/resolve")}
OF_ALL_ACCOUNTS |= {route for route in ROUTES if route[1].startswith(OPERATORS_ONLY)}
STREAMS = {"/api/orders/{order_id}/events", "/api/accounts/{account}/events"}
# What is answered to whoever may ask, where it is not 200: there is no such gateway, and the simulated one has no code and
# is not called.
ALLOWED = {("POST", "/api/callbacks/{gateway}"): 404, ("GET", "/api/gateways/{gateway}/bill"): 404,
           ("GET", "/api/orders/{order_id}/qr.svg"): 409, ("POST", "/api/orders/{order_id}/query"): 409}


def walk(scene, routes=None):
    for route in routes or ROUTES:
        matrix_row(scene, route)


def matrix_row(scene, route):
    method, path = route
    scopes = ROUTES[route]
    token = scene.keys.token

    def send(headers, account=scene.mine):
        target, body = REQUESTS[route](scene, account)
        door = scene.operators if path.startswith(OPERATORS_ONLY) else scene.api
        if path == "/api/ws":
            return first_of_web_socket(door.address, target, headers)
        if path in STREAMS and door.request("HEAD", target, None, headers).status == 200:
            return first_of_stream(door.address, target, headers)
        return door.request(method, target, body, headers)

    good = ALLOWED.get(route, 200)
    assert scopes is not None, f"{route} does not say what it needs"
    if not scopes:
        for headers in ({}, bearer("nonsense"), bearer(token("")), bearer(token("orders:read", "13900000000"))):
            expect(send(headers), good)
        return
    (scope,) = scopes[0]["bearer"]
    assert scope in SCOPES
    challenge = expect(send({}), 401, error="token_required").header("www-authenticate")
    assert challenge == 'Bearer realm="recharge"'
    wrong = " ".join(other for other in SCOPES if other not in (scope, "admin"))
    for refused in (token(wrong), token(""), token(f"{scope}x {scope[:-1]} {scope.upper()}")):
        reply = expect(send(bearer(refused)), 403, error="insufficient_scope")
        assert 'error="insufficient_scope"' in reply.header("www-authenticate")
        assert f'scope="{scope}"' in reply.header("www-authenticate")
    expect(send(bearer(token(scope))), good)
    expect(send(bearer(token(f"{wrong} {scope}"))), good)
    expect(send(bearer(token("admin"))), good)
    for held in (scope, "admin"):
        bound = bearer(token(held, account=scene.mine))
        expect(send(bound), 404 if route in OF_ALL_ACCOUNTS else good)
        refused = expect(send(bound, account=scene.others), 404)
        assert refused["error"] in ("not_found", "order_not_found")


def test_no_route_is_missing_in_the_matrix():
    assert set(REQUESTS) == set(ROUTES)


@pytest.fixture(scope="module")
def scene(jwt_server, keys):
    return Scene(jwt_server, keys)


@pytest.mark.parametrize("route", list(ROUTES), ids=[" ".join(route) for route in ROUTES])
def test_matrix(scene, route):
    matrix_row(scene, route)


def test_nothing_is_done_elsewhere(scene):
    """What a bound token was refused has left no trace, and is answered as if it did not exist."""
    bound = bearer(scene.keys.token("orders:write pay:write refund:write balance:write orders:read", scene.mine))
    order_id = scene.order(scene.others)
    no_order = "01900000-0000-7000-8000-000000000000"
    for verb, path, body in (("GET", "/api/orders/{}", None), ("POST", "/api/orders/{}/close", ""),
                             ("POST", "/api/orders/{}/refund", {"refund_id": "r"}),
                             ("POST", "/api/pay", {"order_id": "{}"})):
        replies = []
        for order in (order_id, no_order):
            sent = {"order_id": order} if path == "/api/pay" else body
            reply = expect(scene.api.request(verb, path.format(order), sent, bound), 404, error="order_not_found")
            replies.append((reply.json | {"request_id": ""}, len(reply.headers)))
        assert replies[0] == replies[1]
    order = expect(scene.api.request("GET", f"/api/orders/{order_id}", headers=scene.admin), 200)["order"]
    assert order["status"] == "pending" and order["transaction_id"] is None
    # The cursor of another's list shows nothing of it.
    page = expect(scene.api.request("GET", f"/api/orders?account={scene.mine}&cursor={order_id}", headers=bound), 200)
    assert all(entry["account"] == scene.mine for entry in page["data"])


def test_the_subject_is_a_part_of_the_idempotency_key(scene):
    def place(subject):
        headers = bearer(scene.keys.token("orders:write", sub=subject)) | {"Idempotency-Key": "one"}
        return expect(scene.api.post("/api/place_order", {"account": scene.mine, "amount": "2.00"}, headers), 200)

    first = place("a")
    assert place("a")["order_id"] == first["order_id"]
    assert place("b")["order_id"] != first["order_id"]


# --- forged tokens ---------------------------------------------------------------------------------------------------

def forged(keys):
    """(what, token): none of them may count."""
    now = int(time.time())
    good = keys.token("admin")
    head, claims, signature = good.split(".")
    yield "alg none, no signature", f"{b64({'alg': 'none', 'kid': 'HS256'})}.{claims}."
    for name in ("none", "None", "NONE", "nOnE", "", "HS384", "HS512", "RS256", "ES256", "EdDSA", "PS256", None, 1, ["HS256"]):
        yield f"HS256 key, alg {name!r}", keys.token("admin", header={"alg": name})
    for algorithm in ("RS256", "ES256", "EdDSA"):
        public = keys.public(algorithm).read_bytes()
        for secret in (public, public.strip(), public.replace(b"\n", b"")):
            yield f"public key of {algorithm} as a secret", keys.token(
                "admin", header={"kid": algorithm}, secret=secret)
            yield f"public key of {algorithm} as a secret, alg kept", keys.raw(
                {"alg": algorithm, "kid": algorithm}, {"exp": now + 60}, "HS256", secret)
        for other in ALGORITHMS:
            if other != algorithm:
                yield f"{algorithm} under the kid of {other}", keys.token("admin", algorithm=algorithm, header={"kid": other})
                yield f"{algorithm} called {other}", keys.token("admin", algorithm=algorithm, header={"kid": other, "alg": other})
    own = {"kty": "oct", "k": b64("my own key of thirty-two bytes ok"), "kid": "HS256"}
    for name, value in (("jwk", own), ("jku", "http://127.0.0.1:1/jwks"), ("x5u", "http://127.0.0.1:1/x"),
                        ("x5c", ["AAAA"]), ("crit", ["exp"]), ("crit", []), ("b64", False), ("zip", "DEF")):
        yield f"header {name}", keys.token("admin", header={name: value})
        yield f"header {name}, own key", keys.token("admin", header={name: value}, secret=b"my own key of thirty-two bytes ok")
    for kid in (None, "", "hs256", "HS256 ", "../HS256.key", "/dev/null", "HS256\0", 0, ["HS256"], {"a": 1}):
        yield f"kid {kid!r}", keys.token("admin", header={"kid": kid})
    yield "empty secret", keys.token("admin", secret=b"")
    yield "the secret with its newline", keys.token("admin", secret=SECRET + "\n")
    for name, changed in (("expired", {"exp": now - 120}), ("no exp", {"exp": None}), ("exp text", {"exp": str(now + 60)}),
                          ("exp true", {"exp": True}), ("not yet", {"nbf": now + 120}), ("nbf text", {"nbf": "0"}),
                          ("other issuer", {"iss": "other"}), ("no issuer", {"iss": None}), ("issuer list", {"iss": ["recharge"]}),
                          ("other audience", {"aud": "other"}), ("no audience", {"aud": None}), ("no audience", {"aud": []}),
                          ("audience bent", {"aud": ["recharge", 1]}), ("account empty", {"account": ""}),
                          ("account number", {"account": 1}), ("account list", {"account": ["a"]}),
                          ("account long", {"account": "1" * 65}), ("subject number", {"sub": 1})):
        yield name, keys.token("admin", **changed)
    twice = json.dumps({"iss": "recharge", "aud": "recharge", "exp": now + 60, "scope": "orders:read"})
    yield "scope twice", keys.raw({"alg": "HS256", "kid": "HS256"}, twice[:-1] + ', "scope": "admin"}')
    yield "scope twice, escaped", keys.raw({"alg": "HS256", "kid": "HS256"}, twice[:-1] + ', "sc\\u006fpe": "admin"}')
    for name, token in (("no signature", f"{head}.{claims}."), ("two parts", f"{head}.{claims}"), ("four parts", good + ".a"),
                        ("five parts", f"{head}.a.{claims}.a.{signature}"), ("padding", good + "="), ("other claims",
                         f"{head}.{b64({'exp': now + 60, 'scope': 'admin'})}.{signature}"), ("cut", good[:-1]), ("longer", good + "A"),
                        ("stray bits", good[:-1] + chr(ord(good[-1]) + 1)), ("plus", good.replace("-", "+").replace("_", "/") + "+"),
                        ("JSON form", json.dumps({"payload": claims, "protected": head, "signature": signature}).replace(" ", "")),
                        ("long", good + "A" * 9000), ("not base64", "ä.ö.ü".encode().decode("latin-1")), ("dots", "..")):
        yield name, token
    for algorithm in ALGORITHMS:
        token = keys.token("admin", algorithm=algorithm)
        at = token.rindex(".") + 5
        yield f"{algorithm}: a bit of the signature", token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1:]
    head_es, claims_es, _ = keys.token("admin", algorithm="ES256").split(".")
    for name, bytes_ in (("zero", bytes(64)), ("short", b"\1"), ("ones", b"\xff" * 64), ("empty", b"")):
        yield f"ES256 signature {name}", f"{head_es}.{claims_es}.{b64(bytes_)}"


def refuse_all(api, keys):
    count = 0
    for what, token in forged(keys):
        reply = api.request("GET", "/api/exceptions", headers=bearer(token))
        assert reply.status in (401, 431), f"{what}: {reply}"
        if reply.status == 401:
            assert reply.header("www-authenticate").startswith('Bearer realm="recharge", error="invalid_token"'), what
        count += 1
    return count


def test_forged_tokens_are_refused(jwt_server, keys):
    api = Api(jwt_server.address)
    for algorithm in ALGORITHMS:
        expect(api.request("GET", "/api/exceptions", headers=bearer(keys.token("admin", algorithm=algorithm))), 200)
    assert refuse_all(api, keys) > 100
    log = jwt_server.log_file.read_text()
    assert SECRET not in log and "eyJ" not in log


@pytest.mark.parametrize("broken", ["trusting_any_token", "trusting_the_algorithm"])
def test_a_server_that_takes_forged_tokens_is_noticed(tmp_path, keys, broken):
    with running(tmp_path, keys.settings(), broken=broken) as daemon:
        must_fail(lambda: refuse_all(Api(daemon.address), keys))


@pytest.mark.parametrize("broken", ["ignoring_scopes", "ignoring_accounts"])
def test_a_server_with_a_hole_in_the_matrix_is_noticed(tmp_path, keys, broken):
    with running(tmp_path, settings_with_operators(keys), broken=broken) as daemon:
        must_fail(lambda: walk(Scene(daemon, keys)))


def test_how_a_token_is_sent(jwt_server, keys):
    api, token = Api(jwt_server.address), keys.token("admin")

    def get(authorization):
        return api.request("GET", "/api/exceptions", headers={"Authorization": authorization})

    for good in (f"Bearer {token}", f"bearer {token}", f"BEARER   {token}"):
        expect(get(good), 200)
    for bad in ("", token, "Bearer", "Basic " + token, f"Bearer{token}", f"Token {token}"):
        expect(get(bad), 401, error="token_required")
    for bad in (f"Bearer {token} x", f"Bearer {token},{token}"):
        expect(get(bad), 401, error="invalid_token")
    expect(api.request("GET", f"/api/exceptions?access_token={token}"), 401, error="token_required")


def test_a_cached_token_ends_with_its_time(jwt_server, keys):
    """The minute of leeway counts: it ends about two seconds from now."""
    api, headers = Api(jwt_server.address), bearer(keys.token("admin", exp=int(time.time()) - 58))
    assert api.request("GET", "/api/exceptions", headers=headers).status == 200
    time.sleep(3.1)
    expect(api.request("GET", "/api/exceptions", headers=headers), 401, error="invalid_token")


def test_keys_of_a_set_and_their_exchange(start_server, keys, tmp_path):
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(keys.jwks()))
    daemon = start_server(f'[auth]\nmode = "jwt"\njwks_file = "{file}"\nissuer = "https://a.example"\naudience = "b"\n')
    api = Api(daemon.address)
    tokens = {name: bearer(keys.token("admin", algorithm=name, iss="https://a.example", aud=["c", "b"]))
              for name in ALGORITHMS}
    for name in ("RS256", "ES256", "EdDSA"):
        expect(api.request("GET", "/api/exceptions", headers=tokens[name]), 200)
    expect(api.request("GET", "/api/exceptions", headers=tokens["HS256"]), 401)
    left = {"keys": [key for key in keys.jwks()["keys"] if key["kid"] != "ES256"]}
    file.write_text(json.dumps(left))
    daemon.signal(signal.SIGHUP)
    eventually(lambda: api.request("GET", "/api/exceptions", headers=tokens["ES256"]).status == 401, within=1.0)
    expect(api.request("GET", "/api/exceptions", headers=tokens["RS256"]), 200)
    file.write_text("{}")  # a bad file keeps the old keys
    daemon.signal(signal.SIGHUP)
    eventually(lambda: "not reloaded" in daemon.log_file.read_text())
    expect(api.request("GET", "/api/exceptions", headers=tokens["RS256"]), 200)


# --- settings and the tool -------------------------------------------------------------------------------------------

def check(tmp_path, text):
    file = tmp_path / "recharged.toml"
    file.write_text(text)
    return run_once("check-config", "--config", str(file))


def test_settings(tmp_path, keys):
    assert check(tmp_path, keys.settings()).returncode == 0
    open_listener = '[server]\nlisten = "0.0.0.0:0"\n[gateway.simulated]\nallow_simulated = true\n'
    refused = check(tmp_path, open_listener + keys.settings())
    assert refused.returncode == 3 and "auth.allow_plain" in refused.stderr
    assert check(tmp_path, open_listener + keys.settings("allow_plain = true\n")).returncode == 0
    weak, hs256 = tmp_path / "weak", 'keys = [{kid = "a", algorithm = "HS256", file = "weak"}]\n'
    weak.write_text("short\n")
    for text, named in (('', "auth.keys"), ('keys = [{kid = "a", algorithm = "none", file = "weak"}]\n', "algorithm"),
                        ('keys = [{kid = "a", file = "weak"}]\n', "algorithm"), ('keys = [{algorithm = "HS256", file = "weak"}]\n', "kid"),
                        (hs256, "too weak"), ('keys = [{kid = "a", algorithm = "HS256", file = "gone"}]\n', "cannot be read"),
                        ('keys = [{kid = "a", algorithm = "ES256", file = "weak"}]\n', "no key of that algorithm"),
                        ('jwks_file = "weak"\n', "no key"), ('jwks_file = "gone"\n', "cannot be read"), (hs256 + 'issuer = ""\n', "issuer")):
        result = check(tmp_path, '[auth]\nmode = "jwt"\n' + text)
        assert result.returncode == 3 and named in result.stderr and "short" not in result.stderr, (text, result.stderr)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_tool_makes_tokens(jwt_server, keys, algorithm):
    tool = [binary("RECHARGE_BIN", "recharge")]
    account = new_account()
    made = run_once("token", "--key-file", str(keys.private(algorithm)), "--kid", algorithm, "--algorithm", algorithm,
                    "--scope", "orders:write,orders:read", "--scope", "balance:read", "--account", account, "--ttl", "60",
                    program=tool)
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()
    placed = run_once("--server", jwt_server.url, "--token", token, "order", "create", "--account", account, "--amount",
                      "5.00", program=tool)
    assert placed.returncode == 0, placed.stderr
    elsewhere = run_once("--server", jwt_server.url, "balance", new_account(), program=tool, env={"RECHARGE_TOKEN": token})
    assert elsewhere.returncode == 1, elsewhere.stdout
    for wrong, code in ((["--scope", "all"], 2), (["--scope", "admin", "--key-file", "/nowhere"], 3)):
        result = run_once("token", "--key-file", str(keys.private(algorithm)), "--kid", "k", "--algorithm", algorithm, *wrong,
                          program=tool)
        assert result.returncode in (code, 2), result.stderr
