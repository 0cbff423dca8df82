#!/usr/bin/env python3
"""scripts/tally.py LOGDIR...: count the test cases of the last runs: meson's, from testlog.json and testlog.junit.xml, and
those of programs that print TAP, from *.tap.

Prints "N passed, N failed, N skipped" as the last line. A program that failed without a failing case (a sanitizer, a
crash, a time-out) counts as one failure. Exits 1 when anything failed or nothing ran.
"""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as xml


def outcome(case):
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    if case.find("skipped") is not None or case.get("status") == "notrun":
        return "skipped"
    return "passed"


GOOD = ("OK", "SKIP", "EXPECTEDFAIL")


def programs(log_dir):
    """Name and verdict of each test program, as meson saw it."""
    log = log_dir / "testlog.json"
    if not log.exists():
        return
    for line in log.read_text(errors="replace").splitlines():
        entry = json.loads(line)
        yield entry["name"], entry["result"]


def tally_tap(log, counts):
    text = log.read_text(errors="replace")
    cases = re.findall(r"^(not ok|ok) \d+ - ([^#\n]*)(# SKIP (.*))?$", text, re.MULTILINE)
    for verdict, name, skipped, why in cases:
        result = "failed" if verdict == "not ok" else "skipped" if skipped else "passed"
        counts[result] += 1
        if result == "failed":
            print(f"failed: {log.stem}: {name.strip()}")
    reasons = {why for _, _, skipped, why in cases if skipped}
    for why in sorted(reasons):
        print(f"skipped: {log.stem}: {why}")
    planned = re.search(r"^1\.\.(\d+)$", text, re.MULTILINE)
    if not planned or int(planned[1]) != len(cases):
        counts["failed"] += 1
        print(f"failed: {log.stem}: it ended before its last case")


def tally(log_dir, counts):
    for log in sorted(log_dir.glob("*.tap")):
        tally_tap(log, counts)
    report = log_dir / "testlog.junit.xml"
    suites = list(xml.parse(report).getroot().iter("testsuite")) if report.exists() else []
    for program, verdict in programs(log_dir):
        short_name = program.split(" / ")[-1]
        failed = 0
        for suite in suites:
            project, _, rest = suite.get("name", "").partition(".")
            for case in suite.findall("testcase"):
                # GoogleTest's suites are named PROJECT.PROGRAM.SUITE; a program without cases is a case of PROJECT.
                if rest.startswith(program + ".") or (not rest and case.get("name") in (program, short_name)):
                    result = outcome(case)
                    counts[result] += 1
                    failed += result == "failed"
        if verdict not in GOOD:
            counts["failed"] += not failed
            print(f"failed: {log_dir.parent.name}: {short_name} ({verdict})")


def main():
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    if "--help" in sys.argv[1:]:
        print(__doc__.strip())
        return 0
    for argument in sys.argv[1:]:
        tally(pathlib.Path(argument), counts)
    line = f"{counts['passed']} passed, {counts['failed']} failed"
    if counts["skipped"]:
        line += f", {counts['skipped']} skipped"
    print(line)
    return 0 if counts["failed"] == 0 and counts["passed"] > 0 else 1


sys.exit(main())
