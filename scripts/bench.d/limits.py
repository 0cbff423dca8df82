#!/usr/bin/env python3
"""limits.py FSRV [SECONDS]: how near to --client-rate and --total-rate what arrives is, in SECONDS (10) from the first request on.

For each rate, one to 100 connections of a client and one to four workers: what came, against the rate, in parts of a hundred. Then
--total-rate with two clients, one with a single connection: what each got of its half. Only 127.0.0.1 is used.
"""

import os
import re
import selectors
import socket
import subprocess
import sys
import tempfile
import time

KIB = 1024
MIB = 1024 * KIB
RATES = [(10 * KIB, "10 KiB/s"), (64 * KIB, "64 KiB/s"), (MIB, "1 MiB/s"), (100 * MIB, "100 MiB/s")]
CONNECTIONS = [1, 10, 100]
WORKERS = [1, 4]
FILE_BYTES = 16 * 1024 * MIB  # a hole


class Server:
    def __init__(self, program, folder, workers, options):
        self.process = subprocess.Popen(
            [program, "--host", "127.0.0.1", "--port", "0", "--workers", str(workers), "--access-log", "off",
             "--trusted-proxies", "127.0.0.1", "--header-timeout", "1h", *options, folder],
            stderr=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"]})
        for line in self.process.stderr:
            found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found[1])
                return
        raise SystemExit("fsrv did not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def received(port, clients, seconds):
    """Bytes by client, of {address: connections}, within that time."""
    selector = selectors.DefaultSelector()
    got = dict.fromkeys(clients, 0)
    sockets = []
    for address, count in clients.items():
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", port))
            sockets.append((connection, address))
    begin = time.monotonic()
    for connection, address in sockets:
        connection.sendall(f"GET /big HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {address}\r\n\r\n".encode())
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_READ, [address, True])
    room = bytearray(MIB)
    while (left := begin + seconds - time.monotonic()) > 0:
        for key, _ in selector.select(left):
            count = key.fileobj.recv_into(room)
            if key.data[1]:  # the head comes whole, being small, and is free
                count -= room.find(b"\r\n\r\n", 0, count) + 4
                key.data[1] = False
            got[key.data[0]] += count
    for connection, _ in sockets:
        connection.close()
    return got


def main():
    program = os.path.abspath(sys.argv[1])
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 10
    with tempfile.TemporaryDirectory(prefix="fsrv-limits-") as folder:
        with open(os.path.join(folder, "big"), "wb") as big:
            big.truncate(FILE_BYTES)
        heads = [f"{c} conn., {w} worker{'s' if w > 1 else ''}" for w in WORKERS for c in CONNECTIONS]
        print("| --client-rate | " + " | ".join(heads) + " |\n|---" * 1 + "|---" * len(heads) + "|")
        for rate, name in RATES:
            cells = []
            for workers in WORKERS:
                for connections in CONNECTIONS:
                    with Server(program, folder, workers, ["--client-rate", str(rate)]) as server:
                        got = received(server.port, {"192.0.2.1": connections}, seconds)
                    cells.append(f"{100 * sum(got.values()) / (rate * seconds):.1f} %")
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
        print("\n| --total-rate | workers | all of it | client with 100 connections | client with 1 |\n|---|---|---|---|---|")
        for rate, name in RATES[1:]:
            for workers in WORKERS:
                with Server(program, folder, workers, ["--total-rate", str(rate)]) as server:
                    got = received(server.port, {"192.0.2.1": 100, "192.0.2.2": 1}, seconds)
                share = rate * seconds / 2
                print(f"| {name} | {workers} | {50 * sum(got.values()) / share:.1f} % | {100 * got['192.0.2.1'] / share:.1f} % "
                      f"| {100 * got['192.0.2.2'] / share:.1f} % |", flush=True)


if __name__ == "__main__":
    main()
