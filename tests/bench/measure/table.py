"""From raw rounds to medians and ranges, and to the table of docs/performance.md."""
import statistics

from .rounds import TRANSITIONS_PER_CONNECTION, cpu_of

# The columns of the table of outputs.
OF_OUTPUTS = {
    "kept": ("connections/s kept", 2),
    "added_ns": ("CPU added to the load, ns per transition", 0),
    "tracer_s_per_million": ("CPU of the tracer, s per million", 2),
    "reader_s_per_million": ("CPU of the reader, s per million", 2),
    "faults": ("page faults per transition", 4),
    "lost_per_million": ("events lost per million", 0),
    "dropped_per_million": ("lines dropped per million", 0),
}
LOADS = {"t1": "1 load thread", "t2": "2 load threads"}
# metric: (its name in the table, digits after the point)
METRICS = {
    "kept": ("connections/s kept", 2),
    "added_ns": ("CPU added to the load, ns per transition", 0),
    "tracer_s_per_million": ("CPU of the tracer, s per million transitions", 2),
    "lost_percent": ("transitions lost, %", 2),
    "null_added_ns": ("added to a system call of another process, ns", 1),
    "rss_mb": ("memory of the tracer at its highest, MB", 1),
    "start_cpu_s": ("CPU of the tracer's start, s", 2),
    "first_event_ms": ("time to the first event, ms", 0),
    "idle_cpu_percent": ("idle CPU, %", 2),
    "bulk_cpu_percent": ("CPU of the tracer beside bulk data, %", 2),
    "bulk_kept": ("bulk data kept", 2),
}
NO_LINE_PER_TRANSITION = {"tcplife"}


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values),
            "n": len(values)}


class _Alone:
    """The load without a tracer, in the runs just before and just after one with a tracer: other
    work on the machine affects all three."""

    def __init__(self, runs, softirqs_apart):
        loads = [run["load"] for run in runs]
        self.rate = statistics.mean(load["connections_per_s"] for load in loads)
        self.cpu = statistics.mean(cpu_of(load, softirqs_apart) / load["connections"]
                                   for load in loads)
        self.null_ns = statistics.mean(run["null"]["ns_min"] if run["null"] else 0 for run in runs)


def _beside(run, alone, softirqs_apart):
    made = run["load"]
    added = cpu_of(made, softirqs_apart) / made["connections"] - alone.cpu
    values = {"kept": made["connections_per_s"] / alone.rate,
              "added_ns": added * 1e9 / TRANSITIONS_PER_CONNECTION,
              "tracer_s_per_million": run["tracer_cpu_s"] / made["transitions"] * 1e6,
              "faults": run["minor_faults"] / made["transitions"]}
    if run["reader_cpu_s"] is not None:
        values["reader_s_per_million"] = run["reader_cpu_s"] / made["transitions"] * 1e6
    if "said_lost" in run:  # since its start
        whole = made["transitions"] + run["warm_up"]["transitions"]
        values["lost_per_million"] = run["said_lost"] / whole * 1e6
        values["dropped_per_million"] = run["said_dropped"] / whole * 1e6
    if run["seen"] is not None and run["tool"] not in NO_LINE_PER_TRANSITION:
        lost = made["transitions"] - run["seen"]
        values["lost_percent"] = 100 * lost / made["transitions"]
    return values


def summarize(results, softirqs_apart):
    """{tool: {metric or "metric threads": spread}}, and the same of the load alone."""
    found = {}

    def add(tool, metric, value):
        found.setdefault(tool, {}).setdefault(metric, []).append(value)

    for run in results.churn:
        if run["tool"] is not None:
            continue
        made, threads = run["load"], run["threads"]
        add(None, f"connections_per_s {threads}", made["connections_per_s"])
        add(None, f"cpu_us_per_connection {threads}",
            cpu_of(made, softirqs_apart) / made["connections"] * 1e6)
        if run["null"]:
            add(None, "null_ns", run["null"]["ns_min"])
    for before, run, after in zip(results.churn, results.churn[1:], results.churn[2:]):
        tool, threads = run["tool"], run["threads"]
        if tool is None:
            continue
        alone = _Alone((before, after), softirqs_apart)
        for metric, value in _beside(run, alone, softirqs_apart).items():
            add(tool, f"{metric} {threads}", value)
        if run["null"]:
            add(tool, "null_added_ns", run["null"]["ns_min"] - alone.null_ns)
        add(tool, "rss_mb", run["rss_mb"])
        add(tool, "start_cpu_s", run["start_cpu_s"])
    for run in results.first_event:
        add(run["tool"], "first_event_ms", run["seconds"] * 1e3)
    for tool, percent in results.idle.items():
        add(tool, "idle_cpu_percent", percent)
    alone = results.bulk.get(None)
    for tool, run in results.bulk.items():
        if tool is None:
            add(None, "bulk_gbit_s", run["gbit_s"])
        else:
            add(tool, "bulk_cpu_percent", run["tracer_cpu_percent"])
            add(tool, "bulk_kept", run["gbit_s"] / alone["gbit_s"])
    return {tool: {metric: spread(values) for metric, values in metrics.items()}
            for tool, metrics in found.items()}


def _cell(value, digits):
    if value is None:
        return "-"
    text = f"{value['median']:,.{digits}f}"
    if value["n"] > 1:
        text += f" ({value['min']:,.{digits}f} to {value['max']:,.{digits}f})"
    return text


