"""The laws of the query room's `Engine`, for every implementation: the store's, in this room, and
that of the query room's tests, in theirs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from tailrace.core.bounds import Bounds, Terms, Used
from tailrace.core.errors import StoreError
from tailrace.query.engine import Engine
from tailrace.store.engine import READERS

MANY = "SELECT number, toString(number) AS text FROM numbers(300000)"
BOUNDS = [
    (Bounds(read_rows=1000), 158),
    (Bounds(read_bytes=1000), 307),
    (Bounds(result_rows=100), 396),
    (Bounds(result_bytes=1000), 396),
]


async def read(stream: AsyncGenerator[Any, None]) -> list[Any]:
    return [item async for item in stream]


async def blocks_hold_every_row_once(engine: Engine) -> None:
    blocks = await read(engine.blocks(MANY))
    assert len(blocks) > 2
    assert [n for block in blocks for n in block[0]] == list(range(300_000))
    assert [text for block in blocks for text in block[1]][::1000] == [
        str(n) for n in range(0, 300_000, 1000)
    ]


async def a_statement_without_rows_gives_no_blocks(engine: Engine) -> None:
    sql = "SELECT number FROM numbers(10) WHERE number > {least:UInt64}"
    assert await read(engine.blocks(sql, {"least": 100})) == []


async def a_loop_over_blocks_may_be_left(engine: Engine) -> None:
    for _ in range(READERS + 1):
        endless = engine.blocks("SELECT number FROM numbers(100000000000)", terms=Terms(600))
        async with aclosing(endless) as blocks:
            async for block in blocks:
                assert block[0][0] == 0
                break


async def blocks_wait_for_their_reader_and_no_longer_than_the_statement_may(engine: Engine) -> None:
    used = Used()
    blocks = engine.blocks("SELECT number FROM numbers(100000000)", terms=Terms(0.3, used=used))
    await anext(blocks)
    with pytest.raises(StoreError, match=r"not taken within the 0\.3 s") as error:
        await asyncio.sleep(0.5)
        await read(blocks)
    assert error.value.code == 159
    assert used.rows < 10_000_000


async def an_error_in_the_middle_of_a_stream_reaches_the_reader(engine: Engine) -> None:
    sql = "SELECT throwIf(number = 200000) FROM numbers(300000)"
    with pytest.raises(StoreError) as error:
        await read(engine.blocks(sql))
    assert error.value.code == 395


async def a_statement_has_its_own_memory(engine: Engine) -> None:
    sql = "SELECT uniqExact(number) FROM numbers(5000000)"
    with pytest.raises(StoreError) as error:
        await engine.rows(sql, terms=Terms(bounds=Bounds(memory_bytes=20_000_000)))
    assert error.value.code == 241
    assert await engine.rows(sql) == [(5_000_000,)]


async def an_error_does_not_repeat_the_statement_with_its_values(engine: Engine) -> None:
    with pytest.raises(StoreError, match="nope") as error:
        await engine.rows("SELECT nope FROM logs WHERE Body = {b:String}", {"b": "Jane"})
    assert "Jane" not in str(error.value)
    assert error.value.code == 47


async def what_was_read_is_counted_over_the_statements_of_a_query(engine: Engine) -> None:
    used = Used()
    sql = "SELECT count() FROM numbers({most:UInt64}) WHERE number % 3 = 1"
    await engine.rows(sql, {"most": 1_000_000}, Terms(used=used))
    assert used == Used(1_000_000, 8_000_000)
    await read(engine.blocks(sql, {"most": 500_000}, Terms(used=used)))
    assert used == Used(1_500_000, 12_000_000)


async def a_statement_that_passes_a_bound_fails_with_the_code_of_the_bound(engine: Engine) -> None:
    for bounds, code in BOUNDS:
        terms = Terms(bounds=bounds)
        with pytest.raises(StoreError) as error:
            await engine.rows(MANY, terms=terms)
        assert error.value.code == code
        with pytest.raises(StoreError) as error:
            await read(engine.blocks(MANY, terms=terms))
        assert error.value.code == code
        with pytest.raises(StoreError) as error:
            await read(engine.raw(MANY, form="JSONEachRow", terms=terms))
        assert error.value.code == code
    assert len(await engine.rows(MANY)) == 300_000


LAWS = [
    blocks_hold_every_row_once,
    a_statement_without_rows_gives_no_blocks,
    a_loop_over_blocks_may_be_left,
    blocks_wait_for_their_reader_and_no_longer_than_the_statement_may,
    an_error_in_the_middle_of_a_stream_reaches_the_reader,
    a_statement_has_its_own_memory,
    an_error_does_not_repeat_the_statement_with_its_values,
    what_was_read_is_counted_over_the_statements_of_a_query,
    a_statement_that_passes_a_bound_fails_with_the_code_of_the_bound,
]
