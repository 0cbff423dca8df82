"""The table of scenarios."""

import dataclasses
import urllib.request

import loads
from bench import PEERS, STANDARD, Bench, First, Scenario  # noqa: F401 (Bench: for run.py)
from cold import Cold
from memory import Idle, Paused, Slow

MIB, GIB = 1024**2, 1024**3


def small(bench, server, seconds):
    return loads.wrk(server, seconds, bench.load_cores, bench.file("1k.bin", 1024))


def few(bench):
    return bench.many_files(10_000, 4096)


def many(bench, server, seconds):
    return loads.wrk(server, seconds, bench.load_cores, few(bench), "many", 10_000)


def very_many(bench, server, seconds):
    path = bench.many_files(200_000, 4096, per_folder=1000)
    return loads.wrk(server, seconds, bench.load_cores, path, "many", 200_000, 1000)


def first(bench, server, seconds):
    return loads.client(server, seconds, bench.load_cores, "each", few(bench) + "%d.bin", loads.CONNECTIONS, 10_000, scale=1)


def middle(bench, server, seconds):
    return loads.wrk(server, seconds, bench.load_cores, bench.file("100k.bin", 100 * 1024))


def ranges(bench, server, seconds):
    return loads.wrk(server, seconds, bench.load_cores, bench.file("1g.bin", GIB), "ranges", GIB)


def several_ranges(bench, server, seconds):
    return loads.wrk(server, seconds, bench.load_cores, bench.file("1g.bin", GIB), "multirange", GIB)


def head(bench, server, seconds):
    # wrk and h2load wait for the body of an answer to HEAD.
    path = bench.file("1k.bin", 1024)
    return loads.client(server, seconds, bench.load_cores, "head", path, loads.CONNECTIONS, seconds, scale=1)


def not_modified(bench, server, seconds):
    path = bench.file("1k.bin", 1024)
    with urllib.request.urlopen(server.url(path)) as answer:
        tag = answer.headers["ETag"]
    return loads.wrk(server, seconds, bench.load_cores, path, "etag", 0, tag)


def page(bench, server, seconds):
    return loads.wrk(server, seconds, bench.load_cores, bench.page("20k.html", 20 * 1024), "gzip" if "gzip" in server.label else "plain")


def connections(bench, server, seconds):
    return loads.wrk(server, seconds, bench.load_cores, bench.file("1k.bin", 1024), "close")


def constant_rate(bench, server, seconds):
    return loads.h2load(server, max(seconds, 3), bench.load_cores, bench.file("1k.bin", 1024), connections=100, rate=10_000)


def downloads(bench, server, seconds):
    return loads.client(server, seconds, bench.load_cores, "download", bench.file("1g.bin", GIB), 4, seconds)


def whole(name, mib):
    """Downloads by a client that looks at no byte: what its reading costs would hold the server up, and change its sends."""

    def run(bench, server, seconds):
        return loads.client(server, seconds, bench.load_cores, "whole", bench.file(name + ".bin", mib * MIB), 16, seconds)

    return run


def http2_small(bench, server, seconds):
    return loads.http2(server, seconds, bench.load_cores, bench.file("1k.bin", 1024), 16)


def tls_big(bench, server, seconds):
    return loads.curl(server, seconds, bench.load_cores, bench.file("1g.bin", GIB), GIB / 1e9)


def handshake(resumed):
    def run(bench, server, seconds):
        return loads.handshakes(server, seconds, bench.load_cores, resumed)

    return run


def unpinned(load):
    """The load on any core, as the servers are; two threads of it."""

    def run(bench, server, seconds):
        return loads.wrk(server, seconds, None, bench.file("1k.bin", 1024), threads=2) if load == "1k" else \
            loads.client(server, seconds, None, "download", bench.file("1g.bin", GIB), 4, seconds)

    return run


def api_small(bench, server, seconds):
    return loads.wrk(server, seconds, bench.load_cores, "/files?path=" + bench.file("1k.bin", 1024)[1:])


def api_downloads(bench, server, seconds):
    path = "/files?path=" + bench.file("1g.bin", GIB)[1:]
    return loads.client(server, seconds, bench.load_cores, "download", path, 4, seconds)


