"""What each input has done, counted by the reading thread and shown to another.

Lag is looked at only when it was asked for: a `stat` of every file is work.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from tailrace.agent import inputs
from tailrace.agent.feeds.intake import Intake
from tailrace.agent.files.tailed import TailedFile
from tailrace.agent.inputs import AnyInput, Input
from tailrace.agent.source import Source
from tailrace.core import limits
from tailrace.core.fleet import InputReport

_NAMED_CHARACTERS = 120


class _Counts:
    def __init__(self, entry: AnyInput) -> None:
        self.type = entry.type
        self.named = named(entry)
        self.rows = self.bytes = 0
        self.forget()

    def forget(self) -> None:
        """Before a look."""
        self.files = 0
        self.lag_bytes: int | None = None
        self.lag_s: float | None = None

    def lag(self, pending: int, for_s: float) -> None:
        self.lag_bytes = (self.lag_bytes or 0) + pending
        self.lag_s = max(self.lag_s or 0.0, for_s if pending else 0.0)


class Activity:
    """`took` and `measure` by the reading thread, `reports` by any."""

    def __init__(self, entries: Sequence[AnyInput]) -> None:
        self._counts = {id(entry): _Counts(entry) for entry in entries}
        self._wanted = threading.Event()
        self._measured = threading.Event()
        self._ended = False

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for a look."""
        return self._wanted.is_set()

    def took(self, source: Input, rows: int, size: int) -> None:
        """Rows and bytes of this input that the spool has."""
        counts = self._counts.get(id(source))
        if counts:
            counts.rows += rows
            counts.bytes += size

    def measure(self, files: Iterable[TailedFile], sources: Iterable[Source], now_s: float) -> None:
        """Look what is there and not read; once each time it is `wanted`."""
        for counts in self._counts.values():
            counts.forget()
        for file in files:
            if found := self._counts.get(id(file.input)):
                found.files += 1
                found.lag(_pending(file), now_s - file.ended_s)
        for source in sources:
            found = self._counts.get(id(source.input))
            if found and isinstance(source, Intake):
                found.lag(source.held_bytes, 0.0)
        self._wanted.clear()
        self._measured.set()

    def end(self) -> None:
        """Nobody will look any more."""
        self._ended = True
        self._measured.set()

    def reports(self, wait_s: float = 0.0) -> list[InputReport]:
        """All inputs, looked at now if that is done in `wait_s`, else as they were last."""
        if wait_s:
            self._measured.clear()
            self._wanted.set()
            if not self._ended:
                self._measured.wait(wait_s)
        return [
            InputReport(c.type, c.named, c.files, c.rows, c.bytes, c.lag_bytes, c.lag_s)
            for c in list(self._counts.values())[: limits.ANNOUNCED_INPUTS]
        ]


def _pending(file: TailedFile) -> int:
    """Bytes behind what was read; an unfinished line that was seen is not behind."""
    try:
        status = file.content.status() if file.content else os.stat(file.place)
    except OSError:
        return 0
    if (status.st_size, status.st_mtime_ns) == file.seen:
        return 0
    return max(0, status.st_size - file.ahead.offset)


def named(entry: AnyInput) -> str:
    """What a person would know this input by; nothing that may be a secret."""
    match entry:
        case inputs.Files():
            text = ", ".join(entry.paths)
        case inputs.JournalInput():
            text = ", ".join(entry.units) or entry.directory
        case inputs.SyslogInput():
            text = ", ".join(address for address in (entry.udp, entry.tcp) if address)
        case inputs.OtlpInput():
            text = entry.listen
        case inputs.PrometheusInput():
            text = ", ".join(map(_place, entry.targets))
        case inputs.RestInput():
            text = _place(entry.url)
        case inputs.RedisInput():
            text = entry.address
        case inputs.CommandInput():
            text = "".join(entry.command[:1])
        case _:
            text = ""
    text = "".join(char if char.isprintable() else "?" for char in text)
    return text if len(text) <= _NAMED_CHARACTERS else text[: _NAMED_CHARACTERS - 1] + "…"


def _place(url: str) -> str:
    """Host, port and path: a URL may hold a password, a query a key."""
    try:
        parts = urlsplit(url)
        return f"{parts.netloc.rpartition('@')[2]}{parts.path}"
    except ValueError:
        return ""
