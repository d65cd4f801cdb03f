"""Lines of a file to rows, where a row may be several lines: traces, and logs of databases."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from tailrace.agent.inputs import Files
from tailrace.core.errors import ConfigError, InputError
from tailrace.core.frame import CANONICAL, Codec, Hints
from tailrace.wire.content import Content

if TYPE_CHECKING:
    from tailrace.wire.multiline import Joiner

# Modules of wire/, imported when they are used: their expressions cost a start 60 ms.
_DATABASES = ("postgresql", "mysql")


class Events:
    """`complete` as in wire/multiline.py; `rows` of what is complete. Made by `events_of`."""

    def __init__(
        self, joiner: Joiner, hints: Hints, decode: Callable[[bytes], Content] | None = None
    ) -> None:
        """`hints`: of what is joined. `decode`: what makes records of it."""
        self._joiner = joiner
        self._decode = decode
        self._hints = hints
        self.complete = joiner.complete

    def rows(self, data: bytes, lines: int) -> Content | None:
        """Rows of whole events, `lines` lines in all; None when they are blank."""
        if self._decode is None:
            joined, count = self._joiner.join(data, lines)
            return Content(Codec.LINES, joined, count, self._hints)
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
        wire = import_module(f"tailrace.wire.{source.codec}")
        return Events(wire.JOINER, CANONICAL, wire.decode)
    if not (source.multiline or source.multiline_start):
        return None
    if source.codec == "records":
        raise ConfigError(f"{place}multiline: a record is one line")
    wire = import_module("tailrace.wire.multiline")
    try:
        joiner = wire.joiner_of(source.multiline or "start", source.multiline_start)
        return Events(joiner, Hints(newline=wire.JOIN.decode()))
    except ValueError as error:
        key = "multiline_start" if source.multiline in ("", "start") else "multiline"
        raise ConfigError(f"{place}{key}: {error}") from None
