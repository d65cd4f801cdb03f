"""The input `rest`: JSON that is asked for by schedule, as records and as numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
import xxhash

from tailrace.agent.checkpoints import State
from tailrace.agent.feeds.fetch import Endpoint, Unanswered
from tailrace.agent.feeds.intake import Batch, Feeder, Intake
from tailrace.agent.feeds.scheduled import Fetched, Scheduled, batches, grouped
from tailrace.agent.inputs import RestInput
from tailrace.agent.settings import AgentSettings
from tailrace.core import limits
from tailrace.core.clock import Clock, SystemClock
from tailrace.core.errors import InputError
from tailrace.core.frame import Codec, Hints
from tailrace.wire import records
from tailrace.wire.jsonpath import Path
from tailrace.wire.samples import Sample

_LARGEST = 1e308  # an integer of JSON may be larger than any float


def feeders(
    source: RestInput, settings: AgentSettings, state: State, wake: Callable[[], None]
) -> list[Feeder]:
    """The one feeder of the input."""
    parts = urlsplit(source.url)
    name = f"rest {parts.hostname}{parts.path}"
    intake = Intake(source, name, wake, flush_interval_s=settings.flush_interval_s)
    return [Scheduled(name, intake, source.interval, Rest(source).fetch, settings)]


class Rest:
    """One URL. One thread."""

    def __init__(self, source: RestInput, clock: Clock | None = None) -> None:
        self._source = source
        self._clock = clock or SystemClock()
        self._items = Path(source.items) if source.items else None
        self._metrics = {name: Path(path) for name, path in source.metrics.items()}
        self._hints = Hints(
            time=source.time_key or "time",
            body=source.body_key or "body",
            severity=source.severity_key or "severity",
            time_unit="auto",
            foreign=True,
        )
        self._resource = {"service.name": urlsplit(source.url).hostname or ""}
        self._last: frozenset[int] = frozenset()
        self._endpoint = Endpoint(
            source.url,
            source.headers,
            source.token_file,
            min(source.timeout, source.interval),
            limits.ANSWER_BYTES,
            "application/json",
        )

    def fetch(self) -> Fetched:
        """Records, then samples, of one answer."""
        time_ns = self._clock.wall_ns()
        try:
            document = msgspec.json.decode(self._endpoint.get().body)
            found = self._records(document)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return Fetched((), "answer is not valid JSON")
        except Unanswered as error:
            return Fetched((), str(error))
        return Fetched([*found, *batches(self._samples(document, time_ns))])

    def _records(self, document: Any) -> list[Batch]:
        """Raises Unanswered for too many."""
        items = list(self._found(document))
        if len(items) > limits.ANSWER_ITEMS:
            raise Unanswered(f"answer holds more than {limits.ANSWER_ITEMS} items")
        lines = [msgspec.json.encode(item) for item in items]
        if self._source.changes:
            digests = [xxhash.xxh3_64_intdigest(line) for line in lines]
            known, self._last = self._last, frozenset(digests)
            lines = [
                line for line, digest in zip(lines, digests, strict=True) if digest not in known
            ]
        dropped: Counter[str] = Counter()
        kept = [line for line in lines if self._holds(line, dropped)]
        made = [self._batch(group) for group in grouped(kept)]
        return [*made, Batch(b"", 0, dropped=dropped)] if dropped else made

    def _found(self, document: Any) -> Iterator[dict[str, Any]]:
        """An object for each item; an array stands for its elements."""
        for found in self._items.find(document) if self._items else ():
            for item in found if isinstance(found, list) else (found,):
                if isinstance(item, dict):
                    yield item
                else:
                    text = item if isinstance(item, str) else msgspec.json.encode(item).decode()
                    yield {self._hints.body: text}

    def _holds(self, line: bytes, dropped: Counter[str]) -> bool:
        """Whether it can be stored; counted when not."""
        try:
            records.decode(line, self._hints)
        except InputError as error:
            dropped["oversize" if error.status == 413 else "malformed"] += 1
            return False
        return True

    def _batch(self, lines: list[bytes]) -> Batch:
        content = records.decode(b"\n".join(lines) + b"\n", self._hints)
        return Batch(
            content.data,
            content.rows,
            Codec.RECORDS,
            hints=content.hints,
            checked=True,
            resource=self._resource,
            repaired=content.repaired,
        )

    def _samples(self, document: Any, time_ns: int) -> Iterator[Sample]:
        """Numbers as gauges; true is 1 and false 0, and anything else is none."""
        for name, path in self._metrics.items():
            for place, value in enumerate(path.find(document)):
                if isinstance(value, int | float) and abs(value) < _LARGEST:
                    attributes = {"item": str(place)} if path.many else {}
                    yield Sample(time_ns, name, float(value), "gauge", "", attributes)
