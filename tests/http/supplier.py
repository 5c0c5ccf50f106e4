"""A supplier of recharges that does what a test says, and outlives the recharged that asks it. Written from README.md, "Let
somebody else recharge", independently of the server: every request's signature and form is checked."""
import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from signing import webhook_headers, webhook_v1

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


class Supplier:
    """script: what becomes of the next requests (POST), one word each, "done" where it is used up:
    done, failed, rejected, later (processing until finish()), silent (done, no answer), closed (done, connection closed),
    lost (closed, nothing done), error (done, 502), forged, other (signed for another request), stale, nonsense."""

    def __init__(self, folder, name="acme", port=0):
        self.name, self.script, self.queries = name, [], []
        self.posts, self.asked_for = [], Counter()  # request ids as they came; how often each was queried
        self.states, self.performed, self.problems = {}, [], []
        self.on_post = None  # called with the request id, after it is done and before the answer
        self.before_post = None
        self.lock = threading.RLock()
        self.file = folder / f"{name}.secret"
        self.file.write_text(SECRET + "\n")
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle_request(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                try:
                    answer = outer.answer(self.command, self.path, self.headers, body)
                except Exception as error:  # seen by the test through check()
                    outer.problems.append(f"{self.command} {self.path}: {error!r}")
                    answer = 500, {}, b""
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, text = answer
                try:
                    self.send_response(status)
                    for header, value in headers.items():
                        self.send_header(header, value)
                    self.send_header("Content-Length", str(len(text)))
                    self.send_header("Connection", "close")
                    self.end_headers()
                    self.wfile.write(text)
                except OSError:
                    pass  # recharged was killed meanwhile
                self.close_connection = True

            do_GET = do_POST = handle_request

        class Server(ThreadingHTTPServer):
            request_queue_size = 512

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return "http://127.0.0.1:%d/recharges" % self.server.server_address[1]

    def config(self, **more):
        settings = {"timeout_ms": 300, **more}
        lines = "".join(f"{key} = {value}\n" for key, value in settings.items())
        return f'[supplier.{self.name}]\nurl = "{self.url}"\nsecret_file = "{self.file}"\n{lines}'

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def check(self):
        assert self.problems == [], self.problems

    def answer(self, method, path, headers, body):
        request_id = headers["webhook-id"]
        assert abs(int(headers["webhook-timestamp"]) - time.time()) < 5
        assert webhook_v1(body, SECRET, request_id, headers["webhook-timestamp"]) in headers["webhook-signature"].split()
        if method == "GET":
            assert path == f"/recharges/{request_id}" and body == b""
            with self.lock:
                self.asked_for[request_id] += 1
                fault = self.queries.pop(0) if self.queries else None
            if fault == "silent":
                time.sleep(1)
                return None
            return self.tell(request_id)
        fields = json.loads(body)
        assert path == "/recharges" and fields["type"] == "recharge.requested" and fields["request_id"] == request_id
        assert fields["request_id"].startswith(fields["order_id"] + "-") and set(fields) == {
            "type", "request_id", "order_id", "account", "amount", "currency", "subject", "requested_at"}, fields
        if self.before_post:
            self.before_post(request_id)
        with self.lock:
            self.posts.append((request_id, body))
            word = self.script.pop(0) if self.script else "done"
            if word == "lost":
                return None
            if request_id not in self.states:
                self.states[request_id] = {"failed": "failed", "rejected": "rejected", "later": "processing"}.get(word, "succeeded")
                if self.states[request_id] == "succeeded":
                    self.performed.append((fields["order_id"], request_id, fields["account"], fields["amount"]))
        if self.on_post:
            self.on_post(request_id)
        if word == "silent":
            time.sleep(1)
        if word in ("silent", "closed"):
            return None
        if word == "error":
            return 502, {}, b"bad gateway"
        return self.tell(request_id, word)

    def tell(self, request_id, how="done"):
        state = self.states.get(request_id, "not_found")
        fields = {"request_id": request_id, "status": state}
        if state == "succeeded":
            fields["reference"] = "ref-" + request_id[-8:]
        if state in ("failed", "rejected"):
            fields["reason"] = "out of stock"
        text = b"no JSON" if how == "nonsense" else json.dumps(fields).encode()
        secret = "whsec_" + "x" * 32 if how == "forged" else SECRET
        signed = webhook_headers(text, secret, message_id="other" if how == "other" else request_id,
                                 timestamp=int(time.time()) - (400 if how == "stale" else 0))
        return 404 if state == "not_found" else 200, signed, text

    def finish(self, request_id, state="succeeded"):
        """What was in process is over."""
        with self.lock:
            self.states[request_id] = state
            if state == "succeeded":
                fields = json.loads(next(body for known, body in self.posts if known == request_id))
                self.performed.append((fields["order_id"], request_id, fields["account"], fields["amount"]))

    def requests_of(self, order_id):
        return [request_id for request_id, _ in self.posts if request_id.startswith(order_id)]

    def times_done(self, order_id):
        return sum(order == order_id for order, *_ in self.performed)
