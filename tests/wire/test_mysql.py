"""The slow query logs of MySQL and MariaDB become records, one for each query."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.errors import InputError
from tailrace.wire import mysql, records

from .servers import in_pieces, mariadb

# As the manual of MySQL 8.4 describes it, with log_slow_extra.
MYSQL = """\
/usr/sbin/mysqld, Version: 8.4.3 (MySQL Community Server - GPL). started with:
Tcp port: 3306  Unix socket: /var/run/mysqld/mysqld.sock
Time                 Id Command    Argument
# Time: 2026-11-24T18:31:54.123456Z
# User@Host: app[app] @ web1.example.com [10.0.0.7]  Id:     8
# Query_time: 1.500000  Lock_time: 0.000002 Rows_sent: 2  Rows_examined: 1000 Thread_id: 8 Errno: 0
use `shop``s`;
SET timestamp=1795545112;
SELECT *
  FROM orders

 WHERE note = "a;
# Time: not one" AND id IN (1, 2);
# Time: 2026-11-24T18:31:55.000000+01:00
# User@Host: app[app] @  [10.0.0.7]  Id:     8
# Query_time: 0.000100  Lock_time: 0.000000 Rows_sent: 0  Rows_examined: 0
SET timestamp=1795545115;
# administrator command: Quit;
2026-11-24T18:31:56.000000Z 0 [Warning] [MY-010068] [Server] CA certificate is self signed.
"""


def rows(text: bytes) -> list[dict[str, Any]]:
    content = mysql.decode(text)
    assert records.decode(content.data).rows == content.rows
    return [json.loads(line) for line in content.data.splitlines()]


def test_the_slow_log_of_mysql_becomes_records() -> None:
    banner, query, command, error = rows(MYSQL.encode())
    assert banner["body"].count("\n") == 2
    assert query["time"] == 1_795_545_114_123_456_000
    assert query["body"].startswith("SELECT *\n  FROM orders\n\n WHERE")
    assert {
        "db.system.name": "mysql", "db.namespace": "shop`s", "user.name": "app",
        "client.address": "10.0.0.7", "mysql.thread_id": "8", "duration_ms": 1500.0,
        "db.lock_time_ms": 0.002, "db.response.returned_rows": 2, "db.rows_examined": 1000,
        "mysql.errno": "0", "db.query.summary": "SELECT orders",
        "db.query.text": "select * from orders where note = ? and id in (?)",
    }.items() <= query["attributes"].items()  # fmt: skip
    assert command["body"] == "# administrator command: Quit;"
    assert command["time"] == 1_795_541_515_000_000_000
    assert "db.query.text" not in command["attributes"]
    assert (error["severity"], error["time"]) == ("WARN", 1_795_545_116_000_000_000)
    whole = mysql.decode(MYSQL.encode()).data
    assert in_pieces(mysql.JOINER, mysql.decode, MYSQL.encode()) == whole


def test_what_a_real_mariadb_logs_becomes_records() -> None:
    text = mariadb(
        ["--log-slow-verbosity=query_plan,explain"],
        """create database shop; use shop;
        create table orders(id int primary key, note text);
        insert into orders values (1, 'it''s'), (2, "x \\"y\\""), (3, 'a;
# Time: not one
b');
        select *
          from orders

         where id in (1, 2, 3) and note like 'a%';
        select * from orders where id in (2, 1) and note like 'b%';
        select * from missing;
        """,
    )
    found = rows(text)
    assert "started with:" in found[0]["body"]
    queries = [row for row in found if "duration_ms" in row["attributes"]]
    assert all(row["attributes"]["db.system.name"] == "mariadb" for row in found)
    assert all(row["time"] > 1_700_000_000_000_000_000 for row in queries)
    alike = [row for row in queries if " like ?" in row["attributes"]["db.query.text"]]
    assert [row["attributes"]["db.response.returned_rows"] for row in alike] == [1, 0]
    assert len({row["attributes"]["db.query.fingerprint"] for row in alike}) == 1
    assert alike[0]["attributes"]["db.namespace"] == "shop"
    assert alike[0]["attributes"]["mysql.explain"].startswith("id\t")
    assert alike[0]["body"].startswith("select *\n          from orders\n\n")
    (insert,) = [row for row in queries if row["body"].startswith("insert")]
    assert insert["attributes"]["db.query.text"] == "insert into orders values (?, ?)"
    assert insert["body"].endswith("# Time: not one\nb');")
    assert in_pieces(mysql.JOINER, mysql.decode, text) == mysql.decode(text).data


_LINES = st.sampled_from([*MYSQL.splitlines(keepends=True), "\n", "# \n", "# Time: 9\n", "é\x1e\n"])


@given(st.lists(_LINES, min_size=1).map(lambda lines: "".join(lines).encode()))
def test_any_lines_become_records_wherever_they_are_cut(text: bytes) -> None:
    try:
        whole = mysql.decode(text).data
        pieces = in_pieces(mysql.JOINER, mysql.decode, text)
    except InputError:
        return  # nothing but blank lines
    assert pieces == whole
