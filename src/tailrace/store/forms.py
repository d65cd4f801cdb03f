"""Results in formats that have a beginning and an end, made block by block.

The driver streams only formats whose blocks can simply be joined; of others it holds the whole
result. The engine gives each block as a small file of its own, so here the blocks' headings are
left out (text) or their batches are written into one file (Arrow, Parquet).
"""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any, TypeAlias

Bytes: TypeAlias = Generator[bytes, None, None]
TEXT = frozenset({"CSVWithNames", "TabSeparatedWithNames"})
ARROW = frozenset({"ArrowStream", "Parquet"})


def pieces(client: Any, sql: str, tail: str, parameters: dict[str, object], form: str) -> Bytes:
    """The bytes of the result of `sql`, whose clause of settings is `tail`, in a format of TEXT or
    ARROW. Closing the iterator ends the statement."""
    blocks = _blocks(client, f"{sql}{tail}", parameters, "ArrowStream" if form in ARROW else form)

    def empty() -> bytes:
        nothing = f"SELECT * FROM (\n{sql}\n) LIMIT 0{tail}"
        found: bytes = client.raw_query(
            nothing, parameters=parameters, fmt="ArrowStream" if form in ARROW else form
        )
        return found

    def made() -> Bytes:
        with closing(blocks):
            first = next(blocks, None)
            if first is None:
                first = empty()
            if form in TEXT:
                yield from _joined(first, blocks, form)
            else:
                yield from _written(first, blocks, form)

    return made()


def _blocks(client: Any, sql: str, parameters: dict[str, object], form: str) -> Bytes:
    """The bytes of one block after another, each as a file. What the driver does for the formats
    that it streams, from the same parts of it."""
    from clickhouse_connect.driver._backend import chdb_backend as driver

    backend = client._backend
    final, bound, runtime = client._prep_raw_query_runtime(sql, parameters, None, form, True)
    values = driver._strip_param_prefix(bound)
    opened = backend._open_stream(final, form, values, runtime.database)
    source = driver._ChdbStreamSource(opened, backend._handle, True)
    with closing(source):
        yield from source.gen


def _joined(first: bytes, rest: Iterator[bytes], form: str) -> Iterator[bytes]:
    heading = first.find(b"\n") + 1 if form != "CSVWithNames" else _first_record(first)
    yield first
    for block in rest:
        yield block[heading:]


def _first_record(csv: bytes) -> int:
    """Bytes of the first record, in which newlines may stand within quotes."""
    end = csv.find(b"\n")
    while end >= 0 and csv.count(b'"', 0, end) % 2:
        end = csv.find(b"\n", end + 1)
    return end + 1


def _written(first: bytes, rest: Iterator[bytes], form: str) -> Iterator[bytes]:
    import pyarrow.ipc  # costs tens of megabytes, which nobody may ever ask for
    import pyarrow.parquet

    sink = _Sink()
    with pyarrow.ipc.open_stream(first) as opened:
        schema = opened.schema
        batches = list(opened)
    writer: Any
    if form == "Parquet":
        writer = pyarrow.parquet.ParquetWriter(sink, schema, compression="zstd")
    else:
        writer = pyarrow.ipc.new_stream(sink, schema)
    with writer:
        yield from _batches(batches, writer, sink)
        for block in rest:
            with pyarrow.ipc.open_stream(block) as opened:
                yield from _batches(list(opened), writer, sink)
    yield sink.taken()


def _batches(found: list[Any], writer: Any, sink: _Sink) -> Iterator[bytes]:
    for batch in found:
        writer.write_batch(batch)
        if piece := sink.taken():
            yield piece


class _Sink(io.RawIOBase):
    """Holds what was written until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self._held: list[bytes] = []
        self._before = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._before

    def write(self, data: Any, /) -> int:
        piece = bytes(data)
        self._held.append(piece)
        self._before += len(piece)
        return len(piece)

    def close(self) -> None:
        """Writers close their file; what is left may be taken still."""

    def taken(self) -> bytes:
        held, self._held = b"".join(self._held), []
        return held
