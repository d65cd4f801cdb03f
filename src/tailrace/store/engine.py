"""The engine: a pool of chDB connections on one data directory.

One process owns a directory. A connection serves one statement at a time and releases the
interpreter while it does, so statements of different connections run in parallel.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

from tailrace.core import limits
from tailrace.core.errors import StoreError
from tailrace.store import schema

# The engine's allocator reads this when the library is loaded. It keeps freed pages for a second
# instead of five: at full speed 80 MB less is resident, for no CPU that could be measured.
os.environ.setdefault("JE_MALLOC_CONF", "dirty_decay_ms:1000,muzzy_decay_ms:0")

_T = TypeVar("_T")
DECODING_S = 10.0
READERS = 4  # of which the archive takes one while it exports
# What the engine puts before bytes of the input: "expected '{' before: 'some line'".
_CODE = re.compile(r"Code: (\d{1,6})")  # the first one: later text may be input
_QUOTED = re.compile(r" before: | here: |\(while reading|: [Ww]hile ")
# An insert or a merge that meets the end of the disk leaves a part that cannot be read: the
# engine swallows the error and keeps the part. So it stops before, and then fails cleanly.
KEEP_FREE_BYTES = 128 * limits.MIB
# Free memory for each thread of a query. At the engine's default of 1 GiB, which is more than it
# may use here, every query would run on one core.
THREAD_BYTES = 64 * limits.MIB
# Smaller parts are merged soon, and then packed once instead of at every step.
PACKED_PART_BYTES = 12_000_000
_CONFIG = """<clickhouse>
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <mark_cache_size>33554432</mark_cache_size>
  <index_mark_cache_size>8388608</index_mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <background_pool_size>2</background_pool_size>
  <background_schedule_pool_size>2</background_schedule_pool_size>
  <compression><case>
    <min_part_size>{packed}</min_part_size><min_part_size_ratio>0</min_part_size_ratio>
    <method>zstd</method><level>1</level>
  </case></compression>
  <storage_configuration><disks><default>
    <keep_free_space_bytes>{keep_free}</keep_free_space_bytes>
  </default></disks></storage_configuration>
</clickhouse>
"""


def configuration(memory_bytes: int) -> str:
    """The engine's own configuration file."""
    return _CONFIG.format(memory=memory_bytes, keep_free=KEEP_FREE_BYTES, packed=PACKED_PART_BYTES)


