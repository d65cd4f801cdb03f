"""`| logfmt`: `key=value key="quoted value"` pairs of a line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tailrace.query.logql.ast import Extraction, LogfmtParser
from tailrace.query.pipeline import naming
from tailrace.query.pipeline.labels import LabelSet
from tailrace.query.pipeline.step import LOGFMT_ERROR, Step

# A whole pair, up to a space or the end. Every repeat is possessive: time is linear.
_PAIR = re.compile(
    r"""[\x00-\x20]*+(?:"""
    r"""([^\x00-\x20="]++)(?:=(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^\x00-\x20="]*+)))?+"""
    r"""(?=[\x00-\x20]|\Z)|(?=[^\x00-\x20]))""",
    re.DOTALL,
)
_BAD = re.compile(
    r"""[^\x00-\x20="]*+(?:="[^"\\]*+(?:\\.[^"\\]*+)*+"?+)?+[^\x00-\x20]*+""", re.DOTALL
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_SIMPLE = {
    '"': '"', "\\": "\\", "/": "/", "'": "'",
    "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t",
}  # fmt: skip


class Malformed(Exception):
    """A pair of the line is no pair; the text says where."""


def pairs(line: str, strict: bool) -> Iterator[tuple[str, str]]:
    """Keys and values, "" for a key alone.

    Raises Malformed at the first bad pair when `strict`; otherwise such pairs are left out, and
    after a quote that never ends so is the rest of the line.
    """
    match = _PAIR.match
    at = 0
    while True:
        found = match(line, at)
        if found is None:
            return
        key, quoted, value = found.groups()
        at = found.end()
        if key is None:
            if strict:
                raise Malformed(f"no key=value at character {at + 1}")
            at = _after_bad(line, at)
        elif quoted is None:
            yield key, value or ""
        elif "\\" not in quoted:
            yield key, quoted
        else:
            text = _unescaped(quoted)
            if text is not None:
                yield key, text
            elif strict:
                raise Malformed(f"an unknown escape before character {at + 1}")


def logfmt_step(stage: LogfmtParser, wanted: frozenset[str] | None = None) -> Step:
    """`| logfmt`. `wanted`: names of the only labels that anybody will look at, None for all."""
    if stage.extractions:
        return _extracting(stage.extractions, stage.strict)
    strict, keep_empty = stage.strict, stage.keep_empty
    names: dict[str, str] = {}

    def step(line: str, labels: LabelSet, _time_ns: int) -> str:
        stream, metadata = labels.original_stream, labels.original_metadata
        parsed = labels.parsed_labels
        try:
            for key, value in pairs(line, strict):
                if not value and not keep_empty:
                    continue
                name = names.get(key)
                if name is None:
                    name = naming.remembered(key, names, wanted)
                if not name:
                    continue
                if name in stream or name in metadata:
                    name += naming.EXTRACTED
                if name not in parsed:
                    parsed[name] = value
        except Malformed as error:
            labels.fail(LOGFMT_ERROR, str(error))
        return line

    return step


def _extracting(extractions: Sequence[Extraction], strict: bool) -> Step:
    keys = {one.path for one in extractions}

    def step(line: str, labels: LabelSet, _time_ns: int) -> str:
        found: dict[str, str] = {}
        try:
            for key, value in pairs(line, strict):
                if key in keys and key not in found:
                    found[key] = value
                    if len(found) == len(keys) and not strict:
                        break
        except Malformed as error:
            labels.fail(LOGFMT_ERROR, str(error))
        for one in extractions:
            naming.assign(one.label, found.get(one.path), labels)
        return line

    return step


def _after_bad(line: str, at: int) -> int:
    found = _BAD.match(line, at)
    return max(found.end() if found else 0, at + 1)


def _unescaped(quoted: str) -> str | None:
    parts = []
    at = 0
    for found in _ESCAPE.finditer(quoted):
        parts.append(quoted[at : found.start()])
        if found[1]:
            parts.append(chr(int(found[1], 16)))
        elif found[2] in _SIMPLE:
            parts.append(_SIMPLE[found[2]])
        else:
            return None
        at = found.end()
    text = "".join([*parts, quoted[at:]])
    # Pairs of surrogates are one character; one alone is none.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
