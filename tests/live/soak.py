#!/usr/bin/env python3
"""Runs the scenarios of test_lifecycle.py over and over, until N lifecycles were traced (2,000).

    ./dev soak [N] [--only WORD]     only scenarios with WORD in their names
    ./dev soak mixed [S]             random traffic instead: mixed_run.py
    ./dev soak hidden [N]            what the kernel hides from BPF: hidden_run.py

Prints wrong output, and the events that the kernel had hidden from BPF (lib/witness.py). Exit
status 1: a connection was reported with a wrong end, or twice, or there is another error
that no hidden event explains.
"""
import argparse
import collections
import itertools
import math
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import hidden_run  # noqa: E402
import mixed_run  # noqa: E402
from lib.hidden import Witness, about_lives  # noqa: E402
from lib.life import ANY  # noqa: E402
from lib.lifecycle import TOLERANCE_NS, explain  # noqa: E402
from lib.scenario_run import ScenarioRun  # noqa: E402
from lib.scenario import REGISTRY  # noqa: E402


def differs(got, wanted):
    choices = wanted if type(wanted) is tuple else (wanted,)
    return ANY not in choices and got not in choices


def is_false(got, wanted):
    return got not in (None, "unknown") and differs(got, wanted)


def ends_falsely(life, objects):
    """Its end is reported with a wrong reason, or too early. `unknown`, and a time that is right within
    its error, are not false."""
    truth = life.steps[-1].at
    return any(is_false(item["ended"], life.ended)
               or is_false(item["time_wait_ended"], life.time_wait_ended)
               or (hasattr(truth, "lo") and latest(item) < truth.lo - TOLERANCE_NS)
               for item in connections(objects))


def latest(connection):
    """When it can have ended at the latest: a lower bound has no such time."""
    errors = connection["error_ns"].values()
    return math.inf if None in errors else connection["mono_ns"] + max(errors, default=0)


def end_is_unknown(objects):
    """Its end is reported without a reason, because the event that ended it was hidden."""
    return any("unknown" in (item["ended"], item["time_wait_ended"])
               for item in connections(objects))


def connections(objects):
    return [item for item in objects if item["type"] == "connection"]


class Soak:
    def __init__(self, witness):
        self.witness, self.count = witness, collections.Counter()
        self.told_corrected = False

    def run(self, names):
        run = ScenarioRun(names)
        events = self.witness.events(run.objects[0]["mono_ns"])
        end = run.objects[-1]
        self.count["unseen"] += end["unseen"]
        self.count["corrected"] += end.get("corrected", 0)
        self.told_corrected = "corrected" in end
        for name, outcome in run.outcomes.items():
            if outcome.failed:
                self.count["scenarios that failed"] += 1
                print(f"{name}: {outcome}")
            self._count(name, outcome, events)
        return len(events)

    def _count(self, name, outcome, events):
        for life, objects, wrong in outcome.told:
            self.count["lifecycles"] += 1
            hit = bool(about_lives(events, [life]))
            self.count["hit"] += hit
            if not wrong:
                self.count["hit and told rightly"] += hit
                continue
            kind = "told twice" if len(connections(objects)) > 1 else \
                "false ends" if ends_falsely(life, objects) else \
                "never told" if not objects else \
                "ends unknown" if end_is_unknown(objects) else "otherwise wrong"
            self.count[kind] += 1
            self.count["wrong without a hidden event"] += not hit
            print(f"{name}: {kind}, {'hit' if hit else 'not hit'} by a hidden event\n"
                  f"{explain(life, objects, wrong)}")
        for objects in outcome.unmade:  # a life that came back as another one
            self.count["told twice"] += 1
            print(f"{name}: " + explain("a connection that nobody made", objects, ["it is reported"]))

    def summary(self):
        count = self.count
        text = (f"{count['lifecycles']} lifecycles: {count['false ends']} false ends, "
                f"{count['told twice']} told twice, {count['never told']} never told, "
                f"{count['ends unknown']} whose end is said to be unknown, "
                f"{count['otherwise wrong']} otherwise wrong; "
                f"{count['wrong without a hidden event']} of the wrong without a hidden event, "
                f"{count['scenarios that failed']} scenarios failed\n"
                f"{count['hit']} at most were hit by hidden events, "
                f"{count['hit and told rightly']} of these told rightly; ")
        text += f"{count['corrected']} corrected by asking the kernel" if self.told_corrected else \
            "this tcpdwell does not say how many it corrected by asking"
        return text + f"; {count['unseen']} transitions noticed as unseen"

    def failed(self):
        return any(self.count[kind] for kind in ("false ends", "told twice", "never told",
                                                 "scenarios that failed",
                                                 "wrong without a hidden event"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("number", nargs="?", type=int, default=2000)
    parser.add_argument("--only", default="", metavar="WORD")
    arguments = parser.parse_args()
    names = [name for name in REGISTRY if arguments.only in name]
    if not names:
        parser.error(f"no scenario has {arguments.only} in its name")
    began, witness = time.monotonic(), Witness()
    try:
        if witness.why:
            print(f"no witness of hidden events: {witness.why}")
        soak = Soak(witness)
        for number in itertools.count(1):
            seen = soak.run(names)
            print(f"round {number}, {time.monotonic() - began:.0f} s: "
                  f"{soak.count['lifecycles']} lifecycles, {seen} hidden events", flush=True)
            if soak.count["lifecycles"] >= arguments.number:
                break
        print(soak.summary())
    finally:
        witness.close()
    return 1 if soak.failed() else 0


if __name__ == "__main__":
    others = {"mixed": mixed_run.main, "hidden": hidden_run.main}
    if sys.argv[1:2] and sys.argv[1] in others:
        main = others[sys.argv.pop(1)]
    sys.exit(main())
