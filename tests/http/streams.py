"""Server-sent events, read without a library: one connection, its head, and its events as they come."""
import json
import socket
import time

from replies import Reply


class Stream:
    """Errors: AssertionError where an event does not come in time; EOFError where the server ends it."""

    def __init__(self, address, target, headers=None, method="GET", timeout=10, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        lines = [f"{method} {target} HTTP/1.1", "Host: recharge", *(f"{n}: {v}" for n, v in (headers or {}).items())]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.rest = b""
        head = self._until(b"\r\n\r\n").decode().split("\r\n")
        self.status = int(head[0].split()[1])
        pairs = (line.partition(":") for line in head[1:] if line)
        self.headers = [(name.lower(), value.strip()) for name, _, value in pairs]

    def _until(self, end):
        while end not in self.rest:
            part = self.socket.recv(65536)
            if not part:
                raise EOFError(self.rest.decode())
            self.rest += part
        found, _, self.rest = self.rest.partition(end)
        return found

    def body(self):
        """Of a reply that is no stream."""
        length = int(dict(self.headers)["content-length"])
        while len(self.rest) < length:
            part = self.socket.recv(65536)
            assert part, "the reply is cut short"
            self.rest += part
        return self.rest

    def next(self, within=10):
        """(name, id or None, data) of the next event; comments are passed over."""
        deadline = time.monotonic() + within
        while True:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                block = self._until(b"\n\n").decode()
            except TimeoutError:
                raise AssertionError("no event in time") from None
            fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
            if fields:
                return fields["event"], fields.get("id"), json.loads(fields["data"])

    def nothing(self, within=0.3):
        try:
            found = self.next(within)
        except AssertionError:
            return True
        raise AssertionError(f"nothing was due, but {found}")

    def close(self):
        self.socket.close()


def first_of_stream(address, target, headers):
    """As a reply: the head of a stream, which must begin with a snapshot."""
    stream = Stream(address, target, headers)
    try:
        assert ("content-type", "text/event-stream") in stream.headers
        assert stream.next()[0] == "snapshot"
        return Reply(stream.status, stream.headers, b"")
    finally:
        stream.close()
