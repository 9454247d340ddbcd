"""One run: short connections, a trace of them, `ss` beside it, and ftrace to show hidden events."""
import collections
import time

from lib import ss
from lib.clock import SECOND, now
from lib.hidden import Witness
from lib.tracer import Tracer

from .told import PATIENCE_NS, Look, Told, corrections, wrong_at
from .traffic import Place, Storm, Traffic

STEP_S = 0.05
LOOK_EVERY_NS, WHOLE_EVERY = SECOND // 2, 4  # every fourth look has TIME_WAIT, too


class Run:
    """`number` connections, whose two ends are traced. `stay_s`: how long it goes on after the
    last one, since TIME_WAIT ends a minute later."""

    def __init__(self, number, rate, seed, stay_s):
        self.seed, self.looks, self.compared = seed, 0, 0
        self.wrong, self.delays = {}, []
        self._waiting, self._judged_events = collections.deque(), 0
        self.witness = Witness()
        try:
            self._play(number, rate, stay_s)
        finally:
            self.witness.close()

    def _play(self, number, rate, stay_s):
        self._place, self._began = Place(), now()
        self._told = Told(self._place.inums)
        with Tracer("--only", "transition") as tracer, Storm():
            traffic, end, next_look = Traffic(self._place, number, rate, self.seed), None, now()
            while end is None or now() < end:
                if end is None and traffic.over():
                    self.made, end = traffic.made(), now() + int(stay_s * SECOND)
                if now() >= next_look:
                    self._waiting.append(self._look())
                    next_look = now() + LOOK_EVERY_NS
                self._step(tracer)
                time.sleep(STEP_S)
            self._settle(tracer)
            self.end = tracer.stop()[-1]

    def _look(self):
        self.looks += 1
        whole = self.looks % WHOLE_EVERY == 0
        begin, before, at = now(), self._rows(whole), now()
        after = self._rows(whole)
        return Look(begin, at, now(), before, after, whole)

    def _rows(self, whole):
        found = {}
        for netns in self._place.namespaces:
            for row in ss.rows(netns, time_wait=whole):
                cookie = row.cookie if row.cookie.strip("0") else ""
                found[netns.inum, cookie, row.local, row.remote] = row
        return found

    def _settle(self, tracer):
        until = now() + PATIENCE_NS
        while self._waiting or now() < until:
            self._step(tracer)
            time.sleep(STEP_S)

    def _step(self, tracer):
        came = tracer.objects()
        self._told.add((item for item in came if item["type"] == "transition"), now())
        came.clear()
        self._judge_events()
        while self._waiting and now() > self._waiting[0].end + PATIENCE_NS:
            look = self._waiting.popleft()
            wrong, compared = wrong_at(look, self._told)
            self.compared += compared
            for each in wrong:
                self.wrong.setdefault(each[:3], each.text)
        if not self._waiting:
            self._told.forget(now() - 10 * SECOND)

    def _judge_events(self):
        """Each once, as soon as its time is over."""
        events = self.witness.events(self._began)
        self.hidden = events
        while self._judged_events < len(events) and \
                now() > events[self._judged_events]["at"] + PATIENCE_NS:
            event = events[self._judged_events]
            self._judged_events += 1
            for delay, life, name, entered in corrections(event, self._told, self._place.inums):
                self.delays.append(delay)
                if delay is None or delay > PATIENCE_NS:
                    self.wrong.setdefault(name, f"hidden: {entered} at {event['at'] / 1e9:.3f}, "
                                                f"the trace: {life}")

    def __str__(self):
        kinds = collections.Counter(event["event"] for event in self.hidden)
        known = sorted(delay / 1e6 for delay in self.delays if delay is not None)
        lines = [f"seed {self.seed}: {self.made} connections, {self._told.lives} ends printed; "
                 f"{len(self.hidden)} hidden events: " + ", ".join(f"{name} {count}" for name, count in sorted(kinds.items())),
                 f"{self.looks} looks at ss, {self.compared} sockets compared; "
                 f"unseen {self.end['unseen']}, corrected {self.end.get('corrected')}, lost {self.end['lost']}",
                 f"{len(self.delays)} hidden changes of a state" + (
                     f": printed after {known[len(known) // 2]:.0f} ms (median), "
                     f"{known[-1]:.0f} ms at most"
                     if known else ""),
                 f"{len(self.wrong)} connections stayed wrong for longer than a second"]
        lines += [f"wrong: {name}: {text}" for name, text in self.wrong.items()]
        if self.witness.why:
            lines.append(f"no witness of hidden events: {self.witness.why}")
        return "\n".join(lines)
