-- Lines of `tcpdwell trace --json` and of `tcpdwell stats --json --buckets` from many hosts.
-- Whatever ships them adds the host: the objects themselves name it in `start` only.
CREATE TABLE IF NOT EXISTS connections
(
    time            DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
    host            LowCardinality(String),
    version         LowCardinality(String),  -- of the software that the host runs: '' if nobody said
    cookie          String CODEC(ZSTD),
    life            UInt32,
    netns           UInt32,
    local_addr      LowCardinality(String),
    local_port      UInt16,
    remote_addr     LowCardinality(String),
    remote_port     UInt16,
    role            LowCardinality(String),
    comm            LowCardinality(String),
    pid             UInt32,
    cgroup          LowCardinality(String),
    opened_by       LowCardinality(String),
    closed_by       LowCardinality(String),
    ended           LowCardinality(String),
    time_wait_ended LowCardinality(String),  -- '': never in TIME_WAIT
    dwell           Map(LowCardinality(String), UInt64),            -- ns, by state
    error_ns        Map(LowCardinality(String), Nullable(UInt64)),  -- NULL: the dwell is a lower bound
    bytes_sent      Nullable(UInt64),
    bytes_received  Nullable(UInt64),
    retransmits     Nullable(UInt32),
    service         LowCardinality(String) MATERIALIZED
        if(extract(cgroup, '([^/]+\\.(service|scope))') != '', extract(cgroup, '([^/]+\\.(?:service|scope))'), comm)
)
ENGINE = MergeTree
PARTITION BY toDate(time)
ORDER BY (service, host, time)
TTL toDateTime(time) + INTERVAL 30 DAY;

CREATE TABLE IF NOT EXISTS flags
(
    time         DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
    host         LowCardinality(String),
    version      LowCardinality(String),
    event        LowCardinality(String),
    flag         LowCardinality(String),
    cause        LowCardinality(String),
    cookie       String CODEC(ZSTD),
    life         UInt32,
    local_addr   LowCardinality(String),
    local_port   UInt16,
    remote_addr  LowCardinality(String),
    remote_port  UInt16,
    comm         LowCardinality(String),
    pid          UInt32,
    cgroup       LowCardinality(String),
    dwell_ns     UInt64,
    threshold_ns UInt64,
    service      LowCardinality(String) MATERIALIZED
        if(extract(cgroup, '([^/]+\\.(service|scope))') != '', extract(cgroup, '([^/]+\\.(?:service|scope))'), comm)
)
ENGINE = MergeTree
PARTITION BY toDate(time)
ORDER BY (service, host, time)
TTL toDateTime(time) + INTERVAL 90 DAY;

-- One row for each bucket of a row of `stats`.
CREATE TABLE IF NOT EXISTS dwell_buckets
(
    time     DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
    host     LowCardinality(String),
    grouped_by LowCardinality(String),
    key      LowCardinality(String),
    state    LowCardinality(String),
    total    Bool,
    upper_ns UInt64,
    count    UInt64
)
ENGINE = MergeTree
PARTITION BY toDate(time)
ORDER BY (state, grouped_by, key, upper_ns, host, time)
TTL toDateTime(time) + INTERVAL 365 DAY;

-- Where the lines arrive. Nothing is stored here: the views below distribute them.
CREATE TABLE IF NOT EXISTS lines (host String, version String, line String) ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS lines_to_connections TO connections AS
SELECT parseDateTime64BestEffort(JSONExtractString(line, 'time'), 9, 'UTC') AS time, host, version,
       JSONExtractString(line, 'cookie') AS cookie, JSONExtractUInt(line, 'life') AS life,
       JSONExtractUInt(line, 'netns') AS netns,
       JSONExtractString(line, 'local', 'addr') AS local_addr, JSONExtractUInt(line, 'local', 'port') AS local_port,
       JSONExtractString(line, 'remote', 'addr') AS remote_addr, JSONExtractUInt(line, 'remote', 'port') AS remote_port,
       JSONExtractString(line, 'role') AS role, JSONExtractString(line, 'owner', 'comm') AS comm,
       JSONExtractUInt(line, 'owner', 'pid') AS pid, JSONExtractString(line, 'cgroup') AS cgroup,
       JSONExtractString(line, 'opened_by') AS opened_by, JSONExtractString(line, 'closed_by') AS closed_by,
       JSONExtractString(line, 'ended') AS ended, JSONExtractString(line, 'time_wait_ended') AS time_wait_ended,
       JSONExtract(line, 'dwell', 'Map(String, UInt64)') AS dwell,
       JSONExtract(line, 'error_ns', 'Map(String, Nullable(UInt64))') AS error_ns,
       JSONExtract(line, 'bytes_sent', 'Nullable(UInt64)') AS bytes_sent,
       JSONExtract(line, 'bytes_received', 'Nullable(UInt64)') AS bytes_received,
       JSONExtract(line, 'retransmits', 'Nullable(UInt32)') AS retransmits
FROM lines WHERE JSONExtractString(line, 'type') = 'connection';

CREATE MATERIALIZED VIEW IF NOT EXISTS lines_to_flags TO flags AS
SELECT parseDateTime64BestEffort(JSONExtractString(line, 'time'), 9, 'UTC') AS time, host, version,
       JSONExtractString(line, 'event') AS event, JSONExtractString(line, 'flag') AS flag,
       JSONExtractString(line, 'cause') AS cause, JSONExtractString(line, 'cookie') AS cookie,
       JSONExtractUInt(line, 'life') AS life,
       JSONExtractString(line, 'local', 'addr') AS local_addr, JSONExtractUInt(line, 'local', 'port') AS local_port,
       JSONExtractString(line, 'remote', 'addr') AS remote_addr, JSONExtractUInt(line, 'remote', 'port') AS remote_port,
       JSONExtractString(line, 'owner', 'comm') AS comm, JSONExtractUInt(line, 'owner', 'pid') AS pid,
       JSONExtractString(line, 'cgroup') AS cgroup, JSONExtractUInt(line, 'dwell_ns') AS dwell_ns,
       JSONExtractUInt(line, 'threshold_ns') AS threshold_ns
FROM lines WHERE JSONExtractString(line, 'type') = 'flag';

CREATE MATERIALIZED VIEW IF NOT EXISTS lines_to_buckets TO dwell_buckets AS
SELECT parseDateTime64BestEffort(JSONExtractString(line, 'time'), 9, 'UTC') AS time, host,
       JSONExtractString(line, 'by') AS grouped_by, JSONExtractString(row, 'key') AS key,
       JSONExtractString(row, 'state') AS state, JSONExtractBool(line, 'total') AS total,
       bucket.1 AS upper_ns, bucket.2 AS count
FROM lines
ARRAY JOIN JSONExtractArrayRaw(line, 'rows') AS row
ARRAY JOIN JSONExtract(row, 'buckets', 'Array(Tuple(UInt64, UInt64))') AS bucket
WHERE JSONExtractString(line, 'type') = 'stats';
