# SPDX-License-Identifier: Apache-2.0
"""The SQL of fleet/ in the real engines: hosts are replays of recordings, each up to another time. The helpers of
the live tests are used here, too."""
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


@pytest.fixture(scope="session")
def fleet(tmp_path_factory):
    """A directory with HOST.ndjson: the lines of trace, and of stats in total."""
    directory = tmp_path_factory.mktemp("fleet")
    recordings = sorted((ROOT / "tests/golden").glob("*.tdw"))
    for number in range(HOSTS):
        recording = recordings[number % len(recordings)]
        until = ["--until", f"+{25 * (number + 1)}ms"]
        lines = replay(recording, "--json", *until)
        lines += replay(recording, "stats", "1h", "--json", "--buckets", *until)
        (directory / f"host{number:02}.ndjson").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return directory


@pytest.fixture(scope="session")
def objects(fleet):
    return [{**json.loads(line), "at_host": file.stem} for file in sorted(fleet.glob("*.ndjson"))
            for line in file.read_text(encoding="utf-8").splitlines()]


def quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


@pytest.fixture(scope="session")
def answers(fleet):
    """{engine: {query: rows}}"""
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
