"""Does a cold or slow disk delay who does not need it? p99 of hot requests alone, and while 8 cold files stream."""

import dataclasses
import os
import statistics
import subprocess
import sys
import time

import loads
from bench import PEERS, STANDARD
from disk import drop_from_cache, throttled
from memory import CLIENTS
from report import Sample

SETTINGS = [*STANDARD, ("nginx aio threads", "nginx", 1, "aio threads;")]
FILES = 8
RATE = 2000  # hot requests a second, over 100 connections


@dataclasses.dataclass
class ColdSample(Sample):
    ratio: float = 0  # of p99 beside the cold files to p99 alone
    disk: float = 0  # bytes a second that were read from it meanwhile


@dataclasses.dataclass
class Cold:
    name: str
    title: str
    bytes_per_second: int | None = None  # of the disk, by the blkio cgroup
    unit = "us"
    cost_name = "p99 us"
    rate_name = "alone us"
    size = 128 * 1024 * 1024

    def comparisons(self, rows):
        return [("fsrv", [label for label in rows if label != "fsrv"])]

    def hot(self, bench, server):
        seconds = max(3, bench.options.seconds)
        return loads.h2load(server, seconds, bench.load_cores, bench.file("1k.bin", 1024), connections=100, rate=RATE)

    def one_round(self, bench, server):
        files = [bench.root / f"cold{i}.bin" for i in range(FILES)]
        self.hot(bench, server)  # its own warm-up
        alone = self.hot(bench, server)
        drop_from_cache(files)
        # What was read becomes cold again, so that the disk has to be asked all the time. Neither takes the core from the load.
        helpers = [subprocess.Popen([sys.executable, CLIENTS, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                   for words in (["beside", server.authority, "/cold%d.bin", str(FILES), "60"], ["drop", *map(str, files)])]
        before, begin = server.disk_bytes(), time.monotonic()
        try:
            beside = self.hot(bench, server)
        except loads.LoadFailed:
            beside = loads.Result(0, 0, float("inf"))
        finally:
            disk = (server.disk_bytes() - before) / (time.monotonic() - begin)
            for helper in helpers:
                helper.kill()
                helper.wait()
        return ColdSample(cost=beside.p99_us, rate=alone.p99_us, p99_us=beside.p99_us, errors=beside.errors,
                          ratio=beside.p99_us / alone.p99_us, disk=disk)

    def run(self, bench):
        for i in range(FILES):
            bench.file(f"cold{i}.bin", self.size)
        rows = {}
        for turn in range(min(bench.options.rounds, 3)):
            for setting in SETTINGS[turn:] + SETTINGS[:turn]:
                with bench.server(*setting) as server:
                    with throttled(server.pids(), os.stat(bench.root).st_dev, self.bytes_per_second) as works:
                        if not works:
                            print(f"\n{self.name}: left out: no blkio cgroup that can be used here")
                            return {}
                        rows.setdefault(setting[0], []).append(self.one_round(bench, server))
        for samples in rows.values():
            ratios = sorted(s.ratio for s in samples)
            samples[0].note = (f"{statistics.median(ratios):.1f} times its own p99 alone ({ratios[0]:.1f}..{ratios[-1]:.1f}), "
                               f"{statistics.median(s.disk for s in samples) / 1e6:.0f} MB/s from the disk")
        return {label: rows[label] for label, *_ in SETTINGS}
