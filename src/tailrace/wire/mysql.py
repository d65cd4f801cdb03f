"""MySQL's and MariaDB's slow query log, to canonical records.

    # Time: 261124 18:31:54
    # User@Host: root[root] @ localhost []
    # Thread_id: 4  Schema: shop  QC_hit: No
    # Query_time: 0.000174  Lock_time: 0.000046  Rows_sent: 1  Rows_examined: 3
    use shop;
    SET timestamp=1795545114;
    select *
      from orders;

MariaDB writes the time only when it is another than before. The log begins with a banner of three
lines, again after each start. The error log may go to the same file; its lines are records too.
Sources: https://dev.mysql.com/doc/refman/8.4/en/slow-query-log.html,
https://mariadb.com/kb/en/slow-query-log-overview/, and what MariaDB 10.11 writes.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from tailrace.wire import slowlog
from tailrace.wire.content import Content
from tailrace.wire.multiline import StartJoiner

_ERROR_LINE = (
    r"\d{4}-\d\d-\d\d[T ] ?\d{1,2}:\d\d:\d\d\S*\s+\d+ \[(?:Note|Warning|ERROR|Error|System)\]"
)
JOINER = StartJoiner(
    re.compile(
        rf"# Time: \d|# User@Host: .* @ |\S.*, Version: .* started with:|{_ERROR_LINE}".encode()
    ),
    pair=(b"# User@Host: ", b"# Time: "),
)

_error = re.compile(
    r"(\S+?)(?:T| +)(\d{1,2}:\d\d:\d\d(?:\.\d+)?)(\S*)\s+\d+ \[(\w+)\]\s*(.*)", re.S
)
_SEVERITIES = {"note": "INFO", "system": "INFO", "warning": "WARN", "error": "ERROR"}
_user = re.compile(r"# User@Host: ([^\[]*)\[[^\]]*\] @ +(\S*) *\[([^\]]*)\](.*)").match
_pairs = re.compile(r"([A-Za-z][\w]*): +(?![A-Za-z]\w*: )(\S+)").findall
_set = re.compile(
    r"SET (?:last_insert_id=\d+,|insert_id=\d+,)*timestamp=(\d+)(?:\.(\d{1,6}))?;"
).match
_use = re.compile(r"use (`(?:[^`]|``)+`|[^;\s]+);").match
_iso = re.compile(r"# Time: (\d{4}-\d\d-\d\dT\S+)").match
_MEASURES = {
    "Query_time": ("duration_ms", 1000.0),
    "Lock_time": ("db.lock_time_ms", 1000.0),
    "Rows_sent": ("db.response.returned_rows", 1),
    "Rows_examined": ("db.rows_examined", 1),
    "Rows_affected": ("db.rows_affected", 1),
}
_NAMES = {"Schema": "db.namespace", "Thread_id": "mysql.thread_id", "Id": "mysql.thread_id"}


def decode(data: bytes) -> Content:
    """Records of whole events, as lines with their newlines. Raises InputError ("empty").

    A query is a record whose body is the statement; anything else is one as it stands.
    """
    found, repaired = slowlog.events(data, JOINER)
    records = slowlog.Records(repaired)
    for lines in found:
        if any(line.startswith("# User@Host: ") for line in lines[:2]):
            _add_query(records, lines)
        else:
            _add_other(records, lines)
    return records.content()


def _add_query(records: slowlog.Records, lines: list[str]) -> None:
    attributes: dict[str, Any] = {"db.system.name": "mysql"}
    time_ns = place = 0
    explain: list[str] = []
    for line in lines:
        if not line.startswith("#") or line.startswith("# administrator command: "):
            break
        place += 1
        if line.startswith("# Time: "):
            time_ns = _iso_ns(line)
        elif line.startswith("# explain: "):
            explain.append(line.removeprefix("# explain: "))
        else:
            _describe(line, attributes)
    statement, stated_ns = _statement(lines[place:], attributes)
    attributes["mysql.explain"] = "\n".join(explain)
    if statement and not statement.startswith("# "):
        attributes.update(slowlog.query_attributes(statement, "mysql"))
    records.add(time_ns or stated_ns, "INFO", statement, attributes)


def _describe(line: str, attributes: dict[str, Any]) -> None:
    """What a line of the head says, into `attributes`."""
    user = _user(line)
    if user:
        attributes["user.name"] = user[1]
        attributes["client.address"] = user[3] or user[2]
        line = "#" + user[4]
    elif line.startswith("# Thread_id: "):
        attributes["db.system.name"] = "mariadb"
    for name, value in _pairs(line):
        if name in _MEASURES:
            attribute, factor = _MEASURES[name]
            number = _number(value)
            attributes[attribute] = value if number is None else _scaled(number, factor)
        else:
            attributes[_NAMES.get(name, f"mysql.{name.lower()}")] = value


def _number(value: str) -> float | None:
    return float(value) if re.fullmatch(r"\d{1,18}(?:\.\d{1,9})?", value) else None


def _scaled(number: float, factor: float) -> float:
    return int(number) if factor == 1 else round(number * factor, 6)


def _statement(lines: list[str], attributes: dict[str, Any]) -> tuple[str, int]:
    """The statement, and when it began in UTC nanoseconds; 0 where nothing says so."""
    time_ns = place = 0
    for line in lines:
        use, stated = _use(line), _set(line)
        if use and not time_ns:
            name = use[1]
            attributes["db.namespace"] = name.strip("`").replace("``", "`")
        elif stated and not time_ns:
            time_ns = int(stated[1][:10]) * 1_000_000_000 + int((stated[2] or "").ljust(9, "0"))
        else:
            break
        place += 1
    return "\n".join(lines[place:]), time_ns


def _iso_ns(line: str) -> int:
    """The time of MySQL, which has a zone; MariaDB's is of a zone that the log does not say."""
    found = _iso(line)
    return _nanoseconds(found[1]) if found else 0


def _nanoseconds(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0
    if moment.tzinfo is None:
        return 0
    passed = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (passed.days * 86_400 + passed.seconds) * 1_000_000_000 + passed.microseconds * 1_000


def _add_other(records: slowlog.Records, lines: list[str]) -> None:
    text = "\n".join(lines)
    found = _error.match(text)
    attributes = {"db.system.name": "mariadb" if "MariaDB" in text else "mysql"}
    if found is None:
        records.add(0, "INFO", text, attributes)
        return
    time_ns = _nanoseconds(f"{found[1]}T{found[2]:0>8}{found[3]}")
    records.add(time_ns, _SEVERITIES.get(found[4].lower(), ""), text, attributes)
