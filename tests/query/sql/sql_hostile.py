"""Statements that must be refused, contained, or blind to other tenants."""

from __future__ import annotations

MARKER = "xyzzymarker"

# Other tables, databases and catalogues.
TABLES = """
SELECT * FROM system.tables
SELECT * FROM `system`.`tables`
SELECT * FROM "system"."tables"
SELECT * FROM system . tables
SELECT * FROM system/**/.tables
SELECT * FROM default.logs
SELECT * FROM `default`.logs
SELECT * FROM "default.logs"
SELECT * FROM `default.logs`
SELECT * FROM _local.default.logs
SELECT * FROM information_schema.tables
SELECT * FROM INFORMATION_SCHEMA.COLUMNS
SELECT * FROM frames
SELECT * FROM samples
SELECT * FROM migrations
SELECT * FROM bulk_rows
SELECT * FROM arriving_samples
SELECT * FROM staging
SELECT * FROM Logs
SELECT * FROM LOGS
SELECT * FROM "logs "
SELECT * FROM __with_logs
SELECT * FROM logs.inner
SELECT * FROM `.inner.logs`
SELECT * FROM logs JOIN frames ON 1 = 1
SELECT * FROM logs, system.one
SELECT * FROM system.tables LIMIT 0
SELECT * FROM logs CROSS JOIN system.numbers
SELECT * FROM logs WHERE Body IN (SELECT Body FROM default.logs)
SELECT * FROM logs WHERE Body IN (SELECT name FROM system.tables)
SELECT (SELECT count() FROM system.tables)
SELECT (SELECT (SELECT (SELECT name FROM system.tables LIMIT 1)))
WITH x AS (SELECT * FROM system.tables) SELECT * FROM x
WITH (SELECT name FROM system.tables LIMIT 1) AS n SELECT n
WITH x AS (WITH y AS (SELECT * FROM default.logs) SELECT * FROM y) SELECT * FROM x
WITH frames AS (SELECT 1) SELECT * FROM (SELECT 1) AS a, (SELECT * FROM default.frames) AS b
SELECT * FROM frames, (WITH frames AS (SELECT 1) SELECT * FROM frames) AS z
WITH logs AS (SELECT 1) SELECT * FROM logs
WITH logs AS (SELECT * FROM system.tables) SELECT * FROM logs
WITH `default` AS (SELECT 1) SELECT * FROM `default`.logs
SELECT 1 UNION ALL SELECT count() FROM system.tables
SELECT 1 INTERSECT SELECT 1 FROM system.one
SELECT 1 EXCEPT (SELECT 1 FROM system.one)
(SELECT 1 FROM system.one)
SELECT * FROM (SELECT * FROM (SELECT * FROM system.tables))
SELECT EXISTS(SELECT 1 FROM system.tables)
SELECT * FROM logs WHERE EXISTS (SELECT 1 FROM frames)
SELECT * FROM logs ORDER BY (SELECT count() FROM system.tables)
SELECT * FROM logs LIMIT (SELECT count() FROM system.tables)
SELECT count() OVER (PARTITION BY (SELECT name FROM system.tables LIMIT 1)) FROM logs
SELECT arrayMap(x -> (SELECT count() FROM system.tables), [1])
SELECT if(1, (SELECT count() FROM system.tables), 2)
SELECT [(SELECT count() FROM system.tables)]
SELECT CASE WHEN (SELECT 1 FROM system.one) = 1 THEN 1 END
"""
# A name after IN is a table to the engine.
MEMBERS = """
SELECT * FROM logs WHERE Body IN frames
SELECT * FROM logs WHERE Body IN (frames)
SELECT * FROM logs WHERE Body IN ((frames))
SELECT * FROM logs WHERE Body IN logs
SELECT * FROM logs WHERE Body IN default.logs
SELECT * FROM logs WHERE Body IN (default.logs)
SELECT * FROM logs WHERE Body IN `default`.`logs`
SELECT * FROM logs WHERE Body NOT IN frames
SELECT * FROM logs WHERE Body GLOBAL IN frames
SELECT * FROM logs WHERE Body GLOBAL NOT IN (frames)
SELECT * FROM logs WHERE (Body, ServiceName) IN frames
SELECT * FROM logs WHERE Tenant IN Tenant
SELECT * FROM logs WHERE Body IN Tenant
SELECT * FROM logs WHERE in(Body, frames)
SELECT * FROM logs WHERE notIn(Body, frames)
SELECT * FROM logs WHERE globalIn(Body, frames)
SELECT * FROM logs WHERE nullIn(Body, frames)
SELECT * FROM logs WHERE inIgnoreSet(Body, frames)
SELECT * FROM logs WHERE exists(frames)
SELECT * FROM logs WHERE Body = ANY(SELECT name FROM system.tables)
SELECT * FROM logs WHERE Body IN file('/etc/passwd', 'LineAsString')
SELECT * FROM logs WHERE Body IN (file('/etc/passwd'))
SELECT * FROM logs WHERE Body IN system.tables
"""
# Table functions.
TABLE_FUNCTIONS = """
SELECT * FROM file('/etc/passwd', 'LineAsString')
SELECT * FROM FILE('/etc/passwd', 'LineAsString')
SELECT * FROM `file`('/etc/passwd', 'LineAsString')
SELECT * FROM "file"('/etc/passwd', 'LineAsString')
SELECT * FROM file ('/etc/passwd')
SELECT * FROM file/**/('/etc/passwd')
SELECT * FROM logs, file('/etc/passwd', 'LineAsString')
SELECT * FROM logs JOIN file('/etc/passwd', 'LineAsString') AS f ON 1 = 1
SELECT * FROM url('http://127.0.0.1/', 'LineAsString')
SELECT * FROM s3('http://127.0.0.1/x', 'CSV')
SELECT * FROM s3Cluster('a', 'b')
SELECT * FROM gcs('x')
SELECT * FROM azureBlobStorage('x')
SELECT * FROM hdfs('hdfs://x')
SELECT * FROM remote('127.0.0.1', system.one)
SELECT * FROM remoteSecure('127.0.0.1', 'default', 'logs')
SELECT * FROM cluster('default', system.one)
SELECT * FROM clusterAllReplicas('default', system.one)
SELECT * FROM merge('default', '.*')
SELECT * FROM merge(default, '^logs')
SELECT * FROM mysql('h', 'd', 't', 'u', 'p')
SELECT * FROM postgresql('h', 'd', 't', 'u', 'p')
SELECT * FROM mongodb('h')
SELECT * FROM redis('h')
SELECT * FROM sqlite('/x', 't')
SELECT * FROM jdbc('x', 'y')
SELECT * FROM odbc('x', 'y')
SELECT * FROM executable('x.sh', 'TSV', 'a String')
SELECT * FROM input('a String')
SELECT * FROM values('a String', 'x')
SELECT * FROM VALUES('a String', 'x')
SELECT * FROM (VALUES (1), (2))
SELECT * FROM null('a String')
SELECT * FROM numbers(10)
SELECT * FROM numbers_mt(1000000000000)
SELECT * FROM zeros(10)
SELECT * FROM generate_series(1, 10)
SELECT * FROM generateRandom('a String')
SELECT * FROM generateRandom()
SELECT * FROM fuzzJSON('x')
SELECT * FROM format('CSV', '1')
SELECT * FROM view(SELECT * FROM system.tables)
SELECT * FROM viewIfPermitted(SELECT 1 ELSE null('a Int'))
SELECT * FROM viewExplain('EXPLAIN', '', (SELECT 1))
SELECT * FROM dictionary('d')
SELECT * FROM loop(logs)
SELECT * FROM loop(default.logs)
SELECT * FROM mergeTreeIndex(default, logs)
SELECT * FROM mergeTreeProjection(default, logs, p)
SELECT * FROM timeSeriesData(default, t)
SELECT * FROM python('x')
SELECT * FROM Python(engine)
SELECT * FROM iceberg('x')
SELECT * FROM deltaLake('x')
SELECT * FROM hudi('x')
SELECT * FROM urlCluster('a', 'b')
SELECT * FROM fileCluster('a', 'b')
SELECT * FROM ytsaurus('a')
SELECT * FROM arrowFlight('a', 'b')
SELECT * FROM prometheusQuery('a', 'b', 1)
SELECT * FROM primes(3)
"""
# Functions that read what is not an argument.
FUNCTIONS = """
SELECT file('/etc/passwd')
SELECT `file`('/etc/passwd')
SELECT "file"('/etc/passwd')
SELECT FILE('/etc/passwd')
SELECT dictGet('d', 'a', 1)
SELECT dictGetOrDefault('d', 'a', 1, 2)
SELECT dictHas('d', 1)
SELECT joinGet('default.logs', 'Body', 1)
SELECT joinGetOrNull('logs', 'Body', 1)
SELECT getSetting('readonly')
SELECT getSettingOrDefault('readonly', 1)
SELECT getServerSetting('x')
SELECT getMacro('x')
SELECT currentDatabase()
SELECT database()
SELECT currentUser()
SELECT user()
SELECT current_user
SELECT currentRoles()
SELECT hostName()
SELECT FQDN()
SELECT version()
SELECT uptime()
SELECT serverUUID()
SELECT tcpPort()
SELECT queryID()
SELECT sleep(3)
SELECT sleepEachRow(1) FROM logs
SELECT throwIf(1)
SELECT throwIf(Body = 'x') FROM logs
SELECT aggThrow(1)(Body) FROM logs
SELECT addressToLine(1)
SELECT addressToSymbol(1)
SELECT demangle('x')
SELECT logTrace('x')
SELECT filesystemAvailable()
SELECT filesystemCapacity('default')
SELECT hasColumnInTable('default', 'logs', 'Body')
SELECT evalMLMethod(x)
SELECT catboostEvaluate('/x', 1)
SELECT naiveBayesClassifier('x', 'y')
SELECT regionToName(1)
SELECT structureToCapnProtoSchema('a Int', 'b')
SELECT fuzzQuery('SELECT 1')
SELECT showCertificate()
SELECT getClientHTTPHeader('Authorization')
SELECT currentRequestURL()
SELECT aiGenerate('x')
SELECT AIGenerate('x')
SELECT encrypt('aes-128-ecb', 'x', 'y')
SELECT decrypt('aes-128-ecb', 'x', 'y')
SELECT initializeAggregation('sum', 1)
SELECT arrayReduce('sum', [1])
SELECT runningAccumulate(x)
SELECT finalizeAggregation(x)
SELECT flameGraph(x) FROM logs
SELECT sumState(Weight) FROM logs
SELECT formatQuery('SELECT 1')
SELECT zookeeperSessionUptime()
SELECT partitionId(1)
SELECT __actionName('x')
SELECT __getScalar('x')
SELECT __applyFilter('x', 1)
SELECT _CAST(1, 'String')
SELECT transactionID()
SELECT errorCodeToName(1)
SELECT shardNum()
SELECT connection_id()
SELECT globalVariable('x')
SELECT arrayMap(x -> file('/etc/passwd'), [1])
SELECT arrayMap(file, ['/etc/passwd'])
SELECT arrayMap((file), ['/etc/passwd'])
SELECT arrayMap(file, ['/etc/passwd']), (SELECT 1 AS file)
SELECT arrayMap((file), ['/etc/passwd']), (SELECT 1 AS file)
SELECT arrayMap(file, ['/etc/passwd']) FROM (SELECT arrayMap(file -> 1, [1]))
SELECT arrayMap(`file`, ['/etc/passwd']) FROM (SELECT 1 AS file) AS x WHERE 0
SELECT arrayMap(file AS f, ['/etc/passwd']), (SELECT 1 AS file)
SELECT arrayMap((file AS f), ['/etc/passwd']), (SELECT 1 AS file)
SELECT arrayMap(DISTINCT file, ['/etc/passwd']), (SELECT 1 AS file)
SELECT arrayMap(if(1, file, file), ['/etc/passwd']), (SELECT 1 AS file)
SELECT arrayMap(x -> arrayMap(file, [x]), ['/etc/passwd']), (SELECT 1 AS file)
SELECT arrayMap(CASE WHEN 1 THEN file END, ['/etc/passwd']), (SELECT 1 AS file)
SELECT mapApply(file, map('a', 'b'))
SELECT arrayFold(file, [1], 2)
WITH file AS f SELECT arrayMap(f, ['/etc/passwd'])
SELECT arrayMap(hostName, [1])
SELECT session_user
SELECT current_user, (SELECT 1 AS current_user)
SELECT 1 AS x, current_user FROM logs WHERE EXISTS (SELECT 1 AS current_user)
SELECT lower(current_user), (SELECT 1 AS current_user)
SELECT now
SELECT current_database
SELECT count() FROM logs GROUP BY file('/etc/passwd')
SELECT count() FROM logs HAVING file('/etc/passwd') != ''
SELECT * FROM logs ORDER BY hostName()
SELECT sum(1) OVER (ORDER BY hostName()) FROM logs
SELECT quantile(file('/etc/passwd'))(1)
SELECT quantile(hostName())(1)
SELECT `count`(hostName())
SELECT count(hostName()) FROM logs
SELECT * REPLACE (hostName() AS Body) FROM logs
SELECT * APPLY(hostName) FROM logs
SELECT * APPLY hostName FROM logs
SELECT COLUMNS('.*') FROM logs
SELECT COLUMNS('.*') APPLY(toString) FROM logs
SELECT INTERVAL hostName() DAY
"""
# Statements that are no query, and clauses that change how it runs.
STATEMENTS = """
INSERT INTO logs (Body) VALUES ('x')
INSERT INTO FUNCTION file('/tmp/x', 'CSV') SELECT 1
CREATE TABLE x (a Int8) ENGINE = Memory
CREATE TABLE x ENGINE = Memory AS SELECT * FROM logs
CREATE FUNCTION f AS (x) -> x
DROP TABLE logs
TRUNCATE TABLE logs
ALTER TABLE logs DELETE WHERE 1
ATTACH TABLE x FROM '/x' (a Int8) ENGINE = File(CSV)
DETACH TABLE logs
RENAME TABLE logs TO x
EXCHANGE TABLES logs AND spans
OPTIMIZE TABLE logs FINAL
KILL QUERY WHERE 1
SYSTEM SHUTDOWN
SYSTEM FLUSH LOGS
SET readonly = 0
USE system
SHOW TABLES
SHOW DATABASES
SHOW CREATE TABLE logs
DESCRIBE logs
DESCRIBE TABLE logs
DESC system.tables
EXPLAIN SELECT 1
EXPLAIN AST SELECT 1
EXISTS TABLE logs
CHECK TABLE logs
GRANT ALL ON *.* TO default
BACKUP TABLE logs TO Disk('x', 'y')
RESTORE TABLE logs FROM Disk('x', 'y')
WATCH logs
SELECT 1; SELECT 2
SELECT 1; DROP TABLE logs
SELECT 1;; SELECT * FROM system.tables
SELECT * FROM (DESCRIBE logs)
SELECT * FROM (DESCRIBE TABLE system.tables)
SELECT * FROM (EXPLAIN SELECT 1)
SELECT * FROM (SHOW TABLES)
WITH x AS (INSERT INTO logs SELECT 1) SELECT 1
SELECT * FROM logs SETTINGS readonly = 0
SELECT * FROM logs SETTINGS max_execution_time = 0, allow_ddl = 1
SELECT * FROM (SELECT * FROM logs SETTINGS max_threads = 1)
SELECT 1 UNION ALL SELECT 2 SETTINGS max_threads = 1
SELECT * FROM logs FORMAT JSON
SELECT * FROM logs FORMAT Null SETTINGS readonly = 0
SELECT * FROM logs INTO OUTFILE '/tmp/x'
SELECT * FROM logs INTO OUTFILE '/tmp/x' FORMAT CSV
SELECT * INTO x FROM logs
SELECT * FROM logs FINAL
SELECT * FROM logs PREWHERE 1
SELECT * FROM logs SAMPLE 0.1
SELECT * FROM logs SAMPLE 1/10 OFFSET 1/2
SELECT {x:String}
SELECT {p0:String}
SELECT * FROM {x:Identifier}
SELECT * FROM logs WHERE Body = {tenant:String}
SELECT @x
SELECT @@version
SELECT $1
SELECT ?
SELECT :x
SELECT $$heredoc$$
SELECT $a$ hostName() $a$
SELECT x'41'
SELECT 0x41
SELECT b'01'
WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT * FROM t
SELECT count() FROM logs GROUP BY ServiceName WITH TOTALS
SELECT CAST(1 AS AggregateFunction(sum, UInt8))
SELECT CAST('x' AS Enum8('a' = 1))
SELECT CAST('{}' AS JSON)
SELECT CAST('x' AS Dynamic)
SELECT CAST('x' AS Nested(a Int))
SELECT CAST(1, 'UInt8')
SELECT Body FROM logs AS l (a, b)
SELECT * FROM logs AS __v
SELECT 'x' AS __v, * FROM logs
SELECT `a'b` FROM logs
SELECT `a\\b` FROM logs
SELECT "a`b" FROM logs
SELECT 1 AS "x\ny"
SELECT
""
''
(
SELECT (
SELECT )
SELECT 'unfinished
SELECT "unfinished
SELECT /* unfinished
SELECT 1 /* a */ */
-- only a comment
/* only a comment */
;
SELECT * FROM logs WHERE
SELECT \x00
SELECT \u202e 1
"""
# No table is left out, no column of another tenant is named: what is left is refused by the engine.
COLUMNS = """
SELECT Tenant FROM logs
SELECT logs.Tenant FROM logs
SELECT Source FROM logs
SELECT Epoch FROM logs
SELECT Seq FROM logs
SELECT _part FROM logs
SELECT _partition_id FROM logs
SELECT _block_number FROM logs
SELECT Fingerprint FROM metrics
SELECT Fingerprint FROM series
SELECT default.logs.Body FROM logs
SELECT system.one.dummy FROM logs
SELECT Body FROM logs ORDER BY Tenant
SELECT Body FROM logs WHERE Tenant != ''
SELECT count() FROM logs GROUP BY Tenant
SELECT 1 FROM logs JOIN spans ON logs.Tenant != spans.Tenant
SELECT 1 FROM logs JOIN spans USING (Tenant)
SELECT x.Body FROM logs AS x JOIN logs AS y ON x.Seq = y.Seq
SELECT 1 FROM logs ARRAY JOIN Tenant
"""
REFUSED = [
    line.encode().decode("unicode_escape")
    if "\\x" in line or "\\u" in line or "\\n" in line
    else line
    for group in (TABLES, MEMBERS, TABLE_FUNCTIONS, FUNCTIONS, STATEMENTS, COLUMNS)
    for line in group.strip().splitlines()
]