def _rows(summary, tools):
    for metric, (title, digits) in METRICS.items():
        for threads, label in ((None, None), *LOADS.items()):
            key = metric if threads is None else f"{metric} {threads}"
            cells = [summary[tool].get(key) for tool in tools]
            if any(cells):
                name = title if label is None else f"{title}, {label}"
                yield [name, *(_cell(cell, digits) for cell in cells)]


def lines(rows):
    text = [f"| {' | '.join(row)} |" for row in rows]
    text.insert(1, "|---|" + "---:|" * (len(rows[0]) - 1))
    return "\n".join(text)


def peers(summary, tools):
    """The table: a column per tracer, medians, and in parentheses the range of the rounds."""
    tools = [tool for tool in tools if tool in summary]
    return lines([["", *tools], *_rows(summary, tools)])


def outputs(summary, builds):
    """A row for each output of each build, at each load; builds beside each other."""
    titles = [title for title, _ in OF_OUTPUTS.values()]
    rows = [["output, build", *titles]]
    for threads, label in LOADS.items():
        for same_output in zip(*(build.tracers for build in builds)):
            for tracer in same_output:
                of = summary.get(tracer.name, {})
                cells = [_cell(of.get(f"{metric} {threads}"), digits)
                         for metric, (_, digits) in OF_OUTPUTS.items()]
                if f"kept {threads}" in of:
                    rows.append([f"{tracer.output_name}, {label}: {tracer.build}", *cells])
    return lines(rows)


# What is compared with tcpstates, whose value is above 0.
RATIOS = ("kept", "added_ns", "tracer_s_per_million", "first_event_ms")
REFERENCE = "tcpstates"
# The columns of "Medians by commit" in docs/performance.md: (title, output, metric, digits).
HISTORY = (
    ("kept, 1 thread", "", "kept t1", 2),
    ("2 threads", "", "kept t2", 2),
    ("added, ns", "", "added_ns t1", 0),
    ("tracer, s per million: file", "", "tracer_s_per_million t1", 2),
    ("pipe", " to a pipe", "tracer_s_per_million t1", 2),
    ("connections", " --only connection", "tracer_s_per_million t1", 2),
    ("stats", " stats", "tracer_s_per_million t1", 2),
    ("first event, ms", "", "first_event_ms", 0),
)


def _median(summary, tool, metric):
    return summary.get(tool, {}).get(metric, {}).get("median")


def ratios(summary):
    """Each tracer's median by that of tcpstates; empty: it was not measured."""
    if REFERENCE not in summary:
        return ""
    keys = [key for key in summary[REFERENCE] if key.split()[0] in RATIOS
            and _median(summary, REFERENCE, key) > 0]
    rows = [["by that of tcpstates", *map(_title, keys)]]
    for tool in summary:
        values = [_median(summary, tool, key) for key in keys]
        if tool not in (None, REFERENCE) and any(value is not None for value in values):
            rows.append([tool, *("-" if value is None else
                                 f"{value / _median(summary, REFERENCE, key):.3f}"
                                 for key, value in zip(keys, values))])
    return lines(rows)


def _title(key):
    metric, _, threads = key.partition(" ")
    return METRICS[metric][0] + (f", {LOADS[threads]}" if threads else "")


def history(summary, builds, date):
    """A row per build, to append to docs/performance.md, and the reference in the same rounds."""
    rows = [["date", "build", *(title for title, *_ in HISTORY)]]
    for label, version in builds:
        values = [(_median(summary, label + suffix, metric), digits)
                  for _, suffix, metric, digits in HISTORY]
        rows.append([date, version, *("-" if value is None else f"{value:,.{digits}f}"
                                      for value, digits in values)])
    if REFERENCE in summary:
        values = [(_median(summary, REFERENCE, metric) if suffix == "" else None, digits)
                  for _, suffix, metric, digits in HISTORY]
        rows.append([date, REFERENCE, *("-" if value is None else f"{value:,.{digits}f}"
                                        for value, digits in values)])
    return lines(rows)


def conditions(facts, summary, rounds):
    """The machine, and the load without a tracer."""
    alone = summary[None]
    parts = [f"Linux {facts['kernel']} {facts['machine']}, {facts['cpus']} CPUs"]
    parts += [f"{label}: {_cell(alone[f'connections_per_s {threads}'], 0)} connections/s, "
              f"{_cell(alone[f'cpu_us_per_connection {threads}'], 1)} us of CPU each"
              for threads, label in LOADS.items() if f"connections_per_s {threads}" in alone]
    parts.append(f"a null system call takes {_cell(alone['null_ns'], 0)} ns")
    if "bulk_gbit_s" in alone:
        parts.append(f"bulk {_cell(alone['bulk_gbit_s'], 1)} Gbit/s")
    said = f"{'; '.join(parts)}. {rounds} round{'s' * (rounds > 1)}: median (range)."
    if facts["load_average"] > 0.5:
        said += (f" The machine was not quiet before (load average {facts['load_average']:.1f}): "
                 "not to be trusted.")
    if facts["irq_time_accounting"] is None:
        said += " Whether softirqs count as the load's CPU time on this kernel is not known."
    return said


def core(rows):
    """The table of the synthetic benchmarks."""
    return lines([["synthetic", "value"],
                   *([row["name"], f"{row['value']:,.{row['digits']}f} {row['unit']}"]
                     for row in rows)])
