from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pyarrow.ipc
import pyarrow.parquet
import pytest

from tailrace.core import limits
from tailrace.core.bounds import Terms, Used
from tailrace.core.errors import StoreError
from tailrace.store.engine import READERS, Engine

from .enginelaws import LAWS, MANY, read

# Each would take many minutes.
HEAVY = [
    "SELECT sum(sipHash64(number)) FROM numbers(100000000000)",
    "SELECT number FROM numbers(100000000000) ORDER BY sipHash64(number) LIMIT 3",
    "SELECT count() FROM numbers(100000000000) AS a JOIN numbers(1000) AS b ON a.number = b.number",
]
# Not one of them itself.
RUNNING = "SELECT count() FROM system.processes WHERE query LIKE '%(1' || '00000000000)%'"
Body = Callable[[Engine], Awaitable[None]]


class Place:
    """One engine for all tests of this file: opening takes a second."""

    def __init__(self, directory: Path) -> None:
        self.runner = asyncio.Runner()
        self.engine = Engine(directory)
        self.runner.run(self.engine.open())

    def run(self, body: Body) -> None:
        """`body`, and the check that no statement and no connection is left behind."""
        self.runner.run(self._whole(body))

    async def _whole(self, body: Body) -> None:
        await body(self.engine)
        await ended(self.engine)
        answers = await asyncio.gather(*(self.engine.rows("SELECT 1") for _ in range(2 * READERS)))
        assert answers == [[(1,)]] * (2 * READERS)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("engine"))
    yield place
    place.runner.run(place.engine.close())
    place.runner.close()


async def running(engine: Engine, count: int) -> None:
    """Until so many heavy statements run."""
    async with asyncio.timeout(10):
        while (await engine.rows(RUNNING))[0][0] != count:
            await asyncio.sleep(0.01)


async def ended(engine: Engine) -> None:
    await running(engine, 0)


@pytest.mark.parametrize("sql", HEAVY)
def test_a_heavy_statement_ends_when_its_caller_leaves(place: Place, sql: str) -> None:
    async def body(engine: Engine) -> None:
        for _ in range(READERS + 1):
            asking = asyncio.create_task(engine.rows(sql, terms=Terms(600)))
            await running(engine, 1)
            asking.cancel()
            await asyncio.wait([asking])
            assert asking.cancelled()
            await ended(engine)

    place.run(body)


@pytest.mark.parametrize("sql", HEAVY)
def test_a_heavy_stream_ends_when_its_reader_leaves(place: Place, sql: str) -> None:
    async def body(engine: Engine) -> None:
        for _ in range(READERS + 1):
            reading = asyncio.create_task(read(engine.blocks(sql, terms=Terms(600))))
            await running(engine, 1)
            reading.cancel()
            await asyncio.wait([reading])
            assert reading.cancelled()
            await ended(engine)

    place.run(body)


def test_a_caller_that_leaves_before_its_statement_reaches_the_engine_ends_it(place: Place) -> None:
    async def body(engine: Engine) -> None:
        for _ in range(2 * READERS):
            asking = asyncio.create_task(engine.rows(HEAVY[0], terms=Terms(600)))
            await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait([asking])

    place.run(body)


def test_a_caller_that_leaves_while_it_waits_takes_no_connection(place: Place) -> None:
    async def body(engine: Engine) -> None:
        busy = [
            asyncio.create_task(engine.rows(HEAVY[0], terms=Terms(600))) for _ in range(READERS)
        ]
        await asyncio.sleep(0)
        waiting = asyncio.create_task(engine.rows("SELECT 2"))
        await asyncio.sleep(0)
        for task in [waiting, *busy]:
            task.cancel()
        await asyncio.wait([waiting, *busy])

    place.run(body)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_a_law_of_engines_holds(law: Body, place: Place) -> None:
    place.run(law)


def test_what_an_ended_statement_read_is_counted_too(place: Place) -> None:
    async def body(engine: Engine) -> None:
        used = Used()
        asking = asyncio.create_task(engine.rows(HEAVY[0], terms=Terms(600, used=used)))
        async with asyncio.timeout(10):
            while not used.rows:
                await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.wait([asking])
        assert used.bytes == 8 * used.rows > 0

    place.run(body)


async def joined(engine: Engine, form: str, sql: str = MANY) -> bytes:
    return b"".join(await read(engine.raw(sql, form=form)))


def test_a_result_comes_as_lines_of_json(place: Place) -> None:
    async def body(engine: Engine) -> None:
        lines = (await joined(engine, "JSONEachRow")).splitlines()
        assert len(lines) == 300_000
        assert json.loads(lines[-1]) == {"number": 299_999, "text": "299999"}

    place.run(body)


def test_a_result_comes_as_csv(place: Place) -> None:
    async def body(engine: Engine) -> None:
        text = (await joined(engine, "CSVWithNames")).decode()
        found = list(csv.reader(io.StringIO(text)))
        assert found[0] == ["number", "text"]
        assert found[1:3] == [["0", "0"], ["1", "1"]]
        assert len(found) == 300_001

    place.run(body)


