r"""Regular expressions of a configuration, in the small language that both engines read alike.

Python's own parser reads a pattern; it is written again with nothing in it but bytes, classes,
repeats, alternatives, `^`, `$` and `\b`. So hyperscan and `re` mean the same by it, and no match
leaves its row: `\n` is the newline inside an event of several lines, and no class holds the one
that ends a row. What would need backtracking (lookaround, references) is refused.

`\d`, `\w`, `\s` and `\b` are of ASCII. A character beyond it is the bytes of its UTF-8; `.` and
negated classes take one byte of it. `^` and `$` are the ends of a row, with `(?m)` of any line in
it.
"""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from tailrace.core.errors import ConfigError

# Public only by a deprecated name; the same since 3.11.
_parser: Any = importlib.import_module("re._parser")
_constants: Any = importlib.import_module("re._constants")

INNER_NEWLINE = 0x1E
_NEWLINE = 0x0A
_ALNUM = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_DIGITS = frozenset(b"0123456789")
_SETS = {
    "CATEGORY_DIGIT": _DIGITS,
    "CATEGORY_WORD": _ALNUM | {ord("_")},
    "CATEGORY_SPACE": frozenset(b" \t\n\r\f\v"),
}
_EVERY = frozenset(range(256))
# Repeats beyond this compile into more than they are worth.
_REPEATS = 1_000
_FEW = 8


class Pattern(NamedTuple):
    """`text`: the expression for either engine, to be compiled with `^` and `$` at any newline.

    `nested`: it repeats what can match in several ways, which costs `re` exponential time on some
    rows.
    """

    text: bytes
    nested: bool


class _Refused(Exception):
    pass


def read(pattern: str, key: str, whole: bool = False) -> Pattern:
    """Raises ConfigError that names `key` and what is wrong. `whole`: with what a match need not
    have at its end, for whoever asks how far it goes."""
    try:
        with warnings.catch_warnings():
            # Of sets that look nested, such as [[:alpha:]], which mean something else here.
            warnings.simplefilter("error", FutureWarning)
            parsed = _parser.parse(pattern)
        if not parsed.getwidth()[0]:
            raise _Refused("matches an empty line, and so every line")
        writer = _Writer()
        items = list(parsed)
        text = writer.sequence(items if whole else _trimmed(items), parsed.state.flags)
    except (re.error, FutureWarning, OverflowError, RecursionError) as error:
        raise ConfigError(f"{key}: {pattern!r} is no regular expression: {error}") from None
    except _Refused as refused:
        raise ConfigError(f"{key}: {pattern!r} {refused}") from None
    return Pattern(text, writer.nested)


def _trimmed(items: list[Any]) -> list[Any]:
    """Without what a match need not have at its end: one end for a match, not one for each byte."""
    while items and items[-1][0] in (_constants.MAX_REPEAT, _constants.MIN_REPEAT):
        least, _most, inner = items[-1][1]
        if not least:
            items.pop()
            continue
        items[-1] = (items[-1][0], (least, least, inner))
        break
    return items


