"""The servers that are compared: how each is configured for static files, started, measured and stopped."""

import os
import pathlib
import resource
import signal
import socket
import subprocess
import time

import hosts

HERE = pathlib.Path(__file__).parent

NGINX = """
daemon off; user root; worker_processes {workers}; pid {tmp}/nginx.pid; error_log {tmp}/nginx.log warn;
worker_rlimit_nofile 65536;
events {{ worker_connections 12000; use epoll; }}
http {{
  {log} default_type application/octet-stream; types {{}}
  sendfile on; tcp_nopush off; tcp_nodelay on; {extra}
  {open_files}
  keepalive_timeout 3600s; keepalive_requests 1000000000; send_timeout 3600s;
  client_body_temp_path {tmp}/b; proxy_temp_path {tmp}/p; fastcgi_temp_path {tmp}/f; uwsgi_temp_path {tmp}/u; scgi_temp_path {tmp}/s;
  server {{ listen {address}:{port} backlog=4096 {reuseport} {listen}; root {root}; {tls} }}
}}
"""
H2O = """
user: root
num-threads: {workers}
max-connections: 12000
http1-request-timeout: 3600
error-log: /dev/null
{log}
pid-file: {tmp}/h2o.pid
hosts:
  "*":
    listen: {{ port: {port}, host: {address} {tls} }}
    paths:
      "/": {{ file.dir: {root}, file.etag: ON, file.send-compressed: OFF }}
"""
LIGHTTPD = """
server.document-root = "{root}"
server.bind = "{address}"
server.port = {port}
server.errorlog = "{tmp}/lighttpd.log"
server.listen-backlog = 4096
{open_files}
server.max-connections = 12000
server.max-keep-alive-requests = 1000000000
server.max-keep-alive-idle = 3600
server.max-read-idle = 3600
server.max-write-idle = 3600
server.stat-cache-engine = "simple"
server.network-backend = "sendfile"
server.event-handler = "linux-sysepoll"
mimetype.assign = ( "" => "application/octet-stream" )
{log}
"""
# The access log: none, or one with the server's usual lines.
LOG = {
    "fsrv": ("off", "{tmp}/access.log"),
    "nginx": ("access_log off;", "access_log {tmp}/access.log combined buffer=64k flush=1s;"),
    "h2o": ("", "access-log: {tmp}/access.log"),
    "lighttpd": ("", 'server.modules += ( "mod_accesslog" )\naccesslog.filename = "{tmp}/access.log"'),
    "python": ("", ""),
}
# TLS, and with it HTTP/2, with one certificate for all. nginx keeps sessions as its documentation shows it.
TLS = {
    "fsrv": "--tls-cert {tmp}/tls.crt --tls-key {tmp}/tls.key",
    "nginx": "ssl_certificate {tmp}/tls.crt; ssl_certificate_key {tmp}/tls.key; ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:a:10m;",
    "h2o": ", ssl: {{ certificate-file: {tmp}/tls.crt, key-file: {tmp}/tls.key }}",
}
# Files that stay open: for files that are asked for again, and for more files than can be open.
OPEN_FILES = {
    "nginx": ("open_file_cache max=20000 inactive=600s; open_file_cache_valid 60s; open_file_cache_min_uses 1;",
              "open_file_cache off;"),
    # Without an option against it, it keeps small files open for seconds; over the limit it answers with errors.
    "lighttpd": ("server.max-fds = 16384", f"server.max-fds = {min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 1_000_000)}"),
}


def free_port(address):
    with socket.socket() as s:
        s.bind((address, 0))
        return s.getsockname()[1]


