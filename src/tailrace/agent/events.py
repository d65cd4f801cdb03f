"""Lines of a file to rows, where a row may be several lines: traces, and logs of databases."""

from __future__ import annotations

from collections.abc import Callable

from tailrace.agent.inputs import Files
from tailrace.core.errors import ConfigError, InputError
from tailrace.core.frame import Codec, Hints
from tailrace.wire import mysql, postgresql
from tailrace.wire.content import Content
from tailrace.wire.multiline import JOIN, Joiner, joiner_of

_JOINED = Hints(newline=JOIN.decode())
_DATABASES: dict[str, tuple[Joiner, Callable[[bytes], Content]]] = {
    "postgresql": (postgresql.JOINER, postgresql.decode),
    "mysql": (mysql.JOINER, mysql.decode),
}


class Events:
    """`complete` as in wire/multiline.py; `rows` of what is complete. Made by `events_of`."""

    def __init__(self, joiner: Joiner, decode: Callable[[bytes], Content] | None) -> None:
        self._joiner = joiner
        self._decode = decode
        self.complete = joiner.complete

    def rows(self, data: bytes, lines: int) -> Content | None:
        """Rows of whole events, `lines` lines in all; None when they are blank."""
        if self._decode is None:
            joined, count = self._joiner.join(data, lines)
            return Content(Codec.LINES, joined, count, _JOINED)
        try:
            return self._decode(data)
        except InputError:
            return None

    @property
    def checked(self) -> bool:
        """Whether `rows` needs no further look."""
        return self._decode is not None


def events_of(source: Files, place: str = "") -> Events | None:
    """None where each line is a row. Raises ConfigError that names the key behind `place`."""
    if source.codec in _DATABASES:
        if source.multiline or source.multiline_start:
            raise ConfigError(f"{place}multiline: the codec {source.codec} knows its own events")
        return Events(*_DATABASES[source.codec])
    if not (source.multiline or source.multiline_start):
        return None
    if source.codec == "records":
        raise ConfigError(f"{place}multiline: a record is one line")
    try:
        return Events(joiner_of(source.multiline or "start", source.multiline_start), None)
    except ValueError as error:
        key = "multiline_start" if source.multiline in ("", "start") else "multiline"
        raise ConfigError(f"{place}{key}: {error}") from None
