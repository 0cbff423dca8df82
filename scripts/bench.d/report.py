"""What is printed: a table per scenario, and a summary of ratios."""

import dataclasses
import statistics
import sys
import time


@dataclasses.dataclass
class Sample:
    """One round of one server. `cost`: what is compared, lower is better (CPU per unit, bytes, us)."""

    cost: float
    rate: float | None = None  # units a second
    p99_us: float | None = None
    memory_kib: float | None = None
    errors: int = 0
    note: str = ""


@dataclasses.dataclass
class Line:
    """Of the summary."""

    scenario: object
    costs: dict  # label -> median cost
    best: str | None
    ratio: float | None
    low: float | None
    high: float | None
    noise: bool


def progress(what, items):
    """The items; how many are done stands on the terminal meanwhile, if standard error is one."""
    shown = time.monotonic()
    for done, item in enumerate(items):
        if sys.stderr.isatty() and time.monotonic() > shown + 0.2:
            shown = time.monotonic()
            print(f"\r\033[K{what}: {done * 100 // len(items)} %", end="", file=sys.stderr, flush=True)
        yield item
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def median(values):
    known = [v for v in values if v is not None]
    return statistics.median(known) if known else None


def span(values):
    return min(values), max(values)


def text(value, form="{:,.0f}"):
    return form.format(value) if value is not None else "-"


def number(value):
    """Three significant digits or so."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def compare(rows, label, others):
    """`label` against the best of `others`: who, median ratio of paired rounds, its range, inside the noise?"""
    others = [o for o in others if o in rows]
    if label not in rows or not others:
        return None, None, None, None, False
    best = min(others, key=lambda o: median(s.cost for s in rows[o]))
    ratios = [a.cost / b.cost for a, b in zip(rows[label], rows[best]) if b.cost > 0]
    if not ratios:
        return best, None, None, None, False
    mine, theirs = span([s.cost for s in rows[label]]), span([s.cost for s in rows[best]])
    overlap = mine[0] <= theirs[1] and theirs[0] <= mine[1]
    return best, median(ratios), min(ratios), max(ratios), overlap


def show(scenario, rows, bench):
    """Prints one scenario; returns its lines of the summary."""
    if not rows:
        return []
    rounds = max(len(samples) for samples in rows.values())
    print(f"\n{scenario.name}: {scenario.title}  ({rounds} rounds; load {bench.load_average()})")
    print(f"  {'':22} {scenario.cost_name:>14} {'least..most':>16} {scenario.rate_name:>12} {'p99 us':>9} {'memory MiB':>11}")
    for label, samples in rows.items():
        low, high = span([s.cost for s in samples])
        memory = median(s.memory_kib for s in samples)
        errors = sum(s.errors for s in samples)
        print(f"  {label:22} {number(median(s.cost for s in samples)):>14} {number(low) + '..' + number(high):>16} "
              f"{text(median(s.rate for s in samples), '{:,.2f}' if scenario.unit == 'GB' else '{:,.0f}'):>12} "
              f"{text(median(s.p99_us for s in samples)):>9} {text(memory / 1024 if memory else None, '{:,.1f}'):>11}"
              + (f"  {errors} ERRORS" if errors else "") + (f"  {samples[0].note}" if samples[0].note else ""), flush=True)
    lines = []
    costs = {label: median(s.cost for s in samples) for label, samples in rows.items()}
    for label, others in scenario.comparisons(rows):
        best, ratio, low, high, noise = compare(rows, label, others)
        if ratio is None:
            continue
        print(f"  {label}: {ratio:.2f} of {best} ({low:.2f}..{high:.2f})" + (", inside the noise" if noise else ""), flush=True)
        lines.append(Line(scenario, costs, best, ratio, low, high, noise))
    return lines


def show_summary(lines, markdown):
    columns = ["fsrv", "nginx", "h2o", "lighttpd"]
    if not lines:
        return
    print()
    if markdown:
        print("| work | cost | " + " | ".join(columns) + " | ratio to the best peer |")
        print("|---" * (len(columns) + 3) + "|")
    for line in lines:
        cells = [number(line.costs.get(c)) for c in columns]
        ratio = f"{line.ratio:.2f} of {line.best} ({line.low:.2f}..{line.high:.2f})" + (", noise" if line.noise else "")
        if markdown:
            print(f"| {line.scenario.title} | {line.scenario.cost_name} | " + " | ".join(cells) + f" | {ratio} |")
        else:
            print(f"{line.scenario.name:14} {line.scenario.cost_name:>14} " + " ".join(f"{c:>9}" for c in cells) + f"  {ratio}")
