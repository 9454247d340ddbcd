"""Long loads with a count that must come out exactly: what was made, and what became of it."""
import shutil

from . import builds, load
from .rounds import TRANSITIONS_PER_CONNECTION, Used
from .table import LOADS, lines
from .tracers import MEMORY

OUTPUTS = (builds.File, builds.Pipe)
BYTES_PER_TRANSITION = 700  # of NDJSON, at the most
COLUMNS = ("made", "received", "lost", "dropped", "unseen", "left over", "connections/s",
           "events lost", "CPU of the tracer, s per million", "CPU of the reader, s per million",
           "page faults per transition", "memory, MB")


def run(plan, tracer_class, threads, transitions):
    """One load of so many transitions."""
    free = shutil.disk_usage(MEMORY or "/tmp").free
    if tracer_class.output_name == "file" and transitions * BYTES_PER_TRANSITION > free / 2:
        raise load.Failed(f"its file would not fit into half of the {free / 1e9:.0f} GB that are free")
    cpus, tracer_cpu = plan.loads[threads]
    plan.settle()
    with load.space() as netns, tracer_class(netns, tracer_cpu) as tracer:
        tracer.wait_ready()
        load.warm_up(cpus, plan.warm_seconds)
        plan.settle()
        tracer.wait_idle()
        used = Used(tracer)
        made = load.churn(netns, cpus, connections=-(-transitions // TRANSITIONS_PER_CONNECTION))
        tracer.wait_idle()
        result = {"tool": tracer.name, "threads": threads, "load": made, **used.since(),
                  "rss_mb": tracer.peak_rss_mb()}
        tracer.stop()
        return result | tracer.seen()


def left_over(run_):
    """0: every transition is in the output, or was counted as missing. A line that was dropped need
    not be a transition's, and one that was unseen may be lost, too: then it is below 0."""
    return (run_["load"]["transitions"] - run_["seen"] - run_["said_transitions_lost"]
            - run_["said_dropped"] - run_["said_unseen"])


def measure(plan, compared, transitions, log):
    """([runs], {name: why it is missing})"""
    runs, missing = [], {}
    for threads in plan.loads:
        for kind in OUTPUTS:
            for tracer_class in (build.tracer(kind) for build in compared):
                log(f"{transitions:,} transitions, {threads}: {tracer_class.name}")
                try:
                    runs.append(run(plan, tracer_class, threads, transitions))
                except load.Failed as error:
                    log(f"{tracer_class.name} is left out: {error}")
                    missing[f"{tracer_class.name}, {LOADS[threads]}"] = str(error)
    return runs, missing


def table(runs):
    rows = [["transitions", *COLUMNS]]
    for run_ in runs:
        made = run_["load"]["transitions"]
        reader = run_["reader_cpu_s"]
        rows.append([f"{run_['tool']}, {LOADS[run_['threads']]}"] + [f"{number:,}" for number in (
            made, run_["seen"], run_["said_transitions_lost"], run_["said_dropped"],
            run_["said_unseen"], left_over(run_))] + [
                f"{run_['load']['connections_per_s']:,.0f}", f"{run_['said_lost']:,}",
                f"{run_['tracer_cpu_s'] / made * 1e6:.2f}",
                "-" if reader is None else f"{reader / made * 1e6:.2f}",
                f"{run_['minor_faults'] / made:.4f}", f"{run_['rss_mb']:.1f}"])
    return lines(rows)
