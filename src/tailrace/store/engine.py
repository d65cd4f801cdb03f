"""The engine: a pool of chDB connections on one data directory.

One process owns a directory. A connection serves one statement at a time and releases the
interpreter while it does, so statements of different connections run in parallel. A statement
whose caller leaves is ended in the engine, by its name and from a connection of its own; the
connection goes back to the pool when its thread is done with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from clickhouse_connect.driver.exceptions import ClickHouseError

from tailrace.core import limits, log
from tailrace.core.bounds import USUAL, Terms
from tailrace.core.errors import StoreError
from tailrace.store import schema, statement
from tailrace.store.connections import connections
from tailrace.store.handover import Handover
from tailrace.store.statement import Asked, store_error

__all__ = ["READERS", "Engine", "configuration", "store_error"]

# The engine's allocator reads this when the library is loaded. It keeps freed pages for a second
# instead of five: at full speed 80 MB less is resident, for no CPU that could be measured.
os.environ.setdefault("JE_MALLOC_CONF", "dirty_decay_ms:1000,muzzy_decay_ms:0")

_T = TypeVar("_T")
_log = log.get("engine")
# One for each query that runs, and two for what the store and the writer ask meanwhile: inserts
# are counted before they count as stored.
READERS = limits.QUERIES_IN_FLIGHT + 2
# Beside them: the writer, the one that exports, the one that stops statements, the one that
# decodes what has just come, the one that rewrites files.
OTHERS = 5
DECODING_S = 10.0
# Blocks of a stream that wait for their reader; a block is at most 65,409 rows.
BLOCKS_WAITING = 2
# A statement that was handed to a thread may not have reached the engine yet when it is to end.
STOP_AGAIN_S = 0.1
# Smaller parts are merged soon, and then packed once instead of at every step.
PACKED_PART_BYTES = 12_000_000
# What a merge holds of each part at a time, a quarter of the engine's own: 50 MB less in all, see
# docs/adr/0026-memory-with-a-backlog.md.
MERGE_ROWS, MERGE_BYTES = 2_048, 2 * limits.MIB
_CONFIG = """<clickhouse>
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <mark_cache_size>33554432</mark_cache_size>
  <index_mark_cache_size>8388608</index_mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <index_uncompressed_cache_size>{index_cache}</index_uncompressed_cache_size>
  <background_pool_size>2</background_pool_size>
  <background_schedule_pool_size>2</background_schedule_pool_size>
  <merge_tree>
    <merge_max_block_size>{merge_rows}</merge_max_block_size>
    <merge_max_block_size_bytes>{merge_bytes}</merge_max_block_size_bytes>
  </merge_tree>
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
    return _CONFIG.format(
        memory=memory_bytes,
        index_cache=min(limits.INDEX_CACHE_BYTES, memory_bytes // 8),
        # It would swallow the error of a full disk and keep the part: so it stops before, cleanly.
        keep_free=limits.ENGINE_RESERVE_BYTES,
        packed=PACKED_PART_BYTES,
        merge_rows=MERGE_ROWS,
        merge_bytes=MERGE_BYTES,
    )


@dataclass
class _Job:
    """A statement in a thread. `ended` is set when the thread is done with its connection."""

    name: str
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    future: Future[Any] = field(default_factory=Future)


class Engine:
    """Statements in, rows out. `open` first; `close` last."""

    def __init__(self, directory: Path, memory_bytes: int = limits.ENGINE_MEMORY_BYTES) -> None:
        self._directory = directory
        self._memory_bytes = memory_bytes
        self._readers: list[Any] = []
        self._free: asyncio.Queue[Any] = asyncio.Queue()
        self._writer: Any = None
        self._writing = asyncio.Lock()
        self._exporter: Any = None
        self._exporting = asyncio.Lock()
        self._stopper: Any = None
        self._decoder: Any = None
        self._decoding = asyncio.Lock()
        self._rewriter: Any = None
        self._rewriting = asyncio.Lock()
        self._stopping: set[asyncio.Task[None]] = set()
        self._names = map("statement-{}".format, itertools.count(1))
        self._threads = ThreadPoolExecutor(READERS + OTHERS, "engine")

    @property
    def directory(self) -> Path:
        """Where everything of it is."""
        return self._directory

    async def open(self) -> None:
        """Open the directory and bring its tables to the newest version. Raises StoreError."""
        await self._run(self._connect)
        for client in self._readers:
            self._free.put_nowait(client)
        await self._migrate()

    def _connect(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        config = self._directory / "engine.xml"
        config.write_text(configuration(self._memory_bytes))
        path = f"{self._directory / 'tables'}?config-file={config}"
        try:
            clients = connections(path, READERS + OTHERS)
        except ClickHouseError as error:
            found = store_error(error)
            why = str(found).rpartition("Failed to create connection: ")[2]
            message = f"the store in {self._directory} cannot be opened: {why}"
            raise StoreError(message, found.code) from None
        self._writer, self._exporter, self._stopper, self._decoder, *rest = clients
        self._rewriter, *self._readers = rest
        for client in [self._decoder, *self._readers]:
            statement.make_read_only(client)

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
        terms: Terms = USUAL,
    ) -> list[tuple[Any, ...]]:
        """Rows of a SELECT. Raises StoreError. A caller that is cancelled leaves at once, and the
        statement is ended."""
        asked = self._asked(sql, parameters, terms)
        client = await self._free.get()
        return await self._selected(client, self._giving_back(client), asked)

    def blocks(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        terms: Terms = USUAL,
    ) -> AsyncGenerator[Sequence[Sequence[Any]], None]:
        """The columns of one block of rows after another, so that no result is held whole.

        Closing the iterator early ends the statement (`contextlib.aclosing` does it for a loop
        that is left). The seconds include what the reader takes. Raises StoreError.
        """
        return self._stream(statement.pump_blocks, self._asked(sql, parameters, terms))

    def raw(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        terms: Terms = USUAL,
        *,
        form: str,
    ) -> AsyncGenerator[bytes, None]:
        """Bytes of the result in a format of the engine, one of `statement.STREAMED` or
        `statement.WHOLE`; the latter are held whole, of at most QUERY_RESULT_BYTES.

        `sql` must have no FORMAT and no SETTINGS of its own: they would win over the bounds.
        Otherwise as `blocks`.
        """
        terms = replace(terms, bounds=statement.bounds_of(form, terms.bounds))
        return self._stream(statement.pump_bytes, self._asked(sql, parameters, terms), form)

    def _asked(self, sql: str, parameters: Mapping[str, object] | None, terms: Terms) -> Asked:
        most = self._memory_bytes * 2 // 3
        bounds = replace(terms.bounds, memory_bytes=min(terms.bounds.memory_bytes or most, most))
        terms = replace(terms, bounds=bounds)
        return Asked(next(self._names), sql, parameters or {}, terms)

    async def _stream(
        self, pump: Callable[..., None], asked: Asked, *arguments: object
    ) -> AsyncGenerator[Any, None]:
        client = await self._free.get()
        into: Handover[Any] = Handover(BLOCKS_WAITING)
        back = self._giving_back(client)
        job = self._start(back, asked.name, pump, client, asked, *arguments, into)
        try:
            async for item in into:
                yield item
        finally:
            into.close()
            self._end(job)

    def _giving_back(self, client: Any) -> Callable[[], None]:
        return partial(self._free.put_nowait, client)

    async def write(self, sql: str) -> None:
        """Run a statement that changes something; one at a time. Raises StoreError."""
        await self._writing.acquire()
        await self._run_then(self._writing.release, statement.command, self._writer, sql)

    async def write_if(self, allowed: Callable[[], Awaitable[bool]], sql: str) -> bool:
        """As `write`, if `allowed` says so; nothing else is written from there on. Whether it was
        run. Raises StoreError, and what `allowed` raises."""
        await self._writing.acquire()
        agreed = False
        try:
            agreed = await allowed()
        finally:
            if not agreed:
                self._writing.release()
        if agreed:
            await self._run_then(self._writing.release, statement.command, self._writer, sql)
        return agreed

    @contextlib.asynccontextmanager
    async def still(self) -> AsyncGenerator[Callable[[str], Awaitable[object]], None]:
        """Within it nothing is written but by what it gives, which runs a statement that changes
        something. Raises StoreError."""
        ended = asyncio.Event()
        ended.set()

        async def run(sql: str) -> object:
            ended.clear()
            return await self._run_then(ended.set, statement.command, self._writer, sql)

        async with self._writing:
            try:
                yield run
            finally:  # a caller that is cancelled leaves its statement running
                await ended.wait()

    async def export(self, sql: str) -> None:
        """Run a statement that reads tables into files, beside the writer. Raises StoreError.

        It has a connection of its own: an export of seconds must not hold up the inserts.
        """
        await self._exporting.acquire()
        await self._run_then(self._exporting.release, statement.command, self._exporter, sql)

    async def rewrite(self, sql: str, settings: str) -> None:
        """Run a statement that reads files into a file, with its `settings`, beside all others and
        one at a time. A caller that is cancelled leaves at once, and the statement is ended. Raises
        StoreError."""
        name = next(self._names)
        named = f"{sql} SETTINGS {settings}, log_comment='{name}'"
        await self._rewriting.acquire()
        job = self._start(self._rewriting.release, name, statement.command, self._rewriter, named)
        try:
            await asyncio.wrap_future(job.future)
        except asyncio.CancelledError:
            self._end(job)
            raise

    async def decoded(
        self, sql: str, parameters: Mapping[str, object] | None = None
    ) -> list[tuple[Any, ...]]:
        """Rows of a SELECT that reads no tables, one at a time, beside queries: what has just come
        is not to wait for them. Raises StoreError."""
        asked = self._asked(sql, parameters, Terms(DECODING_S))
        await self._decoding.acquire()
        return await self._selected(self._decoder, self._decoding.release, asked)

    async def _selected(
        self, client: Any, done: Callable[[], None], asked: Asked
    ) -> list[tuple[Any, ...]]:
        job = self._start(done, asked.name, statement.select, client, asked)
        try:
            found: list[tuple[Any, ...]] = await asyncio.wrap_future(job.future)
        except asyncio.CancelledError:
            self._end(job)
            raise
        return found

    async def _run_then(
        self, done: Callable[[], None], function: Callable[..., _T], *arguments: object
    ) -> _T:
        """Run in a thread and call `done` when the thread is done with its client.

        A caller that is cancelled leaves at once, but its statement runs on.
        """
        job = self._start(done, "", function, *arguments)
        found: _T = await asyncio.wrap_future(job.future)
        return found

    def _start(
        self, done: Callable[[], None], name: str, function: Callable[..., Any], *arguments: object
    ) -> _Job:
        """`done` is called in the loop. A client that went back before its thread is done with it
        would serve two statements at once."""
        loop = asyncio.get_running_loop()
        job = _Job(name)

        def ended() -> None:
            job.ended.set()
            done()

        job.future = self._threads.submit(function, *arguments)
        job.future.add_done_callback(lambda _: loop.call_soon_threadsafe(ended))
        return job

    def _end(self, job: _Job) -> None:
        """End a statement that nobody waits for, without waiting for its end."""
        if job.future.done() or job.future.cancel():
            return
        ending = asyncio.create_task(self._ending(job))
        self._stopping.add(ending)
        ending.add_done_callback(self._stopping.discard)

    async def _ending(self, job: _Job) -> None:
        while not job.ended.is_set():
            try:
                await self._run(statement.stop, self._stopper, job.name)
            except StoreError as error:  # it ends by itself when its time is over
                _log.warning("a statement could not be ended", extra={"error": str(error)})
            try:
                await asyncio.wait_for(job.ended.wait(), STOP_AGAIN_S)
            except TimeoutError:
                continue

    async def _run(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    async def close(self) -> None:
        """Wait for running statements and let go of the directory."""
        async with self._writing, self._exporting, self._decoding, self._rewriting:
            for _ in self._readers:
                await self._free.get()
            while self._stopping:
                await asyncio.wait(self._stopping)
            own = (self._writer, self._exporter, self._stopper, self._decoder, self._rewriter)
            others = [one for one in own if one]
            for client in [*self._readers, *others]:
                await self._run(client.close)
        self._threads.shutdown()