class _Writer:
    """Writes what the parser read. `nested` is told by what was written."""

    def __init__(self) -> None:
        self.nested = False
        self._within = 0

    def sequence(self, items: Iterable[Any], flags: int) -> bytes:
        return b"".join(self._item(str(op), argument, flags) for op, argument in items)

    def _item(self, op: str, argument: Any, flags: int) -> bytes:
        write: Callable[[Any, int], bytes] | None = getattr(self, f"_{op.lower()}", None)
        if write is None:
            raise _Refused(
                "uses lookaround, a reference to a group, or an atomic group, which patterns of "
                "lines cannot"
            )
        return write(argument, flags)

    def _literal(self, code: int, flags: int) -> bytes:
        if code < 128:
            return _class(_cased({_inner(code)}, flags))
        cases = {chr(code)}
        if flags & re.IGNORECASE:
            cases |= {case for case in (chr(code).lower(), chr(code).upper()) if len(case) == 1}
        return _either([_escaped(case.encode()) for case in sorted(cases)])

    def _not_literal(self, code: int, flags: int) -> bytes:
        return self._in([("NEGATE", None), ("LITERAL", code)], flags)

    def _any(self, _argument: None, flags: int) -> bytes:
        inner = set() if flags & re.DOTALL else {INNER_NEWLINE}
        return _class(_EVERY - {_NEWLINE} - inner)

    def _in(self, members: Sequence[Any], flags: int) -> bytes:
        codes: set[int] = set()
        wide: list[int] = []
        negated = False
        for op, argument in members:
            match str(op):
                case "NEGATE":
                    negated = True
                case "LITERAL":
                    (wide.append if argument > 127 else codes.add)(argument)
                case "RANGE":
                    if argument[1] > 127:
                        raise _Refused("has a range of characters beyond ASCII")
                    codes.update(range(argument[0], argument[1] + 1))
                case _:
                    codes |= _category(str(argument))
        codes = _cased({_inner(code) for code in codes}, flags)
        if negated:
            if wide:
                raise _Refused("excludes characters beyond ASCII")
            return _class(_EVERY - {_NEWLINE} - codes)
        several = [self._literal(code, flags) for code in wide]
        return _either([*([_class(codes)] if codes else []), *several])

    def _branch(self, argument: Any, flags: int) -> bytes:
        self.nested |= self._within > 0
        return _either([self.sequence(items, flags) for items in argument[1]])

    def _subpattern(self, argument: Any, flags: int) -> bytes:
        _group, added, removed, items = argument
        return b"(?:" + self.sequence(items, (flags | added) & ~removed) + b")"

    def _max_repeat(self, argument: Any, flags: int) -> bytes:
        least, most, items = argument
        endless = most == _constants.MAXREPEAT
        if max(least, 0 if endless else most) > _REPEATS:
            raise _Refused(f"repeats something more than {_REPEATS} times")
        self.nested |= self._within > 0 and least != most
        self._within += most > _FEW
        inner = self.sequence(items, flags)
        self._within -= most > _FEW
        return b"(?:%b){%d,%b}" % (inner, least, b"" if endless else b"%d" % most)

    _min_repeat = _max_repeat

    def _at(self, where: Any, flags: int) -> bytes:
        lines = bool(flags & re.MULTILINE)
        match str(where):
            case "AT_BEGINNING" | "AT_BEGINNING_STRING" | "AT_END" | "AT_END_STRING":
                edge = b"^" if "BEGINNING" in str(where) else b"$"
                if lines and not str(where).endswith("STRING"):
                    return b"(?:%b|\\x%02x)" % (edge, INNER_NEWLINE)
                return edge
            case "AT_BOUNDARY":
                return b"\\b"
        raise _Refused("uses \\B, which patterns of lines cannot")


def _inner(code: int) -> int:
    return INNER_NEWLINE if code == _NEWLINE else code


def _category(name: str) -> set[int]:
    if name in _SETS:
        return set(_SETS[name])
    return set(_EVERY - _SETS[name.replace("_NOT_", "_")] - {INNER_NEWLINE})


def _cased(codes: set[int], flags: int) -> set[int]:
    if not flags & re.IGNORECASE:
        return codes
    both = bytes(code for code in codes if code < 128)
    return codes | set(both.lower()) | set(both.upper())


def _class(codes: Iterable[int]) -> bytes:
    """The bytes `codes`, as a class unless it is one."""
    ordered = sorted(codes)
    if not ordered:
        raise _Refused("has a class that holds nothing")
    if len(ordered) == 1:
        return _escaped(bytes(ordered))
    ranges: list[list[int]] = []
    for code in ordered:
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return b"[" + b"".join(map(_range, ranges)) + b"]"


def _range(bounds: list[int]) -> bytes:
    low, high = (_escaped(bytes([code])) for code in bounds)
    return low if low == high else low + b"-" + high


def _escaped(text: bytes) -> bytes:
    return b"".join(bytes([c]) if c in _ALNUM else b"\\x%02x" % c for c in text)


def _either(choices: list[bytes]) -> bytes:
    return b"(?:" + b"|".join(choices) + b")"
