"""Long loads with an exact number of transitions, all of which must be accounted for."""
import shutil

from . import builds, load
from .rounds import TRANSITIONS_PER_CONNECTION, Used
from .table import LOADS, lines
from .tracers import MEMORY

OUTPUTS = (builds.File, builds.Pipe)
BYTES_PER_TRANSITION = 700  # of NDJSON, at the most
COLUMNS = ("made", "received", "lost", "unseen", "missing", "lines", "lines - received",
           "lines dropped", "events lost", "connections/s", "CPU of the tracer, s per million",
           "CPU of the reader, s per million", "page faults per transition", "memory, MB")


def run(plan, tracer_class, threads, transitions):
    """One load of that many transitions, after a short one. That one counts, too, but not its time and
    page faults: it touches all pages of the ring."""
    free = shutil.disk_usage(MEMORY or "/tmp").free
    if tracer_class.output_name == "file" and transitions * BYTES_PER_TRANSITION > free / 2:
        raise load.Failed(f"its file would not fit into half of the {free / 1e9:.0f} GB that are free")
    cpus, tracer_cpu = plan.loads[threads]
    plan.settle()
    with load.space() as netns, tracer_class(netns, tracer_cpu) as tracer:
        tracer.wait_ready()
        first = load.churn(netns, cpus, connections=load.FILLS_A_RING)
        tracer.wait_idle()
        used = Used(tracer)
        made = load.churn(netns, cpus, connections=-(-transitions // TRANSITIONS_PER_CONNECTION))
        tracer.wait_idle()
        result = {"tool": tracer.name, "threads": threads, "load": made, **used.since(),
                  "made": first["transitions"] + made["transitions"],
                  "rss_mb": tracer.peak_rss_mb()}
        tracer.stop()
        return result | tracer.seen()


def counts(run_):
    """Of transitions. `missing` 0: each was received, or was counted. Lines less received: 0, if
    nothing was lost or dropped. After a loss there is a line for what a walk corrected, too."""
    made, received, lost, unseen, lines_of = (run_[name] for name in (
        "made", "said_transitions", "said_transitions_lost", "said_unseen", "seen"))
    return (made, received, lost, unseen, made - received - lost - unseen, lines_of,
            lines_of - received, run_["said_dropped"], run_["said_lost"])


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
        measured = run_["load"]["transitions"]
        reader = run_["reader_cpu_s"]
        rows.append([f"{run_['tool']}, {LOADS[run_['threads']]}",
                     *(f"{number:,}" for number in counts(run_)),
                     f"{run_['load']['connections_per_s']:,.0f}",
                     f"{run_['tracer_cpu_s'] / measured * 1e6:.2f}",
                     "-" if reader is None else f"{reader / measured * 1e6:.2f}",
                     f"{run_['minor_faults'] / measured:.4f}", f"{run_['rss_mb']:.1f}"])
    return lines(rows)
