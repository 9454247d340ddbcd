#!/usr/bin/env python3
"""Compares tcpdwell with other tracers. Needs root; ./dev bench builds and installs the requirements.

Each round runs the same load with each tracer, and without a tracer before and after each, so that a
drift of the machine affects both. Prints tables, and writes every raw number to a JSON file. The load
runs in network namespaces of its own, which are removed at the end.

  peers    with tcpstates and tcplife, all with files in memory: the table of docs/performance.md
  outputs  to a file in memory (also connections only), to /dev/null, through a pipe to a reader
           that keeps up and to one that takes half of the lines, and stats; also of each build that
           --beside names
  core     the synthetic benchmarks of the core
  long     --transitions N: N transitions at once, to a file and through a pipe, all accounted for

Before and after in one table:    --only outputs --beside 'before: ../old/build/tcpdwell'
One build with another option:    --only outputs --beside 'small ring: tcpdwell --ring-size 2097152'
"""
import argparse
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from measure import builds, core, load, rounds, system, table, whole  # noqa: E402

BEGAN = time.monotonic()


def log(text):
    print(f"bench: {time.monotonic() - BEGAN:4.0f} s  {text}", file=sys.stderr, flush=True)


def parse():
    options = argparse.ArgumentParser(prog="./dev bench", description=__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, help="of every load with every tracer (7)")
    options.add_argument("--seconds", type=float, help="of load in each (2)")
    options.add_argument("--quick", action="store_true", help="one short round of everything")
    options.add_argument("--only", choices=["peers", "outputs", "core", "long"],
                         help="one part (all but long; with --quick or --transitions all)")
    options.add_argument("--beside", action="append", default=[],
                         metavar="'[LABEL: ]BINARY [OPTIONS]'",
                         help="measure this build, too (repeatable); BINARY `tcpdwell` is the one "
                         "that was built here; without LABEL it is what --version says")
    options.add_argument("--transitions", type=int, metavar="N",
                         help="of each long load (10,000,000; --quick: 200,000)")
    options.add_argument("-o", "--output", metavar="FILE",
                         default=os.path.join(load.BUILD, "bench.json"),
                         help="the raw numbers (build/bench.json)")
    options = options.parse_args()
    if options.rounds is None:
        options.rounds = 1 if options.quick else 7
    if options.seconds is None:
        options.seconds = 0.6 if options.quick else 2
    if options.rounds < 1 or not 0.1 <= options.seconds <= 600:
        raise SystemExit("bench: at least one round of 0.1 to 600 seconds")
    if options.transitions is not None and options.only not in (None, "long"):
        raise SystemExit("bench: --transitions is of --only long")
    if options.beside and options.only in ("peers", "core"):
        raise SystemExit("bench: --beside is of --only outputs and --only long")
    options.long = options.only == "long" or (
        options.only is None and (options.quick or options.transitions is not None))
    if options.transitions is None:
        options.transitions = 200_000 if options.quick else 10_000_000
    if options.transitions < 10_000:
        raise SystemExit("bench: at least 10,000 transitions")
    options.idle_seconds = 3 if options.quick else 10
    options.bulk_seconds = 2 if options.quick else 4
    options.settle_seconds = 1 if options.quick else 3
    return options


def interleaved(options, plan, compared, facts):
    """Prints and returns the comparison with peers, and of outputs and builds."""
    system.mount_tracefs()
    peers, outputs, missing = builds.tracers(compared, options.only)
    results = rounds.Results(log, peers, outputs, missing)
    results.run(plan, options.rounds)
    summary = table.summarize(results, facts["irq_time_accounting"])
    print(table.conditions(facts, summary, options.rounds), end="\n\n")
    if peers:
        print(table.peers(summary, [tool.name for tool in peers]), end="\n\n")
    if outputs:
        print(table.outputs(summary, compared), end="\n\n")
    if ratios := table.ratios(summary):
        print(ratios, end="\n\n")
    versions = [(build.label, builds.version(build.tracers[0].binary)) for build in compared]
    print(table.history(summary, versions, time.strftime("%Y-%m-%d")), end="\n\n")
    left_out(results.missing)
    return {**results.raw(), "summary": {tool or "no tracer": of for tool, of in summary.items()}}


def left_out(missing):
    for name, reason in missing.items():
        print(f"Left out: {name}: {reason}", end="\n\n")


def of_long(options, plan, compared):
    runs, missing = whole.measure(plan, compared, options.transitions, log)
    print(whole.table(runs), end="\n\n")
    left_out(missing)
    return {"runs": runs, "left_out": missing}


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
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # run the cleanup
    cpus = sorted(os.sched_getaffinity(0))
    facts = system.facts()
    output = os.path.abspath(options.output)
    said = {"facts": facts, "options": {"rounds": options.rounds, "seconds": options.seconds}}
    try:
        plan, compared = rounds.Plan(cpus, options), builds.compared(options.beside)
        if options.only in (None, "peers", "outputs"):
            said["interleaved"] = interleaved(options, plan, compared, facts)
        if options.long:
            said["long"] = of_long(options, plan, compared)
        if options.only in (None, "core"):
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
