"""Statements that people ask, and the rows they must give. The data is in conftest.py."""

from __future__ import annotations

from typing import Any

T0 = "2026-01-01T00:00:00.000000000Z"
JSON = '{"code": 404, "path": "/a"}'

USEFUL: list[tuple[str, list[list[Any]]]] = [
    # Rows
    ("SELECT Body FROM logs ORDER BY Timestamp LIMIT 2", [["one"], ["two"]]),
    ("SELECT Body FROM logs ORDER BY Timestamp DESC LIMIT 1, 2", [["it's 5 ms"], [JSON]]),
    ("SELECT Body FROM logs ORDER BY Timestamp LIMIT 1 OFFSET 2", [["three"]]),
    ("SELECT Timestamp, Weight FROM logs ORDER BY Timestamp LIMIT 1", [[T0, 1]]),
    ("SELECT DISTINCT ServiceName FROM logs ORDER BY ServiceName", [["cart"], ["web"]]),
    ("SELECT Body FROM logs WHERE Body = 'it''s 5 ms'", [["it's 5 ms"]]),
    (r"SELECT Body FROM logs WHERE Body = 'it\'s 5 ms'", [["it's 5 ms"]]),
    ("SELECT Body FROM logs WHERE Body LIKE '%hre%'", [["three"]]),
    ("SELECT count() FROM logs WHERE Body NOT LIKE '%o%'", [[3]]),
    ("SELECT Body FROM logs WHERE Body ILIKE 'THREE'", [["three"]]),
    ("SELECT Body FROM logs WHERE match(Body, '^t.*e$')", [["three"]]),
    ("SELECT Body FROM logs WHERE hasToken(Body, 'two')", [["two"]]),
    ("SELECT Body FROM logs WHERE Body IN ('one', 'two', 'ten') ORDER BY Body", [["one"], ["two"]]),
    ("SELECT Body FROM logs WHERE Body IN ('one')", [["one"]]),
    ("SELECT count() FROM logs WHERE Body NOT IN ('one', 'two')", [[4]]),
    ("SELECT count() FROM logs WHERE (ServiceName, HostName) IN (('web', 'h1'), ('x', 'y'))",
     [[3]]),
    ("SELECT count() FROM logs WHERE SeverityNumber BETWEEN 10 AND 20", [[2]]),
    ("SELECT count() FROM logs WHERE NOT (SeverityNumber >= 17)", [[4]]),
    ("SELECT count() FROM logs WHERE TraceId != '' AND (Weight > 5 OR Weight < 2)", [[2]]),
    ("SELECT count() FROM logs WHERE Timestamp >= '2026-01-01 00:00:03'", [[3]]),
    ("SELECT count() FROM logs WHERE Timestamp >= toDateTime('2026-01-01 00:00:03', 'UTC')", [[3]]),
    ("SELECT count() FROM logs WHERE Timestamp < parseDateTimeBestEffort('2026-01-01T00:00:02Z')",
     [[2]]),
    ("FROM logs SELECT Body WHERE Weight = 1", [["one"]]),
    ("SELECT * EXCEPT (Body) FROM (SELECT Body, Weight FROM logs) ORDER BY Weight LIMIT 1", [[1]]),
    ("SELECT * REPLACE (upper(Body) AS Body) FROM (SELECT Body FROM logs) ORDER BY Body LIMIT 1",
     [["IT'S 5 MS"]]),
    ("SELECT Body /* why */ FROM logs -- the first\nORDER BY Timestamp LIMIT 1", [["one"]]),
    # Attributes
    ("SELECT LogAttributes['ms'] FROM logs WHERE Body = 'three'", [["20"]]),
    ("SELECT ResourceAttributes['k8s.pod'] FROM logs WHERE Body = 'two'", [["p1"]]),
    ("SELECT count() FROM logs WHERE mapContains(LogAttributes, 'user')", [[6]]),
    ("SELECT arraySort(mapKeys(LogAttributes)) FROM logs LIMIT 1", [[["ms", "user"]]]),
    ("SELECT max(toUInt32OrZero(LogAttributes['ms'])) FROM logs", [[50]]),
    ("SELECT sum(LogAttributes['ms']::UInt32) FROM logs", [[150]]),
    ("SELECT k, count() FROM logs ARRAY JOIN mapKeys(LogAttributes) AS k GROUP BY k ORDER BY k",
     [["ms", 6], ["user", 6]]),
    ("SELECT LogAttributes FROM logs WHERE Weight = 1", [[{"user": "one", "ms": "0"}]]),
    # Counting
    ("SELECT count() FROM logs", [[6]]),
    ("SELECT count(*) FROM logs", [[6]]),
    ("SELECT sum(Weight) AS lines FROM logs", [[21]]),
    ("SELECT ServiceName, count() AS n FROM logs GROUP BY ServiceName ORDER BY n DESC, ServiceName",
     [["cart", 3], ["web", 3]]),
    ("SELECT ServiceName, countIf(SeverityNumber >= 17) / count() AS errors FROM logs "
     "GROUP BY ServiceName ORDER BY ServiceName", [["cart", 1 / 3], ["web", 1 / 3]]),
    ("SELECT toStartOfMinute(Timestamp) AS minute, count() FROM logs GROUP BY minute",
     [["2026-01-01T00:00:00Z", 6]]),
    ("SELECT toStartOfInterval(Timestamp, INTERVAL 2 SECOND) AS t, count() FROM logs GROUP BY t "
     "ORDER BY t LIMIT 1", [["2026-01-01T00:00:00Z", 2]]),
    ("SELECT toUnixTimestamp(toStartOfInterval(Timestamp, toIntervalSecond(3))) AS t, count() "
     "FROM logs GROUP BY t ORDER BY t", [[1767225600, 3], [1767225603, 3]]),
    ("SELECT uniq(ServiceName), uniqExact(ServiceName, HostName) FROM logs", [[2, 2]]),
    ("SELECT count(DISTINCT ServiceName) FROM logs", [[2]]),
    ("SELECT ServiceName FROM logs GROUP BY ServiceName HAVING max(Weight) = 6", [["web"]]),
    ("SELECT quantile(0.5)(Weight) FROM logs", [[3.5]]),
    ("SELECT quantileExact(0.99)(Weight), quantiles(0.5, 1)(Weight) FROM logs", [[6, [3.5, 6]]]),
    ("SELECT quantileIf(0.5)(Weight, ServiceName = 'web') FROM logs", [[4]]),
    ("SELECT topK(1)(SeverityNumber) FROM logs", [[[9]]]),
    ("SELECT argMax(Body, Weight), argMin(Body, Timestamp) FROM logs", [["x=1", "one"]]),
    ("SELECT avg(Weight), min(Weight), max(Weight), any(ServiceName) != '' FROM logs",
     [[3.5, 1, 6, 1]]),
    ("SELECT arraySort(groupUniqArray(HostName)) FROM logs", [[["h0", "h1"]]]),
    ("SELECT groupArray(2)(Body) FROM (SELECT Body FROM logs ORDER BY Timestamp)",
     [[["one", "two"]]]),
    ("SELECT groupConcat(', ')(Body) FROM (SELECT Body FROM logs ORDER BY Timestamp LIMIT 2)",
     [["one, two"]]),
    ("SELECT count() AS n FROM logs GROUP BY ServiceName WITH ROLLUP ORDER BY n DESC LIMIT 1",
     [[6]]),
    ("SELECT ServiceName, count() FROM logs GROUP BY ALL ORDER BY ServiceName LIMIT 1",
     [["cart", 3]]),
    ("SELECT count() AS n FROM logs GROUP BY GROUPING SETS ((ServiceName), (SeverityNumber)) "
     "ORDER BY n", [[2], [3], [3], [4]]),
    ("SELECT sum(Weight) FILTER (WHERE ServiceName = 'web') FROM logs", [[12]]),
    ("SELECT sumMap(map(ServiceName, 1)) FROM logs", [[{"cart": 3, "web": 3}]]),
    ("SELECT bar(count(), 0, 6, 3) FROM logs", [["███"]]),
    # Order and limits
    ("SELECT ServiceName, Body FROM logs ORDER BY ServiceName, Timestamp LIMIT 1 BY ServiceName",
     [["cart", "one"], ["web", "two"]]),
    ("SELECT Body FROM logs ORDER BY ServiceName DESC, Timestamp LIMIT 1 BY ServiceName LIMIT 1",
     [["two"]]),
    ("SELECT count() FROM (SELECT Weight FROM logs ORDER BY ServiceName LIMIT 1 WITH TIES)", [[3]]),
    ("SELECT toUInt8(number) AS n FROM (SELECT arrayJoin([1, 4]) AS number) ORDER BY n "
     "WITH FILL FROM 1 TO 5 STEP 1", [[1], [2], [3], [4]]),
    ("SELECT DISTINCT ON (ServiceName) ServiceName FROM logs ORDER BY ServiceName",
     [["cart"], ["web"]]),
    ("SELECT Body FROM logs ORDER BY nullIf(Weight, 1) NULLS FIRST LIMIT 1", [["one"]]),
    # Windows
    ("SELECT Body, row_number() OVER (PARTITION BY ServiceName ORDER BY Timestamp) AS n FROM logs "
     "ORDER BY n DESC, Body LIMIT 1", [["it's 5 ms", 3]]),
    ("SELECT Weight, sum(Weight) OVER "
     "(ORDER BY Timestamp ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM logs "
     "ORDER BY Weight DESC LIMIT 1", [[6, 11]]),
    ("SELECT Weight - lagInFrame(Weight) OVER w AS d FROM logs WINDOW w AS (ORDER BY Timestamp) "
     "ORDER BY Timestamp LIMIT 1 OFFSET 1", [[1]]),
    ("SELECT Body FROM logs QUALIFY row_number() OVER (ORDER BY Timestamp DESC) = 1", [["x=1"]]),
    # Queries within
    ("SELECT max(n) FROM (SELECT count() AS n FROM logs GROUP BY ServiceName)", [[3]]),
    ("WITH e AS (SELECT * FROM logs WHERE SeverityNumber >= 17) SELECT count() FROM e", [[2]]),
    ("WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS y FROM a) SELECT a.x, b.y FROM a, b",
     [[1, 2]]),
    ("WITH 3 AS least SELECT count() FROM logs WHERE Weight > least", [[3]]),
    ("WITH (SELECT max(Weight) FROM logs) AS most SELECT Body FROM logs WHERE Weight = most",
     [["x=1"]]),
    ("SELECT Body FROM logs WHERE Weight = (SELECT max(Weight) FROM logs)", [["x=1"]]),
    ("SELECT Body FROM logs WHERE TraceId IN (SELECT TraceId FROM logs WHERE Body = 'two')",
     [["two"]]),
    ("WITH w AS (SELECT TraceId FROM logs LIMIT 100) SELECT count() FROM logs "
     "WHERE TraceId IN (SELECT TraceId FROM w)", [[6]]),
    ("SELECT count() FROM logs WHERE EXISTS (SELECT 1 FROM spans)", [[6]]),
    ("SELECT x FROM (SELECT 'a' AS x UNION ALL SELECT 'b') ORDER BY x", [["a"], ["b"]]),
    ("(SELECT 1 AS n) UNION ALL (SELECT 1)", [[1], [1]]),
    ("SELECT 1 AS n UNION DISTINCT SELECT 1", [[1]]),
    ("SELECT ServiceName AS s FROM logs INTERSECT DISTINCT SELECT 'web'", [["web"]]),
    ("SELECT DISTINCT ServiceName AS s FROM logs EXCEPT SELECT 'web'", [["cart"]]),
    # Joins
    ("SELECT l.Body, r.Body FROM logs AS l JOIN logs AS r ON l.TraceId = r.TraceId "
     "WHERE l.Weight = 2", [["two", "two"]]),
    ("SELECT count() FROM logs l LEFT JOIN spans s ON l.SpanId = s.SpanId", [[6]]),
    ("SELECT count() FROM logs JOIN spans USING (ServiceName)", [[6]]),
    ("SELECT count() FROM logs, spans", [[12]]),
    ("SELECT p.SpanName FROM spans AS p JOIN spans AS c ON c.ParentSpanId = p.SpanId", [["GET /"]]),
    ("SELECT count() FROM logs AS l ANY LEFT JOIN spans AS s USING (ServiceName)",
     [[6]]),
    # Texts
    ("SELECT JSONExtractInt(Body, 'code'), JSONExtractString(Body, 'path') FROM logs "
     "WHERE isValidJSON(Body)", [[404, "/a"]]),
    ("SELECT JSONExtract(Body, 'code', 'UInt16') FROM logs WHERE Body LIKE '{%'", [[404]]),
    ("SELECT extract(Body, '=(\\\\d)') FROM logs WHERE Weight = 6", [["1"]]),
    ("SELECT splitByChar('=', Body)[2] FROM logs WHERE Weight = 6", [["1"]]),
    ("SELECT replaceRegexpAll(Body, '[0-9]+', '#') AS p, count() FROM logs GROUP BY p "
     "ORDER BY p LIMIT 1", [["it's # ms", 1]]),
    ("SELECT concat(ServiceName, '/', HostName) AS x FROM logs GROUP BY x ORDER BY x",
     [["cart/h0"], ["web/h1"]]),
    ("SELECT concat(Body, '!'), count() FROM logs WHERE Weight = 1 GROUP BY concat(Body, '!')",
     [["one!", 1]]),
    ("SELECT Body || '?' FROM logs WHERE Weight = 1", [["one?"]]),
    ("SELECT lower('ABC'), upper(Body), substring(Body, 2), length(Body) FROM logs "
     "WHERE Weight = 1",
     [["abc", "ONE", "ne", 3]]),
    ("SELECT trim(BOTH 'x' FROM 'xax'), trim(' b '), position('abc', 'c'), left('abc', 1)",
     [["a", "b", 3, "a"]]),
    ("SELECT 'a\\nb', 'tab\\t', 'back\\\\slash', 'quo''te', '日本', '{p0:String} %s'",
     [["a\nb", "tab\t", "back\\slash", "quo'te", "日本", "{p0:String} %s"]]),
    ("SELECT multiIf(SeverityNumber >= 17, 'bad', 'good') AS s, count() FROM logs GROUP BY s "
     "ORDER BY s", [["bad", 2], ["good", 4]]),
    ("SELECT CASE WHEN Weight > 3 THEN 'big' ELSE 'small' END AS s, count() FROM logs GROUP BY s "
     "ORDER BY s", [["big", 3], ["small", 3]]),
    ("SELECT CASE ServiceName WHEN 'web' THEN 1 ELSE 0 END AS s, count() FROM logs GROUP BY s "
     "ORDER BY s", [[0, 3], [1, 3]]),
    ("SELECT Weight > 3 ? 'big' : 'small' AS s FROM logs ORDER BY s LIMIT 1", [["big"]]),
    # Times
    ("SELECT formatDateTime(Timestamp, '%Y-%m-%d %H:%i:%S') FROM logs WHERE Weight = 2",
     [["2026-01-01 00:00:01"]]),
    ("SELECT dateDiff('second', min(Timestamp), max(Timestamp)) FROM logs", [[5]]),
    ("SELECT toUnixTimestamp64Milli(Timestamp + INTERVAL 1 HOUR) FROM logs WHERE Weight = 1",
     [[1767229200000]]),
    ("SELECT date_trunc('hour', Timestamp) = toStartOfHour(Timestamp) FROM logs LIMIT 1", [[1]]),
    ("SELECT EXTRACT(YEAR FROM Timestamp), toHour(Timestamp) FROM logs LIMIT 1", [[2026, 0]]),
    ("SELECT count() FROM logs WHERE Timestamp > now() - INTERVAL '100' YEAR", [[6]]),
    # Arrays, maps, lambdas, tuples
    ("SELECT arrayMap(x -> x * 2, [1, 2]), arrayFilter((x, y) -> y > 1, ['a', 'b'], [1, 2])",
     [[[2, 4], ["b"]]]),
    ("SELECT arraySum(xs), arrayCount(x -> x > 1, xs) FROM (SELECT [1, 2, 3] AS xs)", [[6, 2]]),
    ("SELECT arrayStringConcat(arrayMap(x -> toString(x), [1, 2]), '-')",
     [["1-2"]]),
    ("SELECT arrayJoin([1, 2]) AS n ORDER BY n DESC", [[2], [1]]),
    ("SELECT [1, 2, 3][-1], map('a', 1)['a'], (1, 'x').2, tupleElement((5, 6), 1)",
     [[3, 1, "x", 5]]),
    ("SELECT range(3), has([1, 2], 2), arraySort(x -> -x, [1, 3, 2])", [[[0, 1, 2], 1, [3, 2, 1]]]),
    ("SELECT 1 + 2 * 3, 7 % 4, 7 / 2, -1, intDiv(7, 2), 1.5e2, round(2.567, 1)",
     [[7, 3, 3.5, -1, 3, 150, 2.6]]),
    ("SELECT NULL IS NULL, 1 IS NOT NULL, coalesce(NULL, 3), ifNull(NULL, 4), true, 1 <=> 1",
     [[1, 1, 3, 4, True, 1]]),
    ("SELECT CAST('7' AS UInt8), '8'::Int64, CAST([1] AS Array(String)), toFloat64('1.5'), "
     "CAST('2026-01-01 00:00:00' AS DateTime64(3, 'UTC'))",
     [[7, 8, ["1"], 1.5, "2026-01-01T00:00:00.000Z"]]),
    ("SELECT 'x' AS \"p 95%\", '%s' AS b, Body AS c FROM logs WHERE Weight = 1",
     [["x", "%s", "one"]]),
    ("SELECT Body FROM logs LIMIT 0", []),
    ("SELECT 0/0 AS nothing, 1 AS `p 95%`", [[None, 1]]),
    # Spans
    ("SELECT SpanName, Duration / 1e6 AS ms FROM spans ORDER BY Timestamp LIMIT 1",
     [["GET /", 120]]),
    ("SELECT ServiceName, quantile(0.5)(Duration) FROM spans WHERE StatusCode = 'Error' "
     "GROUP BY ServiceName", [["cart", 80_000_000]]),
    ("SELECT Events.Name, `Links.TraceId` FROM spans WHERE ParentSpanId = ''",
     [[["retry"], ["0b" * 16]]]),
    ("SELECT n FROM spans ARRAY JOIN Events.Name AS n", [["retry"]]),
    ("SELECT s.SpanAttributes['note'] FROM spans AS s WHERE s.SpanKind = 'Server'", [["one"]]),
    ("SELECT l.Body FROM logs AS l WHERE l.TraceId NOT IN (SELECT TraceId FROM spans) "
     "ORDER BY l.Timestamp LIMIT 1", [["one"]]),
    # Metrics
    ("SELECT max(Value) FROM metrics WHERE MetricName = 'cpu'", [[8]]),
    ("SELECT Labels['core'] AS core, max(Value) FROM metrics WHERE MetricName = 'cpu' "
     "GROUP BY core ORDER BY core", [["0", 4], ["1", 8]]),
    ("SELECT count(*) FROM metrics WHERE MetricName = 'cpu'", [[10]]),
    ("SELECT DISTINCT Kind, Unit FROM metrics WHERE MetricName = 'cpu'", [["counter", "s"]]),
    ("SELECT toStartOfInterval(Timestamp, INTERVAL 2 MINUTE) AS t, avg(Value) FROM metrics "
     "WHERE MetricName = 'cpu' GROUP BY t ORDER BY t LIMIT 1", [["2026-01-01T00:00:00Z", 0.75]]),
    ("SELECT MetricName, Labels FROM series WHERE MetricName = 'cpu' ORDER BY Labels['core']",
     [["cpu", {"core": "0", "note": "one"}], ["cpu", {"core": "1", "note": "one"}]]),
    ("SELECT FirstSeen, LastSeen FROM series LIMIT 1",
     [["2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z"]]),
    ("SELECT TraceId, Value, Labels['note'] FROM exemplars", [["0a" * 16, 0.5, "one"]]),
    ("SELECT * FROM metrics WHERE Value = 8",
     [["cpu", "2026-01-01T00:04:00.000Z", 8, {"core": "1", "note": "one"}, "counter", "s"]]),
]  # fmt: skip
