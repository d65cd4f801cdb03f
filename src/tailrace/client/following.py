"""A client of the live tail that connects again, and repeats no line."""

from __future__ import annotations

import re
import time
import urllib.parse
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from tailrace.client.api import lines
from tailrace.client.server import Server, said
from tailrace.core import limits
from tailrace.core.errors import QueryError, StoreError
from tailrace.core.line import Line

WAITS_S = (0.5, 1.0, 2.0, 5.0, 10.0)
# After a connection is lost, lines are asked for from so long before the newest that was seen: some
# come later than others of their time.
BACK_NS = 10_000_000_000
# What a server answers that may take a follower later.
LATER = frozenset({429, 502, 503, 504})
# A websocket is refused without a word.
_REFUSED = {403: "a valid token with the scope `query` is required: --token-file (403)"}
Key = tuple[Any, ...]


class Dropped(msgspec.Struct, frozen=True):
    """Lines that the server did not send: how many, and its words for why, where it has some."""

    lines: int
    reasons: tuple[str, ...] = ()


class Lost(msgspec.Struct, frozen=True):
    """The connection was lost, and is tried again after `wait_s`."""

    reason: str
    wait_s: float


class Seen:
    """The last TAIL_LINES_SEEN lines, and whence to ask for more."""

    def __init__(self, start_ns: int) -> None:
        self._start_ns = start_ns
        self._counts: Counter[Key] = Counter()
        self._order: deque[Key] = deque()
        self._newest_ns = start_ns

    @property
    def start_ns(self) -> int:
        """Before the newest line, but not before lines that are forgotten."""
        return max(self._start_ns, self._newest_ns - BACK_NS)

    def add(self, line: Line) -> None:
        key = _key(line)
        self._order.append(key)
        self._counts[key] += 1
        self._newest_ns = max(self._newest_ns, line.time_ns)
        if len(self._order) > limits.TAIL_LINES_SEEN:
            self._forget()

    def _forget(self) -> None:
        """The oldest of them, after which nothing of its time is asked for again."""
        key = self._order.popleft()
        self._counts[key] -= 1
        if not self._counts[key]:
            del self._counts[key]
        self._start_ns = max(self._start_ns, key[0] + 1)

    def again(self) -> Counter[Key]:
        """What may come again after connecting anew, each as often as it was seen."""
        since_ns = self.start_ns
        return Counter({key: count for key, count in self._counts.items() if key[0] >= since_ns})


def follow(
    server: Server,
    text: str,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Line | Dropped | Lost]:
    """New lines as they arrive, without end.

    Raises QueryError when the server refuses the query, StoreError when the first connection fails.
    Needs the `websockets` package.
    """
    seen = Seen(time.time_ns())
    again: Counter[Key] = Counter()
    failures = 0
    limit = 0
    while True:
        try:
            for found in _connected(server, text, seen.start_ns, limit):
                # A connection counts once it is open: the first thing it gives is nothing.
                limit, failures = limits.TAIL_LINES_SEEN, 0
                if isinstance(found, Dropped):
                    yield found
                elif found is not None:
                    if again[_key(found)] > 0:
                        again[_key(found)] -= 1
                        continue
                    seen.add(found)
                    yield found
            reason = "the server ended it"
        except StoreError as error:
            if not limit:
                raise
            reason = str(error)
        wait_s = WAITS_S[min(failures, len(WAITS_S) - 1)]
        failures += 1
        again = seen.again()
        yield Lost(reason, wait_s)
        sleep(wait_s)


def tail(server: Server, text: str) -> Iterator[Line]:
    """The lines of `follow` alone."""
    for found in follow(server, text):
        if isinstance(found, Line):
            yield found


def _connected(
    server: Server, text: str, start_ns: int, limit: int
) -> Iterator[Line | Dropped | None]:
    """None once it is open, then what one connection gives."""
    try:
        from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
        from websockets.sync.client import connect
    except ImportError:
        message = "tail needs the websockets package; install tailrace[server]"
        raise StoreError(message) from None
    asked = urllib.parse.urlencode({"query": text, "start": start_ns, "limit": limit})
    address = re.sub("^http", "ws", server.url.rstrip("/"), count=1) + f"/loki/api/v1/tail?{asked}"
    try:
        context = server.tls if address.startswith("wss:") else None
        with connect(
            address,
            ssl=context,
            additional_headers=server.headers,
            max_size=limits.CLIENT_MESSAGE_BYTES,
        ) as socket:
            yield None
            for received in socket:
                yield from _message(received)
    except InvalidStatus as error:
        status = error.response.status_code
        words = said(bytes(error.response.body or b""))
        if status in LATER:
            raise StoreError(words or f"status {status}") from None
        raise QueryError(words or _REFUSED.get(status, f"status {status}")) from None
    except ConnectionClosed as error:
        closed = error.rcvd
        if closed and closed.code == 1008:
            raise QueryError(closed.reason or "the token no longer lets in") from None
        raise StoreError(closed.reason if closed and closed.reason else "connection lost") from None
    except (OSError, WebSocketException) as error:
        raise StoreError(
            f"cannot follow {server.url}: {error}; is `tailrace up` running?"
        ) from None


class _Told(msgspec.Struct):
    labels: dict[str, str] = {}


class _Message(msgspec.Struct):
    streams: list[dict[str, Any]] = []
    dropped_entries: list[_Told] | None = None
    dropped_lines: int | None = None


def _message(received: str | bytes) -> Iterator[Line | Dropped]:
    """What was dropped stood before the lines."""
    message = msgspec.json.decode(received, type=_Message)
    entries = message.dropped_entries or []
    if entries:
        reasons = tuple(one.labels["reason"] for one in entries if one.labels.keys() == {"reason"})
        told = message.dropped_lines
        yield Dropped(len(entries) if told is None else told, reasons)
    yield from sorted(lines(message.streams), key=lambda line: line.time_ns)


def _key(line: Line) -> Key:
    return (line.time_ns, tuple(sorted(line.labels.items())), line.body)
