"""docs/kernels.md: what the tracer sees on each kernel that was booted, and how exactly."""
HEAD = """# Kernels

What tcpdwell sees on each kernel that it was tested on, and how exactly. `./dev vm --write
docs/kernels.md` boots them in virtual machines, runs the end-to-end tests there with the release
binary, and writes this file; nothing in the tables is written by hand.

The tracer never looks at a version. It tries what shows most, and takes the next best thing where
the kernel refuses; `sees` in the `start` object says what it got. A kernel that lacks what cannot
be done without is refused with status 2 and one line that names the missing feature.

"""
WORDS = """
- **TIME_WAIT, FIN_WAIT_2 of an orphan**: when the FIN came to a minisock. `exact`: a BPF program saw
  it; `jiffy`: read from the minisock's own timer at its end, and dated back.
- **accept owner**: which process accepted a connection. **RST reason**: whether an RST was sent or
  received.
- **worst error**: the largest `error_ns` of any dwell that began and ended under the tracer's eyes.
- **a whole TIME_WAIT**: the shortest and the longest that ran out by itself, as measured there, with
  those among them that a segment restarted. The timer wheel rounds 60 s up, by its granule at this HZ.
"""


def _duration(ns):
    return f"{ns / 1e6:.3g} ms" if ns >= 100_000 else f"{ns / 1e3:.3g} us"


def _row(cells):
    return f"| {' | '.join(cells)} |\n"


def _sees(outcome):
    seen = (outcome.boot.said("status") or {}).get("seen") or {}
    start = seen.get("start")
    if not start:
        return ["-"] * 7
    sees, errors = start["sees"], seen["errors_ns"]
    worst = max(errors.items(), key=lambda each: each[1], default=None)
    lengths = seen["time_waits_ns"]
    return [str(start["hz"]), sees["time_wait"], sees["fin_wait_2_orphan"], sees["accept_owner"],
            sees["reset_reason"],
            f"{_duration(worst[1])} ({worst[0]})" if worst else "0",
            f"{lengths[0] / 1e9:.3f} to {lengths[1] / 1e9:.3f} s ({lengths[2]})" if lengths else "-"]


def _tested(outcome):
    tests = outcome.boot.tests
    return ", ".join(f"{number} {verdict}" for verdict in ("passed", "failed", "skipped")
                     if (number := sum(test["outcome"] == verdict for test in tests)))


def write(path, outcomes):
    booted = [each for each in outcomes if each.boot]
    with open(path, "w", encoding="utf-8") as file:
        file.write(HEAD)
        file.write(_row(["kernel", "machine", "tests", "HZ", "TIME_WAIT", "FIN_WAIT_2 of an orphan",
                         "accept owner", "RST reason", "worst error", "a whole TIME_WAIT"]))
        file.write(_row(["---"] * 10))
        for each in (one for one in booted if not one.target.surroundings.refused):
            where = f"{each.target.arch}, {each.target.surroundings.what}"
            file.write(_row([each.kernel.release, where, _tested(each), *_sees(each)]))
        file.write(WORDS)
        refused = [each for each in booted if each.target.surroundings.refused]
        if refused:
            file.write("\n## Refused\n\n")
        for each in refused:
            lines = {test["printed"].strip() for test in each.boot.tests}
            file.write("{}, {}:\n\n```\n{}\n```\n".format(
                each.kernel.release, each.target.surroundings.what, "\n".join(sorted(lines))))
