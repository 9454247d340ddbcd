-- name: leaks_by_service
-- Sockets that are stuck now: raised, and not cleared since.
SELECT service, cause, count(*) AS sockets, count(DISTINCT host) AS hosts, max(dwell_ns) / 1e9 AS oldest_s
FROM
(
    SELECT service, host, cookie, life, flag, arg_max(event, (time, event = 'cleared')) AS last,
           arg_max(cause, time) AS cause, max(dwell_ns) AS dwell_ns
    FROM flags WHERE flag IN ('CLOSE_WAIT', 'FIN_WAIT_2', 'CLOSED')
    GROUP BY ALL
)
WHERE last = 'raised'
GROUP BY service, cause
ORDER BY sockets DESC, service, cause;

-- name: worst_hosts
SELECT host, count(*) AS flags, count(DISTINCT cookie) AS sockets, max(dwell_ns) / 1e9 AS oldest_s
FROM flags WHERE event = 'raised'
GROUP BY host
ORDER BY flags DESC, host
LIMIT 20;

-- name: dwell_percentiles
-- Exact: from the connections themselves, without those whose dwell is a lower bound.
SELECT service, state, count(*) AS connections, quantile_disc(ns, 0.5) / 1e9 AS p50_s, quantile_disc(ns, 0.99) / 1e9 AS p99_s
FROM
(
    SELECT service, error_ns, unnest(map_keys(dwell)) AS state, unnest(map_values(dwell)) AS ns FROM connections
)
WHERE NOT (list_contains(map_keys(error_ns), state) AND error_ns[state] IS NULL)
GROUP BY service, state
ORDER BY service, state;

-- name: first_seen_by_version
-- The version of the software with which a leak began.
SELECT service, cause, arg_min(version, time) AS version, min(time) AS first_seen, count(*) AS flags
FROM flags WHERE event = 'raised'
GROUP BY service, cause
ORDER BY first_seen, service, cause;

-- name: who_closes_first
SELECT service, closed_by, count(*) AS connections, count(time_wait_ended) AS with_time_wait
FROM connections
GROUP BY service, closed_by
ORDER BY service, connections DESC, closed_by;

-- name: ports
-- Destinations by the ports that they keep busy: connections, and their time in any state.
SELECT host, remote_addr, remote_port, count(*) AS connections,
       sum(list_sum(map_values(dwell))) / 1e9 / greatest(date_diff('second', min(time)::TIMESTAMP, max(time)::TIMESTAMP), 1) AS busy_ports
FROM connections WHERE role = 'client'
GROUP BY host, remote_addr, remote_port
ORDER BY busy_ports DESC, host, remote_addr, remote_port
LIMIT 20;

-- name: merged_buckets
-- What one host would have counted if it were all of them.
SELECT state, upper_ns, sum(count)::UBIGINT AS count
FROM dwell_buckets WHERE total AND grouped_by = 'state'
GROUP BY state, upper_ns
ORDER BY state, upper_ns;

-- name: percentiles_of_buckets
-- The bucket in which a percentile lies: at most 1.6 % wide.
SELECT state, max(running)::UBIGINT AS connections, min(upper_ns) FILTER (running >= 0.99 * whole) / 1e9 AS p99_below_s
FROM
(
    SELECT state, upper_ns, sum(sum(count)) OVER (PARTITION BY state ORDER BY upper_ns) AS running,
           sum(sum(count)) OVER (PARTITION BY state) AS whole
    FROM dwell_buckets WHERE total AND grouped_by = 'state'
    GROUP BY state, upper_ns
)
GROUP BY state
ORDER BY state;