# These are answered: they try to make a name in the view mean something else, or to have a
# condition looked at for another tenant's rows, and must find only what is theirs.
CONTAINED = [
    "WITH '{other}' AS Tenant SELECT Body FROM logs",
    "SELECT '{other}' AS Tenant, Body FROM logs",
    "SELECT Body FROM logs WHERE '{other}' != '' OR 1 = 1",
    "SELECT Body FROM logs WHERE 1 = 1 OR ServiceName = 'x'",
    "WITH Body AS Timestamp SELECT Body FROM logs",
    "WITH now() AS Timestamp SELECT Body FROM logs",
    "WITH x AS (SELECT Body FROM logs) SELECT * FROM x AS logs",
    "WITH samples AS (SELECT Body FROM logs) SELECT * FROM samples",
    "SELECT * FROM (SELECT 'x' AS Body) AS logs",
    "SELECT logs.Body FROM logs JOIN (SELECT 'x' AS a) AS spans ON 1 = 1",
    "SELECT Body FROM logs WHERE Timestamp > '1970-01-01' OR Timestamp < '2200-01-01'",
    "SELECT a.Body FROM logs AS a RIGHT JOIN logs AS b ON a.TraceId = b.SpanId",
    "SELECT * EXCEPT (TraceId) REPLACE ('x' AS Tenant) FROM logs",
    "SELECT INTERVAL '1 DAY; SELECT Body FROM default.logs' DAY, Body FROM logs",
    "SELECT a.Body FROM logs AS a FULL JOIN logs AS b ON a.Body = b.ServiceName",
    "SELECT groupArray(Body) FROM logs",
    "SELECT any(Body), max(Body), min(Body) FROM logs",
    "SELECT LogAttributes, ResourceAttributes FROM logs",
    "SELECT SpanName, StatusMessage, SpanAttributes FROM spans",
    "SELECT Labels, MetricName FROM metrics",
    "SELECT Labels, MetricName FROM series",
    "SELECT Attributes, Labels FROM exemplars",
    "SELECT Body FROM logs -- WHERE Tenant = 'x'",
    "SELECT Body /* ) UNION ALL SELECT Body FROM default.logs -- */ FROM logs",
    "SELECT 'a'') UNION ALL SELECT Body FROM default.logs --' AS x FROM logs",
    "SELECT 'a\\') UNION ALL SELECT Body FROM default.logs --' AS x FROM logs",
    "SELECT 'a\\\\' AS x, ') FROM default.logs' AS y FROM logs",
    "SELECT '{p0:String}' AS x, Body FROM logs",
    "SELECT '%s %(p0)s' AS x, Body FROM logs",
    "SELECT '\\'' || Body FROM logs",
    "SELECT Body AS `x) FROM default.logs` FROM logs",
    "SELECT Body AS `default.logs` FROM logs",
]

