"""demo-shop: a synthetic shop that logs. The same seed says the same things.

Used by `tailrace up --demo`, through `writer`, and by the benchmark, through `records`. A visit
leaves its trace id in the logs of several services.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tailrace.app.demo import vocabulary as words

BLOCK_ROWS = 2_000
# Visits in progress; a message belongs to one of them, and some end with each message.
_VISITS = 64
_VISIT_ENDS = 0.25
_TRACED = 0.62
_ACCESS, _MESSAGE, _SLOW = 0.38, 0.93, 0.97


class Access(NamedTuple):
    """One request at the edge. `size` in bytes."""

    host: str
    address: str
    method: str
    path: str
    status: int
    size: int
    duration_ms: int
    agent: str
    request_id: str
    trace_id: str


class Message(NamedTuple):
    """One application log line; `attributes` is the inside of a JSON object."""

    service: str
    host: str
    severity: str
    body: str
    attributes: str
    trace_id: str


class SlowQuery(NamedTuple):
    """One statement that took long. `rows`: how many it examined."""

    host: str
    statement: str
    duration_ms: int
    rows: int
    trace_id: str


class Shop:
    """Says one thing at a time. Not thread-safe."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._uniform = self._random.random
        self._bits = self._random.getrandbits
        self._visits = [self._new_id(128) for _ in range(_VISITS)]
        self._hosts = {
            service: [f"{service}-{n}" for n in range(1, words.HOSTS_PER_SERVICE + 1)]
            for service in words.SERVICES
        }
        self._voices = [voice for voice in words.VOICES for _ in range(voice.share)]
        self._makers: dict[str, Callable[[], object]] = {
            "ms": self._milliseconds,
            "user": lambda: f"u{self._below(40_000)}",
            "sku": lambda: f"sku-{self._rank(20_000):05d}",
            "order": lambda: self._new_id(40),
            "session": lambda: self._new_id(32),
            "request": lambda: self._new_id(96),
            "key": lambda: f"{self._below(64) * 0x9E3779B1 & 0xFFFFFFFF:08x}",
            "amount": lambda: f"{self._below(300)}.{self._below(100):02d}",
            "count": lambda: self._rank(900) + 1,
            "number": lambda: self._rank(20_000),
            "thread": lambda: self._below(8) + 1,
            "word": lambda: words.WORDS[self._below(len(words.WORDS))],
            "path": self._path,
        }

    def __getitem__(self, key: str) -> object:
        """A fresh value for a template's key."""
        return self._makers[key]()

    def uniform(self) -> float:
        """The next random number of this shop, in [0, 1)."""
        return self._uniform()

    def span_id(self) -> str:
        """16 hex digits."""
        return self._new_id(64)

    def access(self) -> Access:
        """Somebody asks the edge for a page."""
        below = self._below
        return Access(
            self._host(words.EDGE),
            f"{words.NETWORKS[below(3)]}.{below(254) + 1}",
            words.METHODS[below(len(words.METHODS))],
            self._path(),
            words.STATUSES[below(len(words.STATUSES))],
            self._rank(60_000) + 120,
            self._milliseconds(),
            words.AGENTS[below(len(words.AGENTS))],
            self._new_id(128),
            self._trace(),
        )

    def message(self) -> Message:
        """A service says what it does."""
        voice = self._voices[self._below(len(self._voices))]
        templates = voice.templates
        # The first of a service's templates is its most frequent.
        template = templates[min(self._below(len(templates)), self._below(len(templates) + 1))]
        return self._said(voice.service, template)

    def error(self) -> Message:
        """A service fails, and shows where."""
        template = words.ERRORS[self._below(len(words.ERRORS))]
        service = template.attributes.split('"', 4)[3].partition(".")[0]
        return self._said(service, template)

    def slow_query(self) -> SlowQuery:
        """The database took its time."""
        statement = words.QUERIES[self._below(len(words.QUERIES))] % self
        host = self._host(words.DATABASE)
        return SlowQuery(
            host, statement, 200 + self._milliseconds() * 9, self._rank(900_000), self._trace()
        )

    def _said(self, service: str, template: words.Template) -> Message:
        return Message(
            service,
            self._host(service),
            template.severity,
            template.text % self,
            template.attributes % self,
            self._trace(),
        )

    def _trace(self) -> str:
        """The trace id of a visit in progress, or none."""
        if self._uniform() >= _TRACED:
            return ""
        place = self._below(_VISITS)
        trace = self._visits[place]
        if self._uniform() < _VISIT_ENDS:
            self._visits[place] = self._new_id(128)
        return trace

    def _path(self) -> str:
        return words.PATHS[self._below(len(words.PATHS))] % self

    def _host(self, service: str) -> str:
        return self._hosts[service][self._below(words.HOSTS_PER_SERVICE)]

    def _milliseconds(self) -> int:
        return int(4 / (1.001 - self._uniform()))

    def _below(self, bound: int) -> int:
        return int(self._uniform() * bound)

    def _rank(self, bound: int) -> int:
        """Below `bound`, small ones far more often: some products are popular."""
        return int(self._uniform() ** 3 * bound)

    def _new_id(self, bits: int) -> str:
        return f"{self._bits(bits):0{bits // 4}x}"


