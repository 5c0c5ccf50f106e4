"""Tokens, right ones and forged ones, made without the code under test: hmac of Python, signatures by openssl."""
import base64
import hashlib
import hmac
import json
import subprocess
import tempfile
import time
from pathlib import Path

SECRET = "a secret for tokens, of 40 bytes or more."
ALGORITHMS = ("HS256", "RS256", "ES256", "EdDSA")
SCOPES = ("orders:write", "pay:write", "orders:read", "balance:read", "balance:write", "refund:write", "admin")
_GENERATE = {"RS256": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
             "ES256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
             "EdDSA": ["-algorithm", "ED25519"]}


def b64(data):
    if isinstance(data, dict):
        data = json.dumps(data)
    if isinstance(data, str):
        data = data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, check=True).stdout


class Keys:
    """One key of each algorithm, its kid the algorithm's name, as files of a folder."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "HS256.key").write_text(SECRET + "\n")
        for algorithm, options in _GENERATE.items():
            openssl("genpkey", *options, "-out", self.private(algorithm))
            openssl("pkey", "-in", self.private(algorithm), "-pubout", "-out", self.public(algorithm))

    def private(self, algorithm):
        return self.folder / f"{algorithm}.key"

    def public(self, algorithm):
        return self.folder / ("HS256.key" if algorithm == "HS256" else f"{algorithm}.pub")

    def settings(self, more="", algorithms=ALGORITHMS):
        entries = ", ".join(f'{{kid = "{name}", algorithm = "{name}", file = "{self.public(name)}"}}'
                            for name in algorithms)
        return f'[auth]\nmode = "jwt"\nkeys = [{entries}]\n{more}'

    def jwks(self):
        """The public keys as a JWK set."""
        rsa = openssl("rsa", "-pubin", "-in", self.public("RS256"), "-noout", "-modulus").decode().strip()
        modulus = bytes.fromhex(rsa.removeprefix("Modulus="))
        ec = openssl("pkey", "-pubin", "-in", self.public("ES256"), "-outform", "DER")[-64:]
        ed = openssl("pkey", "-pubin", "-in", self.public("EdDSA"), "-outform", "DER")[-32:]
        return {"keys": [
            {"kty": "RSA", "kid": "RS256", "use": "sig", "alg": "RS256", "n": b64(modulus), "e": "AQAB"},
            {"kty": "EC", "kid": "ES256", "crv": "P-256", "x": b64(ec[:32]), "y": b64(ec[32:])},
            {"kty": "OKP", "kid": "EdDSA", "crv": "Ed25519", "x": b64(ed)},
            {"kty": "RSA", "kid": "sealed", "use": "enc", "n": b64(modulus), "e": "AQAB"}]}

    def sign(self, algorithm, message, secret=SECRET):
        if algorithm == "HS256":
            return hmac.new(secret if isinstance(secret, bytes) else secret.encode(), message, hashlib.sha256).digest()
        if algorithm == "EdDSA":
            with tempfile.NamedTemporaryFile(dir=self.folder) as file:
                file.write(message)
                file.flush()
                return openssl("pkeyutl", "-sign", "-inkey", self.private(algorithm), "-rawin", "-in", file.name)
        signature = openssl("dgst", "-sha256", "-sign", self.private(algorithm), data=message)
        return signature if algorithm == "RS256" else _raw_from_der(signature)

    def token(self, scope="", account=None, algorithm="HS256", header=None, secret=SECRET, **claims):
        """claims replace those of a good token; None leaves one out."""
        full = {"iss": "recharge", "aud": "recharge", "exp": int(time.time()) + 600, "scope": scope, "account": account}
        full = {name: value for name, value in (full | claims).items() if value is not None}
        return self.raw({"alg": algorithm, "kid": algorithm} | (header or {}), full, algorithm, secret)

    def raw(self, header, claims, algorithm="HS256", secret=SECRET):
        message = f"{b64(header)}.{b64(claims)}"
        return f"{message}.{b64(self.sign(algorithm, message.encode(), secret))}"


def _raw_from_der(der):
    """SEQUENCE of two INTEGERs: 32 bytes each."""
    numbers, at = [], 2
    for _ in range(2):
        size = der[at + 1]
        numbers.append(int.from_bytes(der[at + 2:at + 2 + size], "big").to_bytes(32, "big"))
        at += 2 + size
    return b"".join(numbers)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}
