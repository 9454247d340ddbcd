-- Views over the files of a fleet: DIRECTORY/HOST.ndjson, lines of `tcpdwell trace --json` and of
-- `tcpdwell stats --json --buckets`. Set the variable first: SET VARIABLE files = 'DIRECTORY/*.ndjson';
CREATE OR REPLACE VIEW lines AS
SELECT parse_filename(filename, true) AS host, json AS line, json->>'$.type' AS type,
       (json->>'$.time')::TIMESTAMP_NS AS time
FROM read_json_objects(getvariable('files'), format = 'newline_delimited', filename = true);

CREATE OR REPLACE VIEW sockets AS
SELECT *, line->>'$.cookie' AS cookie, (line->>'$.life')::UINTEGER AS life,
       line->>'$.local.addr' AS local_addr, (line->>'$.local.port')::USMALLINT AS local_port,
       line->>'$.remote.addr' AS remote_addr, (line->>'$.remote.port')::USMALLINT AS remote_port,
       line->>'$.role' AS role, line->>'$.owner.comm' AS comm, line->>'$.cgroup' AS cgroup,
       coalesce(nullif(regexp_extract(line->>'$.cgroup', '([^/]+\.(?:service|scope))', 1), ''),
                line->>'$.owner.comm', 'unknown') AS service,
       coalesce(line->>'$.version', '') AS version
FROM lines WHERE type IN ('connection', 'flag');

CREATE OR REPLACE VIEW connections AS
SELECT * EXCLUDE (line, type), line->>'$.opened_by' AS opened_by, line->>'$.closed_by' AS closed_by,
       line->>'$.ended' AS ended, line->>'$.time_wait_ended' AS time_wait_ended,
       CAST(line->'$.dwell' AS MAP(VARCHAR, UBIGINT)) AS dwell,
       CAST(line->'$.error_ns' AS MAP(VARCHAR, UBIGINT)) AS error_ns
FROM sockets WHERE type = 'connection';

CREATE OR REPLACE VIEW flags AS
SELECT * EXCLUDE (line, type), line->>'$.event' AS event, line->>'$.flag' AS flag, line->>'$.cause' AS cause,
       (line->>'$.dwell_ns')::UBIGINT AS dwell_ns, (line->>'$.threshold_ns')::UBIGINT AS threshold_ns
FROM sockets WHERE type = 'flag';

CREATE OR REPLACE VIEW dwell_buckets AS
SELECT host, time, line->>'$.by' AS grouped_by, row->>'$.key' AS key, row->>'$.state' AS state,
       coalesce((line->>'$.total')::BOOLEAN, false) AS total,
       (bucket->>0)::UBIGINT AS upper_ns, (bucket->>1)::UBIGINT AS count
FROM (SELECT host, time, line, unnest(CAST(line->'$.rows' AS JSON[])) AS row FROM lines WHERE type = 'stats'),
     LATERAL (SELECT unnest(CAST(row->'$.buckets' AS JSON[])) AS bucket);
