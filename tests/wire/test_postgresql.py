"""PostgreSQL's log becomes records: one for each message, its statement told from its text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core import limits
from tailrace.core.errors import InputError
from tailrace.core.frame import Codec
from tailrace.wire import postgresql, records
from tailrace.wire.slowlog import Records

from .servers import in_pieces
from .servers import postgresql as server

MOMENT = 1_795_545_113_072_000_000  # 2026-11-24 18:31:53.072 UTC

STATEMENTS = """
create table orders(id int primary key, note text);
insert into orders select i, 'note ' || i from generate_series(1, 100) i;
select *
  from orders
 where id in (1, 2, 3);
select * from orders where id in (7, 8);
select * from missing where x = 'y';
prepare p(int) as select note from orders where id = $1;
execute p(5);
do $do$ begin raise warning 'two
lines' using hint = 'a hint', detail = 'a detail'; end $do$;
"""


def rows(text: bytes) -> list[dict[str, Any]]:
    content = postgresql.decode(text)
    assert content.codec is Codec.RECORDS
    assert records.decode(content.data).rows == content.rows
    return [json.loads(line) for line in content.data.splitlines()]


def test_what_a_real_server_logs_becomes_records() -> None:
    text = server(
        [
            "log_min_duration_statement=0",
            "shared_preload_libraries='auto_explain'",
            "auto_explain.log_min_duration=0",
            "auto_explain.log_analyze=on",
            "log_line_prefix='%m [%p] %q%u@%d '",
            "log_timezone='UTC'",
        ],
        STATEMENTS,
    )
    found = rows(text)
    assert all(row["time"] > MOMENT // 2 for row in found)
    assert found[0]["body"].startswith("starting PostgreSQL")
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for row in found:
        by_kind.setdefault(row["attributes"].get("postgresql.kind", ""), []).append(row)
    selects = [
        row
        for row in by_kind["statement"]
        if row["attributes"]["db.query.text"] == "select * from orders where id in (?)"
    ]
    assert [row["body"] for row in selects] == [
        "select *\n  from orders\n where id in (1, 2, 3);",
        "select * from orders where id in (7, 8);",
    ]
    one, two = (row["attributes"] for row in selects)
    assert one["db.query.fingerprint"] == two["db.query.fingerprint"]
    assert one["duration_ms"] >= 0
    assert (one["user.name"], one["db.namespace"]) == ("app", "postgres")
    plans = [p["attributes"] for p in by_kind["plan"] if "Scan" in p["body"]]
    counted = {p["db.query.text"]: p["db.response.returned_rows"] for p in plans}
    assert counted["select * from orders where id in (?)"] == 2
    executed = next(row for row in by_kind["statement"] if row["body"] == "execute p(5);")
    assert executed["attributes"]["db.query.summary"] == "PREPARE orders"
    (failed,) = [
        row for row in found if row.get("severity") == "ERROR" and "missing" in row["body"]
    ]
    assert failed["attributes"]["db.query.text"] == "select * from missing where x = ?"
    (warned,) = [row for row in found if row.get("severity") == "WARN"]
    assert warned["body"].startswith(
        "two\nlines\nDETAIL:  a detail\nHINT:  a hint\nCONTEXT:  PL/pgSQL"
    )
    assert in_pieces(postgresql.JOINER, postgresql.decode, text) == postgresql.decode(text).data


PREFIXES = {
    "2026-11-24 18:31:53.072 UTC [10705] ": {"process.pid": "10705"},
    "2026-11-24 19:31:53.072 CET [10705] app@shop ": {"user.name": "app", "db.namespace": "shop"},
    "2026-11-24 13:01:53.072 -0530 [10705]: [3-1] user=app,db=shop,app=psql,client=10.0.0.7 ": {
        "user.name": "app", "db.namespace": "shop", "client.address": "10.0.0.7",
        "postgresql.application_name": "psql", "process.pid": "10705",
    },
    "2026-11-24 18:31:53.072 UTC:10.0.0.7(50132):app@shop:[10705]:": {
        "user.name": "app", "db.namespace": "shop", "client.address": "10.0.0.7",
    },
    "1795545113.072 10705 ": {},
}  # fmt: skip


@pytest.mark.parametrize("prefix", PREFIXES)
def test_common_prefixes_are_known(prefix: str) -> None:
    text = f"{prefix}LOG:  duration: 12.300 ms  execute <unnamed>: select $1\n\tfrom t\n"
    text += f"{prefix}DETAIL:  parameters: $1 = 'it''s', $2 = NULL\n"
    (row,) = rows(text.encode())
    attributes = row["attributes"]
    assert row["time"] == MOMENT
    assert row["body"] == "select $1\nfrom t"
    assert attributes["duration_ms"] == 12.3
    assert attributes["db.query.parameter.1"] == "it's"
    assert attributes["db.query.parameter.2"] == "NULL"
    assert attributes["postgresql.kind"] == "execute"
    assert PREFIXES[prefix].items() <= attributes.items()


def test_a_zone_of_no_known_offset_leaves_the_time_to_the_agent() -> None:
    (row,) = rows(b"2026-11-24 18:31:53.072 IST [1] LOG:  ready\n")
    assert "time" not in row
    assert row["attributes"]["postgresql.time"] == "2026-11-24 18:31:53.072 IST"


def test_lines_of_no_message_are_records_as_they_stand() -> None:
    text = (
        b"sh: 1: archive: not found\n\n\ttail\n2026-11-24 18:31:53.072 UTC [1] PANIC:  x LOG:  y\n"
    )
    assert [row["body"] for row in rows(text)] == ["sh: 1: archive: not found", "tail", "x LOG:  y"]
    assert rows(text)[-1]["severity"] == "PANIC"
    assert rows(text.replace(b"\n", b"\r\n")[:-2]) == rows(text)
    with pytest.raises(InputError):
        postgresql.decode(b"\n\t\n")


def test_an_entry_has_so_many_attributes_and_such_short_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "SLOW_ATTRIBUTES", 2)
    monkeypatch.setattr(limits, "SLOW_NAME_CHARS", 3)
    found = Records({})
    found.add(0, "", "x", {"abc": 1, "defg": 2, "h": 3})
    assert json.loads(found.content().data)["attributes"] == {"abc": 1, "def": 2}


def test_what_is_too_long_is_cut_and_counted() -> None:
    text = b"2026-11-24 18:31:53 UTC [1] LOG:  duration: 1.0 ms  statement: select '"
    text += b"\xff\x00" + b"\\" * limits.LINE_BYTES + b"'\n"
    content = postgresql.decode(text)
    assert content.repaired["line_length"] == 1
    assert content.repaired["nul"] == content.repaired["utf8"] == 1
    assert len(content.data) <= limits.LINE_BYTES + 1


_PARTS = st.sampled_from(
    ["2026-11-24 18:31:53.072 UTC [1] ", "LOG:  ", "DETAIL:  ", "STATEMENT:  ", "duration: 1 ms",
     "  statement: ", "  plan:", "\n", "\t", "select 1", "$1 = 'x'", "parameters: ", "\x1e", "é",
     "2026-13-99 25:61:61.9 UTC ", "99999-", " ERROR:  "]
)  # fmt: skip


@given(st.lists(_PARTS).map(lambda parts: "".join(parts).encode() + b"\n"))
def test_any_text_becomes_records_wherever_it_is_cut(text: bytes) -> None:
    whole, pieces = b"", b""
    try:
        whole = postgresql.decode(text).data
    except InputError:
        return
    try:
        pieces = in_pieces(postgresql.JOINER, postgresql.decode, text)
    except InputError:
        return  # a piece of blank lines only
    assert pieces == whole
