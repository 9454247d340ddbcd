#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What `./dev field` plays: real programs, stuck and healthy, several at a time.

Each file of tests is a run of pytest of its own, in namespaces of its own; most of what they do is
wait. Prints what failed, and how long each took.
"""

import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
NAMES = sorted(path.stem.removeprefix("test_") for path in HERE.glob("test_*.py"))
LONG_S = 120
LONGEST_S = 1800  # for what hangs for ever


def play(name, environment, more):
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *more,
               f"test_{name}.py"]
    try:
        done = subprocess.run(command, cwd=HERE, env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=LONGEST_S, check=False)
        status, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        status, output = -1, (late.stdout or b"") + b"\nended: it took too long\n"
    return name, status, output.decode(errors="replace"), time.monotonic() - began


def main():
    parser = argparse.ArgumentParser(prog="./dev field", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of " + ", ".join(NAMES))
    parser.add_argument("--long", action="store_true",
                        help=f"healthy programs for {LONG_S} s each instead of some seconds")
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1),
                        help="how many files at a time")
    parser.add_argument("-k", metavar="EXPRESSION", help="only these tests, as pytest has it")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(NAMES)
    if unknown:
        parser.error(f"unknown: {' '.join(sorted(unknown))}; there are: {' '.join(NAMES)}")
    environment = dict(os.environ)
    if arguments.long:
        environment["TCPDWELL_FIELD_SECONDS"] = str(LONG_S)
    more = ["-k", arguments.k] if arguments.k else []
    failed = []
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        running = [pool.submit(play, name, environment, more)
                   for name in arguments.names or NAMES]
        for each in concurrent.futures.as_completed(running):
            name, status, output, seconds = each.result()
            if status not in (0, 5):  # 5: none of its tests was asked for
                failed.append(name)
                print(output)
            verdict = "passed" if status in (0, 5) else "FAILED"
            print(f"field: {name} {verdict} in {seconds:.0f} s: {output.splitlines()[-1]}",
                  flush=True)
    print(f"field: {'failed: ' + ' '.join(sorted(failed)) if failed else 'no test failed'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
