# SPDX-License-Identifier: Apache-2.0
"""The recipes of docs/recipes.md, played with jq, pandas and DuckDB on a replayed recording."""
import collections
import json
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from lib.tracer import BINARY

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECIPES = (ROOT / "docs/recipes.md").read_text(encoding="utf-8")
DUCKDB = "@duckdb/node-api"
NPM_S = 300

# Runs the statements of stdin, and prints the rows of each as JSON.
PLAYER = """
const { DuckDBInstance } = require("@duckdb/node-api");
(async () => {
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  for (const statement of JSON.parse(require("fs").readFileSync(0, "utf8"))) {
    const reader = await connection.runAndReadAll(statement);
    console.log(JSON.stringify({ rows: reader.getRowObjectsJson() }));
  }
})();
"""


def recipes(language):
    found = re.findall(rf"```{language}\n(.*?)```", RECIPES, re.S)
    assert found, f"docs/recipes.md has no recipe for {language}"
    return found


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """The folder of trace.ndjson, and its objects."""
    folder = tmp_path_factory.mktemp("recipes")
    done = subprocess.run([BINARY, "replay", ROOT / "tests/golden/lives.tdw", "--json"],
                          stdout=subprocess.PIPE, check=True)
    (folder / "trace.ndjson").write_bytes(done.stdout)
    return folder, [json.loads(line) for line in done.stdout.splitlines()]


def of_type(objects, kind):
    return [each for each in objects if each["type"] == kind]


def exact_dwells(objects):
    dwells = collections.defaultdict(list)
    for each in of_type(objects, "transition"):
        if each["dwell_ns"] is not None and each["error_ns"] == 0:
            dwells[each["from"]].append(each["dwell_ns"])
    return dwells


def test_jq(trace):
    folder, objects = trace
    ends, longest, table = (
        subprocess.run(["bash", "-euo", "pipefail", "-c", recipe], cwd=folder, text=True,
                       stdout=subprocess.PIPE, check=True).stdout.splitlines()
        for recipe in recipes("jq"))
    lives = of_type(objects, "connection")
    wanted = collections.Counter(f"{each['ended']} closed_by={each['closed_by']}"
                                 for each in lives if each["role"] != "listener")
    assert {line.split(None, 1)[1]: int(line.split()[0]) for line in ends} == wanted
    all_of_them = sorted((ns for each in exact_dwells(objects).values() for ns in each), reverse=True)
    assert [json.loads(line)[0] for line in longest] == [ns / 1e9 for ns in all_of_them[:5]]
    assert len(table) == sum(each["remote"]["addr"] == "127.0.0.1" for each in lives)


@pytest.fixture(scope="module")
def duckdb(tmp_path_factory):
    """Runs statements in a folder, and returns {"rows"} of each."""
    if not shutil.which("npm"):
        pytest.skip("there is no npm")
    place = tmp_path_factory.mktemp("duckdb")
    try:
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", place, DUCKDB],
                              capture_output=True, text=True, timeout=NPM_S, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not install {DUCKDB} within {NPM_S} s")
    if done.returncode != 0:
        pytest.skip(f"npm cannot install {DUCKDB}: {done.stderr.strip().splitlines()[-1:]}")

    def play(statements, folder):
        answer = subprocess.run(["node", "-e", PLAYER], cwd=folder, input=json.dumps(statements),
                                env={"NODE_PATH": str(place / "node_modules"), "PATH": "/usr/bin:/bin"},
                                text=True, stdout=subprocess.PIPE, check=True)
        return [json.loads(line) for line in answer.stdout.splitlines()]

    return play


def test_duckdb(trace, duckdb):
    folder, objects = trace
    create, percentiles, seconds, one, by_end = recipes("sql")
    kept = "SELECT typeof(time) AS kind, epoch_ns(time) AS ns FROM transitions ORDER BY mono_ns"
    _, p, s, o, e, times = duckdb([create, percentiles, seconds, one, by_end, kept], folder)
    transitions = of_type(objects, "transition")
    assert {row["kind"] for row in times["rows"]} == {"TIMESTAMP_NS"}, "else it is text, or cut"
    assert ([row["ns"][-9:] for row in times["rows"]]
            == [each["time"][20:29] for each in sorted(transitions, key=lambda t: t["mono_ns"])])
    dwells = exact_dwells(objects)
    assert {row["state"]: int(row["n"]) for row in p["rows"]} == {
        state: len(each) for state, each in dwells.items()}
    assert sum(int(row["n"]) for row in s["rows"]) == len(transitions)
    first = min(each["cookie"] for each in transitions)
    assert len(o["rows"]) == sum(each["cookie"] == first for each in transitions)
    assert {row["ended"]: int(row["n"]) for row in e["rows"]} == collections.Counter(
        each["ended"] for each in of_type(objects, "connection"))


def test_pandas(trace):
    pytest.importorskip("pandas")
    folder, objects = trace
    (recipe,) = recipes("python")
    more = ("\nprint('DTYPE', lines['time'].dtype)"
            "\nprint('NS', *[each.value for each in transitions['time']])"
            "\nprint('N', len(exact), len(connections))")
    done = subprocess.run([sys.executable, "-c", recipe + more], cwd=folder, text=True,
                          stdout=subprocess.PIPE, check=True).stdout
    assert "DTYPE datetime64[ns, UTC]" in done
    digits = re.search(r"^NS (.*)$", done, re.M)[1].split()
    assert ([each[-9:] for each in digits]
            == [each["time"][20:29] for each in of_type(objects, "transition")])
    exact = sum(len(each) for each in exact_dwells(objects).values())
    assert f"N {exact} {len(of_type(objects, 'connection'))}" in done