MODES = [(f"fsrv {mode}", "fsrv", 1, f"--io {mode}") for mode in ("auto", "threads", "inline")]
MODES_AGAINST = {label: ["fsrv auto"] for label, *_ in MODES[1:]}
WORKERS = [(f"{kind} x{n}", kind, n, "") for n in (1, 2, 4) for kind in ("fsrv", "nginx", "h2o")]
WORKERS_AGAINST = {f"fsrv x{n}": [f"nginx x{n}", f"h2o x{n}"] for n in (1, 2, 4)}
PYTHON = [(f"python {how} {n}", "python", 1, f"{how} {n}") for how in ("threaded", "async") for n in ("one", "multi")]
PYTHON_AGAINST = {"fsrv": [label for label, *_ in PYTHON]}
GZIP = [("fsrv gzip", "fsrv", 1, ""), ("fsrv plain", "fsrv", 1, ""), ("nginx gzip_static", "nginx", 1, "gzip_static on;")]
GZIP_AGAINST = {"fsrv gzip": ["fsrv plain", "nginx gzip_static"]}
TLS = [(kind, kind, 1, "") for kind in ("fsrv", "nginx")]
TLS_AGAINST = {"fsrv": ["nginx"]}
TLS_H2O = [*TLS, ("h2o", "h2o", 1, "")]
TLS_H2O_AGAINST = {"fsrv": ["nginx", "h2o"]}
WHOLE = {"1m": 1, "8m": 8, "32m": 32, "100m": 100}

ALL = [
    Scenario("1k", "1 KiB, keep-alive", small),
    Scenario("log-1k", "1 KiB, with an access log in a file", small, settings={"logs": True}),
    Scenario("4k", "4 KiB out of 10,000 files", many),
    Scenario("4k-200000", "4 KiB out of 200,000 files", very_many, settings={"again": False}),
    First("first-10000", "the first request for each of 10,000 files of 4 KiB after the start", first, prepare=few),
    Scenario("100k", "100 KiB", middle),
    Scenario("ranges", "64 KiB random ranges of 1 GiB", ranges),
    Scenario("multirange", "four ranges of 4 KiB in one request", several_ranges),
    Scenario("head", "HEAD", head),
    Scenario("304", "304 to If-None-Match", not_modified),
    Scenario("gzip", "a page of 20 KiB, kept as gzip", page, servers=GZIP, against=GZIP_AGAINST),
    Scenario("close", "a connection per request, 1 KiB", connections),
    Scenario("rate", "10,000 requests a second, 1 KiB", constant_rate),
    *(Scenario(name, f"files of {mib} MiB", whole(name, mib), unit="GB") for name, mib in WHOLE.items()),
    Scenario("1g", "1 GiB downloads", downloads, unit="GB"),
    *(Scenario(name, title, load, unit, servers=TLS, against=TLS_AGAINST, settings={"tls": True}) for name, title, load, unit in (
        ("tls-1k", "1 KiB over TLS, keep-alive", small, "request"),
        ("tls-100k", "100 KiB over TLS", middle, "request"),
        ("tls-1g", "1 GiB over TLS", tls_big, "GB"),
        ("handshake", "a full TLS handshake", handshake(False), "request"),
        ("resume", "a resumed TLS handshake", handshake(True), "request"))),
    Scenario("h2-1k", "1 KiB over HTTP/2 and TLS, 8 connections, 16 streams", http2_small, servers=TLS_H2O, against=TLS_H2O_AGAINST,
             settings={"tls": True}),
    Idle("idle", "memory of an idle connection"),
    Paused("paused", "memory of a paused download"),
    Slow("slow", "1,000 slow downloads"),
    Cold("cold", "p99 of hot requests while 8 cold files stream"),
    Cold("cold-slow", "the same on a disk of 20 MB/s", bytes_per_second=20_000_000),
    Scenario("io-1k", "--io modes, 1 KiB", small, servers=MODES, against=MODES_AGAINST),
    Scenario("io-100k", "--io modes, 100 KiB", middle, servers=MODES, against=MODES_AGAINST),
    Scenario("io-1g", "--io modes, 1 GiB downloads", downloads, unit="GB", servers=MODES, against=MODES_AGAINST),
    Scenario("workers-1k", "1, 2, 4 workers, not pinned, 1 KiB", unpinned("1k"), servers=WORKERS, pinned=False,
             against=WORKERS_AGAINST),
    Scenario("workers-1g", "1, 2, 4 workers, not pinned, 1 GiB downloads", unpinned("1g"), unit="GB", servers=WORKERS,
             pinned=False, against=WORKERS_AGAINST),
    Scenario("python-1k", "the Python server, 1 KiB", api_small, servers=[STANDARD[0], *PYTHON], against=PYTHON_AGAINST),
    Scenario("python-1g", "the Python server, 1 GiB downloads", api_downloads, unit="GB", servers=[STANDARD[0], *PYTHON],
             against=PYTHON_AGAINST),
]
ALL += [dataclasses.replace(s, name="ns-" + s.name, title=s.title + ", clients on another host", far=True)
        for s in ALL if s.name in ("1k", "100k", *WHOLE, "1g")]
