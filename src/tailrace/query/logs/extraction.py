"""Labels that a parser takes out of a line, as SQL, one label at a time.

Exact where it is sure: `Field.unsure` holds for lines in which the label may stand in a form that
SQL does not see, and those are read by the pipeline.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence

from tailrace.query.binder import Binder
from tailrace.query.logql.ast import JsonParser, LogfmtParser, Parser, RegexpParser
from tailrace.query.logql.expressions import compiled
from tailrace.query.logs.columns import spelled
from tailrace.query.logs.condition import Field, NotExpressible, any_of

# Names are split at their underscores to find where they may be nested: 2^n ways.
_SPLITS = 3
_NAME = re.compile("[A-Za-z0-9_]+")
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
# A key with an escape in it may read like any other.
_ESCAPED_KEY = r"""(position(Body, '\\u') > 0 AND match(Body, '\\\\u[0-9a-fA-F]{4}[^"]*"\\s*:'))"""
_NOT_OBJECT = "JSONType(Body) != 'Object'"
# Pairs of plain keys and values; what has escapes or quotes elsewhere is read by the pipeline.
_PLAIN_PAIRS = (
    'match(Body, \'^\\\\s*(?:[^\\\\s="]+(?:=(?:"[^"\\\\\\\\]*"|[^\\\\s="]*))?(?:\\\\s+|$))*$\')'
)
_PAIRS = "extractKeyValuePairs(Body, '=', ' \\t', '\"')"

Extract = Callable[[str], Field]


def extractor(parser: Parser, bind: Binder) -> tuple[Extract, str]:
    """SQL of any label that `parser` makes of `Body`, and the SQL of its failing, "" if it cannot.

    Raises NotExpressible, as the first does.
    """
    if isinstance(parser, JsonParser):
        if parser.extractions:
            return _chosen(parser, bind), _NOT_OBJECT
        return lambda name: _member(name, bind), _NOT_OBJECT
    if isinstance(parser, LogfmtParser) and parser == LogfmtParser():
        return lambda name: _pair(name, bind), ""
    if isinstance(parser, RegexpParser):
        return _group(parser, bind), ""
    raise NotExpressible(type(parser).__name__)


def _member(name: str, bind: Binder) -> Field:
    """A member of a JSON object, or of one nested in it."""
    if not _NAME.fullmatch(name) or re.match("_[0-9]", name) or name.count("_") > _SPLITS:
        raise NotExpressible(name)
    members = [_Value([bind.text(key) for key in path]) for path in _paths(name)]
    cases = ", ".join(f"{member.present}, {member.text}" for member in members)
    text = f"multiIf({cases}, '')"
    several = f"({' + '.join(m.present for m in members)}) > 1" if len(members) > 1 else ""
    other = f"match(Body, {bind.text(odd)})" if (odd := _odd_keys(name)) else ""
    unsure = any_of(several, other, _ESCAPED_KEY)
    respelled = any_of(*(member.respelled for member in members))
    text = f"if({_NOT_OBJECT}, '', {text})"
    present = any_of(*(member.present for member in members))
    return Field(text, unsure, respelled, f"({text} = '' AND {present})")


def _chosen(parser: JsonParser, bind: Binder) -> Extract:
    """Members named by expressions."""
    paths = {one.label: one.path for one in parser.extractions}

    def extract(name: str) -> Field:
        if name not in paths:
            return Field("''")
        if not _PATH.fullmatch(paths[name]):
            raise NotExpressible(paths[name])
        found = _Value([bind.text(key) for key in paths[name].split(".")])
        text = f"if({_NOT_OBJECT}, '', if({found.present}, {found.text}, ''))"
        unsure = any_of(found.nested, _ESCAPED_KEY)
        return Field(text, unsure, found.respelled, f"({text} = '' AND NOT {_NOT_OBJECT})")

    return extract


class _Value:
    """A value of a JSON object at a path of quoted keys."""

    def __init__(self, path: Sequence[str]) -> None:
        place = f"Body, {', '.join(path)}"
        kind = f"JSONType({place})"
        self.text = f"JSONExtractString({place})"
        self.present = f"({kind} NOT IN ('Null', 'Object', 'Array'))"
        self.nested = f"{kind} IN ('Object', 'Array')"
        # 1.50 and 1e3 are read as numbers, and so is -0.
        self.respelled = f"({kind} = 'Double' OR ({self.text} = '0' AND position(Body, '-0') > 0))"


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


def _group(parser: RegexpParser, bind: Binder) -> Extract:
    """Named groups of a regular expression."""
    places = compiled(parser.pattern).groupindex
    pattern = bind.text(f"(?-s:{parser.pattern})")

    def extract(name: str) -> Field:
        if name not in places:
            return Field("''")
        text = f"extractGroups(Body, {pattern})[{int(places[name])}]"
        return Field(text, blank=f"({text} = '' AND match(Body, {pattern}))")

    return extract
