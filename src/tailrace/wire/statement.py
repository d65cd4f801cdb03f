"""SQL statements without their literals: what two statements have in common, and its fingerprint.

A tokenizer of one expression, one pass, which takes any text: what it does not know is a character
of its own, what does not end goes on to the end of the text.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

import xxhash

from tailrace.core import limits

Dialect = Literal["postgresql", "mysql"]
_SUMMARY_CHARACTERS = 255  # as OpenTelemetry's conventions bound it

_COMMON = r"""
    (?P<skip> \s++ | /\*(?s:.*?)(?:\*/|\Z) | {comment} )
  | (?P<value> {strings}
      | \d[\da-zA-Z_]*+(?:\.\d*+(?:[eE][+-]?\d++)?+|(?<=[eE])[+-]\d++)?+ | \.\d++(?:[eE][+-]?\d++)?+
      | \$\d++ | (?<![:\w?]):[A-Za-z_]\w*+ | %s | \? )
  | (?P<quoted> {quoted} )
  | (?P<word> [^\W\d](?:\w|\$)*+ | @{{1,2}}[\w.$]++ )
  | (?P<sign> :: | [<>!=|&~^]++ | ->>?+ | . )
"""


def _tokens(comment: str, strings: str, quoted: str) -> re.Pattern[str]:
    text = _COMMON.format(comment=comment, strings=strings, quoted=quoted)
    return re.compile(text, re.VERBOSE | re.DOTALL)


_DIALECTS: dict[str, re.Pattern[str]] = {
    "postgresql": _tokens(
        comment=r"--[^\n]*+",
        strings=r"""[eE]'(?:[^'\\]|''|\\.)*+(?:'|\Z) | (?:[bBxXnN]|[uU]&)?'(?:[^']|'')*+(?:'|\Z)
            | \$(?P<tag>(?:[^\W\d]\w*+)?+)\$.*?(?:\$(?P=tag)\$|\Z)""",
        quoted=r'(?:[uU]&)?"(?:[^"]|"")*+(?:"|\Z)',
    ),
    "mysql": _tokens(
        comment=r"--(?=\s|\Z)[^\n]*+ | \#[^\n]*+",
        strings=r"""(?:_\w++[ ]*+)?+(?:[bBxXnN])?'(?:[^'\\]|''|\\.)*+(?:'|\\?\Z)
            | (?:_\w++[ ]*+)?+"(?:[^"\\]|""|\\.)*+(?:"|\\?\Z)""",
        quoted=r"`(?:[^`]|``)*+(?:`|\Z)",
    ),
}
_LITERALS = frozenset({"true", "false"})
# Behind these a sign belongs to a number, and a bracket stands apart.
_KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        "select where and or not in values between like then else when limit offset by return set "
        "on having case from as any all exists using is join into update delete insert with over "
        "union filter returning do interval",
    )
)
_TABLES = frozenset({"from", "join", "into", "update", "table"})
_JOINED = frozenset({",", ")", ";", ".", "]", "::", "["})
_OPEN = frozenset({"(", ".", "[", "::", ""})
_lists = re.compile(r"(?<=\bin \()\?(?:, \?)++(?=\))|(?<=\barray\[)\?(?:, \?)++(?=\])")
_rows = re.compile(r"\bvalues (\((?:[^()]|\([^()]*+\))*+\))(?:, \1)++")


class Statement(NamedTuple):
    """`text`: the statement without literals, comments and layout, unquoted names in lower case.

    `fingerprint`: 16 hex digits, of `text`. `operation`: its first word, in capitals. `summary`:
    the operation and the tables.
    """

    text: str
    fingerprint: str
    operation: str
    summary: str


def normalised(statement: str, dialect: Dialect) -> Statement:
    """What remains of a statement when its literals are taken out. Never raises."""
    tokens = _cleaned(statement[: limits.STATEMENT_CHARS], _DIALECTS[dialect])
    text = _lists.sub("?", _spaced(tokens))
    text = _rows.sub(r"values \1", text)
    operation = next((token.upper() for token in tokens if token[0].isalpha()), "")
    tables = [
        _name(tokens, place + 1) for place, token in enumerate(tokens[:-1]) if token in _TABLES
    ]
    words = [operation, *dict.fromkeys(name for name in tables if name)]
    return Statement(
        text,
        xxhash.xxh3_64_hexdigest(text.encode(errors="replace")),
        operation[:_SUMMARY_CHARACTERS],
        " ".join(words)[:_SUMMARY_CHARACTERS],
    )


def _cleaned(statement: str, tokens: re.Pattern[str]) -> list[str]:
    """Its tokens; literals are "?", signs of numbers are gone, and so are semicolons at the end."""
    found: list[str] = []
    for match in tokens.finditer(statement):
        kind = match.lastgroup
        if kind == "skip":
            continue
        if kind == "tag" or kind == "value":
            if found and found[-1] in ("-", "+") and _is_sign(found):
                found.pop()
            found.append("?")
            continue
        word = match[0]
        if kind == "word":
            word = word.lower()
            word = "?" if word in _LITERALS else word
        found.append(word)
    while found and found[-1] == ";":
        found.pop()
    return found


def _is_sign(tokens: list[str]) -> bool:
    """Whether the last token, plus or minus, has nothing on its left to add to."""
    if len(tokens) < 2:
        return True
    before = tokens[-2]
    if before in _KEYWORDS:
        return True
    return not (before[0].isalnum() or before[0] in '_@"`?)]')


def _spaced(tokens: list[str]) -> str:
    parts: list[str] = []
    before = ""
    for word in tokens:
        apart = before not in _OPEN and word not in _JOINED
        if word == "(":
            apart = before in _KEYWORDS or not (before[:1].isalnum() or before[:1] in '_"`@(.')
            apart = apart and before not in _OPEN
        parts.append(f" {word}" if apart else word)
        before = word
    return "".join(parts)


def _name(tokens: list[str], place: int) -> str:
    """The name, maybe qualified, that begins at `place`; empty where there is none."""
    parts: list[str] = []
    for word in tokens[place : place + 5]:
        named = word[0].isalpha() or word[0] in '_"`'
        if word != "." and (not named or (parts and parts[-1] != ".")):
            break
        parts.append(word)
    name = "".join(parts)
    return "" if name in _KEYWORDS else name
