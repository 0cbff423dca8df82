"""What scenarios share: test files, servers, cores, and the plain kind of scenario."""

import contextlib
import dataclasses
import gzip
import os
import pathlib
import random
import time
from collections.abc import Callable

import hosts
import loads
import report
from report import Sample
from servers import Server

PEERS = ("nginx", "h2o", "lighttpd")
STANDARD = [(kind, kind, 1, "") for kind in ("fsrv", *PEERS)]  # label, kind, workers, its own settings


class Bench:
    def __init__(self, options, folder, server_core, load_cores):
        self.options, self.folder, self.load_cores = options, folder, load_cores
        self.server_core = server_core
        self.root = folder / "www"
        self.root.mkdir()
        self.made = set()
        folder.chmod(0o755)

    def file(self, name, size):
        """A file of noise under the root, last changed an hour ago, in the page cache and on the disk; its URL's path."""
        path = self.root / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = os.urandom(min(size, 1024 * 1024))
            with open(path, "wb") as f:
                for _ in range(max(1, size // len(noise))):
                    f.write(noise)
                f.truncate(size)
                f.flush()
                if size > len(noise):
                    os.fsync(f.fileno())
            hour_ago = time.time() - 3600
            os.utime(path, (hour_ago, hour_ago))
        return "/" + name

    def page(self, name, size):
        """A page of words under the root, and beside it what gzip -6 makes of it; the page's URL path."""
        path = self.root / name
        if not path.exists():
            dice = random.Random(size)
            words = ["the", "folder", "of", "a", "<p>", "</p>", "file", "which", "server", "download", "is", "<li>", "range"]
            text = " ".join(dice.choice(words) + str(dice.randrange(100)) for _ in range(size))[:size].encode()
            hour_ago = time.time() - 3600
            for file, content in ((path, text), (path.with_name(name + ".gz"), gzip.compress(text, 6))):
                file.write_bytes(content)
                os.utime(file, (hour_ago, hour_ago))
        return "/" + name

    def many_files(self, count, size, per_folder=None):
        """Files 0.bin, 1.bin, ... in one folder, or in folders 0, 1, ... of so many; all read once. Their folder's URL path."""
        name = f"many-{count}"
        files = [f"{name}/{f'{i // per_folder}/' if per_folder else ''}{i}.bin" for i in range(count)]
        if name not in self.made:
            for file in report.progress(f"making {count:,} files", files):
                self.file(file, size)
            os.sync()  # or they are written while something is measured
            for file in report.progress(f"reading {count:,} files", files):
                (self.root / file).read_bytes()
            self.made.add(name)
        return f"/{name}/"

    @contextlib.contextmanager
    def server(self, label, kind, workers=1, extra="", pinned=True, **settings):
        server = Server(label, kind, root=self.root, tmp=self.folder, fsrv=[self.options.fsrv, *self.options.fsrv_args],
                        workers=workers, extra=extra, cores=self.server_core if pinned else None, **settings)
        try:
            yield server.start()
        finally:
            server.stop()

    def load_average(self):
        return pathlib.Path("/proc/loadavg").read_text().split()[0]


@dataclasses.dataclass
class Scenario:
    """Servers in turns under one load. `load(bench, server, seconds)` gives a loads.Result."""

    name: str
    title: str
    load: Callable
    unit: str = "request"
    servers: list = dataclasses.field(default_factory=lambda: STANDARD)
    pinned: bool = True
    settings: dict = dataclasses.field(default_factory=dict)  # of Server, for all of them
    far: bool = False  # clients on another host
    against: dict | None = None  # label: those it is compared with; None: fsrv with the peers

    @property
    def cost_name(self):
        return "CPU s/GB" if self.unit == "GB" else "CPU us/req"

    @property
    def rate_name(self):
        return "GB/s" if self.unit == "GB" else "requests/s"

    def comparisons(self, _):
        return (self.against or {"fsrv": PEERS}).items()

    def measure(self, bench, server, seconds):
        before = server.cpu()
        result = self.load(bench, server, seconds)
        cpu = server.cpu() - before
        scale = 1 if self.unit == "GB" else 1e6
        if result.units <= 0:
            raise loads.LoadFailed(f"{server.label} answered nothing")
        return Sample(cost=cpu / result.units * scale, rate=result.units / result.seconds, p99_us=result.p99_us,
                      memory_kib=server.memory_kib(), errors=result.errors)

    def run(self, bench):
        rows = {}
        with contextlib.ExitStack() as stack:
            clients = stack.enter_context(hosts.another()) if self.far else hosts.HERE
            servers = [stack.enter_context(bench.server(*s, pinned=self.pinned, clients=clients, **self.settings))
                       for s in self.servers]
            for server in list(servers):  # caches warm, code paged in
                with self.leaving_out(server, servers, server):
                    self.load(bench, server, 1)
            for turn in range(bench.options.rounds):
                at = turn % len(servers)
                for server in servers[at:] + servers[:at]:
                    with self.leaving_out(server, servers, server):
                        rows.setdefault(server.label, []).append(self.measure(bench, server, bench.options.seconds))
        labels = [server.label for server in servers]
        return {label: rows[label] for label in labels}

    @contextlib.contextmanager
    def leaving_out(self, server, turns, own):
        """A peer that does not answer as it should loses its `own` turn, and is named; fsrv must."""
        try:
            yield
        except loads.Refused as e:
            if server.kind == "fsrv":
                raise
            turns.remove(own)
            print(f"\n{self.name}: left out: {e}", flush=True)


@dataclasses.dataclass
class First(Scenario):
    """The same with servers that were started for the round and have not been asked for anything before."""

    prepare: Callable = None  # makes the files

    def run(self, bench):
        self.prepare(bench)
        rows, settings = {}, list(self.servers)
        for turn in range(bench.options.rounds):
            at = turn % len(settings)
            for setting in settings[at:] + settings[:at]:
                with bench.server(*setting, pinned=self.pinned, **self.settings) as server:
                    time.sleep(0.2)  # until it has started altogether
                    with self.leaving_out(server, settings, setting):
                        rows.setdefault(server.label, []).append(self.measure(bench, server, bench.options.seconds))
        return {label: rows[label] for label, *_ in settings}