# The engine may look at a condition before it looks whose row it is. An error, or its absence,
# would then tell of another tenant's rows.
ORACLES = [
    f"SELECT count() FROM logs WHERE intDiv(1, if(Body = '{MARKER}', 0, 1)) = 1",
    f"SELECT count() FROM logs WHERE intDiv(1, Body != '{MARKER}') = 1 AND ServiceName = 'web'",
    f"SELECT count() FROM logs WHERE CAST(if(Body = '{MARKER}', 'x', '1') AS UInt8) = 1",
    f"SELECT sum(intDiv(1, Body != '{MARKER}')) FROM logs",
    f"SELECT count() FROM logs GROUP BY intDiv(1, Body != '{MARKER}')",
    f"SELECT 1 FROM logs ORDER BY intDiv(1, Body != '{MARKER}') LIMIT 1",
    f"SELECT 1 FROM logs LIMIT 1 BY intDiv(1, Body != '{MARKER}')",
    f"SELECT count() FROM logs JOIN (SELECT 1 AS a) AS x ON x.a = intDiv(1, Body != '{MARKER}')",
    f"SELECT count() FROM logs AS a JOIN logs AS b ON a.TraceId = b.TraceId "
    f"WHERE intDiv(1, b.Body != '{MARKER}') = 1",
    f"SELECT count() FROM logs WHERE intDiv(1, LogAttributes['user'] != '{MARKER}') = 1",
    f"SELECT Body FROM logs QUALIFY intDiv(1, Body != '{MARKER}') = row_number() OVER ()",
    f"SELECT count() FROM spans WHERE intDiv(1, SpanName != '{MARKER}') = 1",
    f"SELECT count() FROM spans ARRAY JOIN Events.Name WHERE intDiv(1, SpanName != '{MARKER}')",
    f"SELECT count() FROM metrics WHERE intDiv(1, Labels['note'] != '{MARKER}') = 1",
    "SELECT count() FROM metrics WHERE intDiv(1, Value >= 0) = 1",
    f"SELECT count() FROM series WHERE intDiv(1, Labels['note'] != '{MARKER}') = 1",
    f"SELECT count() FROM exemplars WHERE intDiv(1, Attributes['note'] != '{MARKER}') = 1",
    # An index is looked at before any row is, and knows the times of all tenants.
    *(
        f"SELECT count() FROM {view} WHERE "
        f"accurateCast(1767226200000 - toUnixTimestamp64Milli({column}), 'UInt64') > 0"
        for view, column in (
            ("logs", "Timestamp"),
            ("logs", "IngestTime"),
            ("spans", "Timestamp"),
            ("metrics", "Timestamp"),
            ("exemplars", "Timestamp"),
        )
    ),
    "SELECT count() FROM spans WHERE accurateCast(120000001 - toInt64(Duration), 'UInt64') > 0",
]
