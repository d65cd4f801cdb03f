"""Metrics as programs expose them: the Prometheus text format 0.0.4 and OpenMetrics 1.0.

A text is taken whole or refused whole: half a scrape looks like series that ended. Histograms and
summaries are their series, as they stand. Exemplars are skipped, and so is what HELP says.
Sources: https://prometheus.io/docs/instrumenting/exposition_formats/ and
https://prometheus.io/docs/specs/om/open_metrics_spec/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge
from tailrace.wire.samples import NAME_CHARACTERS, Sample

Kind = Literal["gauge", "counter"]
ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
OPENMETRICS = "application/openmetrics-text"

_name = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_open = re.compile(r"[ \t]*\{[ \t]*")
_label = re.compile(
    r'([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"([^"\\]*(?:\\.[^"\\]*)*)"[ \t]*(?:,[ \t]*|(?=\}))'
)
_value = re.compile(r"[ \t]*([^ \t]+)(?:[ \t]+([^ \t]+))?[ \t]*")
_escaped = re.compile(r'\\([\\"n])')
_ESCAPES = {"\\": "\\", '"': '"', "n": "\n"}
_LARGEST_NS = 2**63 - 1
# Suffixes of series that only go up, by the type of their family.
_COUNTERS = {
    "counter": ("", "_total"),
    "histogram": ("_bucket", "_count", "_sum"),
    "summary": ("_count", "_sum"),
}
_SUFFIXES = ("_total", "_bucket", "_count", "_sum", "_created", "_info", "_gcount", "_gsum")
# UCUM, as OpenTelemetry writes the units that most metrics have.
_UNITS = {"seconds": "s", "bytes": "By", "ratio": "1", "celsius": "Cel"}


class _Family(NamedTuple):
    """What is known of the series of one name."""

    kind: Kind
    unit: str


def parse(
    text: bytes,
    time_ns: int,
    openmetrics: bool = False,
    labels: Mapping[str, str] | None = None,
    limit: int = limits.SCRAPE_SAMPLES,
) -> Iterator[Sample]:
    """Samples in the order of their lines; those without a time of their own are of `time_ns`.

    `labels` are the target's: a label of the text with the same name becomes "exported_" and that
    name. Raises InputError ("utf8", "exposition", "field") that names the line, and TooLarge
    ("samples", "attributes"), while it is iterated: then nothing of the text may be taken.
    """
    try:
        lines = _Lines(text.decode(), openmetrics)
    except UnicodeDecodeError:
        raise InputError("metrics are not UTF-8", "utf8") from None
    for count, line in enumerate(lines, 1):
        if count > limit:
            raise TooLarge(f"more than {limit} samples", "samples")
        try:
            yield _sample(line, lines, time_ns, labels or {})
        except InputError as error:
            kind = type(error)
            raise kind(f"line {lines.number}: {error}", error.reason) from None


class _Lines:
    """The lines that are samples; what the others say of families is remembered."""

    def __init__(self, text: str, openmetrics: bool) -> None:
        self.number = 0
        self.openmetrics = openmetrics
        self._text = text
        self._types: dict[str, str] = {}
        self._units: dict[str, str] = {}
        self._families: dict[str, _Family] = {}

    def __iter__(self) -> Iterator[str]:
        text, start, ended = self._text, 0, False
        while start < len(text):
            end = text.find("\n", start)
            end = len(text) if end < 0 else end
            line = text[start:end].strip(" \t\r")
            start = end + 1
            self.number += 1
            if ended and line:
                raise InputError(f"line {self.number}: text after # EOF", "exposition")
            if line.startswith("#"):
                ended = self._comment(line)
            elif line:
                yield line
        if self.openmetrics and not ended:
            raise InputError("text ends without # EOF: it is not whole", "exposition")

    def _comment(self, line: str) -> bool:
        """True when it is the last line."""
        words = line.split(None, 3)
        if words[0] != "#":
            return False
        if self.openmetrics and words == ["#", "EOF"]:
            return True
        if len(words) == 4 and words[1] in ("TYPE", "UNIT"):
            known = self._types if words[1] == "TYPE" else self._units
            known[words[2]] = words[3].strip()[:NAME_CHARACTERS]
        return False

    def family(self, name: str) -> _Family:
        """Of a series of that name; what comes later about it is too late."""
        found = self._families.get(name)
        if found is None:
            found = self._families[name] = self._look(name)
        return found

    def _look(self, name: str) -> _Family:
        base, suffix = name, ""
        if name not in self._types:
            for ending in _SUFFIXES:
                if name.endswith(ending) and name.removesuffix(ending) in self._types:
                    base, suffix = name.removesuffix(ending), ending
        counts = suffix in _COUNTERS.get(self._types.get(base, ""), ())
        unit = "" if suffix in ("_count", "_bucket", "_gcount") else self._units.get(base, "")
        return _Family("counter" if counts else "gauge", _UNITS.get(unit, unit))


def _sample(line: str, lines: _Lines, time_ns: int, target: Mapping[str, str]) -> Sample:
    named = _name.match(line)
    if named is None:
        raise InputError("must begin with the name of a metric", "exposition")
    name = named[0]
    if len(name) > NAME_CHARACTERS:
        raise TooLarge(f"name is longer than {NAME_CHARACTERS} characters", "attributes")
    attributes, end = _labels(line, named.end(), target)
    rest = line[end:]
    if lines.openmetrics:
        rest = rest.partition(" # ")[0]
    found = _value.fullmatch(rest)
    if found is None or (end == named.end() and rest[:1] not in " \t"):
        raise InputError("name and labels must be followed by a value and at most a time", "field")
    kind, unit = lines.family(name)
    time = time_ns if found[2] is None else _time(found[2], lines.openmetrics)
    return Sample(time, name, _number(found[1]), kind, unit, attributes)


def _labels(line: str, start: int, target: Mapping[str, str]) -> tuple[dict[str, str], int]:
    """Labels from `start` on, with the target's, and where they end."""
    found: dict[str, str] = {}
    opened = _open.match(line, start)
    position = start
    if opened is not None:
        position = opened.end()
        while not line.startswith("}", position):
            label = _label.match(line, position)
            if label is None:
                raise InputError('labels must be {name="value",...}', "exposition")
            name, value = label[1], label[2]
            if name in found:
                raise InputError("a label is there twice", "exposition")
            if len(found) == limits.LABELS_PER_SERIES:
                raise _too_many()
            found[name] = _escaped.sub(_unescape, value) if "\\" in value else value
            position = label.end()
        position += 1
    attributes = {name: value for name, value in found.items() if value}
    for name, value in target.items():
        if name in attributes:
            attributes[_free(name, attributes)] = attributes.pop(name)
        attributes[name] = value
    _check(attributes)
    return attributes, position


