"""Frames of each codec become the rows that their bytes say."""

from __future__ import annotations

import json

import pytest

from tailrace.core.contracts import Delivery, Position, Recorded
from tailrace.core.frame import Codec, Hints
from tailrace.store.engine import Engine
from tailrace.store.logs import LogTable

from .building import NOW, frame
from .conftest import Use


def test_canonical_records_fill_the_exporter_columns(use: Use) -> None:
    record = {
        "time": 1_790_000_000_123_456_789,
        "severity": "Warn",
        "body": 'say "hi" \\ \n\t\u20ac',
        "service": "cart",
        "trace_id": "ab" * 16,
        "span_id": "cd" * 8,
        "attributes": {"n": 5, "b": True, "x": None, "o": {"k": [1, 2]}, "s": "text"},
        "resource": {"host.name": "h1"},
    }

    async def body(table: LogTable, engine: Engine) -> None:
        await table.insert([frame(json.dumps(record).encode() + b"\n", weight=20)])
        rows = await engine.rows(
            "SELECT toUnixTimestamp64Nano(Timestamp), SeverityText, SeverityNumber, Body, "
            "ServiceName, HostName, TraceId, SpanId, LogAttributes, ResourceAttributes, Weight "
            "FROM logs"
        )
        assert rows[0][:8] == (
            record["time"], "Warn", 13, record["body"], "cart", "h1", "ab" * 16, "cd" * 8,
        )  # fmt: skip
        attributes = rows[0][8]
        assert attributes["n"] == "5"
        assert attributes["s"] == "text"
        assert attributes["b"] == "true"
        assert json.loads(attributes["o"]) == {"k": [1, 2]}
        assert rows[0][9] == {"host.name": "h1"}
        assert rows[0][10] == 20

    use(body)


def test_each_frame_keeps_its_own_header(use: Use) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        frames = [
            frame(b'{"body":"a"}\n{"body":"b"}\n', 1, resource={"host.name": "h'1\\"}),
            frame(b'{"body":"c","resource":{"zone":"z"}}\n', 2, tenant="other", weight=7),
        ]
        await table.insert(frames)
        rows = await engine.rows(
            "SELECT Tenant, Seq, Body, HostName, ResourceAttributes, Weight, ServiceName, "
            "toUnixTimestamp64Nano(Timestamp) FROM logs ORDER BY Body"
        )
        assert [row[:3] for row in rows] == [
            ("default", 1, "a"), ("default", 1, "b"), ("other", 2, "c"),
        ]  # fmt: skip
        assert rows[0][3] == "h'1\\"
        assert rows[2][4] == {"zone": "z"}
        assert [row[5] for row in rows] == [1, 1, 7]
        assert rows[0][6] == "unknown_service"
        assert rows[2][7] == NOW + 2
        headers = [f.header for f in frames]
        assert await table.stored(headers) == {headers[0].key: 2, headers[1].key: 1}
        await table.remove(headers[:1])
        assert await table.stored(headers) == {headers[1].key: 1}

    use(body)


def test_lines_give_up_their_time_level_and_trace(use: Use) -> None:
    lines = [
        "2026-09-01T10:00:00.250Z ERROR pay trace_id=" + "0f" * 16 + " it failed",
        "2026-09-01 10:00:01,5 [main] warning: low",
        "no time here",
    ]

    async def body(table: LogTable, engine: Engine) -> None:
        data = "\n".join(lines).encode()
        await table.insert([frame(data, codec=Codec.LINES, resource={"service.name": "pay"})])
        rows = await engine.rows(
            "SELECT Body, toUnixTimestamp64Milli(Timestamp) % 100000, SeverityNumber, TraceId, "
            "ServiceName FROM logs ORDER BY Timestamp"
        )
        assert [row[0] for row in rows] == lines
        assert [row[1] for row in rows] == [250, 1500, NOW // 10**6 % 100000]
        assert [row[2] for row in rows] == [17, 13, 0]
        assert rows[0][3] == "0f" * 16
        assert {row[4] for row in rows} == {"pay"}

    use(body)


def test_foreign_records_keep_every_field(use: Use) -> None:
    hints = Hints(time="ts", severity="lvl", body="msg", time_unit="auto", foreign=True)
    data = (
        b'{"ts":"2026-09-01T10:00:00.5Z","lvl":"error","msg":"m1","user":"u\\"1","n":{"a":1}}\n'
        b'{"ts":1788256800,"lvl":"info","msg":"m2"}\n'
        b'{"other":1}\n'
    )

    async def body(table: LogTable, engine: Engine) -> None:
        await table.insert([frame(data, hints=hints)])
        rows = await engine.rows(
            "SELECT Body, toUnixTimestamp64Milli(Timestamp), SeverityNumber, LogAttributes "
            "FROM logs ORDER BY Timestamp"
        )
        assert rows[0] == ("m2", 1788256800000, 9, {})
        assert rows[1][:3] == ("m1", 1788256800500, 17)
        assert rows[1][3] == {"user": 'u"1', "n": '{"a":1}'}
        assert rows[2][0] == '{"other":1}'

    use(body)


def test_stored_frames_are_remembered_with_their_place(use: Use) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        kept = frame(b'{"body":"a"}\n', 41, source="a'b")
        assert await table.newest(kept.header) == -1
        await table.remember([Delivery(kept, Position(3, 99))])
        assert await table.newest(kept.header) == 41
        assert await table.remembered([kept.header]) == {
            kept.header.key: Recorded(Position(3, 99), 1)
        }

    use(body)


def test_lines_without_a_time_stay_in_order(use: Use) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        said = [f"  File {n}, in handler" for n in range(3_000)]
        await table.insert([frame("\n".join(said).encode(), codec=Codec.LINES)])
        found = await engine.rows("SELECT Body FROM logs ORDER BY Timestamp")
        assert [row[0] for row in found] == said

    use(body)


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("2026-01-01 12:00:00 ERROR failed", "ERROR"),
        ("[warn] low", "WARN"),
        ("level=info msg=x", "INFO"),
        ("it ended with an error.", "ERROR"),
        ("Error: no such file", "ERROR"),
        ("install libgpg-error-dev 1.46", ""),
        ("GET /error HTTP/1.1", ""),
        ("opened error.log", ""),
        ("information", ""),
    ],
)
def test_a_level_is_a_word_of_its_own(line: str, level: str, use: Use) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        await table.insert([frame(line.encode(), codec=Codec.LINES)])
        assert await engine.rows("SELECT SeverityText FROM logs") == [(level,)]

    use(body)


def test_newlines_within_lines_are_put_back(use: Use) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        joined = (
            b"2026-11-24 10:15:30 ERROR boom\x1eTraceback\x1e\x1e  it's\n2026-11-24 10:15:31 a\n"
        )
        hints = Hints(newline="\x1e")
        await table.insert([frame(joined, 1, codec=Codec.LINES, hints=hints)])
        await table.insert([frame(b"x\x1ey\n", 2, codec=Codec.LINES)])
        rows = await engine.rows("SELECT SeverityText, Body FROM logs ORDER BY Seq, Timestamp")
        assert rows == [
            ("ERROR", "2026-11-24 10:15:30 ERROR boom\nTraceback\n\n  it's"),
            ("", "2026-11-24 10:15:31 a"),
            ("", "x\x1ey"),
        ]

    use(body)
