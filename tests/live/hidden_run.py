#!/usr/bin/env python3
"""Makes N short connections (20,000) while pid 1 is busy, so that this kernel hides events from BPF.

    ./dev soak hidden [N] [--seed N] [--rate N]

Says how many connections a trace was wrong about for longer than a second (hidden_events/told.py), which must be none,
with ftrace (lib/witness.py) and ss as witnesses. Exit status 1 if there is one.
"""
import argparse
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from hidden_events.run import Run  # noqa: E402

STAY_S = 70  # until the last TIME_WAIT is over


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("number", nargs="?", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--rate", type=int, default=150, metavar="N", help="connections a second")
    arguments = parser.parse_args()
    run = Run(arguments.number, arguments.rate, arguments.seed, STAY_S)
    print(run)
    return 1 if run.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