def _unescape(found: re.Match[str]) -> str:
    return _ESCAPES[found[1]]


def _free(name: str, taken: Mapping[str, str]) -> str:
    name = f"exported_{name}"
    return name if name not in taken else _free(name, taken)


def _check(attributes: Mapping[str, str]) -> None:
    if len(attributes) > limits.LABELS_PER_SERIES:
        raise _too_many()
    for name, value in attributes.items():
        # A character takes four bytes at most; nearly all values are short enough to know that.
        long = len(value) > limits.LABEL_VALUE_BYTES // 4
        if len(name) > NAME_CHARACTERS or (long and len(value.encode()) > limits.LABEL_VALUE_BYTES):
            raise TooLarge(f"a label is longer than {limits.LABEL_VALUE_BYTES} bytes", "attributes")


def _too_many() -> TooLarge:
    return TooLarge(f"more than {limits.LABELS_PER_SERIES} labels", "attributes")


def _number(text: str) -> float:
    try:
        if "_" in text or not text.isascii():
            raise ValueError
        return float(text)
    except ValueError:
        raise InputError("value is no number", "field") from None


def _time(text: str, openmetrics: bool) -> int:
    """Milliseconds, or of OpenMetrics seconds, as nanoseconds."""
    try:
        if "_" in text or not text.isascii():
            raise ValueError
        found = round(float(text) * 1000) * 10**6 if openmetrics else int(text) * 10**6
    except (ValueError, OverflowError):
        raise InputError("time is no number", "field") from None
    if not 0 < found <= _LARGEST_NS:
        raise InputError("time is out of bounds", "field")
    return found
