"""Loads: each asks one server for something for some seconds, from the load's own core, and says what came of it."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
CONNECTIONS = 64


@dataclasses.dataclass
class Result:
    units: float  # requests, or GB (10^9 bytes)
    seconds: float
    p99_us: float | None = None
    errors: int = 0  # connections that failed, requests without an answer


class LoadFailed(Exception):
    pass


class Refused(LoadFailed):
    """A server's answers were other than what was asked for, or none."""


def run(server, command, cores, limit):
    """What the command says; it is started on the host of the server's clients."""
    pin = (lambda: os.sched_setaffinity(0, cores)) if cores else None
    try:
        done = subprocess.run([*server.clients.enter, *command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=limit, preexec_fn=pin)
    except subprocess.TimeoutExpired as e:
        raise LoadFailed(f"{command[0]} did not end in {limit} s") from e
    if done.returncode != 0:
        raise LoadFailed(f"{' '.join(command)}: {done.stderr or done.stdout}")
    return done.stdout


def wrk(server, seconds, cores, path, mode="plain", *args, connections=CONNECTIONS, threads=1):
    """As fast as `connections` keep-alive connections can, one request at a time on each."""
    command = ["wrk", "-t", str(threads), "-c", str(connections), "-d", f"{seconds}s", "-s", str(HERE / "wrk.lua"),
               server.url(path), "--", mode, *map(str, args)]
    for line in run(server, command, cores, seconds + 20).splitlines():
        if line.startswith("RESULT "):
            requests, duration_us, p99_us, refused, errors = map(int, line.split()[1:])
            if refused:
                raise Refused(f"{server.label}: {refused:,} of {requests:,} answers were errors")
            return Result(requests, duration_us / 1e6, p99_us, errors)
    raise LoadFailed("wrk said nothing")


def h2load(server, seconds, cores, path, *headers, connections=CONNECTIONS, rate=None):
    """HTTP/1.1 by h2load; with `rate`, that many requests a second in all, whatever the server does.

    Each connection asks at its times, but not before it has its answer: the times are those from the asking on. So with `rate`
    the requests that an answer was late for count too, as late as they were made; and the first half second does not count, in
    which all connections come at once."""
    with tempfile.NamedTemporaryFile(prefix="fsrv-bench-") as log:
        command = ["h2load", "--h1", "-t", "1", "-c", str(connections), "-D", str(seconds), "--log-file", log.name]
        if rate:
            command += ["--rps", str(rate / connections)]
        for header in headers:
            command += ["-H", header]
        run(server, [*command, server.url(path)], cores, seconds + 30)
        rows = [line.split("\t") for line in pathlib.Path(log.name).read_text().splitlines()]
    if rate and rows:
        begin = min(int(row[0]) for row in rows)
        rows = [row for row in rows if int(row[0]) >= begin + 500_000]
    times = [int(row[2]) for row in rows]
    if rate:
        interval = connections / rate * 1e6
        times += [late for took in times for late in missed(took, interval)]
    times.sort()
    if not times:
        return Result(0, seconds, float("inf"), 1)
    refused = sum(1 for row in rows if not row[1].startswith(("2", "3")))
    if refused:
        raise Refused(f"{server.label}: {refused:,} of {len(rows):,} answers were errors")
    return Result(len(rows), seconds, times[int(len(times) * 0.99)])


def http2(server, seconds, cores, path, streams, connections=8):
    """As fast as HTTP/2 goes, with large windows."""
    command = ["h2load", "-t", "1", "-c", str(connections), "-m", str(streams), "-w", "24", "-W", "24", "-D", str(seconds),
               server.url(path)]
    for line in run(server, command, cores, seconds + 30).splitlines():
        if line.startswith("requests:"):
            words = line.replace(",", "").split()
            return Result(int(words[words.index("succeeded") - 1]), seconds, None, int(words[words.index("errored") - 1]))
    raise LoadFailed("h2load said nothing")


def curl(server, seconds, cores, path, gigabytes):
    """One download, by a client that reads all of it."""
    began = time.monotonic()
    out = run(server, ["curl", "-skf", "--http1.1", "-o", "/dev/null", "-w", "%{size_download}", server.url(path)], cores, seconds + 60)
    if abs(float(out) / 1e9 - gigabytes) > 1e-6:
        raise Refused(f"{server.label}: {out} bytes came")
    return Result(gigabytes, time.monotonic() - began)


def handshakes(server, seconds, cores, resumed):
    command = ["openssl", "s_time", "-connect", server.authority, "-reuse" if resumed else "-new", "-time", str(max(1, int(seconds)))]
    for line in reversed(run(server, command, cores, seconds + 30).splitlines()):
        if " real seconds" in line:
            return Result(int(line.split()[0]), seconds)
    raise LoadFailed("openssl s_time said nothing")


def missed(took, interval):
    """What the requests would have waited that were due while this one took so long."""
    while (took := took - interval) > 0:
        yield took


def client(server, seconds, cores, what, path, *args, scale=1e-9):
    """clients.py; its bytes become GB."""
    command = [sys.executable, str(HERE / "clients.py"), what, server.authority, path, *map(str, args)]
    try:
        out = run(server, command, cores, seconds + 40)
    except LoadFailed as e:
        raise Refused(f"{server.label}: {e} {server.said()}") from e
    told = json.loads(out)
    return Result(told["units"] * scale, told["seconds"])
