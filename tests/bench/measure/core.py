"""The synthetic benchmarks of the core: runs core_bench and reads its output."""
import json
import os
import subprocess

from . import system
from .load import BUILD, Failed, end

BINARY = os.environ.get("TCPDWELL_CORE_BENCH", os.path.join(BUILD, "tests/bench/core_bench"))


def run(cpu, quick):
    """Google Benchmark's JSON."""
    if not os.path.exists(BINARY):
        raise Failed("core_bench is not built: that takes Google Benchmark (libbenchmark-dev)")
    command = ["taskset", "-c", str(cpu), BINARY, "--benchmark_format=json",
               f"--benchmark_min_time={0.2 if quick else 1}"]
    if not quick:
        command.append("--benchmark_repetitions=3")
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, start_new_session=True,
                               preexec_fn=system.dies_with_us)
    try:
        out, err = process.communicate(timeout=600)
    finally:
        end(process)
    if process.returncode != 0:
        raise Failed(f"core_bench failed: {err.strip()[-300:]}")
    return json.loads(out)


def rows(said):
    """The table's numbers: CPU time an item, bytes a connection, time of a walk. Medians of repetitions."""
    shown = []
    for run_ in said["benchmarks"]:
        if run_["run_type"] == "aggregate" and run_["aggregate_name"] != "median":
            continue
        if run_["run_type"] == "iteration" and run_.get("repetitions", 1) > 1:
            continue
        if run_.get("error_occurred"):
            raise Failed(f"{run_['run_name']}: {run_['error_message']}")
        name = run_.get("label") or run_["run_name"]
        if "bytes_per_connection" in run_:
            shown.append({"name": name, "value": run_["bytes_per_connection"], "digits": 0,
                          "unit": "bytes per connection"})
        elif "items_per_second" not in run_:
            shown.append({"name": name, "value": run_["real_time"] / 1e6, "digits": 1, "unit": "ms"})
        else:
            shown.append({"name": name, "value": 1e9 / run_["items_per_second"], "digits": 1,
                          "unit": "ns"})
    return shown
