#!/usr/bin/env python3
"""tests/systemd/run.py DEB CACHE: install the package in a bare Debian 12, boot it, and try both units there.

Prints a line per case, as TAP: ok, not ok, or ok with SKIP and a reason. CACHE is a folder to keep the bare system in.
"""

import pathlib
import sys
import time
import traceback

from cases import CASES
from machine import Machine, Unavailable, bare_system


def name_of(case):
    return case.__name__.replace("_", " ")


def tell(text):
    for line in text.rstrip().splitlines():
        print(f"# {line}")


def main():
    if len(sys.argv) != 3 or sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        return 2
    print(f"1..{len(CASES)}", flush=True)
    try:
        machine = Machine(bare_system(pathlib.Path(sys.argv[2]).absolute(), pathlib.Path(sys.argv[1])))
    except Unavailable as why:
        for number, case in enumerate(CASES, 1):
            print(f"ok {number} - {name_of(case)} # SKIP {why}")
        return 0
    failed = 0
    try:
        for number, case in enumerate(CASES, 1):
            began = time.monotonic()
            try:
                case(machine)
                print(f"ok {number} - {name_of(case)}")
            except Exception:  # whatever went wrong, the next case may tell more
                failed += 1
                print(f"not ok {number} - {name_of(case)}")
                tell(traceback.format_exc())
                lines = machine.journal("-n", "2000", "--output=short").splitlines()
                tell("\n".join([line for line in lines if '" 200 ' not in line][-40:]))
            tell(f"{time.monotonic() - began:.1f} s")
            sys.stdout.flush()
    finally:
        machine.stop()
    return 1 if failed else 0


sys.exit(main())