class Server:
    """One running server. `kind`: fsrv, nginx, h2o, lighttpd or python; `extra`: its own further settings.
    `fsrv`: the program and what it is always given; `logs`: with an access log; `again`:
    what is asked for is asked for again, so that open files are worth keeping; `tls`: it speaks that; `clients`: the host
    they are on."""

    def __init__(self, label, kind, *, root, tmp, fsrv=(), cores=None, workers=1, extra="", logs=False, again=True,
                 tls=False, clients=hosts.HERE):
        self.tls = tls
        self.label, self.kind, self.root, self.fsrv = label, kind, root, fsrv
        self.workers, self.extra, self.cores, self.clients = workers, extra, cores, clients
        self.tmp = pathlib.Path(tmp) / label.replace(" ", "-")
        self.log = LOG[kind][logs].format(tmp=self.tmp)
        self.open_files = OPEN_FILES.get(kind, ("", ""))[not again]
        self.process = None

    def command(self):
        tls = TLS[self.kind].format(tmp=self.tmp) if self.tls else ""
        slots = dict(tls=tls, listen="ssl http2" if self.tls else "", root=self.root, tmp=self.tmp, address=self.clients.address, port=self.port, workers=self.workers, extra=self.extra,
                     log=self.log, open_files=self.open_files, reuseport="reuseport" if self.workers > 1 else "")
        if self.kind == "fsrv":
            return [*self.fsrv, "--host", self.clients.address, "--port", str(self.port), "--workers", str(self.workers),
                    "--access-log", self.log, "--log-level", "warn", *tls.split(), *self.extra.split(), "--root", str(self.root)]
        if self.kind == "python":
            return ["/usr/bin/python3", str(HERE / "tornado_baseline.py"), *self.extra.split(), str(self.port), str(self.root)]
        template, run = {
            "nginx": (NGINX, lambda f: ["nginx", "-p", str(self.tmp), "-e", f"{self.tmp}/nginx.log", "-c", f]),
            "h2o": (H2O, lambda f: ["h2o", "-m", "worker", "-c", f]),
            "lighttpd": (LIGHTTPD, lambda f: ["lighttpd", "-D", "-f", f]),
        }[self.kind]
        config = self.tmp / f"{self.kind}.conf"
        config.write_text(template.format(**slots))
        return run(str(config))

    def start(self):
        self.tmp.mkdir(exist_ok=True)
        self.port = free_port(self.clients.address)
        if self.tls:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                            "-keyout", self.tmp / "tls.key", "-out", self.tmp / "tls.crt", "-subj", "/CN=localhost", "-addext",
                            "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        log = open(self.tmp / "output", "wb")
        pin = (lambda: os.sched_setaffinity(0, self.cores)) if self.cores else None
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=pin,
                                        start_new_session=True)
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection((self.clients.address, self.port), 1).close()
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise SystemExit(f"{self.label} does not start:\n" + (self.tmp / "output").read_text(errors="replace"))
                time.sleep(0.02)

    def stop(self):
        if not self.process:
            return
        for kill in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, kill)
                self.process.wait(1)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass
        self.process.wait()
        self.process = None

    def said(self):
        return (self.tmp / "output").read_text(errors="replace")[-500:]

    @property
    def authority(self):
        return f"{self.clients.address}:{self.port}"

    def url(self, path):
        return f"{'https' if self.tls else 'http'}://{self.authority}{path}"

    def pids(self):
        """The process and all that descend from it."""
        children = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    stat = pathlib.Path(f"/proc/{entry}/stat").read_text()
                except OSError:
                    continue
                children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry))
        found, more = [], [self.process.pid]
        while more:
            found.append(more.pop())
            more += children.get(found[-1], [])
        return found

    def cpu(self):
        """Seconds on a CPU so far, user and system, all threads. schedstat counts nanoseconds, stat hundredths."""
        total = 0
        for pid in self.pids():
            for task in os.listdir(f"/proc/{pid}/task"):
                total += int(pathlib.Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
        return total / 1e9

    def disk_bytes(self):
        """What was read from disks for it so far."""
        total = 0
        for pid in self.pids():
            for line in pathlib.Path(f"/proc/{pid}/io").read_text().splitlines():
                if line.startswith("read_bytes:"):
                    total += int(line.split()[1])
        return total

    def memory_kib(self):
        """Resident memory of its own: not the pages of files, and what processes share counted once."""
        total = 0
        for pid in self.pids():
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                    total += int(line.split()[1])
        return total
