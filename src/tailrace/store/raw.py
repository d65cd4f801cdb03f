"""Results as the bytes of a format, piece by piece.

The embedded engine gives one block after another, each a whole document of the format. For rows of
JSON and of CSV these join to one. A stream of Arrow is a schema, batches and an end, so what
follows the first piece is stripped of both. Parquet has an index at its end and becomes a file
first, which is read and deleted.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tailrace.core.limits import KIB
from tailrace.store.sql import text

FORMS = ("JSONEachRow", "CSV", "ArrowStream", "Parquet")
PIECES_AHEAD = 2
SCRATCH_PREFIX = "answer-"
# The setting by which a statement is found again among those that run.
MARK = "log_comment"
_FILE_PIECE = 256 * KIB
# Of Arrow's stream: each message begins with the mark and the length of its head; an end has none.
_MARK, _END = b"\xff\xff\xff\xff", b"\xff\xff\xff\xff\0\0\0\0"

Work = Callable[[], Iterable[bytes]]


def pieces(
    client: Any,
    sql: str,
    parameters: Mapping[str, object] | None,
    form: str,
    settings: Mapping[str, object],
    scratch: Path,
) -> Iterator[bytes]:
    """Pieces of the answer to `sql`, which has no FORMAT. Blocks.

    Raises ClickHouseError.
    """
    assert form in FORMS, form
    values = dict(parameters or {})
    if form == "Parquet":
        return _parquet(client, sql, values, settings, scratch)
    blocks = _blocks(client, f"{sql}\n {_clause(settings)}", values, form)
    if form != "ArrowStream":
        return blocks
    empty = f"SELECT * FROM ({sql}) LIMIT 0\n {_clause(settings)}"
    return _joined(blocks, lambda: bytes(client.raw_query(empty, values, fmt=form)))


def kill(client: Any, mark: str) -> None:
    """Stop the statement that has `mark` as its MARK, if it still runs. Raises nothing."""
    with contextlib.suppress(Exception):  # nobody waits for it, and it ends by itself, later
        client.command(f"KILL QUERY WHERE Settings['{MARK}'] = {text(mark)} ASYNC")


def _clause(settings: Mapping[str, object]) -> str:
    named = (f"{name} = {text(str(value))}" for name, value in settings.items())
    return f"SETTINGS {', '.join(named)}"


def _blocks(client: Any, sql: str, values: dict[str, object], form: str) -> Iterator[bytes]:
    """One block after another. The client gives Arrow only whole, so its own stream is asked."""
    query, bound, runtime = client._prep_raw_query_runtime(sql, values, None, form, True)
    backend = client._backend
    names = {name.removeprefix("param_"): value for name, value in bound.items()}
    stream = backend._open_stream(query, form, names, runtime.database)
    source = _source(backend, stream)
    try:
        yield from source.gen
    finally:
        source.close()


def _source(backend: Any, stream: Any) -> Any:
    from clickhouse_connect.driver._backend.chdb_backend import _ChdbStreamSource

    return _ChdbStreamSource(stream, backend._handle, backend.show_clickhouse_errors)


def _joined(blocks: Iterator[bytes], empty: Callable[[], bytes]) -> Iterator[bytes]:
    """Streams of Arrow as one."""
    first = next(blocks, b"")
    if not first:
        yield empty()
        return
    yield _without_end(first)
    for block in blocks:
        head = 8 + int.from_bytes(block[4:8], "little")
        assert block.startswith(_MARK)
        yield _without_end(block)[head:]
    yield _END


def _without_end(block: bytes) -> bytes:
    assert block.endswith(_END), block[-8:]
    return block[: -len(_END)]


def _parquet(
    client: Any,
    sql: str,
    values: dict[str, object],
    settings: Mapping[str, object],
    scratch: Path,
) -> Iterator[bytes]:
    with tempfile.TemporaryDirectory(prefix=SCRATCH_PREFIX, dir=scratch) as folder:
        path = Path(folder) / "answer.parquet"
        into = f"INTO OUTFILE {text(str(path))} FORMAT Parquet"
        client.command(f"{sql}\n {into} {_clause(settings)}", values)
        with path.open("rb") as file:
            while piece := file.read(_FILE_PIECE):
                yield piece


class Relay:
    """Hands pieces from a thread to a coroutine, which they outrun by PIECES_AHEAD at most.

    `run` is called in the thread; the coroutine iterates, and calls `stop` whatever happens.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self._room = threading.Semaphore(PIECES_AHEAD)
        self._stopped = False

    def run(self, work: Work) -> None:
        """Give away all pieces of `work`, or its error, unless stopped before."""
        try:
            found = work()
            try:
                for piece in found:
                    self._room.acquire()
                    if self._stopped:
                        return
                    self._put(piece)
            finally:
                if (close := getattr(found, "close", None)) is not None:
                    close()
        except Exception as error:  # the coroutine raises it
            self._put(error)
        else:
            self._put(None)

    def _put(self, item: bytes | Exception | None) -> None:
        self._loop.call_soon_threadsafe(self._queue.put_nowait, item)

    def stop(self) -> None:
        """No more pieces are wanted."""
        self._stopped = True
        self._room.release()

    def __aiter__(self) -> Relay:
        return self

    async def __anext__(self) -> bytes:
        item = await self._queue.get()
        if item is None:
            raise StopAsyncIteration
        if isinstance(item, Exception):
            raise item
        self._room.release()
        return item
