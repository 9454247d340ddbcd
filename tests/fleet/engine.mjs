// SPDX-License-Identifier: Apache-2.0
// Runs SQL in ClickHouse (chdb) or DuckDB. Reads {"engine", "statements": [SQL...]} from standard input, and
// prints a list with the rows of each statement, objects by column. 64-bit numbers come as strings.
// Where the packages are: TCPDWELL_FLEET_MODULES.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const require = createRequire(join(process.env.TCPDWELL_FLEET_MODULES, 'package.json'));
const { engine, statements } = JSON.parse(readFileSync(0, 'utf8'));
const results = [];

if (engine === 'clickhouse') {
  const { Session } = require('chdb');
  const directory = mkdtempSync(join(tmpdir(), 'tcpdwell-chdb-'));
  const session = new Session(directory);
  for (const sql of statements) {
    const text = session.query(sql, 'JSONEachRow');
    results.push(text.split('\n').filter((line) => line).map((line) => JSON.parse(line)));
  }
  session.cleanup();
  rmSync(directory, { recursive: true, force: true });
} else {
  const { DuckDBInstance } = require('@duckdb/node-api');
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  for (const sql of statements) results.push((await connection.runAndReadAll(sql)).getRowObjectsJson());
}
process.stdout.write(JSON.stringify(results));
