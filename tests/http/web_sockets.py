"""A WebSocket of RFC 6455 without a library, so that it can also do what none would."""
import base64
import hashlib
import json
import os
import socket
import struct
import time

from replies import Reply, check

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(opcode, payload=b"", final=True, masked=True, flags=0):
    head = bytes([final << 7 | flags | opcode])
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size) if size < 65536 else b"\x7f" + struct.pack(">Q", size)
    if not masked:
        return head + length + payload
    key = os.urandom(4)
    head += bytes([length[0] | 0x80]) + length[1:] + key
    return head + bytes(b ^ key[i % 4] for i, b in enumerate(payload))


class WebSocket:
    """Errors: AssertionError where a message does not come in time; EOFError where the connection ends.
    After a refusal `status` is not 101, and reply() is it."""

    def __init__(self, address, target="/api/ws", headers=None, timeout=10, receive_buffer=None, wrap=None, answers_pings=True,
                 **changed):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        if wrap:
            self.socket = wrap(self.socket)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = {"Host": f"{address[0]}:{address[1]}", "Upgrade": "websocket", "Connection": "Upgrade",
                 "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key, **(headers or {})}
        lines = {name: value for name, value in lines.items() if value is not None}
        method = changed.get("method", "GET")
        self.socket.sendall("".join([f"{method} {target} HTTP/1.1\r\n", *(f"{n}: {v}\r\n" for n, v in lines.items()), "\r\n"]).encode()
                            + changed.get("early", b""))
        self.rest, self.pings, self.answers_pings, self.closed = b"", 0, answers_pings, None
        head = self._until(b"\r\n\r\n").decode().split("\r\n")
        self.status = int(head[0].split()[1])
        self.headers = [(n.lower(), v.strip()) for n, _, v in (line.partition(":") for line in head[1:] if line)]
        if self.status == 101:
            accept = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
            assert dict(self.headers)["sec-websocket-accept"] == base64.b64encode(accept).decode()

    def _receive(self):
        part = self.socket.recv(65536)
        if not part:
            raise EOFError(self.rest)
        self.rest += part

    def _until(self, end):
        while end not in self.rest:
            self._receive()
        found, _, self.rest = self.rest.partition(end)
        return found

    def _take(self, size):
        while len(self.rest) < size:
            self._receive()
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken

    def reply(self):
        length = int(dict(self.headers).get("content-length", 0))
        return Reply(self.status, self.headers, self._take(length))

    def frame(self):
        """(opcode, payload) of the next one; a server's are never masked, in parts, or compressed."""
        first, second = self._take(2)
        assert first & 0xF0 == 0x80 and not second & 0x80
        size = second
        if size == 126:
            size = struct.unpack(">H", self._take(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self._take(8))[0]
        return first & 15, self._take(size)

    def next(self, within=10):
        """The next message; pings are answered meanwhile."""
        deadline = time.monotonic() + within
        while True:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                opcode, payload = self.frame()
            except TimeoutError:
                raise AssertionError("no message in time") from None
            if opcode == TEXT:
                return json.loads(payload)
            if opcode == PING:
                self.pings += 1
                if self.answers_pings:
                    self.socket.sendall(frame(PONG, payload))
            if opcode == CLOSE:
                self.closed = (struct.unpack(">H", payload[:2])[0], payload[2:].decode()) if payload else (1005, "")
                raise EOFError(self.closed)

    def nothing(self, within=0.3):
        try:
            found = self.next(within)
        except AssertionError:
            return True
        raise AssertionError(f"nothing was due, but {found}")

    def ends(self, within=10):
        """(close code, reason), whatever comes before."""
        try:
            while True:
                self.next(within)
        except EOFError:
            return self.closed

    def ask(self, **message):
        self.send(json.dumps(message))

    def send(self, text, **options):
        self.socket.sendall(frame(TEXT, text if isinstance(text, bytes) else text.encode(), **options))

    def subscribe(self, **what):
        self.ask(action="subscribe", **what)
        return self.next()

    def close(self):
        self.socket.close()


def first_of_web_socket(address, target, headers):
    """As a reply: the refusal of the handshake, or what the first message says."""
    web = WebSocket(address, target, headers)
    try:
        if web.status != 101:
            return check("GET", target, web.reply())
        message = web.next()
        if message["type"] == "error":
            return Reply(message["code"], web.headers, json.dumps(message).encode())
        assert message["type"] == "snapshot"
        return Reply(200, web.headers, b"")
    finally:
        web.close()
