#!/usr/bin/env python3
"""tcpdwell beside its peers, measured in one go. Root; ./dev bench builds and installs what it takes.

Each round runs the same load with each of them, and without a tracer before and after each: what
drifts on the machine meets a tracer and what it is compared with. The tracers write to files in
memory. Prints the table that the README shows, writes every raw number to a
JSON file. All load is in network namespaces made for it, which nothing outlives.
"""
import argparse
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from measure import core, load, rounds, system, table  # noqa: E402

BEGAN = time.monotonic()


def log(text):
    print(f"bench: {time.monotonic() - BEGAN:4.0f} s  {text}", file=sys.stderr, flush=True)


def parse():
    options = argparse.ArgumentParser(prog="./dev bench", description=__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, help="of every load with every tracer (7)")
    options.add_argument("--seconds", type=float, help="of load in each (2)")
    options.add_argument("--quick", action="store_true", help="one short round of everything")
    options.add_argument("--only", choices=["peers", "core"], help="the one or the other half")
    options.add_argument("-o", "--output", metavar="FILE",
                         default=os.path.join(load.BUILD, "bench.json"),
                         help="the raw numbers (build/bench.json)")
    options = options.parse_args()
    if options.rounds is None:
        options.rounds = 1 if options.quick else 7
    if options.seconds is None:
        options.seconds = 1 if options.quick else 2
    if options.rounds < 1 or not 0.1 <= options.seconds <= 600:
        raise SystemExit("bench: at least one round of 0.1 to 600 seconds")
    options.idle_seconds = 3 if options.quick else 10
    options.bulk_seconds = 2 if options.quick else 4
    options.settle_seconds = 1 if options.quick else 3
    return options


def beside_peers(options, cpus, facts):
    """Prints and returns the comparison."""
    system.mount_tracefs()
    results = rounds.Results(log)
    results.run(rounds.Plan(cpus, options), options.rounds)
    summary = table.summarize(results, facts["irq_time_accounting"])
    print(table.conditions(facts, summary, options.rounds), end="\n\n")
    print(table.peers(summary), end="\n\n")
    for name, reason in results.missing.items():
        print(f"Left out: {name}: {reason}", end="\n\n")
    return {**results.raw(), "summary": {tool or "no tracer": of for tool, of in summary.items()}}


def of_core(options, cpus):
    log("core_bench")
    try:
        said = core.run(cpus[0], options.quick)
        rows = core.rows(said)
    except load.Failed as error:
        print(f"Left out: {error}")
        return {"left_out": str(error)}
    print(table.core(rows))
    return {**said, "rows": rows}


def main():
    options = parse()
    if os.geteuid() != 0:
        raise SystemExit("bench: tracing needs root")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # let go of everything on the way out
    cpus = sorted(os.sched_getaffinity(0))
    facts = system.facts()
    output = os.path.abspath(options.output)
    said = {"facts": facts, "options": {"rounds": options.rounds, "seconds": options.seconds}}
    try:
        if options.only != "core":
            said["peers"] = beside_peers(options, cpus, facts)
        if options.only != "peers":
            said["core"] = of_core(options, cpus)
    except load.Failed as error:
        raise SystemExit(f"bench: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    with open(output, "w", encoding="utf-8") as file:
        json.dump(said, file, indent=1)
        file.write("\n")
    log(f"every number is in {output}")


if __name__ == "__main__":
    main()
