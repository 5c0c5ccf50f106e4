"""A connection on which tests send bytes as they like and read replies one by one."""
import re
import socket
import time

from replies import Reply, check


class ConnectionEnded(Exception):
    """The server closed the connection before a whole reply; .partial holds what came."""

    def __init__(self, partial):
        super().__init__(f"connection ended after {partial!r}")
        self.partial = partial


class Wire:
    def __init__(self, address, timeout=10, context=None, session=None, first=b""):
        """context: of ssl, for HTTPS, and the session to go on with; first: sent before the handshake."""
        self.socket = socket.create_connection(address, timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.socket.sendall(first)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost", session=session)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def send_tolerant(self, data):
        """Sends as far as the peer reads; a refusal in mid-request is no error here."""
        try:
            self.socket.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionEnded(self.received)
        self.received += data

    def _until(self, mark):
        while mark not in self.received:
            self._more()
        part, self.received = self.received.split(mark, 1)
        return part

    def read_reply(self, method=None, target=None, interim=False):
        """The next final reply, checked. REQUIRES: replies carry a Content-Length, as all of this server do."""
        while True:
            head = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
            version, status, *_ = head[0].split(" ", 2)
            headers = [(name.lower(), value.strip()) for name, value in (line.split(":", 1) for line in head[1:])]
            reply = Reply(int(status), headers, b"", version)
            if reply.status >= 200:
                break
            if interim:
                return reply
        length = reply.header("content-length")
        assert length is not None and length.isdigit(), f"no usable Content-Length: {head}"
        if method != "HEAD":
            while len(self.received) < int(length):
                self._more()
            reply.body, self.received = self.received[:int(length)], self.received[int(length):]
        return check(method, target, reply)

    def ended(self, within=5):
        """True where the server closes the connection without sending another byte."""
        self.socket.settimeout(within)
        try:
            return self.received == b"" and self.socket.recv(65536) == b""
        except socket.timeout:
            return False
        except ConnectionResetError:  # the kernel's answer to bytes of ours that the server never read
            return True

    def silent(self, seconds=0.3):
        """True where nothing comes for a while and the connection stays open."""
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(65536)
        except socket.timeout:
            return self.received == b""
        finally:
            self.socket.settimeout(10)
        self.received += data
        return False

    def drain(self, within=5):
        """Everything until the connection ends; a reset counts as an end here. Returns (bytes, ended)."""
        deadline, data = time.monotonic() + within, self.received
        self.received = b""
        while True:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                part = self.socket.recv(65536)
            except socket.timeout:
                return data, False
            except ConnectionResetError:
                return data, True
            if not part:
                return data, True
            data += part


def request_line(request):
    """(method, target) of a request's bytes, or (None, None) where its first line is no request line."""
    match = re.match(rb"([A-Z]+) (/[!-~]*) HTTP/1\.[01]\r\n", request)
    return (match[1].decode(), match[2].decode()) if match else (None, None)


def request_bytes(method, target, body=b"", headers=(), host="localhost", version="HTTP/1.1"):
    lines = [f"{method} {target} {version}", f"Host: {host}"]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in dict(headers).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


# --- requests as text, for tests that bend them ---

HOST = "Host: localhost\r\n"


def post(headers, body="", line="POST /api/place_order HTTP/1.1", host=HOST):
    """body: a str, or bytes."""
    return f"{line}\r\n{host}{headers}\r\n".encode("latin-1") + (body if isinstance(body, bytes) else body.encode())


def get(headers="", line="GET /livez HTTP/1.1", host=HOST):
    return post(headers, line=line, host=host)


CHUNKED = "Transfer-Encoding: chunked\r\n"
BODY = '{"account":"13812345678","amount":1}'
CHUNKS = f"{len(BODY):x}\r\n{BODY}\r\n0\r\n\r\n"
LENGTH = f"Content-Length: {len(BODY)}\r\n"