class Engine:
    """Statements in, rows out. `open` first; `close` last."""

    def __init__(self, directory: Path, memory_bytes: int = limits.ENGINE_MEMORY_BYTES) -> None:
        self._directory = directory
        self._memory_bytes = memory_bytes
        self._clients: list[Any] = []
        self._free: asyncio.Queue[Any] = asyncio.Queue()
        self._writer: Any = None
        self._writing = asyncio.Lock()
        self._decoder: Any = None
        self._decoding = asyncio.Lock()
        self._threads = ThreadPoolExecutor(READERS + 2, "engine")

    async def open(self) -> None:
        """Open the directory and bring its tables to the newest version."""
        await self._run(self._connect)
        for client in self._clients[1:]:
            self._free.put_nowait(client)
        self._writer = self._clients[0]
        await self._migrate()

    def _connect(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._config.write_text(configuration(self._memory_bytes))
        self._clients = [self._client() for _ in range(READERS + 1)]

    @property
    def _config(self) -> Path:
        return self._directory / "engine.xml"

    def _client(self) -> Any:
        path = f"{self._directory / 'tables'}?config-file={self._config}"
        return clickhouse_connect.get_client(interface="chdb", path=path)

    async def _migrate(self) -> None:
        await self.write(
            "CREATE TABLE IF NOT EXISTS migrations (Version UInt32) "
            "ENGINE = MergeTree ORDER BY Version"
        )
        done = int((await self.rows("SELECT max(Version) FROM migrations"))[0][0])
        if done > schema.NEWEST:
            raise StoreError(
                f"{self._directory} was written by a newer tailrace (schema {done}, this one "
                f"knows {schema.NEWEST}); use that version or another data_dir"
            )
        for version, statements in schema.MIGRATIONS:
            if version > done:
                for statement in statements:
                    await self.write(statement)
                await self.write(f"INSERT INTO migrations VALUES ({version})")

    async def rows(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        timeout_s: float = limits.QUERY_SECONDS,
    ) -> list[tuple[Any, ...]]:
        """Rows of a SELECT, at most `timeout_s` seconds. Raises StoreError."""
        client = await self._free.get()
        give_back = partial(self._free.put_nowait, client)
        return await self._run_then(give_back, _select, client, sql, parameters, timeout_s)

    async def write(self, sql: str) -> None:
        """Run a statement that changes something; one at a time. Raises StoreError."""
        await self._writing.acquire()
        await self._run_then(self._writing.release, _command, self._writer, sql)

    async def export(self, sql: str) -> None:
        """Run a statement that reads tables into files, beside the writer. Raises StoreError.

        It takes the place of a query: an export of seconds must not hold up the inserts.
        """
        client = await self._free.get()
        give_back = partial(self._free.put_nowait, client)
        await self._run_then(give_back, _command, client, sql)

    async def decoded(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        timeout_s: float = DECODING_S,
    ) -> list[tuple[Any, ...]]:
        """Rows of a SELECT that reads no tables, one at a time, beside queries: what has just come
        is not to wait for them. Raises StoreError."""
        await self._decoding.acquire()
        try:
            if self._decoder is None:
                self._decoder = await self._run(self._client)
        except BaseException:
            self._decoding.release()
            raise
        done = self._decoding.release
        return await self._run_then(done, _select, self._decoder, sql, parameters, timeout_s)

    async def _run_then(
        self, done: Callable[[], None], function: Callable[..., _T], *arguments: object
    ) -> _T:
        """Run in a thread and call `done` when the thread is done with its client.

        A caller that is cancelled leaves at once, but its statement runs on, for a SELECT until
        its time is over; a client that went back before would serve two statements at once.
        """
        loop = asyncio.get_running_loop()
        running = self._threads.submit(function, *arguments)
        running.add_done_callback(lambda _: loop.call_soon_threadsafe(done))
        return await asyncio.wrap_future(running)

    async def _run(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    async def close(self) -> None:
        """Wait for running statements and let go of the directory."""
        async with self._writing, self._decoding:
            for _ in self._clients[1:]:
                await self._free.get()
            for client in (*self._clients, self._decoder):
                if client is not None:
                    await self._run(client.close)
        self._threads.shutdown()


def _select(
    client: Any, sql: str, parameters: Mapping[str, object] | None, timeout_s: float
) -> list[tuple[Any, ...]]:
    settings = {
        "max_execution_time": timeout_s,
        "readonly": 2,
        "max_threads_min_free_memory_per_thread": THREAD_BYTES,
    }
    try:
        return list(
            client.query(sql, parameters=dict(parameters or {}), settings=settings).result_rows
        )
    except BaseException as error:
        _forget(client)
        if isinstance(error, ClickHouseError):
            raise store_error(error) from None
        raise


def _forget(client: Any) -> None:
    """After a statement that failed: what it had found already stays in the connection (chDB 4.4),
    and would stand before the rows of the next one, whosever that is."""
    with contextlib.suppress(Exception):
        client.command("SELECT 1")


def _command(client: Any, sql: str) -> None:
    try:
        client.command(sql)
    except ClickHouseError as error:
        _forget(client)
        raise store_error(error) from None


def store_error(error: Exception) -> StoreError:
    """The engine's words without the row data that it may quote after them."""
    first = str(error).split("\n", 1)[0]
    found = _CODE.search(first)
    return StoreError(_QUOTED.split(first, maxsplit=1)[0][:300], int(found[1]) if found else 0)
