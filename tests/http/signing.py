"""Signatures as a gateway makes them, written independently of the server: field signature and Standard Webhooks.

Sources: server/README.md for the field signature; standardwebhooks.com for the headers; RFC 8032 for Ed25519.
"""
import base64
import hashlib
import hmac
import json
import time

VECTOR_SECRET = "0123456789abcdef" * 4
VECTOR_CANONICAL = (
    "amount=50.0&order_id=0190a1b2-c3d4-7e5f-8a6b-0123456789ab&status=success"
    "&timestamp=1700000000&transaction_id=txn_1")
VECTOR_SIGNATURE = "d1c0200a9fc35939076256325c66e69ee85d2d33d10ef72991af97449c64c527"


class Raw(str):
    """A JSON token sent exactly as it stands: a number's text, or something malformed."""


class Text(str):
    """A JSON string, where a plain str would be taken for a number's text."""


def json_text(value):
    if isinstance(value, Raw):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def object_text(fields):
    return "{" + ",".join(json.dumps(name, ensure_ascii=False) + ":" + json_text(value) for name, value in fields) + "}"


def canonical(fields):
    """fields: (name, value) pairs. Null, empty strings and `signature` are left out; names sort by their bytes."""
    parts = []
    for name, value in sorted(fields, key=lambda field: field[0].encode()):
        if name == "signature" or value is None or value == "":
            continue
        if value is True or value is False:
            value = "true" if value else "false"
        parts.append(f"{name}={value}")
    return "&".join(parts)


def field_signature(text, secret):
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def signed_body(fields, secret=VECTOR_SECRET):
    fields = list(fields)
    return object_text(fields + [("signature", field_signature(canonical(fields), secret))]).encode()


def callback_fields(order_id, transaction_id="txn_1", amount="50.00", status="success", timestamp=None, **extra):
    """The five fields, amount as a JSON number with just this text, and further ones. A value of `...` drops a field."""
    fields = {
        "order_id": order_id,
        "transaction_id": transaction_id,
        "amount": Raw(amount) if type(amount) is str else amount,
        "status": status,
        "timestamp": Raw(int(time.time())) if timestamp is None else timestamp,
    }
    fields.update(extra)
    return [(name, value) for name, value in fields.items() if value is not ...]


# --- Standard Webhooks -----------------------------------------------------------------------------------------------

def webhook_key(secret):
    """The key bytes of a secret's text."""
    return base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()


def webhook_v1(body, secret, message_id, timestamp):
    content = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(webhook_key(secret), content, hashlib.sha256).digest()).decode()


def webhook_v1a(body, seed, message_id, timestamp):
    content = f"{message_id}.{timestamp}.".encode() + body
    return "v1a," + base64.b64encode(ed25519_sign(seed, content)).decode()


def webhook_headers(body, *secrets, message_id="msg_1", timestamp=None, signature=None):
    timestamp = int(time.time()) if timestamp is None else timestamp
    if signature is None:
        signature = " ".join(webhook_v1(body, secret, message_id, timestamp) for secret in secrets)
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": signature}


# --- Ed25519 by the book: slow, and only for tests -------------------------------------------------------------------

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P


def _point_add(a, b):
    """Affine addition on the twisted Edwards curve -x^2 + y^2 = 1 + d x^2 y^2."""
    (x1, y1), (x2, y2) = a, b
    k = _D * x1 * x2 * y1 * y2 % _P
    x = (x1 * y2 + x2 * y1) * pow(1 + k, _P - 2, _P)
    y = (y1 * y2 + x1 * x2) * pow(1 - k, _P - 2, _P)
    return x % _P, y % _P


def _point_multiply(scalar, point):
    result = (0, 1)
    while scalar:
        if scalar & 1:
            result = _point_add(result, point)
        point = _point_add(point, point)
        scalar >>= 1
    return result


def _base_point():
    y = 4 * pow(5, _P - 2, _P) % _P
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if x * x % _P != square:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    return (x if x % 2 == 0 else _P - x), y


_BASE = _base_point()


def _encode_point(point):
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _expand(seed):
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little")
    scalar = scalar & ((1 << 254) - 8) | 1 << 254
    return scalar, digest[32:]


def ed25519_public_key(seed):
    return _encode_point(_point_multiply(_expand(seed)[0], _BASE))


def ed25519_sign(seed, message):
    scalar, prefix = _expand(seed)
    public = _encode_point(_point_multiply(scalar, _BASE))
    nonce = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % _L
    commitment = _encode_point(_point_multiply(nonce, _BASE))
    challenge = int.from_bytes(hashlib.sha512(commitment + public + message).digest(), "little") % _L
    return commitment + ((nonce + challenge * scalar) % _L).to_bytes(32, "little")
