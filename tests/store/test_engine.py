"""What the engine promises: versions, errors, and clients that serve one statement at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from tailrace.core import limits
from tailrace.core.bounds import Bounds, Terms
from tailrace.core.errors import StoreError
from tailrace.store import decode, schema
from tailrace.store.engine import READERS, Engine
from tailrace.store.logs import LogTable

from .building import frame

ENDLESS = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"
RUNNING = "SELECT count() FROM system.processes WHERE query LIKE 'SELECT count() FROM numbers%'"


def scenario(directory: Path, body: Callable[[Engine], Awaitable[None]]) -> None:
    """Open an engine on `directory`, do `body`, close it."""

    async def whole() -> None:
        engine = Engine(directory)
        await engine.open()
        try:
            await body(engine)
        finally:
            await engine.close()

    asyncio.run(whole())


async def running(engine: Engine, count: int) -> None:
    """Until so many endless statements run."""
    async with asyncio.timeout(10):
        while (await engine.rows(RUNNING))[0][0] != count:
            await asyncio.sleep(0.02)


def test_grams_are_kept_unpacked(tmp_path: Path) -> None:
    async def body(engine: Engine) -> None:
        await LogTable(engine, "logs", "hot", tmp_path).insert([frame(b'{"body":"a needle"}\n')])
        await engine.write("OPTIMIZE TABLE logs FINAL")
        assert await engine.rows("SELECT Body FROM logs WHERE Body LIKE '%needle%'")
        kept = "SELECT value FROM system.metrics WHERE metric = 'IndexUncompressedCacheBytes'"
        assert (await engine.rows(kept))[0][0] > 0
        name = "index_uncompressed_cache_size"
        said = f"SELECT value FROM system.server_settings WHERE name = '{name}'"
        assert await engine.rows(said) == [(str(limits.INDEX_CACHE_BYTES),)]

    scenario(tmp_path, body)


def test_the_end_of_the_disk_is_left_free(tmp_path: Path) -> None:
    async def body(engine: Engine) -> None:
        kept = await engine.rows("SELECT keep_free_space FROM system.disks")
        assert kept == [(limits.ENGINE_RESERVE_BYTES,)]

    scenario(tmp_path, body)


def test_reopening_keeps_the_rows(tmp_path: Path) -> None:
    async def insert(engine: Engine) -> None:
        await LogTable(engine, "logs", "hot", tmp_path).insert([frame(b'{"body":"kept"}\n')])

    async def look(engine: Engine) -> None:
        assert await engine.rows("SELECT Body FROM logs") == [("kept",)]

    scenario(tmp_path, insert)
    scenario(tmp_path, look)


def test_each_migration_is_recorded_once(tmp_path: Path) -> None:
    async def look(engine: Engine) -> None:
        found = await engine.rows("SELECT Version FROM migrations ORDER BY Version")
        assert found == [(version,) for version, _ in schema.MIGRATIONS]

    scenario(tmp_path, look)
    scenario(tmp_path, look)


def test_a_migration_that_was_cut_short_is_made_again(tmp_path: Path) -> None:
    async def cut(engine: Engine) -> None:
        await engine.write("TRUNCATE TABLE migrations")

    async def look(engine: Engine) -> None:
        found = await engine.rows("SELECT max(Version) FROM migrations")
        assert found == [(schema.NEWEST,)]

    scenario(tmp_path, cut)
    scenario(tmp_path, look)


def test_rows_of_before_its_indexes_get_them(tmp_path: Path) -> None:
    """In the background; nothing of them is left out meanwhile."""

    async def before(engine: Engine) -> None:
        for index in schema.LATE_INDEXES:
            await engine.write(f"ALTER TABLE logs DROP INDEX {index}")
        await engine.write(
            "ALTER TABLE logs ADD INDEX body_grams Body TYPE ngrambf_v1(5, 32768, 1, 0) "
            "GRANULARITY 1"
        )
        await engine.write("ALTER TABLE migrations DELETE WHERE Version > 3")
        line = b'{"body":"a needle","attributes":{"request.id":"r-1"}}\n'
        await LogTable(engine, "logs", "hot", tmp_path).insert([frame(line)])
        await engine.write("OPTIMIZE TABLE logs FINAL")

    async def after(engine: Engine) -> None:
        needle = "Body LIKE '%needle%' AND hasAny(mapValues(LogAttributes), ['r-1'])"
        assert await engine.rows(f"SELECT count() FROM logs WHERE {needle}") == [(1,)]
        waiting = "SELECT count() FROM system.mutations WHERE NOT is_done"
        async with asyncio.timeout(30):
            while (await engine.rows(waiting))[0][0]:
                await asyncio.sleep(0.02)
        absent = "Body LIKE '%noodle%' AND hasAny(mapValues(LogAttributes), ['r-1'])"
        for condition, index in ((absent, "grams"), (needle.replace("r-1", "r-2"), "attribute")):
            plan = await engine.rows(f"EXPLAIN indexes=1 SELECT Body FROM logs WHERE {condition}")
            text = " ".join(str(line) for (line,) in plan)
            assert index in text and "Parts: 0/1" in text, text
        assert await engine.rows(f"SELECT count() FROM logs WHERE {needle}") == [(1,)]

    scenario(tmp_path, before)
    scenario(tmp_path, after)


def test_a_directory_of_a_newer_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    async def future(engine: Engine) -> None:
        await engine.write(f"INSERT INTO migrations VALUES ({schema.NEWEST + 1})")

    async def refused() -> None:
        engine = Engine(tmp_path)
        try:
            with pytest.raises(StoreError) as error:
                await engine.open()
        finally:
            await engine.close()
        for words in (str(tmp_path), "newer tailrace", "use that version or another data_dir"):
            assert words in str(error.value)

    scenario(tmp_path, future)
    asyncio.run(refused())


@pytest.mark.parametrize(
    "data",
    [
        b'{"body":"fine"}\nsecret garbage\n',
        b'{"body":"secret\n',
        b'{"body":"secret" "x":1}\n',
        b'{"time":"secret"}\n',
        b'{"attributes":"secret"}\n',
        b'{"attributes":{"secret":"secret"\n',
    ],
)
def test_a_statement_that_fails_says_so_without_row_data(tmp_path: Path, data: bytes) -> None:
    async def body(engine: Engine) -> None:
        async with decode.unpacked(tmp_path, [frame(data)]) as directory:
            strict = decode.statement(directory, [frame(data)], "logs").replace(
                "allow_errors_num=1", "allow_errors_num=0"
            )
            with pytest.raises(StoreError, match="Code: ") as error:
                await engine.write(strict)
        assert "secret" not in str(error.value)

    scenario(tmp_path, body)


def test_a_query_that_fails_raises_store_error(tmp_path: Path) -> None:
    async def body(engine: Engine) -> None:
        with pytest.raises(StoreError, match="nope"):
            await engine.rows("SELECT nope FROM logs")
        assert await engine.rows("SELECT 1") == [(1,)]

    scenario(tmp_path, body)


def test_a_directory_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "tables").touch()
    engine = Engine(tmp_path)

    async def main() -> None:
        try:
            await engine.open()
        finally:
            await engine.close()

    with pytest.raises(StoreError, match=f"^the store in {tmp_path} cannot be opened: Code: 36"):
        asyncio.run(main())


def test_a_query_cannot_change_anything(tmp_path: Path) -> None:
    async def body(engine: Engine) -> None:
        with pytest.raises(StoreError, match="readonly"):
            await engine.rows("INSERT INTO migrations VALUES (9)")

    scenario(tmp_path, body)


def test_a_query_ends_when_its_time_is_over(tmp_path: Path) -> None:
    async def body(engine: Engine) -> None:
        with pytest.raises(StoreError, match="TIMEOUT_EXCEEDED"):
            await engine.rows(ENDLESS, terms=Terms(0.3))

    scenario(tmp_path, body)


def test_a_cancelled_write_runs_on_before_the_next_one(tmp_path: Path) -> None:
    async def body(engine: Engine) -> None:
        slow = "SELECT toUInt32(number + 100 + sleepEachRow(0.2)) FROM numbers(3)"
        writing = asyncio.create_task(engine.write(f"INSERT INTO migrations {slow}"))
        await asyncio.sleep(0.1)
        writing.cancel()
        await engine.write("INSERT INTO migrations SELECT count() FROM migrations")
        found = await engine.rows("SELECT Version FROM migrations WHERE Version < 100")
        assert (len(schema.MIGRATIONS) + 3,) in found

    scenario(tmp_path, body)


def test_close_waits_until_what_nobody_waits_for_has_ended(tmp_path: Path) -> None:
    async def body(engine: Engine) -> None:
        asking = asyncio.create_task(engine.rows(ENDLESS, terms=Terms(600)))
        await running(engine, 1)
        asking.cancel()

    scenario(tmp_path, body)
    scenario(tmp_path, body)


def test_what_a_failed_statement_had_found_is_not_in_the_answer_of_the_next(
    tmp_path: Path,
) -> None:
    secret = (
        "SELECT number, 'secret', throwIf(number = 150000) FROM numbers(200000) "
        "SETTINGS max_block_size = 1000"
    )

    async def body(engine: Engine) -> None:
        for ask in (engine.rows, engine.decoded):
            for _ in range(READERS + 1):
                with pytest.raises(StoreError, match="395"):
                    await ask(secret)
            for _ in range(READERS + 1):
                assert await ask("SELECT number, 'mine', 0 FROM numbers(2)") == [
                    (0, "mine", 0),
                    (1, "mine", 0),
                ]

    scenario(tmp_path, body)


@pytest.mark.parametrize("leave", [False, True], ids=["failed", "left"])
def test_what_a_stream_had_found_is_not_in_the_answer_of_the_next(
    tmp_path: Path, leave: bool
) -> None:
    secret = (
        "SELECT number, 'secret', throwIf(number = 150000) FROM numbers(2000000) "
        "SETTINGS max_block_size = 1000"
    )

    async def body(engine: Engine) -> None:
        for _ in range(READERS + 1):
            async with aclosing(engine.blocks(secret)) as blocks:
                if leave:
                    await anext(blocks)
                else:
                    with pytest.raises(StoreError, match="395"):
                        async for _block in blocks:
                            pass
        for _ in range(2 * READERS):
            assert await engine.rows("SELECT number, 'mine' FROM numbers(2)") == [
                (0, "mine"),
                (1, "mine"),
            ]

    scenario(tmp_path, body)


def test_the_engine_as_a_whole_keeps_to_its_memory(tmp_path: Path) -> None:
    async def body(engine: Engine) -> None:
        said = "SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage'"
        assert await engine.rows(said) == [(str(limits.ENGINE_MEMORY_BYTES),)]
        many = f"SELECT groupArray(number) FROM numbers({limits.ENGINE_MEMORY_BYTES // 4})"
        with pytest.raises(StoreError, match="memory"):
            await engine.rows(many, terms=Terms(bounds=Bounds(memory_bytes=1 << 40)))
        assert await engine.rows("SELECT 1") == [(1,)]

    scenario(tmp_path, body)
