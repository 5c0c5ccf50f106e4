"""An endpoint for webhooks: keeps what it was sent, answers as it is told to."""
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """answer(event, attempt) -> status, or (status, headers). attempt counts from 1 for each event id. certificate: (its file,
    that of its key); it speaks HTTPS then, at localhost."""

    def __init__(self, answer=lambda event, attempt: 204, certificate=None, port=0):
        self.answer, self.calls, self.attempts, self.paths, self.lock = answer, [], {}, [], threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                event = json.loads(body)
                with receiver.lock:
                    attempt = receiver.attempts[event["id"]] = receiver.attempts.get(event["id"], 0) + 1
                    receiver.paths.append(self.path)
                answer = receiver.answer(event, attempt)
                status, headers = answer if isinstance(answer, tuple) else (answer, {})
                with receiver.lock:
                    receiver.calls.append((status, event, body, {n.lower(): v for n, v in self.headers.items()}))
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                except OSError:
                    self.close_connection = True  # recharged was killed meanwhile

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        if certificate:
            self.url = f"https://localhost:{self.server.server_port}/hook"
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.show(certificate)
            self.server.handle_error = lambda *_: None  # who does not like it hangs up
            self.server.socket = self.context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def show(self, certificate):
        """From the next handshake on."""
        self.context.load_cert_chain(*map(str, certificate))

    def taken(self):
        """Events answered with 2xx, in the order of the answers, each once."""
        with self.lock:
            calls = list(self.calls)
        found = {}
        for status, event, _, _ in calls:
            if 200 <= status < 300:
                found.setdefault(event["id"], event)
        return list(found.values())

    def close(self):
        self.server.shutdown()
        self.server.server_close()
