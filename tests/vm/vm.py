#!/usr/bin/env python3
"""Boots kernels in qemu with the release binary and the end-to-end tests; a line for each kernel.

Exit status: 0 if no kernel failed (a kernel that could not be fetched is skipped), 1 if one did,
2 for wrong arguments or a machine that lacks what this needs.
"""
import argparse
import concurrent.futures
import json
import os
import sys
import tempfile
import threading

import image
import kernels
import machine
import matrix
import targets
from debian import Unreachable, cache_dir

TIMEOUT_S = {"amd64": 1200, "arm64": 2700}  # some ten times what it takes on a machine of its own
LONGEST_LINE = 400
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


class Outcome:
    """What became of one target."""

    def __init__(self, target, verdict, text, boot=None, kernel=None):
        self.target, self.verdict, self.text = target, verdict, text
        self.boot, self.kernel = boot, kernel


def judge(target, kernel, boot):
    counts = {verdict: [test for test in boot.tests if test["outcome"] == verdict]
              for verdict in (PASSED, FAILED, SKIPPED)}
    text = ", ".join(f"{len(tests)} {verdict}" for verdict, tests in counts.items())
    end = boot.said("status")
    failed = [f"{test['test']}: {test['why']}" for test in counts[FAILED]]
    if end is None:
        failed.append("the guest hung" if boot.timed_out else "the guest ended before its tests")
    elif end["status"] != 0 and not failed:
        failed.append(f"pytest ended with status {end['status']}")
    elif end["told"] != len(boot.tests):
        failed.append(f"{end['told']} tests were told of, {len(boot.tests)} were heard of")
    if not counts[PASSED] and not failed:
        failed.append("no test ran")
    lines = [f"{kernel.release}: {text} in {boot.seconds:.0f} s"]
    lines += [f"  {each}" for each in failed]
    if failed:
        lines.append(f"  the console: {boot.log}")
    lines += sorted({f"  skipped: {test['why']}" for test in counts[SKIPPED]})
    lines += [f"  warning: {said['why']}" for said in boot.messages if "warning" in said]
    return Outcome(target, FAILED if failed else PASSED, "\n".join(lines), boot, kernel)


class Run:
    """Boots targets, some at once. What became of one is told, and written, when it is known."""

    def __init__(self, programs, scratch, at_once, write):
        """`programs`: for each architecture {"tcpdwell": path, "churn": path, "stuck": path}."""
        self._programs, self._scratch = programs, scratch
        self._at_once, self._write, self._telling = at_once, write, threading.Lock()
        self._parts = {}

    def run(self, names):
        wanted = []
        outcomes = []
        for name in names:
            try:
                target = targets.parse(name)
                kernel = kernels.fetch(target.arch, target.series)
                self._parts.setdefault(target.arch, self._common_parts(target.arch))
                wanted.append((target, kernel))
            except Unreachable as why:
                outcomes.append(self._say(Outcome(None, SKIPPED, f"skipped: {why}"), name))
        # What takes longest first: the real clock cannot be hurried.
        wanted.sort(key=lambda each: -each[0].surroundings.cpus)
        with concurrent.futures.ThreadPoolExecutor(self._at_once) as pool:
            futures = [pool.submit(self._one, *each) for each in wanted]
            outcomes += [future.result() for future in futures]
        return outcomes

    def _common_parts(self, arch):
        path = os.path.join(self._scratch, f"tests-{arch}.cpio")
        image.tests(self._programs[arch], path)
        return [image.base(arch), path]

    def _one(self, target, kernel):
        name = target.name.replace("/", "-")
        path = os.path.join(self._scratch, f"{name}.cpio")
        orders = {"tests": list(target.surroundings.tests),
                  "environment": target.surroundings.environment}
        image.modules(kernel.modules, json.dumps(orders), path + ".own")
        machine.join([*self._parts[target.arch], path + ".own"], path)
        boot = machine.boot(target.arch, kernel.image, path,
                            os.path.join(cache_dir("logs"), f"{name}.log"),
                            cpus=target.surroundings.cpus, append=target.surroundings.append,
                            timeout_s=TIMEOUT_S[target.arch])
        os.unlink(path)
        return self._say(judge(target, kernel, boot), target.name)

    def _say(self, outcome, name):
        with self._telling:
            if self._write:
                matrix.renew(self._write, [outcome])
            for line in f"{name:14} {outcome.text}".splitlines():
                print(line[:LONGEST_LINE], flush=True)
        return outcome


def programs(options):
    found = {}
    for name, pairs in (("tcpdwell", options.binary), (None, options.program)):
        for arch, _, path in (pair.partition("=") for pair in pairs):
            found.setdefault(arch, {})[name or os.path.basename(path)] = path
    return found


def main():
    parser = argparse.ArgumentParser(
        prog="./dev vm", description="boot other kernels and run the end-to-end tests there",
        epilog=f"KERNEL is [arm64/]SERIES[@SURROUNDINGS]; without one: {' '.join(targets.DEFAULT)}")
    parser.add_argument("kernels", nargs="*", metavar="KERNEL")
    parser.add_argument("--binary", action="append", default=[], metavar="ARCH=FILE",
                        help="the release binary (what ./dev dist makes)")
    parser.add_argument("--program", action="append", default=[], metavar="ARCH=FILE",
                        help="what the tests run by its name, linked statically")
    parser.add_argument("--write", metavar="FILE",
                        help="renew the rows of these kernels in FILE (docs/kernels.md)")
    # More than there are processors: one never idles while there is work left, and what waits for
    # the real clock leaves it to the others.
    parser.add_argument("-j", "--jobs", type=int, metavar="N", help="so many at once",
                        default=2 * len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    names = options.kernels or targets.DEFAULT
    with tempfile.TemporaryDirectory(prefix="tcpdwell-vm-") as scratch:
        try:
            outcomes = Run(programs(options), scratch, options.jobs, options.write).run(names)
        except targets.Unknown as why:
            parser.error(str(why))
    count = {verdict: sum(each.verdict == verdict for each in outcomes)
             for verdict in (PASSED, FAILED, SKIPPED)}
    print(", ".join(f"{number} {verdict}" for verdict, number in count.items()))
    sys.exit(1 if count[FAILED] else 0)


if __name__ == "__main__":
    main()
