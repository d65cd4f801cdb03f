"""The input `redis`: new entries of the slow log, each once.

A cursor is "ID:SECONDS" of the entry that was taken last. Ids count up by one and begin again when
the server does, so an entry is new when its id is higher or its time is later, and all are when the
newest id is lower than the last. Source: https://redis.io/docs/latest/commands/slowlog-get/
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import msgspec
import xxhash

from tailrace.agent.checkpoints import CURSOR_KEY, Mark, State
from tailrace.agent.checks import address
from tailrace.agent.feeds.intake import Batch, Feeder, Intake
from tailrace.agent.feeds.redis import Redis, RedisError, Reply
from tailrace.agent.feeds.scheduled import Fetched, Scheduled
from tailrace.agent.feeds.secret import secret
from tailrace.agent.inputs import RedisInput
from tailrace.agent.settings import AgentSettings
from tailrace.core import limits
from tailrace.core.errors import ConfigError
from tailrace.core.frame import Codec

TIMEOUT_S = 5.0
_BODY_CHARACTERS = limits.LINE_BYTES // 16  # a character takes six bytes at most, and twice
_MARKS = 32
_more = re.compile(r"\.\.\. \((\d{1,9}) more arguments\)")
_plain = re.compile(r"[^\s\"'\\\x00-\x1f\x7f]+")
_encoder = msgspec.json.Encoder()


def feeders(
    source: RedisInput, settings: AgentSettings, state: State, wake: Callable[[], None]
) -> list[Feeder]:
    """The one feeder of the input."""
    key = f"{CURSOR_KEY}redis|{source.address}"
    mark = state.cursors.get(key, Mark("redis"))
    name = f"redis {source.address}"
    intake = Intake(
        source, name, wake, key=key, mark=mark, flush_interval_s=settings.flush_interval_s
    )
    slow = SlowLog(source, mark)
    return [Scheduled(name, intake, source.interval, slow.fetch, settings)]


class Entry(NamedTuple):
    """`words` of the command, of which there were `arity`."""

    id: int
    time_s: int
    duration_us: int
    words: list[str]
    arity: int
    client: str


class SlowLog:
    """The slow log of one server. One thread."""

    def __init__(self, source: RedisInput, mark: Mark) -> None:
        self._source = source
        self._host, self._port = address(source.address, "address")
        self._last = _place(mark.cursor)
        self._resource = {
            "service.name": "redis",
            "server.address": self._host,
            "server.port": str(self._port),
        }

    def fetch(self) -> Fetched:
        """What is new since the last time, oldest first."""
        try:
            entries = self._entries()
        except (RedisError, ConfigError) as error:
            return Fetched((), str(error))
        fresh = self._new(entries)
        if not fresh:
            return Fetched()
        missed = 0
        if self._last and fresh[0].id > self._last[0] and len(fresh) == len(entries):
            missed = fresh[0].id - self._last[0] - 1
        self._last = (fresh[-1].id, fresh[-1].time_s)
        batch = Batch(
            b"".join(record(entry) for entry in fresh),
            len(fresh),
            Codec.RECORDS,
            checked=True,
            resource=self._resource,
            dropped={"missed": missed} if missed else {},
            mark=Mark("redis", cursor=f"{self._last[0]}:{self._last[1]}"),
        )
        return Fetched([batch])

    def _entries(self) -> list[Entry]:
        """Newest first. Raises RedisError and ConfigError."""
        source = self._source
        timeout_s = min(TIMEOUT_S, source.interval)
        with Redis(self._host, self._port, timeout_s) as server:
            if source.password_file:
                password = secret(source.password_file, "password_file")
                server.ask("AUTH", *filter(None, (source.username,)), password)
            reply = server.ask("SLOWLOG", "GET", str(limits.SLOW_LOG_ENTRIES))
        if not isinstance(reply, list):
            raise RedisError("answer is no slow log")
        return [_entry(item) for item in reply]

    def _new(self, entries: list[Entry]) -> list[Entry]:
        """Oldest first."""
        last = self._last
        if last and entries and entries[0].id >= last[0]:
            entries = [e for e in entries if e.id > last[0] or e.time_s > last[1]]
        return entries[::-1]


def record(entry: Entry) -> bytes:
    """A canonical record. What is asked is the command with a `?` for each argument; its
    fingerprint is the same for all commands of that name with as many of them."""
    name = entry.words[0].upper() if entry.words else ""
    arguments = max(0, entry.arity - 1)
    query = name + " ?" * min(arguments, _MARKS) + (" ..." if arguments > _MARKS else "")
    attributes = {
        "db.system.name": "redis",
        "db.operation.name": name,
        "db.query.text": query,
        "db.query.fingerprint": xxhash.xxh3_64_hexdigest(f"{name} {arguments}".encode()),
        "duration_ms": f"{entry.duration_us / 1000:.3f}",
        "redis.slowlog.id": str(entry.id),
    }
    host, _, port = entry.client.rpartition(":")
    if host and port.isdigit():
        attributes |= {"client.address": host.strip("[]"), "client.port": port}
    body = " ".join(map(_quoted, entry.words))
    found = {
        "time": entry.time_s * 10**9,
        "severity": "warn",
        "body": body[:_BODY_CHARACTERS],
        "attributes": attributes,
    }
    return _encoder.encode(found) + b"\n"


def _quoted(word: str) -> str:
    return word if _plain.fullmatch(word) else _encoder.encode(word).decode()


def _entry(item: Reply) -> Entry:
    """Four values, six since version 4, and lately how many arguments there were."""
    if isinstance(item, list) and len(item) >= 4:
        number, time_s, duration_us, words = item[:4]
        client = item[4] if len(item) > 4 else b""
        if (
            isinstance(number, int)
            and isinstance(time_s, int)
            and isinstance(duration_us, int)
            and isinstance(words, list)
            and 0 <= time_s < 2**33
        ):
            texts = [_text(word) for word in words]
            return Entry(number, time_s, duration_us, texts, _arity(texts), _text(client))
    raise RedisError("answer is no slow log")


def _text(value: Reply) -> str:
    if not isinstance(value, bytes):
        return ""
    return value.decode(errors="replace").replace("\0", "\ufffd")[:_BODY_CHARACTERS]


def _arity(words: list[str]) -> int:
    """The server keeps 32 words, the last of which says how many more there were."""
    cut = _more.fullmatch(words[-1]) if words else None
    return len(words) - 1 + int(cut[1]) if cut else len(words)


def _place(cursor: str) -> tuple[int, int] | None:
    number, _, time_s = cursor.partition(":")
    return (int(number), int(time_s)) if number.isdigit() and time_s.isdigit() else None