def records(
    count: int, seed: int, start_ns: int, interval_ns: int, block_rows: int = BLOCK_ROWS
) -> Iterator[bytes]:
    """`count` canonical records as NDJSON, in blocks of `block_rows` rows, about 330 bytes a row.

    Row `n` happens at `start_ns + n * interval_ns` or within one interval after it; times are UTC
    nanoseconds. The rows do not depend on the size of the blocks.
    """
    shop = Shop(seed)
    for first in range(0, count, block_rows):
        rows = [
            _record(shop, start_ns + n * interval_ns + int(shop.uniform() * interval_ns))
            for n in range(first, min(first + block_rows, count))
        ]
        yield "".join(rows).encode()


def _record(shop: Shop, time_ns: int) -> str:
    kind = shop.uniform()
    if kind < _ACCESS:
        return _access_record(shop, time_ns)
    if kind < _MESSAGE:
        return _message_record(shop, time_ns, shop.message())
    if kind < _SLOW:
        return _slow_record(shop, time_ns)
    return _message_record(shop, time_ns, shop.error())


def _access_record(shop: Shop, time_ns: int) -> str:
    seen = shop.access()
    severity = "INFO" if seen.status < 500 else "ERROR"
    return (
        f'{{"time":{time_ns},"severity":"{severity}","service":"{words.EDGE}",'
        f'"body":"{seen.method} {seen.path} {seen.status} {seen.size} {seen.duration_ms}ms",'
        f"{_trace(shop, seen.trace_id)}"
        f'"attributes":{{"request.id":"{seen.request_id}","http.status":"{seen.status}",'
        f'"client.address":"{seen.address}","user_agent":"{seen.agent}"}},'
        f'"resource":{{"host.name":"{seen.host}"}}}}\n'
    )


def _message_record(shop: Shop, time_ns: int, said: Message) -> str:
    body = said.body
    if "\n" in body:
        body = body.replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return (
        f'{{"time":{time_ns},"severity":"{said.severity}","service":"{said.service}",'
        f'"body":"{body}",{_trace(shop, said.trace_id)}"attributes":{{{said.attributes}}},'
        f'"resource":{{"host.name":"{said.host}","service.version":"4.2.{len(said.service)}"}}}}\n'
    )


def _slow_record(shop: Shop, time_ns: int) -> str:
    slow = shop.slow_query()
    return (
        f'{{"time":{time_ns},"severity":"WARN","service":"{words.DATABASE}",'
        f'"body":"slow query {slow.duration_ms} ms: {slow.statement}",'
        f"{_trace(shop, slow.trace_id)}"
        f'"attributes":{{"db.system":"demo-sql","db.rows":"{slow.rows}"}},'
        f'"resource":{{"host.name":"{slow.host}"}}}}\n'
    )


def _trace(shop: Shop, trace_id: str) -> str:
    if not trace_id:
        return ""
    return f'"trace_id":"{trace_id}","span_id":"{shop.span_id()}",'
