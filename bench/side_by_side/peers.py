"""What Recharge is compared with. Each listens on loopback, keeps its data in the folder of the measurement, and makes every
change durable before it answers."""
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from .processes import Child, Failure, free_port, wait_for_port

PEERS = Path(__file__).parents[1] / "peers"
BUILD = Path(__file__).parents[2] / "build" / "peers"
BLOCK = b"\x5a" * 4096
CORES = len(os.sched_getaffinity(0))

NGINX_CONF = """
daemon off; worker_processes {cores}; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} reuseport backlog=4096; default_type application/json;
    location / {{ return 200 '{{"code":200,"msg":"Recharge succeeded"}}'; }}
    location /api/check_balance {{
      return 200 '{{"code":200,"account":"13800000000","balance":50.00,"currency":"CNY"}}';
    }}
  }}
}}
"""


def needs(*programs):
    missing = [program for program in programs if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")]
    if missing:
        raise Failure(f"{', '.join(missing)} not installed: tools/install-packages compare")


class Nginx:
    def __init__(self, folder):
        needs("nginx")
        folder = Path(folder) / "nginx"
        folder.mkdir(exist_ok=True)
        port = free_port()
        (folder / "nginx.conf").write_text(NGINX_CONF.format(folder=folder, port=port, cores=CORES))
        self.child = Child(["/usr/sbin/nginx", "-c", folder / "nginx.conf", "-e", folder / "nginx.log"],
                           folder / "start.log")
        self.url, self.pid = f"http://127.0.0.1:{port}", self.child.pid
        wait_for_port(port, self.child)


class Redis:
    """SET with appendfsync always, by its own client."""

    def __init__(self, folder):
        needs("redis-server", "redis-benchmark", "redis-cli")
        folder = Path(folder) / "redis"
        folder.mkdir()
        self.port = free_port()
        self.child = Child(["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--dir", folder, "--save", "",
                            "--appendonly", "yes", "--appendfsync", "always"], folder / "redis.log")
        self.pid = self.child.pid
        wait_for_port(self.port, self.child)

    def sets_per_second(self, connections, requests, value_bytes):
        done = subprocess.run(
            ["redis-benchmark", "-p", str(self.port), "-t", "set", "-c", str(connections), "-n", str(requests), "-d",
             str(value_bytes), "-r", "10000000", "--csv"], capture_output=True, text=True, check=True, timeout=120)
        for line in done.stdout.splitlines():
            if line.startswith('"SET"'):
                return float(line.split(",")[1].strip('"'))
        raise Failure(f"redis-benchmark said: {done.stdout}")


class RabbitMq:
    """Debian's, with an epmd of its own, and a queue that has the last messages of the exchange in memory. It does not spin."""
    PROGRAMS = Path("/usr/lib/rabbitmq/bin")

    def __init__(self, folder):
        if not (self.PROGRAMS / "rabbitmq-server").exists():
            raise Failure("rabbitmq-server is not installed: tools/install-packages compare")
        folder = Path(folder) / "rabbitmq"
        folder.mkdir()
        self.port = free_port()
        (folder / "enabled_plugins").write_text("[].")
        (folder / "rabbitmq.conf").write_text(f"listeners.tcp.default = 127.0.0.1:{self.port}\n")
        self.env = {"HOME": str(folder), "ERL_EPMD_PORT": str(free_port()), "ERL_EPMD_ADDRESS": "127.0.0.1",
                    "RABBITMQ_NODENAME": f"recharge{self.port}@localhost", "RABBITMQ_DIST_PORT": str(free_port()),
                    "RABBITMQ_MNESIA_BASE": str(folder / "data"), "RABBITMQ_LOG_BASE": str(folder / "log"), "RABBITMQ_LOGS": "-",
                    "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"), "RABBITMQ_CONF_ENV_FILE": "/dev/null",
                    "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
                    "RUNNING_UNDER_SYSTEMD": "1",  # the process is the broker itself, and not a shell
                    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none"}
        self.epmd = Child(["epmd"], folder / "epmd.log", env=self.env)
        self.child = Child([self.PROGRAMS / "rabbitmq-server"], folder / "rabbitmq.log", env=self.env,
                           stop_signal=signal.SIGKILL)  # nothing of it is needed again
        self.pid = self.child.pid
        wait_for_port(self.port, self.child, within=90)
        (folder / "definitions.json").write_text(json.dumps({
            "exchanges": [{"name": "recharge", "vhost": "/", "type": "topic", "durable": True, "auto_delete": False,
                           "internal": False, "arguments": {}}],
            "queues": [{"name": "last", "vhost": "/", "durable": False, "auto_delete": False, "arguments": {"x-max-length": 10_000}}],
            "bindings": [{"source": "recharge", "vhost": "/", "destination": "last", "destination_type": "queue",
                          "routing_key": "#", "arguments": {}}]}))
        self.control("import_definitions", folder / "definitions.json")

    def control(self, *arguments):
        done = subprocess.run([self.PROGRAMS / "rabbitmqctl", "--node", self.env["RABBITMQ_NODENAME"], *arguments],
                              env={**os.environ, **self.env}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, timeout=60)
        if done.returncode != 0:
            raise Failure(f"rabbitmqctl: {done.stdout}{done.stderr}")
        return done.stdout

    def close(self):
        self.child.stop()
        self.epmd.stop()


def flush_loop(folder, seconds):
    """Appends blocks to a zero-filled file, each flushed before the next: the sorted latencies in ms."""
    path = Path(folder) / "flush.bin"
    file_bytes = 64 << 20
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        for offset in range(0, file_bytes, 1 << 20):
            os.pwrite(file, bytes(1 << 20), offset)
        os.fsync(file)
        taken, offset = [], 0
        end = time.monotonic() + seconds
        while time.monotonic() < end and offset < file_bytes:
            begun = time.perf_counter_ns()
            os.pwrite(file, BLOCK, offset)
            os.fdatasync(file)
            taken.append((time.perf_counter_ns() - begun) / 1e6)
            offset += len(BLOCK)
        return sorted(taken)
    finally:
        os.close(file)
        path.unlink()


class Postgres:
    """Debian's PostgreSQL with durable commits, on a socket in the folder."""

    def __init__(self, folder):
        versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not versions:
            raise Failure("postgresql is not installed: tools/install-packages compare")
        self.programs = versions[-1].parent
        self.folder = Path(folder) / "postgres"
        self.folder.mkdir()
        self.user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
        if self.user:
            shutil.chown(self.folder, self.user, self.user)
        subprocess.run([self.programs / "initdb", "-D", self.folder / "data", "-U", "postgres", "-A", "trust", "--no-sync"],
                       user=self.user, check=True, capture_output=True, cwd=self.folder, timeout=120)
        self.start()
        self.run("-f", PEERS / "schema.sql")

    def start(self):
        settings = {"listen_addresses": "", "unix_socket_directories": self.folder, "max_connections": 100,
                    "shared_buffers": "512MB", "max_wal_size": "4GB", "fsync": "on", "synchronous_commit": "on"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.child = Child([self.programs / "postgres", "-D", self.folder / "data", *options],
                           self.folder.parent / "postgres.log", user=self.user, cwd=self.folder,
                           stop_signal=signal.SIGINT)  # without waiting for clients
        self.pid = self.child.pid
        deadline = time.monotonic() + 60
        while subprocess.run([self.programs / "pg_isready", "-q", "-h", self.folder], check=False).returncode != 0:
            if time.monotonic() > deadline or not self.child.running():
                raise Failure(f"PostgreSQL did not start: {self.child.log_tail()}")
            time.sleep(0.05)

    def run(self, *arguments):
        done = subprocess.run([self.programs / "psql", "-q", "-X", "-h", self.folder, "-U", "postgres", "-v",
                               "ON_ERROR_STOP=1", *arguments], capture_output=True, text=True, check=False, timeout=120)
        if done.returncode != 0:
            raise Failure(f"psql: {done.stderr}")

    def restart_after_crash(self):
        self.child.stop(signal.SIGQUIT)  # ends without a checkpoint, and recovers from its log
        self.start()


class Application:
    """A web framework's processes before a PostgreSQL."""

    def __init__(self, postgres, secret_file, folder, name):
        self.postgres, self.name, self.folder = postgres, name, Path(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {"DATABASE_HOST": str(postgres.folder), "SECRET_FILE": str(secret_file), "PORT": str(self.port),
                    "NODE_ENV": "production", "PYTHONDONTWRITEBYTECODE": "1"}
        self.start()

    def start(self):
        self.child = Child(self.command(), self.folder / f"{self.name}.log", env=self.env, cwd=self.place())
        wait_for_port(self.port, self.child)

    @property
    def pids(self):
        return self.child.pid, self.postgres.pid

    def restart_after_crash(self):
        self.child.stop()
        self.postgres.restart_after_crash()
        self.start()


class Fastify(Application):
    def __init__(self, postgres, secret_file, folder):
        needs("node", "npm")
        shutil.copytree(PEERS, BUILD, dirs_exist_ok=True)
        if not (self.place() / "node_modules" / "fastify").exists():
            done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=self.place(),
                                  capture_output=True, text=True, check=False, timeout=300)
            if done.returncode != 0:
                raise Failure(f"npm ci: {done.stderr[-1000:]}")
        super().__init__(postgres, secret_file, folder, "fastify")

    def place(self):
        return BUILD / "fastify"

    def command(self):
        return ["node", "server.js"]


class Flask(Application):
    def __init__(self, postgres, secret_file, folder):
        needs("gunicorn")
        super().__init__(postgres, secret_file, folder, "flask")

    def place(self):
        return PEERS / "flask"

    def command(self):
        return ["gunicorn", "--bind", f"127.0.0.1:{self.port}", "--worker-class", "gthread", "--workers", CORES,
                "--threads", "16", "--keep-alive", "75", "--backlog", "1024", "--worker-tmp-dir", "/dev/shm", "app:app"]
