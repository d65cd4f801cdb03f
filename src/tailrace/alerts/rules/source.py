"""A rule file's text: the lines and columns of its characters, and what is wrong with it."""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass

from tailrace.core.limits import RULE_FILE_BYTES, RULE_PROBLEMS

# Line breaks of YAML 1.1.
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
# What YAML allows to stand in a text: section 5.1 of its specification.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BOM = "\ufeff"


@dataclass(frozen=True, order=True)
class Problem:
    """Something wrong at `line` and `column`, both from 1. A warning hinders nothing."""

    line: int
    column: int
    message: str
    warning: bool = False

    def __str__(self) -> str:
        kind = "warning: " if self.warning else ""
        return f"{self.line}:{self.column}: {kind}{self.message}"


class Refused(Exception):
    """Nothing more of the text can be read. `index` is the character where."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


class Source:
    """`text` has no byte order mark. Problems are told by `error` and `warning`, each at an index
    of the text; of each kind the first RULE_PROBLEMS are kept."""

    def __init__(self, text: str) -> None:
        self.text = text.removeprefix(_BOM)
        self._starts = [0, *(found.end() for found in _BREAK.finditer(self.text))]
        self._problems: dict[bool, list[Problem]] = {False: [], True: []}
        self._more = 0

    def place(self, index: int) -> tuple[int, int]:
        """Line and column, both from 1."""
        line = bisect.bisect_right(self._starts, index)
        return line, index - self._starts[line - 1] + 1

    def error(self, index: int, message: str) -> None:
        self._tell(index, message, False)

    def warning(self, index: int, message: str) -> None:
        self._tell(index, message, True)

    def _tell(self, index: int, message: str, warning: bool) -> None:
        problem = Problem(*self.place(index), message, warning)
        told = self._problems[warning]
        if len(told) < RULE_PROBLEMS:
            # What an alias repeats is wrong once.
            if problem not in told:
                told.append(problem)
        elif not warning:
            self._more += 1

    @property
    def problems(self) -> tuple[Problem, ...]:
        """In the order of the text. The last one says how many errors were left out."""
        found = sorted(self._problems[False] + self._problems[True])
        if self._more:
            found.append(Problem(len(self._starts), 1, f"and {self._more} errors more"))
        return tuple(found)

    @property
    def failed(self) -> bool:
        """Whether there is an error."""
        return bool(self._problems[False])


def source_of(given: str | bytes) -> Source:
    """The text that was given. One that cannot be text of YAML is empty, but for what comes before
    the wrong character, and has failed."""
    size = len(given) if isinstance(given, bytes) else len(given.encode("utf-8", "replace"))
    if size > RULE_FILE_BYTES:
        return _failed("", f"longer than {RULE_FILE_BYTES} bytes (RULE_FILE_BYTES)")
    try:
        source = Source(given.decode() if isinstance(given, bytes) else given)
    except UnicodeDecodeError as error:
        wrong = error.object[error.start]
        before = error.object[: error.start].decode()
        return _failed(before, f"the byte 0x{wrong:02x} is no UTF-8")
    if found := _FORBIDDEN.search(source.text):
        message = f"the character U+{ord(found[0]):04X} may not stand in YAML"
        return _failed(source.text[: found.start()], message)
    return source


def _failed(before: str, message: str) -> Source:
    source = Source(before)
    source.error(len(source.text), message)
    return source
