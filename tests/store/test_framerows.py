"""Rows decoded from frames are those that the table has of them later."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core.contracts import Delivery, Position
from tailrace.core.errors import InputError
from tailrace.core.frame import Codec, Frame, Hints
from tailrace.core.metrics import Metrics
from tailrace.query.tail.rows import COLUMNS
from tailrace.store import schema
from tailrace.store.engine import Engine
from tailrace.store.framerows import FrameRows, Rows
from tailrace.store.logs import LogTable
from tailrace.writer.loader import Loader
from tailrace.writer.repair import readable

from .building import NOW, frame
from .conftest import Use

FOREIGN = Hints(time="ts", severity="lvl", body="msg", time_unit="auto", foreign=True)
RESOURCE = {"service.name": "pay", "host.name": "h'1\\", "zone": "z\n\u20ac"}


def ndjson(*records: object) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


CANONICAL = ndjson(
    {"time": 1_790_000_000_123_456_789, "severity": "Warn", "body": 'say "hi" \\ \n\t\u20ac',
     "service": "cart", "trace_id": "ab" * 16, "span_id": "cd" * 8,
     "attributes": {"n": 5, "b": True, "x": None, "o": {"k": [1, 2]}, "s": "t", "": "e"},
     "resource": {"host.name": "h1"}},
    {"body": "no time"},
    {"time": 9_900_000_000_000_000_000, "body": "no such time", "severity": "ERR"},
    {"time": 1, "body": "x" * 5000, "attributes": {str(n): "v" for n in range(600)}},
)  # fmt: skip
FRAMES = {
    "canonical": frame(CANONICAL, resource=RESOURCE, weight=20),
    "canonical without a resource": frame(CANONICAL),
    "lines": frame(
        b"2026-09-01T10:00:00.250Z ERROR pay trace_id=" + b"0f" * 16 + b" it failed\n"
        b"[2026-09-01 10:00:01,5] warning: low\nno time\nnor here\n1969-01-01T00:00:00Z old",
        codec=Codec.LINES, resource=RESOURCE,
    ),
    "joined lines": frame(
        "one\u2028two\nthree".encode(), codec=Codec.LINES, hints=Hints(newline="\u2028")
    ),
    "foreign": frame(
        ndjson(
            {"ts": "2026-09-01T10:00:00.5Z", "lvl": "error", "msg": "m1", "n": {"a": 1}, "z": None},
            {"ts": 1788256800.25, "lvl": "info", "msg": "m2", "host": "h9", "service": "s"},
            {"other": 1, "trace_id": "AB" * 16},
        ),
        hints=FOREIGN,
    ),
    "foreign that says its host": frame(
        ndjson({"ts": 1, "host": "h9", "msg": "m"}), hints=FOREIGN, resource=RESOURCE
    ),
    "a line that is no record": frame(b'{"body":"a"}\n{"body":\nnothing\n{"body":"b"}\n'),
    "a field of another kind": frame(b'{"time":"noon","body":"a","extra":[1]}\n{"body":{"k":1}}\n'),
    "a foreign line that is none": frame(b'{"msg":"a"}\n[1]\n"x"\n', hints=FOREIGN),
    "bytes that are no text": frame(b'{"body":"a\xff"}\n', resource={"a": "b"}),
    "lines that are no text": frame(b"a\xffb\n\x00\n", codec=Codec.LINES),
    "fewer rows than it says": frame(b'{"body":"a"}\n', rows=3),
}  # fmt: skip


async def stored(
    table: LogTable, engine: Engine, frames: Sequence[Frame], columns: str = COLUMNS
) -> list[list[tuple[Any, ...]]]:
    """By frame, what the table has of them once the writer's loader has put them there."""

    class Dead:
        async def bury(self, frame: Frame, reason: str) -> None:
            pass

    loader = Loader(Dead(), table, Metrics())  # type: ignore[arg-type]
    await loader.load([Delivery(one, Position(1, n)) for n, one in enumerate(frames)])
    found = []
    for one in frames:
        rows = await engine.rows(f"SELECT {columns} FROM logs WHERE Seq = {one.header.seq}")
        found.append(sorted(rows, key=repr))
    return found


def numbered(frames: Sequence[Frame]) -> list[Frame]:
    return [
        Frame(msgspec.structs.replace(one.header, seq=n, received_ns=NOW + 1000 * n), one.payload)
        for n, one in enumerate(frames, 1)
    ]


def by_frame(found: Sequence[Rows | None]) -> list[list[tuple[Any, ...]]]:
    return [sorted(one[0] if one else [], key=repr) for one in found]


