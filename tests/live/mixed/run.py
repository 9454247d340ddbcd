"""One run: traffic, a trace beside it, snapshots of `ss`, and the counters at the end."""
import bisect
import collections
import time

from lib.clock import SECOND, now
from lib.hidden import Witness
from lib.tracer import Tracer

from . import counters, explained, moments
from .traced_lives import TracedLives
from .network import Network, addresses_of
from .actors import ScenarioRunners, Talkers

STEP_S = 0.05
KEPT = ("type", "mono_ns", "netns", "cookie", "life", "role", "local", "remote", "from", "to", "owner",
        "ended", "time_wait_ended", "retransmits", "dwell", "error_ns", "why")


class Run:
    def __init__(self, seconds, seed, number_of_moments):
        self.seed, self.witness = seed, Witness()
        try:
            self._play(seconds, number_of_moments)
            self.hidden = self.witness.events(self._began)
        finally:
            self.witness.close()
        self._judge()

    def _play(self, seconds, number):
        self.network, self._began, self._read = Network(), now(), ([], [])
        self.moments, self.objects = [], []
        with Tracer() as tracer:
            talkers, runners = Talkers(self.network, self.seed), ScenarioRunners(self.network, self.seed)
            try:
                begin = time.monotonic()
                while time.monotonic() < begin + seconds:
                    runners.step()
                    self._note(tracer)
                    if len(self.moments) < number * (time.monotonic() - begin) / seconds:
                        self.moments.append(moments.look(self.network))
                    time.sleep(STEP_S)
                self.told, self.talks = talkers.end()
                settled = self.network.settled()
                assert settled, "the traffic has ended, and the counters still move"
                self.counted_at, self.kernel = settled
                self.rows = self.network.rows()
                end = now() + 2 * SECOND
                while now() < end:
                    self._note(tracer)
                    time.sleep(STEP_S)
            finally:
                runners.end()
            self.end = tracer.stop()[-1]
        self.names = runners.names

    def _note(self, tracer):
        """Keeps the needed fields of new objects, and the number of objects at each time."""
        came = tracer.objects()
        inums = set(self.network.inums)
        self.objects += [{key: item[key] for key in KEPT if key in item}
                         for item in came if item.get("netns") in inums]
        came.clear()
        self._read[0].append(now())
        self._read[1].append(len(self.objects))

    def _until(self, at):
        index = bisect.bisect_left(self._read[0], at)
        return self._read[1][min(index, len(self._read[1]) - 1)]

    def _judge(self):
        inums, self.compared, self.changing, deviations = self.network.inums, 0, 0, []
        self.traced = TracedLives(self.objects, inums)
        self.traced.half_open_at_end = {(netns, local, remote) for (netns, _, local, remote), row
                                      in self.rows.items() if row.state == "SYN_RECEIVED"}
        for moment in self.moments:
            heard = self.objects[:self._until(moment.end + moments.PATIENCE_NS)]
            compared, changing, wrong = moments.compare(moment, heard, self.traced, inums)
            self.compared += compared
            self.changing += changing
            deviations += wrong
        self.deviations = deviations
        self.wrong = explained.unexplained(deviations, self.hidden)
        knowledge = counters.Knowledge(self.told, self.names, addresses_of)
        self.counts = [each for inum in inums for each in counters.counts(
            self.traced, inum, self.counted_at, self.rows, knowledge, self.kernel[inum])]
        self.unfit = explained.unfit(self.counts, self.hidden)

    def __str__(self):
        sums = collections.defaultdict(lambda: [0, 0])
        for each in self.counts:
            sums[each.name][0] += each.kernel
            sums[each.name][1] += each.trace
        either = {name: sum(each.either for each in self.counts if each.name == name)
                  for name in ("TW + TWKilled", "TCPAbortOn*")}
        told = ", ".join(f"{name} {number}" for name, number in sorted(self.talks.items()))
        lines = [f"seed {self.seed}: {len(self.traced.lives)} lives, conversations: {told}; "
                 f"{len(self.names)} scenarios",
                 f"{len(self.moments)} moments, {self.compared} sockets compared with ss, "
                 f"{self.changing} were changing; {len(self.deviations)} deviate, "
                 f"{len(self.wrong)} of these without a hidden event",
                 "counters (kernel, trace): " + ", ".join(
                     f"{name} {kernel} {trace}" for name, (kernel, trace) in sums.items()),
                 f"{len(self.hidden)} hidden events; unseen {self.end['unseen']}, "
                 f"lost {self.end['lost']}"]
        if self.witness.why:
            lines.append(f"no witness of hidden events: {self.witness.why}")
        lines.append(", ".join(f"{number} lives may be in {name} or not" for name, number in either.items()))
        lines += [f"wrong at {number} moments, first: {first}"
                  for number, first in self._by_connection()]
        lines += [f"wrong: {each.name} in {each.netns}: the kernel has {each.kernel}, the trace {each.trace}; "
                  f"{hidden} hidden events can be the reason" for each, hidden in self.unfit]
        return "\n".join(lines)

    def _by_connection(self):
        grouped = collections.defaultdict(list)
        for each in self.wrong:
            grouped[each.netns, each.local, each.remote].append(each)
        return [(len(each), each[0]) for each in grouped.values()]

    @property
    def failed(self):
        return bool(self.wrong or self.unfit)
