"""docs/kernels.md: what the tracer sees on each kernel that was booted, and how exactly.

The file is its own memory: a run renews the rows of the targets that it booted, and keeps the others.
"""
import os
import re
import time

from targets import SURROUNDINGS

HEAD = """# Kernels

The kernels on which tcpdwell was tested, and how exactly it sees each state there. `./dev vm --write
docs/kernels.md KERNEL...` boots them in virtual machines, runs the end-to-end tests there with the
release binary, and renews the rows of these targets; the tables are never edited by hand. The
day is that of the run.

The tracer never checks a version. It tries the most exact feature first, and the next one if the kernel
refuses; `sees` in the `start` object has the result. On a kernel that lacks a required feature it exits
with 2 and one line that names the feature.

## Traced

"""
SEEN = ("`./dev vm`", "kernel", "surroundings", "day", "tests", "HZ", "TIME_WAIT",
        "FIN_WAIT_2 of an orphan", "SYN_RECEIVED", "accept owner", "RST reason", "worst error",
        "a whole TIME_WAIT")
SEES = ("time_wait", "fin_wait_2_orphan", "syn_received", "accept_owner", "reset_reason")
WORDS = """
- **TIME_WAIT, FIN_WAIT_2 of an orphan**: the time of the FIN to a minisock. `exact`: a BPF program saw
  it; `jiffy`: read from the minisock's own timer at its end, and dated back.
- **SYN_RECEIVED**: half-open connections, which are not sockets yet. **accept owner**: the process that
  accepted a connection. **RST reason**: whether an RST was sent or received.
- **worst error**: the largest `error_ns` of all dwells that the tracer saw from beginning to end.
- **a whole TIME_WAIT**: the shortest and the longest that expired, as measured there, including
  those that a segment restarted. The timer wheel rounds 60 s up, by its granule at this HZ.
- Two values in a cell: tracers with different rights or options ran there.
"""
REFUSED_HEAD = "\n## Refused\n\n"
REFUSED = ("`./dev vm`", "kernel", "surroundings", "day", "tests", "what it says")


def _duration(ns):
    return f"{ns / 1e6:.3g} ms" if ns >= 100_000 else f"{ns / 1e3:.3g} us"


def _sees(outcome):
    seen = (outcome.boot.said("status") or {}).get("seen") or {}
    if not seen.get("hz"):
        return ["-"] * (3 + len(SEES))
    worst = max(seen["errors_ns"].items(), key=lambda each: each[1], default=None)
    lengths = seen["time_waits_ns"]
    return [str(seen["hz"]), *(", ".join(seen["sees"][what]) for what in SEES),
            f"{_duration(worst[1])} ({worst[0]})" if worst else "0",
            f"{lengths[0] / 1e9:.3f} to {lengths[1] / 1e9:.3f} s ({lengths[2]})" if lengths else "-"]


def _tested(outcome):
    tests = outcome.boot.tests
    counts = [f"{number} {verdict}" for verdict in ("passed", "failed", "skipped")
              if (number := sum(test["outcome"] == verdict for test in tests))]
    return ", ".join(counts + ([] if outcome.boot.said("status") else ["not finished"]))


def _said(outcome):
    """Each line once, whichever command it was said by."""
    lines = {test["printed"].strip().replace("|", "\\|") for test in outcome.boot.tests}
    return "<br>".join(f"`{line}`" for line in sorted(filter(None, lines))) or "-"


def _row_of(outcome):
    target = outcome.target
    row = [f"`{target.name}`", outcome.kernel.release, target.surroundings.what,
           time.strftime("%Y-%m-%d", time.gmtime()), _tested(outcome)]
    return tuple(row + ([_said(outcome)] if target.surroundings.refused else _sees(outcome)))


def _rows_in(path):
    """The rows of both tables, as tuples of cells. What is of another form is forgotten."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        rows = [tuple(re.split(r" (?<!\\)\| ", line.strip().strip("|").strip()))
                for line in file if line.startswith("| `") and not line.startswith("| `./")]
    return [row for row in rows if len(row) in (len(SEEN), len(REFUSED))]


def _order(row):
    """Plain boots first, by architecture, oldest kernel first."""
    head, _, variant = row[0].strip("`").partition("@")
    numbers = [int(part) for part in re.findall(r"\d+", row[1])]
    known = list(SURROUNDINGS)
    return known.index(variant) if variant in known else len(known), "/" in head, numbers


def _table(head, rows):
    lines = [head, ["---"] * len(head), *sorted(rows, key=_order)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def renew(path, outcomes):
    """Rewrites the file with what the outcomes say of their targets."""
    rows = {row[0]: row for row in _rows_in(path)}
    rows.update({row[0]: row for row in (_row_of(each) for each in outcomes if each.boot)})
    traced = [row for row in rows.values() if len(row) == len(SEEN)]
    refused = [row for row in rows.values() if len(row) == len(REFUSED)]
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(HEAD + _table(SEEN, traced) + WORDS)
        if refused:
            file.write(REFUSED_HEAD + _table(REFUSED, refused))
    os.replace(f"{path}.new", path)
