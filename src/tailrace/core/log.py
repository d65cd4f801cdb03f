"""tailrace's own logs: canonical records, one a line, or text where a person watches.

The file that they go to can be tailed and searched like any other, and nothing goes round in a
circle: a success logs nothing per frame, and of one message at most LOG_REPEATS come out in
LOG_WINDOW_S. The rest are counted in one line when the window ends, so a line that is caused by
shipping a line is bounded too. Messages hold no row data and no secrets.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO

import msgspec

from tailrace.core import limits
from tailrace.core.visible import visible

_RESERVED = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_LEFT_OUT = {"msg": "a line could not be scrubbed and is left out", "levelname": "ERROR"}
_COLOURS = {"WARNING": "33", "ERROR": "31", "CRITICAL": "31"}


class Records(logging.Formatter):
    """One canonical record (see wire/records.py) a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": int(record.created * 1e9),
            "severity": record.levelname,
            "body": _cut(record.getMessage()),
            "service": "tailrace",
            "attributes": {"logger": record.name, **_details(self, record)},
        }
        return msgspec.json.encode(line).decode()


class Text(logging.Formatter):
    """One message a line for a terminal; control characters are shown, not sent."""

    def __init__(self, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        level = f"{record.levelname:7}"
        if self._colour and record.levelname in _COLOURS:
            level = f"\x1b[{_COLOURS[record.levelname]}m{level}\x1b[0m"
        details = _details(self, record)
        trace = details.pop("exception", "")
        words = [_cut(record.getMessage()), *(f"{k}={v}" for k, v in details.items())]
        room = record.name.removeprefix("tailrace.")
        line = f"{at} {level} {room}: {visible(' '.join(words))}"
        return "\n".join((line, *map(visible, trace.split("\n")))) if trace else line


class Scrubbed(logging.Formatter):
    """What `inner` writes, without what `by` takes out. A line that it cannot read is left out."""

    def __init__(self, inner: logging.Formatter, by: Callable[[str], str]) -> None:
        super().__init__()
        self.inner = inner
        self._by = by

    def format(self, record: logging.LogRecord) -> str:
        try:
            return self._by(self.inner.format(record))
        except Exception as error:
            named = {"error": type(error).__name__}
            left = logging.makeLogRecord({**_LEFT_OUT, "name": record.name, **named})
            return self.inner.format(left)


def _details(formatter: logging.Formatter, record: logging.LogRecord) -> dict[str, str]:
    found = {k: _cut(str(v)) for k, v in record.__dict__.items() if k not in _RESERVED}
    if record.exc_info:
        found["exception"] = _cut(formatter.formatException(record.exc_info))
    return found


def _cut(text: str) -> str:
    """Short enough for a line, and without halves of characters, which no record may hold."""
    return text[: limits.LOG_TEXT_CHARS].encode(errors="backslashreplace").decode()


class _Window:
    """What happened to one message since `start_s`."""

    def __init__(self, start_s: float, level: int) -> None:
        self.start_s = start_s
        self.level = level
        self.seen = 0


class Repeats:
    """Lets `limit` records of one logger and message template through in `window_s`.

    The template is the text before its arguments are filled in: a constant of the code. `ended`
    gives one record for each window that is over and had more. Not thread-safe.
    """

    def __init__(
        self, limit: int, window_s: float, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._window_s = window_s
        self._now_s = now_s
        self._windows: dict[tuple[str, str], _Window] = {}

    def admit(self, record: logging.LogRecord) -> bool:
        """Whether `record` may come out now. Call `ended` first."""
        key = (record.name, str(record.msg))
        if key not in self._windows and len(self._windows) >= limits.LOG_TEMPLATES:
            key = ("tailrace", "(any message)")  # somebody's templates are made from data
        window = self._windows.setdefault(key, _Window(self._now_s(), record.levelno))
        window.seen += 1
        return window.seen <= self._limit

    def ended(self, all_of_them: bool = False) -> list[logging.LogRecord]:
        """The summaries of windows that are over, which are then forgotten."""
        until_s = self._now_s() - self._window_s
        over = [k for k, w in self._windows.items() if all_of_them or w.start_s <= until_s]
        closed = {key: self._windows.pop(key) for key in over}
        return [
            _summary(key, window.level, window.seen - self._limit)
            for key, window in closed.items()
            if window.seen > self._limit
        ]

    def wait_s(self) -> float | None:
        """How long until a summary is due; None when nothing is held back."""
        starts = [w.start_s for w in self._windows.values() if w.seen > self._limit]
        return max(0.0, min(starts) + self._window_s - self._now_s()) if starts else None


def _summary(key: tuple[str, str], level: int, count: int) -> logging.LogRecord:
    name, template = key
    return logging.LogRecord(
        name, level, "", 0, "suppressed %d like it: %s", (count, template[:200]), None
    )


class Bounded(logging.Handler):
    """Passes records to `outputs`, repeats within bounds; a timer brings late summaries."""

    def __init__(self, outputs: list[logging.Handler], repeats: Repeats) -> None:
        super().__init__()
        self._outputs = outputs
        self._repeats = repeats
        self._timer: threading.Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Called with the handler's lock held."""
        self._summarise()
        if self._repeats.admit(record):
            self._pass_on(record)
        self._schedule()

    def _summarise(self, all_of_them: bool = False) -> None:
        for summary in self._repeats.ended(all_of_them):
            self._pass_on(summary)

    def scrub(self, by: Callable[[str], str]) -> None:
        """See `scrub` of this module."""
        for output in self._outputs:
            inner = output.formatter
            inner = inner.inner if isinstance(inner, Scrubbed) else inner
            output.setFormatter(Scrubbed(inner or Records(), by))

    def _pass_on(self, record: logging.LogRecord) -> None:
        for output in self._outputs:
            output.handle(record)

    def _schedule(self) -> None:
        wait_s = self._repeats.wait_s()
        if wait_s is not None and self._timer is None:
            self._timer = threading.Timer(wait_s + 0.001, self._timed)
            self._timer.daemon = True
            self._timer.start()

    def _timed(self) -> None:
        self.acquire()
        try:
            self._timer = None
            self._summarise()
            self._schedule()
        finally:
            self.release()

    def close(self) -> None:
        """Say what is still held back, and close the outputs."""
        self.acquire()
        try:
            if self._timer:
                self._timer.cancel()
            self._summarise(all_of_them=True)
        finally:
            self.release()
        for output in self._outputs:
            output.close()
        super().close()


class LogFile(RotatingFileHandler):
    """A file for its owner only, and its last generation. A full disk costs lines, nothing else."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        super().__init__(path, maxBytes=limits.LOG_FILE_BYTES // 2, backupCount=1, encoding="utf-8")
        self.setFormatter(Records())

    def _open(self) -> TextIOWrapper:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        return os.fdopen(os.open(self.baseFilename, flags, 0o600), "a", encoding="utf-8")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Nothing: complaining about a log by way of the log helps nobody."""


def configure(
    level: str = "INFO",
    stream: IO[str] | None = None,
    file: Path | None = None,
    repeats: Repeats | None = None,
) -> None:
    """Send every logger of the process to `stream` (standard error by default) and to `file`.

    A terminal gets text, anything else records. Raises OSError when the file cannot be opened.
    """
    console = logging.StreamHandler(stream or sys.stderr)
    if console.stream.isatty():
        console.setFormatter(Text(colour="NO_COLOR" not in os.environ))
    else:
        console.setFormatter(Records())
    outputs: list[logging.Handler] = [console, *([LogFile(file)] if file else [])]
    bounded = Bounded(outputs, repeats or Repeats(limits.LOG_REPEATS, limits.LOG_WINDOW_S))
    root = logging.getLogger()
    for handler in root.handlers:
        if isinstance(handler, Bounded):
            handler.close()
    root.handlers[:] = [bounded]
    root.setLevel(level)


def scrub(by: Callable[[str], str]) -> None:
    """From now on every line goes through `by`, which takes out of it what may not be kept."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, Bounded):
            handler.scrub(by)


def get(room: str) -> logging.Logger:
    """The logger of a room, for example `get("queue")`."""
    return logging.getLogger(f"tailrace.{room}")
