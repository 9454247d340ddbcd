// SPDX-License-Identifier: Apache-2.0
// Runs SQL in ClickHouse (chdb) or DuckDB. Reads {"engine", "statements": [SQL...]} from standard input, and
// prints {"rows", "seconds"} of each statement: rows are objects by column, 64-bit numbers are strings.
// Where the packages are: TCPDWELL_FLEET_MODULES.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const require = createRequire(join(process.env.TCPDWELL_FLEET_MODULES, 'package.json'));
const { engine, statements } = JSON.parse(readFileSync(0, 'utf8'));
const results = [], seconds = [];

async function timed(query) {
  const began = performance.now();
  results.push(await query());
  seconds.push((performance.now() - began) / 1000);
}

if (engine === 'clickhouse') {
  const { Session } = require('chdb');
  const directory = mkdtempSync(join(tmpdir(), 'tcpdwell-chdb-'));
  const session = new Session(directory);
  for (const sql of statements) {
    await timed(() => session.query(sql, 'JSONEachRow').split('\n').filter((line) => line).map((line) => JSON.parse(line)));
  }
  session.cleanup();
  rmSync(directory, { recursive: true, force: true });
} else {
  const { DuckDBInstance } = require('@duckdb/node-api');
  const directory = mkdtempSync(join(tmpdir(), 'tcpdwell-duckdb-'));  // more rows than memory takes
  const connection = await (await DuckDBInstance.create(join(directory, 'fleet.db'))).connect();
  for (const sql of statements) await timed(async () => (await connection.runAndReadAll(sql)).getRowObjectsJson());
  rmSync(directory, { recursive: true, force: true });
}
process.stdout.write(JSON.stringify({ rows: results, seconds }));
