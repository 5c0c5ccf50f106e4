"""A RabbitMQ of the test's own, in its folder: Debian's rabbitmq-server, with an epmd of its own. And what stands between it
and recharged."""
import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
CONTROL = "/usr/lib/rabbitmq/bin/rabbitmqctl"


BASIC_DELIVER = bytes([0, 60, 0, 60])  # class and method, behind the 7 bytes of a frame's head
BASIC_ACK = bytes([0, 60, 0, 80])


def amqp_section(ports, exchange):
    """Of settings: brokers on this machine by their ports, one or several."""
    urls = [f"amqp://guest@127.0.0.1:{port}" for port in ports]
    return "[amqp]\n" + (f"urls = {urls}" if len(urls) > 1 else f'url = "{urls[0]}"') + \
        f'\nexchange = "{exchange}"\nheartbeat_s = 2\n'


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Broker:
    """certificates: (authority's file, certificate, key), to be spoken to by TLS, too. nodes: the names of all of a Cluster, whose
    members share epmd and cookie (`home`)."""

    def __init__(self, folder, certificates=None, name=None, nodes=(), epmd_port=None, home=None):
        if not Path(SERVER).is_file() or not shutil.which("epmd"):
            pytest.skip("Debian's rabbitmq-server is not installed")
        self.folder, self.port, self.tls_port = Path(folder), free_port(), free_port()
        self.folder.mkdir(exist_ok=True)
        self.name = f"{name or f'recharge{self.port}'}@localhost"
        lines = [f"listeners.tcp.default = 127.0.0.1:{self.port}"]
        if certificates:
            files = zip(("cacertfile", "certfile", "keyfile"), certificates)
            lines += [f"listeners.ssl.default = 127.0.0.1:{self.tls_port}", *(f"ssl_options.{n} = {file}" for n, file in files)]
        if nodes:
            lines.append("cluster_formation.peer_discovery_backend = classic_config")
            lines.append("cluster_formation.discovery_retry_limit = 1")
            lines += [f"cluster_formation.classic_config.nodes.{i} = {node}@localhost" for i, node in enumerate(nodes, 1)]
        (self.folder / "enabled_plugins").write_text("[].")
        (self.folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        self.epmd_port = epmd_port or free_port()
        self.env = os.environ | {
            "HOME": str(home or self.folder), "ERL_EPMD_PORT": str(self.epmd_port), "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self.name, "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"), "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_LOGS": "-", "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"), "RABBITMQ_CONF_ENV_FILE": "/dev/null"}
        self.epmd = None
        if epmd_port is None:
            self.epmd = subprocess.Popen(["epmd"], env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.process = None
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        with open(self.folder / "broker.log", "ab") as log:
            self.process = subprocess.Popen([SERVER], env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)
        deadline = time.monotonic() + 90
        while True:
            assert self.process.poll() is None and time.monotonic() < deadline, self.log()
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                    probe.sendall(b"AMQP\x00\x00\x09\x01")
                    if probe.recv(1):
                        return
            except OSError:
                pass
            time.sleep(0.2)

    def control(self, *arguments):
        """rabbitmqctl: about a second. Returns what it says."""
        done = subprocess.run([CONTROL, "--node", self.name, *arguments], env=self.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def log(self):
        return (self.folder / "broker.log").read_text(errors="replace")[-3000:]

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            self.kill()
        if self.epmd:
            self.epmd.terminate()
            self.epmd.wait()


class Cluster:
    """Three nodes on this machine; the first makes the cluster and has the epmd, the others join."""

    def __init__(self, folder):
        names, first = ("one", "two", "three"), None
        self.nodes = []
        try:
            for name in names:
                shared = {"epmd_port": first.epmd_port, "home": first.folder} if first else {}
                self.nodes.append(Broker(folder / name, name=name, nodes=names, **shared))
                first = self.nodes[0]
        except BaseException:
            self.close()
            raise

    def close(self):
        for node in reversed(self.nodes):
            node.close()


class Between:
    """A proxy of AMQP that knows frames. Connects to the first of `ports` that answers; without any it hangs up. cut_at(N, part): the next connection
    ends in its Nth frame, both directions counted, after this part of it; the ones after it are whole again. `withheld` is what
    does not arrive meanwhile: "confirms" (all that the broker says), "messages" (all that recharged says) or "acks" (those of what it
    took from a queue). on_confirm is called before one goes to recharged."""

    def __init__(self, *ports):
        self.ports, self.cuts, self.limit, self.part, self.withheld = ports, 0, None, 0.0, None
        self.ends = []  # of connections that are there
        self.reached_at = []  # when connections came
        self.on_confirm, self.delivered, self.acked = None, 0, 0  # messages from queues, and acknowledgements of them
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_at(self, frame, part):
        self.limit, self.part = frame, part
        self.drop()

    def drop(self):
        for end in list(self.ends):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            self.reached_at.append(time.monotonic())
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _target(self):
        for port in self.ports:
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=5)
            except OSError:
                pass
        return None

    def _serve(self, near):
        far = self._target()
        limit, self.limit = self.limit, None
        ends = (near, far) if far else (near,)
        self.ends.extend(ends)
        try:
            if far:
                self._pass(near, far, limit)
        except OSError:
            pass
        for end in ends:
            self.ends.remove(end)
            end.close()

    def _pass(self, near, far, limit):
        waiting, frames = {near: b"", far: b""}, 0
        while True:
            for source in select.select([near, far], [], [])[0]:
                data = source.recv(65536)
                if not data:
                    return
                waiting[source] += data
                sink = far if source is near else near
                if self.withheld == ("messages" if source is near else "confirms"):
                    waiting[source] = b""
                while (size := frame_size(waiting[source])):
                    frames += 1
                    frame, waiting[source] = waiting[source][:size], waiting[source][size:]
                    method = frame[7:11] if frame[0] == 1 else b""
                    if self.withheld == "acks" and method == BASIC_ACK and source is near:
                        continue
                    if method == BASIC_ACK and source is far and self.on_confirm:
                        self.on_confirm()
                    self.delivered += method == BASIC_DELIVER and source is far
                    self.acked += method == BASIC_ACK and source is near
                    if frames == limit:
                        sink.sendall(frame[:int(size * self.part)])
                        self.cuts += 1
                        return
                    sink.sendall(frame)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept, and would take one more
        self.listener.close()
        self.drop()


def frame_size(data):
    """Of the first whole frame of AMQP 0-9-1; None: it is not there yet."""
    if len(data) < 8:
        return None
    size = 8 if data.startswith(b"AMQP") else int.from_bytes(data[3:7], "big") + 8
    return size if len(data) >= size else None
