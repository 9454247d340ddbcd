# SPDX-License-Identifier: Apache-2.0
"""The SQL of fleet/ in the real engines: hosts are replays of recordings, each with other
ports. The helpers of the live tests are used here, too."""
import functools
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "live")]
ROOT = HERE.parents[1]
BINARY = os.environ.get("TCPDWELL_BIN", str(ROOT / "build/tcpdwell"))
MERGE = os.environ.get("TCPDWELL_MERGE", str(ROOT / "build/tests/merge"))
HOSTS = 50


def statements_of(text):
    """Without comments; none of ours has a semicolon within a string."""
    bare = re.sub(r"--[^\n]*", "", text)
    return [part.strip() for part in bare.split(";") if part.strip()]


def queries_of(engine):
    text = (ROOT / "fleet" / engine / "queries.sql").read_text(encoding="utf-8")
    parts = re.split(r"^-- name: (\w+)$", text, flags=re.M)[1:]
    return {name: statements_of(body)[0] for name, body in zip(parts[::2], parts[1::2])}


def run(engine, statements):
    return run_timed(engine, statements)[0]


def run_timed(engine, statements):
    """The rows of each statement, and its seconds."""
    done = subprocess.run(["node", str(HERE / "engine.mjs")], text=True, capture_output=True, check=False,
                          input=json.dumps({"engine": engine, "statements": statements}))
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return answer["rows"], answer["seconds"]


def replay(recording, *options):
    return subprocess.run([BINARY, "replay", str(recording), *options], capture_output=True, text=True,
                          check=True).stdout.splitlines()


@functools.cache
def replays():
    """[(recording, options)] of each host: a recording, without all but two of its ports, so that hosts differ."""
    lives, leak = (ROOT / f"tests/golden/{name}.tdw" for name in ("lives", "leak"))
    ports = sorted({change["local"]["port"] for change in map(json.loads, replay(lives, "--json", "--only", "transition"))
                    if change["type"] == "transition"})
    pairs = list(itertools.combinations(ports, 2))[:HOSTS - 5]
    return [(lives, ["--port", f"{one},{other}"]) for one, other in pairs] + [(leak, [])] * 3 + \
        [(leak, ["--until", "+500ms"])] * 2  # still stuck


def write_lines(file, recording, *options):
    """The lines of trace, and of stats in total."""
    lines = replay(recording, "--json", *options) + replay(recording, "stats", "1h", "--json", "--buckets", *options)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="session")
def fleet(tmp_path_factory):
    """A directory with HOST.ndjson."""
    directory = tmp_path_factory.mktemp("fleet")
    for number, (recording, options) in enumerate(replays()):
        write_lines(directory / f"host{number:02}.ndjson", recording, *options)
    return directory


def exact_dwells(recording, *options):
    """(state, ns) of each dwell that belongs into a histogram: known to a 64th, as Histogram::kResolution says."""
    for line in replay(recording, "trace", "--json", "--only", "transition", *options):
        change = json.loads(line)
        if change["type"] == "transition" and change["dwell_ns"] is not None and change["error_ns"] is not None \
                and change["error_ns"] <= change["dwell_ns"] // 64:
            yield change["from"], change["dwell_ns"]


def merged_by_histograms(dwells):
    """{(state, upper bound): count} by the histograms of tcpdwell itself, of {host: [(state, ns)]}."""
    lines = [f"{host} {state} {ns}" for host, all_of in dwells.items() for state, ns in all_of]
    done = subprocess.run([MERGE], input="\n".join(lines), capture_output=True, text=True, check=True)
    rows = (line.split() for line in done.stdout.splitlines())
    return {(state, int(upper)): int(count) for state, upper, count in rows}


def said_buckets(rows):
    return {(row["state"], int(row["upper_ns"])): int(row["count"]) for row in rows}


@pytest.fixture(scope="session")
def objects(fleet):
    return [{**json.loads(line), "at_host": file.stem} for file in sorted(fleet.glob("*.ndjson"))
            for line in file.read_text(encoding="utf-8").splitlines()]


def quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


@pytest.fixture(scope="session")
def answers(fleet):
    return answers_of(fleet)


def answers_of(fleet):
    """{engine: {query: rows}} for the files of a directory."""
    lines = [f"({quoted(file.stem)}, 'v1', {quoted(line)})" for file in sorted(fleet.glob("*.ndjson"))
             for line in file.read_text(encoding="utf-8").splitlines()]
    schema = statements_of((ROOT / "fleet/clickhouse/schema.sql").read_text(encoding="utf-8"))
    loads = [f"INSERT INTO lines VALUES {', '.join(lines[i:i + 500])}" for i in range(0, len(lines), 500)]
    views = statements_of((ROOT / "fleet/duckdb/views.sql").read_text(encoding="utf-8"))
    begins = {"clickhouse": schema + loads,
              "duckdb": [f"SET VARIABLE files = '{fleet}/*.ndjson'", *views]}
    found = {}
    for engine, begin in begins.items():
        queries = queries_of(engine)
        rows = run(engine, begin + list(queries.values()))[len(begin):]
        found[engine] = dict(zip(queries, rows))
    return found
