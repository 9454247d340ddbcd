#!/usr/bin/env python3
"""Random traffic of all kinds between three namespaces, for S seconds (600).

    ./dev soak mixed [S] [--seed N] [--moments N]

Compares the state table of a trace with `ss`, by cookie, at 50 moments, and at the end SNMP and
NetStat counters with the counts of the trace (mixed/explained.py lists those that decide). Prints the seed, the deviations, and
the events that the kernel had hidden from BPF (lib/witness.py). Exit status 1: there is a deviation
that no hidden event explains.
"""
import argparse
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from mixed.run import Run  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("seconds", nargs="?", type=float, default=600)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--moments", type=int, default=50)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    run = Run(arguments.seconds, arguments.seed, arguments.moments)
    print(run)
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
