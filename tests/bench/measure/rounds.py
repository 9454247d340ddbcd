"""The measurements. Each returns plain numbers; table.py compares them."""
import time

from . import load

TRANSITIONS_PER_CONNECTION = 10


class Plan:
    """The roles of the CPUs, and the durations."""

    def __init__(self, cpus, options):
        self.cpus = cpus
        self.load_cpu, self.tracer_cpu = cpus[0], cpus[1 % len(cpus)]
        self.seconds = options.seconds
        # A little more than the measured load, so that nothing grows then.
        self.warm_seconds = 1.2 * options.seconds
        self.null_seconds = 0.3
        self.idle_seconds = options.idle_seconds
        self.bulk_seconds = options.bulk_seconds
        self.settle_seconds = options.settle_seconds
        self.loads = {"t1": ([self.load_cpu], self.tracer_cpu)}
        if len(cpus) > 1:
            self.loads["t2"] = (cpus[:2], None)
        self._lines_per_s = {}  # that a pipe took, by load

    def settle(self):
        load.settle(self.cpus, self.settle_seconds)

    def reader_rate(self, tracer_class, threads):
        """The reader's limit; None: as fast as it can."""
        if not tracer_class.half_rate:
            return None
        if threads not in self._lines_per_s:
            raise load.Failed("there is no rate: nothing was measured with a reader that keeps up")
        return self._lines_per_s[threads] / 2

    def remember_rate(self, tracer_class, threads, run):
        """The next reader at half the rate takes half of what this one took, which kept up."""
        if tracer_class.sets_rate:
            lines = run["lines"] + run["said_dropped"]
            seconds = run["warm_up"]["seconds"] + run["load"]["seconds"]
            self._lines_per_s[threads] = lines / seconds


def cpu_of(churned, softirqs_apart):
    """CPU seconds of the load, with the softirqs that it caused."""
    return churned["cpu_s"] + (churned["softirq_s"] if softirqs_apart else 0)


def churn(plan, tracer_class, threads):
    """The load with a tracer, or with None, and the cost of an unrelated system call meanwhile."""
    cpus, tracer_cpu = plan.loads[threads]
    plan.settle()
    with load.space() as netns:
        if tracer_class is None:
            null = load.null_syscall(plan.load_cpu, plan.null_seconds) if threads == "t1" else None
            return {"load": load.churn(netns, cpus, plan.seconds), "null": null}
        rate = plan.reader_rate(tracer_class, threads)
        with tracer_class(netns, tracer_cpu, rate) as tracer:
            tracer.wait_ready()
            tracer.wait_idle()
            started = tracer.cpu_s()
            warm = load.warm_up(cpus, plan.warm_seconds)
            plan.settle()
            tracer.wait_idle()
            null = load.null_syscall(plan.load_cpu, plan.null_seconds) if threads == "t1" else None
            used = Used(tracer)
            made = load.churn(netns, cpus, plan.seconds)
            tracer.wait_idle()
            result = {"load": made, "warm_up": warm, "null": null, "start_cpu_s": started,
                      **used.since(), "rss_mb": tracer.peak_rss_mb(), "reader_lines_per_s": rate}
            tracer.stop()
            result |= tracer.seen()
            plan.remember_rate(tracer_class, threads, result)
            return result


class Used:
    """The CPU time of a tracer and its reader, from now on."""

    def __init__(self, tracer):
        self._tracer, self._before = tracer, self._now(tracer)

    @staticmethod
    def _now(tracer):
        return {"tracer_cpu_s": tracer.cpu_s(), "reader_cpu_s": tracer.reader_cpu_s(),
                "minor_faults": tracer.minor_faults()}

    def since(self):
        return {name: None if value is None else value - self._before[name]
                for name, value in self._now(self._tracer).items()}


def first_event(plan, tracer_class):
    """Seconds from a tracer's start to its first event, while connections are being made."""
    plan.settle()
    with load.space() as netns, load.churning(netns, plan.load_cpu):
        with tracer_class(netns, plan.tracer_cpu) as tracer:
            return tracer.wait_first_event()


