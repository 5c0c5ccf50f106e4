"""The tests' own signatures agree with published vectors, so that they can judge the server's."""
import base64

import signing


def test_field_signature_vector():
    fields = [("order_id", "0190a1b2-c3d4-7e5f-8a6b-0123456789ab"), ("transaction_id", "txn_1"),
              ("amount", signing.Raw("50.0")), ("status", "success"), ("timestamp", 1700000000)]
    assert signing.canonical(fields) == signing.VECTOR_CANONICAL
    assert signing.field_signature(signing.canonical(fields), signing.VECTOR_SECRET) == signing.VECTOR_SIGNATURE


def test_canonical_leaves_out_null_empty_and_signature():
    fields = [("b", None), ("a", ""), ("signature", "x"), ("d", True), ("c", False), ("é", "ü"), ("e", signing.Raw("1.50"))]
    assert signing.canonical(fields) == "c=false&d=true&e=1.50&é=ü"


def test_standard_webhooks_vector():
    # The example of the Standard Webhooks libraries.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signature = signing.webhook_v1(b'{"test": 2432232314}', secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_ed25519_vector():
    # RFC 8032, 7.1, test 2.
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    assert signing.ed25519_public_key(seed).hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    assert signing.ed25519_sign(seed, b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")


def test_webhook_headers_sign_with_every_secret():
    headers = signing.webhook_headers(b"{}", "one", "whsec_" + base64.b64encode(b"two").decode(), timestamp=5)
    first, second = headers["webhook-signature"].split()
    assert first == signing.webhook_v1(b"{}", "one", "msg_1", 5) and second != first