def test_every_codec_gives_the_rows_of_the_table(use: Use, tmp_path: Path) -> None:
    frames = numbered(list(FRAMES.values()))

    async def body(table: LogTable, engine: Engine) -> None:
        rows = FrameRows(engine, tmp_path, readable)
        for columns in (COLUMNS, ", ".join(schema.COLUMN_NAMES)):
            found = by_frame(await rows.rows(frames, columns))
            expected = await stored(table, engine, frames, columns)
            for name, one, other in zip(FRAMES, found, expected, strict=True):
                assert one == other, name
                assert one, name
            await engine.write("TRUNCATE TABLE logs")
        assert not list(tmp_path.iterdir())

    use(body)


def test_rows_of_a_frame_are_in_its_order_whatever_company_it_is_read_in(
    use: Use, tmp_path: Path
) -> None:
    data = b"\n".join(b"line %d" % n for n in range(3000))
    frames = numbered([frame(data, codec=Codec.LINES) for _ in range(4)])

    async def body(_: LogTable, engine: Engine) -> None:
        rows = FrameRows(engine, tmp_path, readable)
        together = await rows.rows(frames, COLUMNS)
        assert together == [(await rows.rows([one], COLUMNS))[0] for one in frames]
        for one, found in zip(frames, together, strict=True):
            assert found
            assert [row[1] for row in found[0]] == data.decode().split("\n")
            first = one.header.received_ns
            assert [row[0] for row in found[0]] == list(range(first, first + 3000))

    use(body)


def test_a_frame_that_nobody_can_read_costs_only_itself(use: Use, tmp_path: Path) -> None:
    good = [frame(b'{"body":"a"}\n') for _ in range(20)]
    bad = Frame(good[0].header, b"no zstd at all")

    def cannot(one: Frame) -> Frame:
        raise InputError("no")

    async def body(_: LogTable, engine: Engine) -> None:
        rows = FrameRows(engine, tmp_path, cannot)
        found = await rows.rows([*good[:7], bad, *good[7:]], "Body")
        assert found == [*[([("a",)], 0)] * 7, None, *[([("a",)], 0)] * 13]

    use(body)


def test_rows_are_chosen_by_a_condition_and_bounded(use: Use, tmp_path: Path) -> None:
    frames = numbered([
        frame(ndjson(*({"body": f"{word} {n}"} for n in range(5) for word in ("a", "b")))),
        frame(b'{"body":"a"}\nnothing\n'),
        frame(b'{"body":"b"}\n'),
    ])  # fmt: skip

    async def body(_: LogTable, engine: Engine) -> None:
        rows = FrameRows(engine, tmp_path, readable)
        condition, asked = "Tenant = 'default' AND Body LIKE {p0:String}", {"p0": "%a%"}
        found = await rows.rows(frames, "Body", condition, asked, 2)
        assert found == [([("a 0",), ("a 1",)], 3), ([("a",)], 0), ([], 0)]

    use(body)


def test_an_engine_that_always_fails_is_soon_let_be(use: Use, tmp_path: Path) -> None:
    frames = numbered([frame(b'{"body":"a"}\n') for _ in range(150)])

    async def body(_: LogTable, engine: Engine) -> None:
        assert await FrameRows(engine, tmp_path, readable).rows(frames, "nonsense") == [None] * 150

    use(body)


def test_it_does_not_wait_for_queries(use: Use, tmp_path: Path) -> None:
    async def body(_: LogTable, engine: Engine) -> None:
        slow = [
            asyncio.create_task(engine.rows("SELECT sleepEachRow(0.5) FROM numbers(3)"))
            for _ in range(8)
        ]
        found = await FrameRows(engine, tmp_path, readable).rows([frame(b'{"body":"a"}\n')], "Body")
        assert found == [([("a",)], 0)]
        assert not any(one.done() for one in slow)
        await asyncio.gather(*slow)

    use(body)


value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)
key = st.sampled_from(["time", "severity", "body", "service", "attributes", "resource", "ts", "k"])
record = st.dictionaries(key, value, max_size=5)


@pytest.mark.hypothesis
@pytest.mark.parametrize("hints", [Hints(), FOREIGN], ids=["canonical", "foreign"])
def test_records_of_anything_give_the_rows_of_the_table(
    use: Use, tmp_path: Path, hints: Hints
) -> None:
    async def check(table: LogTable, engine: Engine, frames: list[Frame]) -> None:
        found = await FrameRows(engine, tmp_path, readable).rows(frames, COLUMNS)
        assert by_frame(found) == await stored(table, engine, frames)

    @settings(max_examples=examples(8), suppress_health_check=list(HealthCheck), deadline=None)
    @given(st.lists(st.lists(record, min_size=1, max_size=4), min_size=1, max_size=3))
    def every(batch: list[list[dict[str, Any]]]) -> None:
        frames = numbered([frame(ndjson(*records), hints=hints) for records in batch])
        use(lambda table, engine: check(table, engine, frames))

    every()
