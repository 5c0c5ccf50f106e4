"""A client of the HTTP interface, with the few steps that most tests share."""
import http.client
import itertools
import json
import os
import re
import threading
import time
from decimal import Decimal

from replies import Reply, check
from signing import VECTOR_SECRET, Raw, callback_fields, object_text, signed_body

_numbers = itertools.count(int.from_bytes(os.urandom(3), "big"))
_transactions = itertools.count(1)


def new_account():
    """A phone number that no other test of this run uses."""
    return f"13{next(_numbers) % 10**9:09d}"


def new_transaction():
    return f"txn-{os.getpid()}-{next(_transactions)}"


class Api:
    """One kept-alive connection. Not for several threads at once: give each its own."""

    IDLE_SECONDS = 2  # after a longer rest a new connection is made, so that the server's idle limit does not matter

    def __init__(self, address, secret=VECTOR_SECRET, timeout=20, context=None):
        """context: of ssl, for HTTPS."""
        self.address, self.secret, self.timeout, self.context = address, secret, timeout, context
        self._connection, self._used = None, 0.0

    def close(self):
        if self._connection:
            self._connection.close()
            self._connection = None

    def request(self, method, target, body=None, headers=None):
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode("utf-8")
        if self._connection is None or time.monotonic() - self._used > self.IDLE_SECONDS:
            self.close()
            if self.context is None:
                self._connection = http.client.HTTPConnection(*self.address, timeout=self.timeout)
            else:
                self._connection = http.client.HTTPSConnection(*self.address, timeout=self.timeout, context=self.context)
        try:
            self._connection.request(method, target, body=body, headers=headers or {})
            answer = self._connection.getresponse()
            reply = Reply(answer.status, [(name.lower(), value) for name, value in answer.getheaders()], answer.read())
        except Exception:
            self.close()
            raise
        self._used = time.monotonic()
        return check(method, target, reply)

    def get(self, target, **headers):
        return self.request("GET", target, headers=headers)

    def post(self, target, body=None, headers=None):
        return self.request("POST", target, {} if body is None else body, headers)

    # --- steps, each checked ---

    def place(self, account=None, amount="50.00", **more):
        """Places an order; its id."""
        account = account or new_account()
        fields = [("account", account), ("amount", Raw(amount)), *more.items()]
        return expect(self.post("/api/place_order", object_text(fields)), 200)["order_id"]

    def pay(self, order_id):
        return self.post("/api/pay", {"order_id": order_id})

    def callback(self, order_id, transaction_id=None, *, secret=None, path="/api/payment_callback", **fields):
        """Sends a signed callback."""
        fields = callback_fields(order_id, transaction_id or new_transaction(), **fields)
        return self.post(path, signed_body(fields, secret or self.secret))

    def credit(self, account=None, amount="50.00", **more):
        """An order placed and credited: (order id, transaction id)."""
        order_id, transaction_id = self.place(account, amount, **more), new_transaction()
        expect(self.callback(order_id, transaction_id, amount=amount), 200, msg="Recharge succeeded")
        return order_id, transaction_id

    def order(self, order_id):
        return expect(self.get(f"/api/orders/{order_id}"), 200)["order"]

    def status(self, order_id):
        return self.order(order_id)["status"]

    def balance(self, account):
        return expect(self.get(f"/api/check_balance?account={account}"), 200)["balance"]

    def refund(self, order_id, refund_id, amount=None):
        body = {"refund_id": refund_id} | ({"amount": amount} if amount is not None else {})
        return self.post(f"/api/orders/{order_id}/refund", body)

    def debit(self, account, debit_id, amount, **more):
        return self.post(f"/api/accounts/{account}/debit", {"debit_id": debit_id, "amount": amount, **more})

    def close_order(self, order_id):
        return self.request("POST", f"/api/orders/{order_id}/close")

    def pages(self, target, limit=None):
        """Every item of a list, page by page."""
        items, cursor, joint = [], None, "&" if "?" in target else "?"
        for _ in range(10000):
            page = target + (f"{joint}limit={limit}" if limit else "")
            page += ("&" if "?" in page else "?") + f"cursor={cursor}" if cursor else ""
            reply = expect(self.get(page), 200)
            items += reply["data"]
            cursor = reply["next_cursor"]
            assert reply["has_more"] == (cursor is not None), reply
            if cursor is None:
                return items
        raise AssertionError(f"{target}: no end")

    def entries(self, account):
        return self.pages(f"/api/accounts/{account}/entries", limit=100)

    def exceptions(self, order_id=None, state=None):
        found = self.pages("/api/exceptions" + (f"?state={state}" if state else ""), limit=100)
        return [entry for entry in found if order_id is None or entry["order_id"] == order_id]

    def assert_untouched(self, order_id):
        """Nothing that was sent about this order has left a trace."""
        order = self.order(order_id)
        assert order["status"] == "pending" and order["transaction_id"] is None
        assert len(self.get(f"/api/orders/{order_id}/explain")["steps"]) == 1
        assert self.exceptions(order_id) == []

    def resolve(self, exception_id, action, note="seen"):
        return self.post(f"/api/exceptions/{exception_id}/resolve", {"action": action, "note": note})

    def metrics(self):
        """{name: {labels: value}}, labels as a frozenset of pairs."""
        return parse_metrics(expect(self.get("/metrics"), 200).body.decode())

    def ledger_sum(self):
        samples = self.metrics()["recharge_ledger_sum_minor_units"]
        assert samples
        return sum(samples.values())

    def assert_books(self, account):
        """The balance is the sum of its entries, and each entry follows from the one before."""
        entries = self.entries(account)
        balance = Decimal(0)
        for entry in reversed(entries):
            balance += entry["amount"]
            assert entry["balance_after"] == balance, entry
        assert self.balance(account) == balance
        assert self.ledger_sum() == 0
        return entries


_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: \d+)?")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)",?')


def parse_metrics(text):
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            match = _SAMPLE.fullmatch(line)
            assert match, f"not a sample: {line!r}"
            found.setdefault(match[1], {})[frozenset(_LABEL.findall(match[2] or ""))] = Decimal(match[3])
    return found


def expect(reply, status, /, **members):
    """The reply, if it has this status and these members."""
    assert reply.status == status, f"expected {status}: {reply}"
    for name, value in members.items():
        assert reply.json.get(name) == value, f"expected {name}={value!r}: {reply}"
    return reply


def eventually(condition, within=5.0, step=0.05):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "did not become true in time"
        time.sleep(step)


def at_second_start():
    """Shortly after the clock's second turned, so that `now` is the same for both sides."""
    time.sleep(1.02 - time.time() % 1)
    return int(time.time())


def in_threads(count, work):
    """work(index) in so many threads, started together. The results in order; the first error is raised."""
    barrier, results, errors = threading.Barrier(count), [None] * count, []

    def run(index):
        try:
            barrier.wait()
            results[index] = work(index)
        except BaseException as error:  # handed to the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
