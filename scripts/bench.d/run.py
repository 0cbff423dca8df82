"""The benchmark's main program; scripts/bench is its front."""

import argparse
import os
import pathlib
import resource
import shlex
import shutil
import signal
import sys
import tempfile

import hosts
import loads
import report
import scenarios

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def parse_arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", add_help=False)
    parser.add_argument("--fsrv", default="")
    parser.add_argument("--fsrv-arg", action="append", default=[])
    parser.add_argument("--folder", default="/var/tmp")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("scenario", nargs="*")
    options = parser.parse_args()
    options.fsrv_args = [word for argument in options.fsrv_arg for word in shlex.split(argument)]
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.seconds = options.seconds or (1 if options.quick else 3)
    return options


def split_cores():
    """One core for the server, the others for the load; none to pin when there is but one."""
    cores = sorted(os.sched_getaffinity(0))
    return ({cores[0]}, set(cores[1:])) if len(cores) > 1 else (None, None)


def end(number, _):
    """The first signal ends it; those after it do not stop the cleaning up, which takes seconds."""
    for other in ENDING:
        signal.signal(other, signal.SIG_IGN)
    sys.exit(128 + number)


def main():
    options = parse_arguments()
    if options.list:
        for scenario in scenarios.ALL:
            print(f"{scenario.name:14} {scenario.title}")
        return 0
    wanted = options.scenario or [s.name for s in scenarios.ALL]
    unknown = [name for name in wanted if name not in {s.name for s in scenarios.ALL}]
    if unknown:
        raise SystemExit(f"scripts/bench: no scenario {', '.join(unknown)}; --list shows them")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for number in ENDING:
        signal.signal(number, end)

    folder = pathlib.Path(tempfile.mkdtemp(prefix="fsrv-bench-", dir=options.folder))
    summary, failed = [], False
    try:
        server_core, load_cores = split_cores()
        if load_cores:
            os.sched_setaffinity(0, load_cores)
        bench = scenarios.Bench(options, folder, server_core, load_cores)
        if options.fsrv_args:
            print(f"fsrv with {shlex.join(options.fsrv_args)}", flush=True)
        for scenario in scenarios.ALL:
            if scenario.name in wanted:
                try:
                    summary += report.show(scenario, scenario.run(bench), bench)
                except hosts.Skipped as e:
                    print(f"\n{scenario.name}: skipped: {e}", flush=True)
                except loads.LoadFailed as e:
                    failed = True
                    print(f"\n{scenario.name}: not measured: {e}", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    report.show_summary(summary, options.markdown)
    if summary and options.fsrv_args:
        print(f"\nfsrv with `{shlex.join(options.fsrv_args)}`")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
