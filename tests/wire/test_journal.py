"""What journalctl prints becomes records that any reader of ours takes."""

from __future__ import annotations

import json
import logging
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core import limits
from tailrace.core.frame import CANONICAL
from tailrace.core.log import Records
from tailrace.wire import records
from tailrace.wire.journal import Entries, decode


def entry(**fields: Any) -> dict[str, Any]:
    return {"__CURSOR": "c1", "__REALTIME_TIMESTAMP": "1700000000000001", "MESSAGE": "hi", **fields}


def decoded(*entries: Any, **options: Any) -> tuple[Entries, list[dict[str, Any]]]:
    text = b"".join(msgspec.json.encode(one) + b"\n" for one in entries)
    found = decode(text, **options)
    return found, [json.loads(line) for line in found.data.splitlines()]


def test_an_entry_becomes_a_record() -> None:
    found, (record,) = decoded(
        entry(PRIORITY="3", SYSLOG_IDENTIFIER="sshd", _PID="12", CODE_FILE="a.c")
    )
    assert record == {
        "time": 1_700_000_000_000_001_000,
        "severity": "err",
        "service": "sshd",
        "body": "hi",
        "attributes": {"SYSLOG_IDENTIFIER": "sshd", "_PID": "12", "CODE_FILE": "a.c"},
    }
    assert (found.first, found.last, found.rows) == ("c1", "c1", 1)
    assert not found.dropped
    assert not found.repaired


@pytest.mark.parametrize(
    ("message", "body"),
    [
        (None, ""),
        ([104, 105], "hi"),
        ([255, 104], "\ufffdh"),
        (["two", "lines"], "two\nlines"),
        (["two", [255, 104], None], "two\n\ufffdh\n"),
        ("a\0b", "a\ufffdb"),
        ([], ""),
        (7, "7"),
    ],
)
def test_a_message_may_take_many_forms(message: object, body: str) -> None:
    _, (record,) = decoded(entry(MESSAGE=message))
    assert record["body"] == body


def test_the_unit_names_the_service_where_nothing_else_does() -> None:
    _, (record,) = decoded(entry(_SYSTEMD_UNIT="cron.service"))
    assert record["service"] == "cron.service"
    _, (record,) = decoded(entry(_SYSTEMD_UNIT="cron.service"), service="machine")
    assert "service" not in record


def test_the_entry_that_was_read_before_is_left_out() -> None:
    found, (record,) = decoded(entry(), entry(__CURSOR="c2", MESSAGE="new"), after="c1")
    assert record["body"] == "new"
    assert (found.first, found.last) == ("c1", "c2")


def test_our_own_lines_do_not_come_back() -> None:
    said = logging.makeLogRecord({"name": "tailrace.app", "levelname": "INFO", "msg": "started"})
    own = Records().format(said)
    near = '{"body":"\\"service\\":\\"tailrace\\"","service":"web"}'
    found, (record,) = decoded(entry(MESSAGE=own), entry(__CURSOR="c2", MESSAGE=near))
    assert record["body"] == near
    assert found.dropped == {"own": 1}
    assert found.last == "c2"


def test_what_is_no_entry_is_counted() -> None:
    found = decode(b'{"MESSAGE":"no cursor"}\n{oops\n[]\n-- No entries --\n')
    assert (found.rows, found.dropped) == (0, {"malformed": 4})


def test_a_huge_entry_is_cut_and_counted() -> None:
    fields = {f"FIELD_{n}": "x" * 9000 for n in range(600)}
    found, (record,) = decoded(entry(MESSAGE="\x01" * limits.MIB, **fields))
    assert len(found.data) <= limits.LINE_BYTES + 1
    assert "…[cut " in record["body"]
    assert len(record["attributes"]) < 100
    assert found.repaired["line_length"] == 1
    assert found.repaired["attributes"] > 600


VALUES = (
    st.none()
    | st.text()
    | st.lists(st.integers(0, 255))
    | st.lists(st.text() | st.lists(st.integers(0, 255)) | st.none())
)
ENTRIES = st.lists(st.dictionaries(st.text(min_size=1), VALUES).map(lambda d: entry(**d)))


@given(ENTRIES)
def test_whatever_the_journal_holds_is_canonical(entries: list[dict[str, Any]]) -> None:
    found, decoded_records = decoded(*entries)
    assert found.rows == len(decoded_records)
    assert found.rows + sum(found.dropped.values()) == len(entries)
    if found.rows:
        content = records.decode(found.data)
        assert content.hints == CANONICAL
        assert (content.rows, content.data) == (found.rows, found.data)


@given(st.binary())
def test_any_bytes_are_taken_or_counted(data: bytes) -> None:
    found = decode(data)
    assert found.rows == 0 or found.last
