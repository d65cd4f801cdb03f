"""What the archive promises: rows equal to the table's, and only steps that were recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from tailrace.core.contracts import Position
from tailrace.core.errors import ConfigError, StoreError
from tailrace.core.frame import Codec, Frame
from tailrace.store import schema
from tailrace.store.archive import Archive
from tailrace.store.engine import Engine
from tailrace.store.logs import LogTable

from .building import HOUR_NS, NOW, at, frame
from .conftest import Use

Row = tuple[Any, ...]
UPTO = Position(3, 99)
HOUR = NOW - NOW % HOUR_NS


class Place:
    """An archive in a fresh folder beside the tables."""

    def __init__(self, table: LogTable, engine: Engine, folder: Path) -> None:
        self.hot = table
        self.bulk = LogTable(engine, "bulk_rows", "bulk", folder)
        self.engine = engine
        self.folder = folder
        self.archive = Archive(engine, folder)

    async def reopened(self) -> Archive:
        self.archive = Archive(self.engine, self.folder)
        await self.archive.open()
        return self.archive

    def files(self) -> list[str]:
        return sorted(str(p.relative_to(self.folder)) for p in self.folder.rglob("*.parquet"))

    def rows(self) -> list[Row]:
        """Rows of all files that count, a column after the other, in the order of the table."""
        found: list[Row] = []
        for path in self.archive.manifest.paths():
            table = pq.ParquetFile(self.folder / path).read()
            assert table.column_names == list(schema.COLUMN_NAMES)
            columns = [_column(table.column(name)) for name in schema.COLUMN_NAMES]
            found += zip(*columns, strict=True)
        return sorted(found, key=repr)

    async def table_rows(self, table: str = "logs") -> list[Row]:
        columns = {name: name for name in schema.COLUMN_NAMES}
        for name in ("Timestamp", "IngestTime"):
            columns[name] = f"toUnixTimestamp64Nano({name})"
        for name in ("ResourceAttributes", "LogAttributes"):
            columns[name] = f"arrayZip(mapKeys({name}), mapValues({name}))"
        found = await self.engine.rows(f"SELECT {', '.join(columns.values())} FROM {table}")
        return sorted((tuple(row) for row in found), key=repr)


def _column(column: Any) -> list[Any]:
    if str(column.type).startswith("timestamp"):
        assert str(column.type) == "timestamp[ns, tz=UTC]"
        return list(column.cast("int64").to_pylist())
    return [_text(value) for value in column.to_pylist()]


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [tuple(_text(part) for part in pair) for pair in value]
    return value


@pytest.fixture
def place(use: Use, tmp_path: Path) -> Callable[[Callable[[Place], Awaitable[None]]], None]:
    def run(body: Callable[[Place], Awaitable[None]]) -> None:
        async def whole(table: LogTable, engine: Engine) -> None:
            place = Place(table, engine, tmp_path / "archive")
            await place.archive.open()
            await body(place)

        use(whole)

    return run


In = Callable[[Callable[[Place], Awaitable[None]]], None]


def varied() -> list[Frame]:
    record = {
        "time": HOUR + 123_456_789,
        "severity": "Warn",
        "body": "say 'hi' \\ \0 \U0001f600",
        "service": "cart",
        "trace_id": "ab" * 16,
        "span_id": "cd" * 8,
        "attributes": {"n": 5, "quote'": '"', "": "empty", "null": None, "o": {"k": [1]}},
        "resource": {"host.name": "h'1", "zone": "z"},
    }
    text = b"2027-01-15T10:00:00.25Z ERROR trace_id=" + b"0f" * 16 + b" it failed\n\nplain\n"
    return [
        frame(msgspec.json.encode(record) + b'\n{"attributes":{"a":"1","a":"2"}}\n', 1, weight=20),
        frame(text, 2, codec=Codec.LINES, resource={"service.name": "pay"}, tenant="other"),
        frame(b"{}\n", 3, epoch=2**64 - 1, source="s'\\"),
    ]


@pytest.mark.parametrize("lane", ["hot", "bulk"])
def test_archived_rows_equal_the_rows_of_the_table_column_by_column(lane: str, place: In) -> None:
    async def body(place: Place) -> None:
        frames = varied()
        headers = [f.header for f in frames]
        if lane == "hot":
            await place.hot.insert(frames)
            counted = await place.archive.step(headers, [], UPTO)
        else:
            await place.bulk.insert(frames)
            counted = await place.archive.step([], headers, UPTO)
        assert counted[0] == 6
        expected = await place.table_rows("logs" if lane == "hot" else "bulk_rows")
        assert place.rows() == expected

    place(body)


def test_only_the_rows_of_the_frames_of_a_step_are_in_it(place: In) -> None:
    async def body(place: Place) -> None:
        await place.hot.insert([at(HOUR, seq=1), at(HOUR + 1, seq=2), at(HOUR + 2, seq=3)])
        await place.archive.step([at(HOUR, seq=1).header, at(HOUR, seq=3).header], [], UPTO)
        assert [row[10] for row in place.rows()] == [str(HOUR), str(HOUR + 2)]

    place(body)


def test_a_tenant_and_an_hour_have_files_of_their_own(place: In) -> None:
    async def body(place: Place) -> None:
        times = (HOUR - 1, HOUR, HOUR + HOUR_NS - 1, HOUR + HOUR_NS)
        frames = [at(*times), at(HOUR, seq=2, tenant="other")]
        await place.hot.insert(frames)
        await place.archive.step([f.header for f in frames], [], UPTO)
        folders = [
            f"tenant={tenant}/" + datetime.fromtimestamp(hour, UTC).strftime("day=%Y-%m-%d/hour=%H")
            for tenant, hour in [
                ("default", HOUR // 10**9 - 3600),
                ("default", HOUR // 10**9),
                ("default", HOUR // 10**9 + 3600),
                ("other", HOUR // 10**9),
            ]
        ]
        files = place.archive.listing.files()
        assert [str(Path(file.path).parent) for file in files] == folders
        assert [(f.tenant, f.rows, f.first_ns, f.last_ns) for f in files] == [
            ("default", 1, HOUR - 1, HOUR - 1),
            ("default", 2, HOUR, HOUR + HOUR_NS - 1),
            ("default", 1, HOUR + HOUR_NS, HOUR + HOUR_NS),
            ("other", 1, HOUR, HOUR),
        ]
        sizes = [(place.folder / file.path).stat().st_size for file in files]
        assert [file.bytes for file in files] == sizes

    place(body)


def test_the_first_and_the_last_event_time_are_archived(place: In) -> None:
    async def body(place: Place) -> None:
        ends = at(1, 9_000_000_000_000_000_000)
        await place.hot.insert([ends])
        await place.archive.step([ends.header], [], UPTO)
        assert [row[1] for row in place.rows()] == [1, 9_000_000_000_000_000_000]

    place(body)


def test_a_line_that_says_a_time_before_1970_is_archived(place: In) -> None:
    async def body(place: Place) -> None:
        old = frame(b"1969-12-31T23:30:00Z before the epoch\n", codec=Codec.LINES)
        await place.hot.insert([old])
        await place.archive.step([old.header], [], UPTO)
        assert place.rows() == await place.table_rows()

    place(body)


@pytest.mark.parametrize(
    "time",
    [
        b"9999-12-31T23:59:59Z",
        b"2262-04-12T00:00:00Z",
        b"0000-00-00 00:00:00",
        b"2026-02-31 25:61:61",
        b"1000-01-01T00:00:00Z",
        b"1677-01-01T00:00:00Z",
    ],
)
def test_a_line_that_says_an_impossible_time_is_stored_and_archived(time: bytes, place: In) -> None:
    async def body(place: Place) -> None:
        odd = frame(time + b" odd\n", codec=Codec.LINES)
        await place.hot.insert([odd])
        await place.archive.step([odd.header], [], UPTO)
        assert place.rows() == await place.table_rows()

    place(body)


def test_another_number_of_rows_than_the_headers_say_records_nothing(place: In) -> None:
    async def body(place: Place) -> None:
        sent = at(HOUR, HOUR + 1)
        await place.hot.insert([sent])
        wrong = msgspec.structs.replace(sent.header, rows=3)
        with pytest.raises(StoreError, match="2 rows where its frames say 3"):
            await place.archive.step([wrong], [], UPTO)
        assert place.archive.manifest.paths() == set()
        assert place.archive.upto == Position(0, 0)
        assert await place.archive.step([sent.header], [], UPTO) == (
            2, 1, sum(f.bytes for f in place.archive.listing.files()),
        )  # fmt: skip

    place(body)


def test_a_step_that_ended_before_its_line_leaves_no_file_that_counts(place: In) -> None:
    async def body(place: Place) -> None:
        first, second = at(HOUR), at(HOUR, HOUR + HOUR_NS, seq=2)
        await place.hot.insert([first, second])
        await place.archive.step([first.header], [], Position(1, 1))
        before = place.files()
        wrong = msgspec.structs.replace(second.header, rows=9)
        with pytest.raises(StoreError):
            await place.archive.step([wrong], [], UPTO)
        assert len(place.files()) > len(before)
        archive = await place.reopened()
        assert (place.files(), archive.upto) == (before, Position(1, 1))
        await archive.step([second.header], [], UPTO)
        assert len(place.rows()) == 3

    place(body)


def test_a_step_that_is_cancelled_can_be_made_again(place: In) -> None:
    async def body(place: Place) -> None:
        sent = at(*(HOUR + n * HOUR_NS for n in range(6)))
        await place.hot.insert([sent])
        step = asyncio.create_task(place.archive.step([sent.header], [], UPTO))
        async with asyncio.timeout(10):
            while not place.files():
                await asyncio.sleep(0.001)
        step.cancel()
        await asyncio.wait([step])
        assert step.cancelled()
        archive = await place.reopened()
        await archive.step([sent.header], [], UPTO)
        assert place.rows() == await place.table_rows()

    place(body)


def test_reopening_keeps_the_steps_and_the_place(place: In) -> None:
    async def body(place: Place) -> None:
        sent = at(HOUR)
        await place.hot.insert([sent])
        await place.archive.step([sent.header], [], UPTO)
        files = place.archive.listing.files()
        archive = await place.reopened()
        assert (archive.listing.files(), archive.upto) == (files, UPTO)

    place(body)


def test_an_archive_without_its_manifest_is_refused_and_left_as_it_is(place: In) -> None:
    async def body(place: Place) -> None:
        sent = at(HOUR)
        await place.hot.insert([sent])
        await place.archive.step([sent.header], [], UPTO)
        names, manifest = place.files(), place.folder / "manifest"
        said = manifest.read_bytes()
        manifest.unlink()
        with pytest.raises(ConfigError, match="manifest is gone"):
            await place.reopened()
        assert place.files() == names
        manifest.write_bytes(said)
        await place.reopened()
        assert len(place.rows()) == 1

    place(body)


def test_a_disk_that_refuses_is_a_store_error(place: In) -> None:
    async def body(place: Place) -> None:
        sent = at(HOUR)
        await place.hot.insert([sent])
        (place.folder / "tenant=default").write_text("in the way")
        with pytest.raises(StoreError):
            await place.archive.step([sent.header], [], UPTO)

    place(body)
