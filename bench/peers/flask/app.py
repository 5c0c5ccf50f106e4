"""The same four endpoints on Flask and PostgreSQL, as a careful team would write them: a pool, prepared statements, and
the credit as one conditional statement, which is one transaction.

    DATABASE_HOST=SOCKET_FOLDER SECRET_FILE=FILE gunicorn --worker-class gthread --workers 2 --threads 8 app:app
"""
import hmac
import json
import os
import re
import time
from pathlib import Path

import psycopg2
from flask import Flask, Response, request
from psycopg2.pool import ThreadedConnectionPool

TOLERANCE_S = 300
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ACCOUNT = re.compile(r"1[3-9][0-9]{9}")
AMOUNT = re.compile(r"(0|[1-9][0-9]{0,9})(?:\.([0-9]{1,2}))?")
NAMES = ("order_id", "transaction_id", "amount", "status", "timestamp")
SECRET = Path(os.environ["SECRET_FILE"]).read_text(encoding="utf-8").removesuffix("\n").encode()
CREDIT = (Path(__file__).parent.parent / "credit.sql").read_text(encoding="utf-8")
STATEMENTS = f"""
PREPARE place(text, bigint) AS INSERT INTO orders (account, amount) VALUES ($1, $2) RETURNING order_id, expires_at;
PREPARE pay(uuid) AS UPDATE orders SET status = 'paid', transaction_id = coalesce(transaction_id, 'sim_' || order_id)
  WHERE order_id = $1 AND status IN ('pending', 'failed', 'paid') AND expires_at >= now() RETURNING transaction_id;
PREPARE failed(uuid) AS UPDATE orders SET status = 'failed' WHERE order_id = $1 AND status = 'pending';
PREPARE credit(uuid, text, bigint) AS {CREDIT};
PREPARE found(uuid) AS SELECT account, amount, status, transaction_id FROM orders WHERE order_id = $1;
PREPARE balance(text) AS SELECT balance FROM accounts WHERE account = $1;
"""


class Connection(psycopg2.extensions.connection):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.autocommit = True  # each statement is one transaction
        with self.cursor() as cursor:
            cursor.execute(STATEMENTS)


app = Flask(__name__)
SIZE = int(os.environ.get("POOL", "16"))  # one for each thread; what is above the minimum would be closed after each use
pool = ThreadedConnectionPool(SIZE, SIZE, host=os.environ["DATABASE_HOST"], user="postgres",
                              dbname="postgres", connection_factory=Connection)


def run(statement, *values):
    """The rows, or how many were changed."""
    connection = pool.getconn()
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else cursor.rowcount
    finally:
        pool.putconn(connection)


def units(text):
    parts = AMOUNT.fullmatch(text) if isinstance(text, str) else None
    return int(parts[1]) * 100 + int((parts[2] or "").ljust(2, "0")) if parts else 0


def money(minor):
    return f"{minor // 100}.{minor % 100:02}"


def send(text, status=200):
    return Response(text, status, content_type="application/json")


def fail(code, error, msg):
    return send(json.dumps({"code": code, "msg": msg, "error": error}), code)


def fields_of_body():
    """The members, numbers as they were written: the signature covers them so."""
    fields = json.loads(request.get_data(), parse_int=str, parse_float=str)
    if not isinstance(fields, dict):
        raise ValueError("no object")
    return fields


def is_signed(fields):
    signature = fields.get("signature")
    if not isinstance(signature, str):
        return False
    text = {True: "true", False: "false"}
    canonical = "&".join(f"{name}={text.get(value, value) if isinstance(value, bool) else value}"
                         for name, value in sorted(fields.items())
                         if name != "signature" and value is not None and value != "")
    return hmac.compare_digest(hmac.digest(SECRET, canonical.encode(), "sha256").hex().encode(), signature.encode())


@app.errorhandler(ValueError)
def no_json(_error):
    return fail(400, "invalid_request", "Invalid request")


@app.post("/api/place_order")
def place_order():
    fields = fields_of_body()
    account, amount = fields.get("account"), units(fields.get("amount"))
    if not isinstance(account, str) or not ACCOUNT.fullmatch(account):
        return fail(400, "invalid_account", "Invalid account")
    if not 0 < amount <= 100_000_000:
        return fail(400, "invalid_amount", "Invalid amount")
    [(order_id, expires_at)] = run("EXECUTE place(%s, %s)", account, amount)
    return send(f'{{"code":200,"order_id":"{order_id}","status":"pending","amount":{money(amount)},"currency":"CNY",'
                f'"expires_at":"{expires_at.isoformat()}"}}')


@app.post("/api/pay")
def pay():
    order_id = fields_of_body().get("order_id")
    if not isinstance(order_id, str) or not UUID.fullmatch(order_id):
        return fail(404, "order_not_found", "Order not found")
    paid = run("EXECUTE pay(%s)", order_id)
    if not paid:
        return fail(409, "invalid_state", "Invalid state")
    return send(json.dumps({"code": 200, "msg": "Payment succeeded", "transaction_id": paid[0][0], "status": "paid"}))


@app.post("/api/payment_callback")
def payment_callback():
    fields = fields_of_body()
    if not is_signed(fields):
        return fail(403, "invalid_signature", "Invalid signature")
    if not all(isinstance(fields.get(name), str) and fields[name] for name in NAMES):
        return fail(400, "invalid_request", "Invalid request")
    order_id, transaction_id, amount, status, timestamp = (fields[name] for name in NAMES)
    if abs(time.time() - int(timestamp)) > TOLERANCE_S:
        return fail(403, "stale_signature", "Stale signature")
    if not UUID.fullmatch(order_id):
        return fail(404, "order_not_found", "Order not found")
    if status != "success":
        run("EXECUTE failed(%s)", order_id)
        return send('{"code":200,"msg":"Payment failure recorded"}')
    if run("EXECUTE credit(%s, %s, %s)", order_id, transaction_id, units(amount)) == 1:
        return send('{"code":200,"msg":"Recharge succeeded"}')
    found = run("EXECUTE found(%s)", order_id)
    if not found:
        return fail(404, "order_not_found", "Order not found")
    if found[0][2:] == ("recharged", transaction_id):
        return send('{"code":200,"msg":"Already processed"}')
    return send('{"code":200,"msg":"Payment recorded for review"}')


@app.get("/api/check_balance")
def check_balance():
    account = request.args.get("account", "")
    if not ACCOUNT.fullmatch(account):
        return fail(400, "invalid_account", "Invalid account")
    found = run("EXECUTE balance(%s)", account)
    return send(f'{{"code":200,"account":"{account}","balance":{money(found[0][0] if found else 0)},"currency":"CNY"}}')


@app.get("/api/orders/<order_id>")
def order(order_id):
    found = run("EXECUTE found(%s)", order_id) if UUID.fullmatch(order_id) else []
    if not found:
        return fail(404, "order_not_found", "Order not found")
    account, amount, status, transaction_id = found[0]
    return send(f'{{"code":200,"order":{{"order_id":"{order_id}","account":"{account}","amount":{money(amount)},'
                f'"status":"{status}","transaction_id":{json.dumps(transaction_id)}}}}}')
