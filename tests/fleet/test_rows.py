# SPDX-License-Identifier: Apache-2.0
"""How long each query takes with many rows, generated inside the engine: TCPDWELL_ROWS connections (a million)."""
import os

import pytest

from conftest import ROOT, queries_of, run_timed, statements_of

ROWS = int(os.environ.get("TCPDWELL_ROWS", "1000000"))
FLAGS, HOSTS, SERVICES = max(ROWS // 100, 1000), 10000, 50


def clickhouse():
    """10,000 hosts, 50 services, a day."""
    return statements_of((ROOT / "fleet/clickhouse/schema.sql").read_text(encoding="utf-8")) + [
        f"""INSERT INTO connections SELECT toDateTime64('2026-11-01 00:00:00', 9, 'UTC') +
            toIntervalMillisecond(number % 86400000), 'host' || toString(cityHash64(number) % {HOSTS}),
            'v' || toString(number % 7), hex(number), 0, 1, '10.0.0.1', 8000, '10.1.0.' || toString(number % 200), 5432,
            if(number % 2 = 0, 'client', 'server'), 'app' || toString(number % {SERVICES}), number % 30000,
            '/system.slice/app' || toString(number % {SERVICES}) || '.service', 'remote',
            if(number % 3 = 0, 'local', 'remote'), 'fin', if(number % 3 = 0, 'expired', ''),
            map('ESTABLISHED', cityHash64(number, 1) % 10000000000, 'CLOSE_WAIT', cityHash64(number, 2) % 100000000),
            CAST(([], []), 'Map(String, Nullable(UInt64))'), number % 5000, number % 90000, 0 FROM numbers({ROWS})""",
        f"""INSERT INTO flags SELECT toDateTime64('2026-11-01 00:00:00', 9, 'UTC') +
            toIntervalMillisecond(number % 86400000), 'host' || toString(cityHash64(number) % {HOSTS}),
            'v' || toString(number % 7), if(number % 4 = 0, 'cleared', 'raised'), 'CLOSE_WAIT', 'eof_read',
            hex(intDiv(number, 2)), 0, '10.0.0.1', 8000, '10.1.0.1', 5432, 'app' || toString(number % {SERVICES}), 1,
            '/system.slice/app' || toString(number % {SERVICES}) || '.service', 60000000000, 60000000000
            FROM numbers({FLAGS})""",
        f"""INSERT INTO dwell_buckets SELECT toDateTime64('2026-11-01 00:00:00', 9, 'UTC'),
            'host' || toString(number % {HOSTS}), 'state', '', ['ESTABLISHED', 'CLOSE_WAIT'][1 + number % 2], true,
            bitShiftLeft(1, number % 40), 1 FROM numbers({FLAGS})"""]


def duckdb():
    # The schema of fleet/duckdb/views.sql as tables.
    service = f"'app' || (i % {SERVICES}) || '.service'"
    time = "make_timestamp_ns((1793491200000 + i % 86400000) * 1000000)"
    host = f"'host' || (hash(i) % {HOSTS})"
    return [
        f"""CREATE TABLE connections AS SELECT {host} AS host, {time} AS time, to_hex(i) AS cookie, 0 AS life,
            '10.0.0.1' AS local_addr, 8000 AS local_port, '10.1.0.' || (i % 200) AS remote_addr, 5432 AS remote_port,
            CASE WHEN i % 2 = 0 THEN 'client' ELSE 'server' END AS role, {service} AS service, 'v' || (i % 7) AS version,
            CASE WHEN i % 3 = 0 THEN 'local' ELSE 'remote' END AS closed_by,
            CASE WHEN i % 3 = 0 THEN 'expired' END AS time_wait_ended,
            MAP {{'ESTABLISHED': hash(i + 1) % 10000000000, 'CLOSE_WAIT': hash(i + 2) % 100000000}} AS dwell,
            MAP {{'LISTEN': 0::UBIGINT}} AS error_ns FROM range({ROWS}) t(i)""",
        f"""CREATE TABLE flags AS SELECT {host} AS host, {time} AS time, to_hex(i // 2) AS cookie, 0 AS life,
            CASE WHEN i % 4 = 0 THEN 'cleared' ELSE 'raised' END AS event, 'CLOSE_WAIT' AS flag, 'eof_read' AS cause,
            {service} AS service, 'v' || (i % 7) AS version, 60000000000::UBIGINT AS dwell_ns FROM range({FLAGS}) t(i)""",
        f"""CREATE TABLE dwell_buckets AS SELECT 'host' || (i % {HOSTS}) AS host, 'state' AS grouped_by,
            CASE WHEN i % 2 = 0 THEN 'ESTABLISHED' ELSE 'CLOSE_WAIT' END AS state, true AS total,
            (1::UBIGINT << (i % 40)) AS upper_ns, 1::UBIGINT AS count FROM range({FLAGS}) t(i)"""]


@pytest.mark.parametrize("engine,begin", [("clickhouse", clickhouse), ("duckdb", duckdb)],
                         ids=["clickhouse", "duckdb"])
def test_each_query_takes(engine, begin, capsys):
    begin = begin()
    queries = queries_of(engine)
    rows, seconds = run_timed(engine, begin + list(queries.values()))
    with capsys.disabled():
        print(f"\n{engine}: {ROWS} connections, {FLAGS} flags made in {sum(seconds[:len(begin)]):.1f} s")
        for name, took in zip(queries, seconds[len(begin):]):
            print(f"  {name}: {took:.2f} s")
    assert all(rows[len(begin):])
