"""What a table of logs promises the writer."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core.contracts import Delivery, Position, Recorded
from tailrace.core.errors import StoreError
from tailrace.core.frame import Codec, Frame
from tailrace.store.engine import Engine
from tailrace.store.logs import LogTable

from .building import frame
from .conftest import Use

HOSTILE = [
    "'; DROP TABLE logs; --",
    "\\",
    "\\'",
    "'",
    '"',
    "`",
    "\\n\n\r\t",
    "a\0b",
    "\0",
    "{param:String}",
    "{1..9}",
    "%s %(x)s",
    "$(id)",
    "/* */ -- #",
    "\U0001f600 \u00e9 \u2028 \u202e",
    " ",
    "x" * 4000,
]


def lines(count: int) -> bytes:
    return b"".join(b'{"body":"%d"}\n' % number for number in range(count))


def test_a_frame_that_is_in_the_table_in_part_is_counted_and_can_be_taken_out(use: Use) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        whole, partial = frame(lines(3), 1), frame(lines(5), 2)
        await table.insert([whole, partial])
        await engine.write(
            "ALTER TABLE logs DELETE WHERE Seq = 2 AND Body < '3' SETTINGS mutations_sync=2"
        )
        headers = [whole.header, partial.header, frame(lines(1), 3).header]
        assert await table.stored(headers) == {whole.header.key: 3, partial.header.key: 2}
        await table.remove([partial.header])
        await table.insert([partial])
        assert await table.stored(headers) == {whole.header.key: 3, partial.header.key: 5}

    use(body)  # fmt: skip


def test_an_insert_that_fails_in_the_middle_is_counted_by_stored(use: Use) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        good = frame(lines(3), 1, codec=Codec.LINES)
        bad = Frame(frame(b"{}\n", 2).header, b"no zstd")
        with pytest.raises(StoreError):
            await table.insert([good, bad])
        assert await table.stored([good.header, bad.header]) == {good.header.key: 3}

    use(body)


def test_a_line_that_the_engine_refuses_costs_only_its_frame_a_row(use: Use) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        good, bad = frame(b'{"body":"a"}\n'), frame(b'{"body":"b"}\n{"body":"c","body":"d"}\n', 2)
        await table.insert([good, bad])
        headers = [good.header, bad.header]
        assert await table.stored(headers) == {good.header.key: 1, bad.header.key: 1}

    use(body)


def test_equal_numbers_of_other_tenants_sources_and_epochs_are_other_frames(use: Use) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        others = [
            frame(lines(1)),
            frame(lines(2), tenant="other"),
            frame(lines(3), source="other"),
            frame(lines(4), epoch=2),
        ]
        await table.insert(others)
        headers = [other.header for other in others]
        assert await table.stored(headers) == {h.key: h.rows for h in headers}
        await table.remove(headers[:1])
        assert await table.stored(headers) == {h.key: h.rows for h in headers[1:]}

    use(body)


def test_the_largest_numbers_of_a_header_are_found_again(use: Use) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        most = 2**64 - 1
        big = frame(lines(2), epoch=most, weight=2**32 - 1)
        header = msgspec.structs.replace(big.header, seq=2**63 - 1, checksum=most)
        await table.insert([Frame(header, big.payload)])
        await table.remember([Delivery(Frame(header, b""), Position(3, 99))])
        assert await table.stored([header]) == {header.key: 2}
        assert await table.remembered([header]) == {header.key: Recorded(Position(3, 99), 2)}
        assert await table.newest(header) == 2**63 - 1

    use(body)


@pytest.mark.parametrize("kind", [Codec.RECORDS, Codec.LINES])
def test_a_frame_whose_events_are_of_many_days_is_stored(kind: Codec, use: Use) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        days = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(101)]
        if kind is Codec.LINES:
            data = b"".join(day.isoformat().encode() + b" old\n" for day in days)
        else:
            data = b"".join(b'{"time":%d}\n' % (day.timestamp() * 10**9) for day in days)
        old = frame(data, codec=kind)
        await table.insert([old])
        assert await table.stored([old.header]) == {old.header.key: 101}

    use(body)


def test_the_two_tables_remember_apart(use: Use) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        sent = frame(lines(1))
        await table.remember([Delivery(sent, Position(2, 7))])
        bulk = LogTable(engine, "bulk_rows", "bulk", table._scratch)
        assert await bulk.remembered([sent.header]) == {}
        assert await bulk.newest(sent.header) == -1

    use(body)


@pytest.mark.parametrize("codec", [Codec.LINES, Codec.RECORDS])
def test_hostile_resource_values_and_names_survive_exactly(codec: Codec, use: Use) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        resource = {f"key {value}": value for value in HOSTILE}
        resource |= {"host.name": HOSTILE[0], "service.name": HOSTILE[2]}
        data = b"line\n" if codec is Codec.LINES else b'{"body":"line"}\n'
        await table.insert([frame(data, codec=codec, resource=resource)])
        found = await engine.rows("SELECT ResourceAttributes, HostName, ServiceName FROM logs")
        assert found == [(resource, HOSTILE[0], HOSTILE[2])]

    use(body)


def test_hostile_attributes_and_texts_survive_exactly(use: Use) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        records = [{"body": v, "severity": v, "attributes": {v: v}} for v in HOSTILE]
        data = "".join(json.dumps(record) + "\n" for record in records).encode()
        await table.insert([frame(data)])
        found = await engine.rows("SELECT Body, SeverityText, LogAttributes FROM logs")
        assert sorted(found, key=repr) == sorted([(v, v, {v: v}) for v in HOSTILE], key=repr)

    use(body)


@pytest.mark.parametrize("source", [value for value in HOSTILE if value != "x" * 4000])
def test_a_hostile_source_is_stored_counted_remembered_and_removed(source: str, use: Use) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        sent = frame(lines(2), source=source)
        key = sent.header.key
        await table.insert([sent])
        await table.remember([Delivery(sent, Position(1, 2))])
        assert await table.stored([sent.header]) == {key: 2}
        assert await table.remembered([sent.header]) == {key: Recorded(Position(1, 2), 2)}
        assert await table.newest(sent.header) == 1
        await table.remove([sent.header])
        assert await table.stored([sent.header]) == {}

    use(body)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(values=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=40, unique_by=lambda p: p[0]))
@settings(
    max_examples=examples(5),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_resource_survives_exactly(values: list[tuple[str, str]], use: Use) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        await table.insert([frame(b"line\n", codec=Codec.LINES, resource=dict(values))])
        assert await engine.rows("SELECT ResourceAttributes FROM logs") == [(dict(values),)]

    use(body)
