"""Memory of connections that do little: idle ones, paused downloads, slow downloads."""

import contextlib
import dataclasses
import pathlib
import re
import subprocess
import sys
import time

import loads
from bench import PEERS, STANDARD
from report import Sample

CLIENTS = str(pathlib.Path(__file__).parent / "clients.py")
GIB = 1024**3


@contextlib.contextmanager
def held(bench, server, how, path, count):
    """`count` connections, open while inside."""
    client = subprocess.Popen([sys.executable, CLIENTS, "hold", how, server.authority, path, str(count)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if client.stdout.readline() != "ready\n":
            raise loads.LoadFailed(f"{server.label} did not take {count} connections")
        yield
    finally:
        client.stdin.close()
        try:
            client.wait(10)
        except subprocess.TimeoutExpired:
            client.kill()
            client.wait()


def kernel_bytes(port):
    """What the kernel holds to be sent from `port`, all connections together; None without ss."""
    try:
        out = subprocess.run(["ss", "-tmnH", "state", "established", f"sport = :{port}"], capture_output=True, text=True).stdout
    except FileNotFoundError:
        return None
    return sum(int(f) + int(w) for f, w in re.findall(r"skmem:\(.*?,f(\d+),w(\d+),", out))


@dataclasses.dataclass
class Idle:
    """Growth of the server's own memory per connection that has been answered and stays open. Fresh server each round."""

    name: str
    title: str
    unit = "connection"
    cost_name = "KiB/conn"
    rate_name = "-"
    how = "idle"
    count = 2000
    extra = {}
    settle = 0.5

    def comparisons(self, _):
        return [("fsrv", PEERS)]

    def path(self, bench):
        return bench.file("1k.bin", 1024)

    def run(self, bench):
        rows = {}
        for _ in range(min(bench.options.rounds, 3)):
            for label, kind, workers, extra in STANDARD:
                with bench.server(label, kind, workers, extra + self.extra.get(kind, "")) as server:
                    loads.wrk(server, 1, bench.load_cores, bench.file("1k.bin", 1024), connections=8)
                    time.sleep(0.2)
                    before = server.memory_kib()
                    with held(bench, server, self.how, self.path(bench), self.count):
                        time.sleep(self.settle)
                        after = server.memory_kib()
                        queued = kernel_bytes(server.port) if self.how == "paused" else None
                    note = f"{queued / 1024 / self.count:.0f} KiB/conn in the kernel" if queued else ""
                    sample = Sample(cost=(after - before) / self.count, memory_kib=after, note=note)
                    rows.setdefault(label, []).append(sample)
        return rows


class Paused(Idle):
    """The same of clients that asked for 1 GiB and read nothing, once the server has noticed."""

    how = "paused"
    count = 500
    extra = {"fsrv": "--stall-timeout 1s"}
    settle = 2.5

    def path(self, bench):
        return bench.file("1g.bin", GIB)


@dataclasses.dataclass
class Slow:
    """1,000 clients that read 50 kB a second each: CPU per GB, memory, and p99 of 1 KiB requests beside them."""

    name: str
    title: str
    unit = "GB"
    cost_name = "CPU s/GB"
    rate_name = "GB/s"
    count = 1000
    bytes_per_second = 50_000

    def comparisons(self, _):
        return [("fsrv", PEERS)]

    def run(self, bench):
        big, hot = bench.file("1g.bin", GIB), bench.file("1k.bin", 1024)
        seconds = max(6, 2 * bench.options.seconds)
        rows = {}
        for _ in range(min(bench.options.rounds, 3)):
            for setting in STANDARD:
                with bench.server(*setting) as server:
                    before = server.cpu()
                    slow = loads.client(server, seconds, bench.load_cores, "slow", big, self.count, seconds, self.bytes_per_second)
                    cpu = server.cpu() - before
                    beside = subprocess.Popen([sys.executable, CLIENTS, "slow", server.authority, big, str(self.count),
                                               str(seconds), str(self.bytes_per_second)], stdout=subprocess.DEVNULL)
                    try:
                        time.sleep(1.5)
                        p99 = loads.h2load(server, 2, bench.load_cores, hot, connections=50, rate=1000).p99_us
                        memory = server.memory_kib()
                    finally:
                        beside.kill()
                        beside.wait()
                rows.setdefault(setting[0], []).append(Sample(cost=cpu / slow.units, rate=slow.units / slow.seconds, p99_us=p99,
                                                              memory_kib=memory))
        return rows
