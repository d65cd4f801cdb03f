"""Lines that passed, and streams of them as Loki's clients read them, in answers and live."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from starlette.requests import HTTPConnection

from tailrace.query.labels import merged
from tailrace.query.logs.columns import Decoder
from tailrace.query.pipeline.pipeline import Pipeline, Row

CATEGORIZE = "categorize-labels"


class Entry(NamedTuple):
    """A line that passed: its time, and its labels by where they come from."""

    time_ns: int
    line: str
    stream: Mapping[str, str]
    metadata: Mapping[str, str]
    parsed: Mapping[str, str]

    @classmethod
    def of(cls, time_ns: int, row: Row) -> Entry:
        """What a pipeline let pass."""
        labels = row.labels
        return cls(time_ns, row.line, labels.stream(), labels.metadata(), labels.parsed())


def passing(rows: Iterable[Sequence[Any]], pipeline: Pipeline, decoder: Decoder) -> Iterator[Entry]:
    """What passes of rows that begin as ROW_COLUMNS."""
    for row in rows:
        passed = pipeline.process(row[0], row[1], *decoder.labels(row))
        if passed is not None:
            yield Entry.of(row[0], passed)


def categorizes(connection: HTTPConnection) -> bool:
    """Whether the client wants structured metadata apart from labels."""
    flags = connection.headers.get("x-loki-response-encoding-flags", "")
    return CATEGORIZE in [flag.strip() for flag in flags.split(",")]


def streams(entries: Iterable[Entry], categorize: bool) -> list[dict[str, Any]]:
    """Lines grouped by label set, each group in the lines' order.

    With `categorize` a stream has only its own labels, and each line the others by where they come
    from; without it all of them are in the stream.
    """
    groups: dict[tuple[tuple[str, str], ...], list[list[Any]]] = {}
    for one in entries:
        entry: list[Any] = [str(one.time_ns), one.line]
        labels = one.stream
        if categorize:
            entry.append({"structuredMetadata": one.metadata, "parsed": one.parsed})
        else:
            labels = merged(labels, one.metadata)
            if one.parsed:
                labels = merged(labels, one.parsed)
        groups.setdefault(tuple(labels.items()), []).append(entry)
    return [{"stream": dict(labels), "values": values} for labels, values in groups.items()]
