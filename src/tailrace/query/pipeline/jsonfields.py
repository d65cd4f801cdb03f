"""`| json`: every scalar of the line's object becomes a label.

The quick way is msgspec's decoder, which keeps the last of two equal keys and refuses lone
surrogates. Where the line may hold either, `json` of the standard library reads it again.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from tailrace.core.limits import PIPELINE_JSON_DEPTH, PIPELINE_NAMES
from tailrace.query.pipeline import naming
from tailrace.query.pipeline.jsonchosen import chosen_reader
from tailrace.query.pipeline.labels import LabelSet
from tailrace.query.pipeline.step import JSON_ERROR, Step


class Digits(str):
    """The text of a number."""

    __slots__ = ()


_DECODER = msgspec.json.Decoder(float_hook=Digits)
_UNESCAPED = str.maketrans({chr(code): "\ufffd" for code in range(0xD800, 0xE000)})


class NotJson(Exception):
    """The line is no JSON object; the text says why."""


def decoded(line: str) -> dict[str, Any]:
    """The object of the line; numbers with a fraction are Digits. Raises NotJson."""
    try:
        value = _DECODER.decode(line)
    except (ValueError, RecursionError) as error:
        if "\\u" in line or isinstance(error, msgspec.ValidationError | UnicodeEncodeError):
            return exactly(line)
        raise NotJson(_reason(error)) from None
    if type(value) is not dict:
        raise NotJson("not a JSON object")
    return value


def exactly(line: str) -> dict[str, Any]:
    """Like `decoded`, slower: the first of equal keys wins, all numbers are Digits."""
    try:
        value = _SLOW.decode(line)
    except (ValueError, RecursionError) as error:
        raise NotJson(_reason(error)) from None
    if type(value) is not dict:
        raise NotJson("not a JSON object")
    return value


def _reason(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        name = key.translate(_UNESCAPED)
        found.setdefault(name, value.translate(_UNESCAPED) if type(value) is str else value)
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_SLOW = json.JSONDecoder(
    object_pairs_hook=_first_wins,
    parse_float=Digits,
    parse_int=Digits,
    parse_constant=_no_constant,
)


class _Names(dict[str, str]):
    """Label names by key, of one path into the objects; made when first asked for.

    `wanted`: the names that anybody will look at, None for all; others are "".
    """

    __slots__ = ("_left", "_prefix", "_wanted", "inner")

    def __init__(self, prefix: str | None, wanted: frozenset[str] | None, left: list[int]) -> None:
        super().__init__()
        self._prefix = prefix
        self._wanted = wanted
        self._left = left
        self.inner: dict[str, _Names] = {}

    def __missing__(self, key: str) -> str:
        name = self._name(key)
        if self._wanted is not None and not {name, name + naming.EXTRACTED} & self._wanted:
            name = ""
        if self._left[0] > 0:
            self._left[0] -= 1
            self[key] = name
        return name

    def within(self, key: str) -> _Names:
        """The names of the object that `key` holds."""
        found = self.inner.get(key)
        if found is None:
            found = _Names(self._name(key), self._wanted, self._left)
            if self._left[0] > 0:
                self._left[0] -= 1
                self.inner[key] = found
        return found

    def _name(self, key: str) -> str:
        if self._prefix is None:
            return naming.sanitized(key)
        return naming.inner(self._prefix, key)


def json_step(wanted: frozenset[str] | None = None) -> Step:
    """`| json`. `wanted`: names of the only labels that anybody will look at, None for all."""
    names = _Names(None, wanted, [PIPELINE_NAMES])
    chosen = None if wanted is None else chosen_reader(wanted, Digits)

    def step(line: str, labels: LabelSet, _time_ns: int) -> str:
        if chosen is not None and chosen(line, labels):
            return line
        before = labels.parsed_labels.copy()
        try:
            fields = decoded(line)
            try:
                keys = flatten(fields, names, labels, 0)
            except ValueError:
                # A number of thousands of digits, which has no text any more.
                keys = -1
            if _may_repeat(line, keys):
                labels.parsed_labels = before
                flatten(exactly(line), names, labels, 0)
        except NotJson as error:
            labels.fail(JSON_ERROR, str(error))
        return line

    return step


def flatten(fields: dict[str, Any], names: _Names, labels: LabelSet, depth: int) -> int:
    """Scalars to labels; arrays, null and what is nested too deeply are left out.

    Returns how many keys there are, those in arrays, too.
    """
    stream, metadata = labels.original_stream, labels.original_metadata
    parsed = labels.parsed_labels
    keys = len(fields)
    for key, value in fields.items():
        kind = type(value)
        if kind is dict:
            if depth < PIPELINE_JSON_DEPTH:
                keys += flatten(value, names.within(key), labels, depth + 1)
            continue
        if kind is list:
            keys += _keys_of_items(value)
            continue
        name = names[key]
        if not name or value is None:
            continue
        if name in stream or name in metadata:
            name += naming.EXTRACTED
        if name not in parsed:
            if kind is str:
                parsed[name] = value
            elif kind is bool:
                parsed[name] = "true" if value else "false"
            else:
                parsed[name] = str(value)
    return keys


def _may_repeat(line: str, keys: int) -> bool:
    """Whether the line may hold more keys than were decoded, or -0, which is written as it is."""
    if ":-0" in line or " -0" in line:
        return True
    colons = line.count('":')
    if "\\" in line:
        if '\\\\"' in line:
            return True
        colons -= line.count('\\":')
    return colons != keys or '" ' in line or '"\t' in line or '"\n' in line


def _keys_of_items(values: list[Any], depth: int = 0) -> int:
    """Keys of the objects in an array; too few of one that is nested too deeply."""
    count = 0
    for item in values:
        kind = type(item)
        if (kind is dict or kind is list) and depth < PIPELINE_JSON_DEPTH:
            if kind is dict:
                count += len(item)
                item = list(item.values())
            count += _keys_of_items(item, depth + 1)
    return count