def idle(plan, tracer_class):
    """Its CPU time in percent of one CPU, without events."""
    plan.settle()
    with load.space() as netns, tracer_class(netns) as tracer:
        tracer.wait_ready()
        time.sleep(2)
        before = tracer.cpu_s()
        time.sleep(plan.idle_seconds)
        tracer.must_run()
        return 100 * (tracer.cpu_s() - before) / plan.idle_seconds


def bulk(plan, tracer_class):
    """A stream at full speed: Gbit/s, the tracer's CPU time in percent of one CPU."""
    plan.settle()
    with load.space() as netns:
        if tracer_class is None:
            return {"gbit_s": load.bulk(netns, plan.bulk_seconds)}
        with tracer_class(netns) as tracer:
            tracer.wait_ready()
            tracer.wait_idle()
            before, begin = tracer.cpu_s(), time.monotonic()
            speed = load.bulk(netns, plan.bulk_seconds)
            tracer.must_run()
            used = (tracer.cpu_s() - before) / (time.monotonic() - begin)
            return {"gbit_s": speed, "tracer_cpu_percent": 100 * used}


class Results:
    """All raw measurements. A tracer that fails once is left out afterwards."""

    def __init__(self, log, peers, outputs, missing):
        """Peers, and builds that are compared with them, have more measurements than the churn."""
        self._log = log
        self.here, self.missing, self._peers = [*peers, *outputs], dict(missing), peers
        self.churn, self.first_event, self.idle, self.bulk = [], [], {}, {}

    def tools(self):
        return [None, *self.here]

    def peers(self):
        return [tool for tool in self.here if tool in self._peers]

    def try_one(self, what, tracer_class, measure):
        name = tracer_class.name if tracer_class else "no tracer"
        self._log(f"{what}: {name}")
        try:
            return measure()
        except load.Failed as error:
            if tracer_class is None:
                raise
            self._log(f"{name} is left out: {error}")
            self.here.remove(tracer_class)
            self.missing[name] = str(error)
            return None

    def run(self, plan, rounds):
        for number in range(rounds):
            self._round(plan, number, f"round {number + 1} of {rounds}")
        for tool in self.peers():
            value = self.try_one("idle", tool, lambda tool=tool: idle(plan, tool))
            if value is not None:
                self.idle[tool.name] = value
        if self.peers():
            self._bulk(plan)

    def _round(self, plan, number, label):
        for threads in plan.loads:
            for tool in self.tools():
                self._churn(plan, number, f"{label}, {threads}", threads, tool)
                if tool is not None:
                    self._churn(plan, number, f"{label}, {threads}", threads, None)
        for tool in [each for each in self.peers() if each.first_event is not None]:
            took = self.try_one(f"{label}, first event", tool,
                                lambda tool=tool: first_event(plan, tool))
            if took is not None:
                self.first_event.append({"round": number, "tool": tool.name, "seconds": took})

    def _churn(self, plan, number, label, threads, tool):
        result = self.try_one(label, tool, lambda: churn(plan, tool, threads))
        if result is not None:
            name = tool.name if tool else None
            self.churn.append({"round": number, "threads": threads, "tool": name, **result})

    def _bulk(self, plan):
        try:
            for tool in [None, *self.peers()]:
                result = self.try_one("bulk", tool, lambda tool=tool: bulk(plan, tool))
                if result is not None:
                    self.bulk[tool.name if tool else None] = result
        except load.Failed as error:  # without any tracer
            self._log(f"the bulk load is left out: {error}")
            self.missing["iperf3"] = str(error)

    def raw(self):
        return {"churn": self.churn, "first_event": self.first_event, "idle_cpu_percent": self.idle,
                "bulk": [{"tool": tool, **result} for tool, result in self.bulk.items()],
                "left_out": self.missing}
