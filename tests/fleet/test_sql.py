# SPDX-License-Identifier: Apache-2.0
"""Each query answers what the lines say, in both engines."""
import collections
import math

import pytest

from conftest import HOSTS, exact_dwells, merged_by_histograms, queries_of, replays, said_buckets

ENGINES = ["clickhouse", "duckdb"]


def test_both_engines_have_the_same_queries():
    assert list(queries_of("clickhouse")) == list(queries_of("duckdb"))


@pytest.mark.parametrize("engine", ENGINES)
def test_buckets_add_up_to_what_one_host_would_have_counted(engine, answers, objects):
    totals = [each for each in objects if each["type"] == "stats" and each.get("total")]
    assert len(totals) == HOSTS
    sums = collections.Counter()
    for each in totals:
        for row in each["rows"]:
            for upper, count in row["buckets"]:
                sums[row["state"], upper] += count
            assert sum(count for _, count in row["buckets"]) == row["left"] - row["inexact"]
    assert said_buckets(answers[engine]["merged_buckets"]) == dict(sums)


@pytest.mark.parametrize("engine", ENGINES)
def test_buckets_are_those_of_merged_histograms(engine, answers):
    """From the dwells of each host, which stats did not count: Histogram::merge() and SQL agree."""
    dwells = {f"host{number}": sorted(exact_dwells(recording, *options))
              for number, (recording, options) in enumerate(replays())}
    assert len(set(map(tuple, dwells.values()))) > 0.8 * HOSTS, "hosts differ"
    merged = merged_by_histograms(dwells)
    assert sum(merged.values()) == sum(map(len, dwells.values()))
    assert said_buckets(answers[engine]["merged_buckets"]) == merged


@pytest.mark.parametrize("engine", ENGINES)
def test_percentiles_are_exact(engine, answers, objects):
    dwells = collections.defaultdict(list)
    for each in objects:
        if each["type"] != "connection":
            continue
        service = each["owner"]["comm"] if each["owner"] else ""
        for state, dwell in each["dwell"].items():
            if each["error_ns"].get(state, 0) is not None:
                dwells[service, state].append(dwell)
    said = {(row["service"], row["state"]): row for row in answers[engine]["dwell_percentiles"]}
    assert sum(int(row["connections"]) for row in said.values()) == sum(map(len, dwells.values()))
    for (service, state), values in dwells.items():
        row = said.get((service, state)) or said[service or "unknown", state]
        exact = sorted(values)[math.ceil(0.99 * len(values)) - 1] / 1e9
        near = sorted(values)[min(int(0.99 * len(values)), len(values) - 1)] / 1e9
        assert float(row["p99_s"]) in (pytest.approx(exact), pytest.approx(near))


@pytest.mark.parametrize("engine", ENGINES)
def test_leaks_are_those_not_cleared(engine, answers, objects):
    stuck = {}
    for each in objects:
        if each["type"] == "flag" and each["flag"] in ("CLOSE_WAIT", "FIN_WAIT_2", "CLOSED"):
            key = each["at_host"], each["cookie"], each["life"], each["flag"]
            stuck[key] = each["event"] == "raised"
    said = answers[engine]["leaks_by_service"]
    assert sum(int(row["sockets"]) for row in said) == sum(stuck.values()) > 0


def test_both_engines_agree(answers):
    for name in ("leaks_by_service", "worst_hosts", "who_closes_first", "merged_buckets"):
        numbers = [sorted(tuple(sorted((key, str(value)) for key, value in row.items()
                                       if key not in ("service", "oldest_s")))
                          for row in answers[engine][name]) for engine in ENGINES]
        assert numbers[0] == numbers[1], name


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("query", ["first_seen_by_version", "ports", "percentiles_of_buckets", "who_closes_first"])
def test_each_query_has_an_answer(engine, query, answers):
    assert answers[engine][query]