def test_a_result_comes_as_arrow_and_parquet(place: Place) -> None:
    async def body(engine: Engine) -> None:
        arrow = pyarrow.ipc.open_stream(await joined(engine, "ArrowStream")).read_all()
        parquet = pyarrow.parquet.read_table(io.BytesIO(await joined(engine, "Parquet")))
        for table in (arrow, parquet):
            assert table.column("number").to_pylist() == list(range(300_000))

    place.run(body)


@pytest.mark.parametrize(
    "form", ["CSVWithNames", "TabSeparatedWithNames", "ArrowStream", "Parquet", "JSON"]
)
def test_a_result_without_rows_has_its_columns(place: Place, form: str) -> None:
    async def body(engine: Engine) -> None:
        content = await joined(engine, form, "SELECT 1 AS one, 'b' AS two WHERE 0")
        if form == "Parquet":
            names = pyarrow.parquet.read_table(io.BytesIO(content)).column_names
        elif form == "ArrowStream":
            names = pyarrow.ipc.open_stream(content).read_all().column_names
        elif form == "JSON":
            names = [column["name"] for column in json.loads(content)["meta"]]
        else:
            names = content.decode().replace('"', "").replace(",", "\t").split()
        assert names == ["one", "two"]

    place.run(body)


def test_a_heading_may_hold_quotes_and_newlines(place: Place) -> None:
    async def body(engine: Engine) -> None:
        sql = 'SELECT number AS "a ""b,\nc", number AS "\n" FROM numbers(200000)'
        text = (await joined(engine, "CSVWithNames", sql)).decode()
        found = list(csv.reader(io.StringIO(text)))
        assert found[0] == ['a "b,\nc', "\n"]
        assert [int(row[1]) for row in found[1:]] == list(range(200_000))

    place.run(body)


@pytest.mark.parametrize("form", ["CSVWithNames", "ArrowStream", "Parquet"])
def test_a_reader_may_leave_a_file_unfinished(place: Place, form: str) -> None:
    async def body(engine: Engine) -> None:
        sql = "SELECT number, toString(number) AS t FROM numbers(100000000000)"
        for _ in range(READERS + 1):
            async with aclosing(engine.raw(sql, form=form, terms=Terms(600))) as pieces:
                assert await anext(pieces)

    place.run(body)


def test_values_of_every_kind_survive_in_arrow_and_parquet(place: Place) -> None:
    async def body(engine: Engine) -> None:
        sql = (
            "SELECT map('a', toString(number)) AS m, toLowCardinality('x') AS low, [1, 2] AS list, "
            "if(number % 2 = 0, NULL, number) AS n, "
            "fromUnixTimestamp64Nano(toInt64(1790000000000000001)) AS t FROM numbers(100000)"
        )
        arrow = pyarrow.ipc.open_stream(await joined(engine, "ArrowStream", sql)).read_all()
        parquet = pyarrow.parquet.read_table(io.BytesIO(await joined(engine, "Parquet", sql)))
        for table in (arrow, parquet):
            last = {
                name: table.column(name)[-1].as_py() for name in table.column_names if name != "t"
            }
            assert last == {"m": [("a", "99999")], "low": "x", "list": [1, 2], "n": 99_999}
            assert table.column("t")[-1].value == 1_790_000_000_000_000_001
            assert table.column("n").null_count == 50_000

    place.run(body)


@pytest.mark.parametrize("form", ["Null", "", "CSV INTO OUTFILE '/tmp/x'"])
def test_other_formats_are_refused(place: Place, form: str) -> None:
    async def body(engine: Engine) -> None:
        with pytest.raises(StoreError, match="not a format"):
            await joined(engine, form)

    place.run(body)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO migrations VALUES (9)",
        "TRUNCATE TABLE migrations",
        "CREATE TABLE more (a UInt8) ENGINE = Memory",
        "SET readonly = 0",
        "SELECT 1 SETTINGS readonly = 0",
    ],
)
def test_a_reader_changes_nothing_whatever_the_statement_sets(place: Place, sql: str) -> None:
    async def body(engine: Engine) -> None:
        with pytest.raises(StoreError) as error:
            await engine.rows(sql)
        assert error.value.code == 164

    place.run(body)


def test_a_statement_that_is_too_long_is_refused(place: Place) -> None:
    async def body(engine: Engine) -> None:
        with pytest.raises(StoreError):
            await engine.rows(f"SELECT length('{'x' * limits.QUERY_SQL_BYTES}')")

    place.run(body)


def test_a_statement_may_name_all_files_that_a_query_may_read(place: Place) -> None:
    async def body(engine: Engine) -> None:
        names = ",".join(f"{number:075d}" for number in range(limits.ARCHIVE_QUERY_FILES))
        text = f"SELECT length('{names}') AS size"
        size = len(names)
        assert await engine.rows(text) == [(size,)]
        assert [list(block[0]) async for block in engine.blocks(text)] == [[size]]
        for form in ("RowBinary", "JSONEachRow", "ArrowStream"):
            assert b"".join([piece async for piece in engine.raw(text, form=form)])

    place.run(body)
