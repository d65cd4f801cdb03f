"""Labels that a parser takes out of a line, as SQL, one label at a time.

Exact where it is sure: `Field.unsure` holds for lines in which the label may stand in a form that
SQL does not see, and those are read by the pipeline.

The engine computes what stands after the first argument of `and`, `or`, `if` and `multiIf` only for
the rows that need it, but once for each place it stands in. So a label is the first argument of
what is made of it, and what else a line is asked comes after a test of that label.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence

from tailrace.query.binder import Binder
from tailrace.query.expressions import compiled
from tailrace.query.labels import first_of
from tailrace.query.logql.ast import JsonParser, LogfmtParser, Parser, PatternParser, RegexpParser
from tailrace.query.logs.columns import spelled
from tailrace.query.logs.condition import Field, NotExpressible, all_of, any_of
from tailrace.query.logs.patterns import captures

# Names are split at their underscores to find where they may be nested: 2^n ways.
_SPLITS = 3
_NAME = re.compile("[A-Za-z0-9_]+")
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
# A key with an escape in it may read like any other.
_ESCAPED_KEY = r"""(position(Body, '\\u') > 0 AND match(Body, '\\\\u[0-9a-fA-F]{4}[^"]*"\\s*:'))"""
_EMPTY = """position(Body, '""') > 0"""
_NOT_OBJECT = "JSONType(Body) != 'Object'"
# Pairs of plain keys and values; what has escapes or quotes elsewhere is read by the pipeline.
_PLAIN_PAIRS = (
    'match(Body, \'^\\\\s*(?:[^\\\\s="]+(?:=(?:"[^"\\\\\\\\]*"|[^\\\\s="]*))?(?:\\\\s+|$))*$\')'
)
_PAIRS = "extractKeyValuePairs(Body, '=', ' \\t', '\"')"

Label = Callable[[str], Field]


class Extract:
    """SQL of any label that a parser makes of `Body`: call it with the name.

    Raises NotExpressible, as the call does.
    """

    def __init__(self, parser: Parser, bind: Binder) -> None:
        self._json = _Json(bind) if isinstance(parser, JsonParser) else None
        self._label = _label(parser, self._json, bind)

    def __call__(self, name: str) -> Field:
        return self._label(name)

    @property
    def error(self) -> str:
        """SQL that holds where the parser fails, "" where it cannot."""
        return self._json.error if self._json else ""


def _label(parser: Parser, json: _Json | None, bind: Binder) -> Label:
    if isinstance(parser, JsonParser) and json:
        return _chosen(parser, json) if parser.extractions else json.member
    if isinstance(parser, LogfmtParser) and parser == LogfmtParser():
        return lambda name: _pair(name, bind)
    if isinstance(parser, RegexpParser):
        return _group(parser, bind)
    if isinstance(parser, PatternParser):
        return captures(parser, bind)
    raise NotExpressible(type(parser).__name__)


class _Json:
    """Members of the object that a line is."""

    def __init__(self, bind: Binder) -> None:
        self._bind = bind
        self._asked: _Value | None = None

    @property
    def error(self) -> str:
        # Where a member has a text the line is an object: only the others are looked at again.
        return all_of(self._asked.is_empty if self._asked else "", _NOT_OBJECT)

    def value(self, path: Sequence[str]) -> _Value:
        found = _Value([self._bind.text(key) for key in path])
        self._asked = self._asked or found
        return found

    def member(self, name: str) -> Field:
        """A member, or one of an object nested in it."""
        if not _NAME.fullmatch(name) or re.match("_[0-9]", name) or name.count("_") > _SPLITS:
            raise NotExpressible(name)
        members = [self.value(path) for path in _paths(name)]
        there = " + ".join(f"({one.text} != '' OR {one.blank})" for one in members)
        several = f"({there}) > 1" if len(members) > 1 else ""
        other = f"match(Body, {self._bind.text(odd)})" if (odd := _odd_keys(name)) else ""
        return Field(
            first_of([one.text for one in members]),
            any_of(several, other, _ESCAPED_KEY),
            any_of(*(one.respelled for one in members)),
            any_of(*(one.blank for one in members)),
        )


def _chosen(parser: JsonParser, json: _Json) -> Label:
    """Members named by expressions."""
    paths = {one.label: one.path for one in parser.extractions}

    def extract(name: str) -> Field:
        if name not in paths:
            return Field("''")
        if not _PATH.fullmatch(paths[name]):
            raise NotExpressible(paths[name])
        found = json.value(paths[name].split("."))
        unsure = any_of(found.nested, _ESCAPED_KEY)
        blank = f"({found.text} = '' AND NOT {_NOT_OBJECT})"
        return Field(found.text, unsure, found.respelled, blank)

    return extract


class _Value:
    """A value of a JSON object at a path of quoted keys."""

    def __init__(self, path: Sequence[str]) -> None:
        place = f"Body, {', '.join(path)}"
        kind = f"JSONType({place})"
        # Objects and lists are told as they stand; null, and what there is not, as ''.
        found = f"JSONExtractString({place})"
        self.is_empty = f"{found} = ''"
        self.nested = f"(match({found}, '^[{{[]') AND {kind} IN ('Object', 'Array'))"
        self.text = f"if({self.is_empty} OR {self.nested}, '', {found})"
        self.blank = f"({self.is_empty} AND {_EMPTY} AND {kind} = 'String')"
        # 1.50 and 1e3 are read as numbers, and so is -0.
        number = f"(match({found}, '^-?[0-9]') AND {kind} = 'Double')"
        self.respelled = f"({number} OR ({found} = '0' AND position(Body, '-0') > 0))"


def _paths(name: str) -> list[list[str]]:
    """Every way in which keys of nested objects make up a name."""
    parts = name.split("_")
    found = []
    for cuts in itertools.product((False, True), repeat=len(parts) - 1):
        path = [parts[0]]
        for part, cut in zip(parts[1:], cuts, strict=True):
            if cut:
                path.append(part)
            else:
                path[-1] += f"_{part}"
        found.append(path)
    return found


def _odd_keys(name: str) -> str:
    """RE2 for keys with another character where the name, or a part of it, has an underscore."""
    parts = name.split("_")
    found = []
    for first, last in itertools.combinations(range(len(parts)), 2):
        piece = parts[first : last + 1]
        for odd in range(len(piece) - 1):
            gaps = [
                '[^A-Za-z0-9_"]' if n == odd else '[^A-Za-z0-9"]' for n in range(len(piece) - 1)
            ]
            rest = "".join(map("".join, zip(gaps, piece[1:], strict=True)))
            found.append(f'"{piece[0]}{rest}"')
    return "|".join(dict.fromkeys(found))


def _pair(name: str, bind: Binder) -> Field:
    """A key and its value among `key=value` pairs."""
    if not _NAME.fullmatch(name):
        raise NotExpressible(name)
    text = f"if({_PLAIN_PAIRS}, {_PAIRS}[{bind.text(name)}], '')"
    odd = bind.text(rf"(?:^|\s){spelled(name)}=")
    present = f"match(Body, {odd})"
    plain = bind.text(rf"(?:^|\s){name}=")
    other = f"({present} AND NOT match(Body, {plain}))" if "_" in name else ""
    return Field(text, any_of(f"({present} AND NOT {_PLAIN_PAIRS})", other))


def _group(parser: RegexpParser, bind: Binder) -> Label:
    """Named groups of a regular expression."""
    places = compiled(parser.pattern).groupindex
    pattern = bind.text(f"(?-s:{parser.pattern})")

    def extract(name: str) -> Field:
        if name not in places:
            return Field("''")
        text = f"extractGroups(Body, {pattern})[{int(places[name])}]"
        return Field(text, blank=f"({text} = '' AND match(Body, {pattern}))")

    return extract
