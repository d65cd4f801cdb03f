"""Log queries: a stream selector and the stages of its pipeline.

log      = selector { stage }
stage    = filter | "|" ( parser | condition | format | "decolorize" | choice )
filter   = ("|=" | "!=" | "|~" | "!~" | "|>" | "!>") needle { "or" needle }
parser   = "json" [ parts ] | "logfmt" { flag } [ parts ] | "regexp" string | "pattern" string
         | "unpack"
parts    = name [ "=" string ] { "," name [ "=" string ] }
format   = "line_format" string | "label_format" name "=" ( name | string ) { "," ... }
choice   = ( "drop" | "keep" ) name [ op string ] { "," ... }
"""

from __future__ import annotations

from collections.abc import Callable

from tailrace.query.expressions import matches_empty
from tailrace.query.logql.ast import (
    Assignment,
    Chosen,
    Decolorize,
    Drop,
    Extraction,
    JsonParser,
    Keep,
    LabelFilter,
    LabelFormat,
    LineFilter,
    LineFormat,
    LogfmtParser,
    LogQuery,
    Matcher,
    Needle,
    PatternParser,
    RegexpParser,
    Stage,
    Unpack,
)
from tailrace.query.logql.conditions import Conditions
from tailrace.query.logql.lexer import Token

LINE_FILTERS = ("|=", "!=", "|~", "!~", "|>", "!>")
# Words that are stages and never labels: `| json != "x"` parses and then filters lines.
KEYWORDS = (
    "json", "logfmt", "regexp", "pattern", "unpack", "line_format", "label_format", "decolorize",
    "drop", "keep", "unwrap",
)  # fmt: skip
_MATCHES = ("=", "!=", "=~", "!~")
EMPTY_SELECTOR = (
    "the selector needs at least one matcher that cannot match an empty value; "
    "for everything write {service_name=~`.+`},"
)


class Stages(Conditions):
    """Reads log queries. Raises QueryError."""

    def _log(self) -> LogQuery:
        if self._is("("):
            return self._parenthesised_log()
        matchers = self._selector()
        return LogQuery(matchers, self._stages())

    def _parenthesised_log(self) -> LogQuery:
        self._enter()
        self._next()
        inner = self._log()
        self._expect(")", "to close the parenthesis")
        self._leave()
        return LogQuery(inner.matchers, inner.stages + self._stages())

    def _selector(self) -> tuple[Matcher, ...]:
        opening = self._expect("{", "to open a stream selector")
        found: list[Matcher] = []
        while not self._is("}"):
            found.append(self._matcher())
            if not self._is(","):
                break
            self._next()
        self._expect("}", "to close the stream selector")
        if all(map(_may_be_empty, found)):
            raise self._fail(EMPTY_SELECTOR, opening)
        return tuple(found)

    def _matcher(self) -> Matcher:
        name = self._name("in the stream selector")
        if not self._is(*_MATCHES):
            raise self._fail(f"expected = != =~ or !~ after a label, found {self._now.shown}")
        op = self._next().text
        return Matcher(name.text, op, self._text_of(op), name.position)

    def _text_of(self, op: str) -> str:
        return (self._regex if "~" in op else self._string)(f"after {op}")

    def _stages(self) -> tuple[Stage, ...]:
        found: list[Stage] = []
        while self._begins_stage():
            found.append(self._stage())
        return tuple(found)

    def _begins_stage(self) -> bool:
        return self._is("|", *LINE_FILTERS)

    def _stage(self) -> Stage:
        if self._is(*LINE_FILTERS):
            return self._line_filter()
        bar = self._next()
        self._count(bar)
        if self._is("(") or (self._begins_comparison() and not self._word(*KEYWORDS)):
            return LabelFilter(self._condition(), bar.position)
        readers: dict[str, Callable[[int], Stage]] = {
            "json": self._json,
            "logfmt": self._logfmt,
            "regexp": lambda at: RegexpParser(self._regex("after regexp"), at),
            "pattern": lambda at: PatternParser(self._string("after pattern"), at),
            "unpack": Unpack,
            "line_format": lambda at: LineFormat(self._string("after line_format"), at),
            "label_format": self._label_format,
            "decolorize": Decolorize,
            "drop": lambda at: Drop(self._chosen("drop"), at),
            "keep": lambda at: Keep(self._chosen("keep"), at),
        }
        if self._now.kind != "name":
            raise self._fail(f"expected a stage or a label filter after |, found {self._now.shown}")
        word = self._now.text
        if word == "unwrap":
            raise self._fail("unwrap is for range aggregations such as sum_over_time")
        if word not in readers:
            raise self._fail(f"unknown stage {word!r}; of a label filter an operator must follow,")
        self._next()
        return readers[word](bar.position)

    def _line_filter(self) -> LineFilter:
        op = self._next()
        self._count(op)
        needles = [self._needle(op)]
        while self._word("or"):
            self._count(self._next())
            needles.append(self._needle(op))
        return LineFilter(op.text, tuple(needles), op.position)

    def _needle(self, op: Token) -> Needle:
        if self._word("ip"):
            if op.text not in ("|=", "!="):
                raise self._fail(f"ip() goes with |= and !=, not with {op.text}")
            return Needle(self._address(), ip=True)
        return Needle(self._text_of(op.text))

    def _json(self, position: int) -> JsonParser:
        return JsonParser(self._extractions(), position)

    def _logfmt(self, position: int) -> LogfmtParser:
        strict = keep_empty = False
        while self._is("-"):
            dashes = self._next()
            self._expect("-", "of a flag")
            if self._word("strict"):
                self._next()
                strict = True
            elif self._word("keep"):
                self._next()
                self._expect("-", "of --keep-empty")
                if not self._word("empty"):
                    raise self._fail("logfmt knows the flags --strict and --keep-empty", dashes)
                self._next()
                keep_empty = True
            else:
                raise self._fail("logfmt knows the flags --strict and --keep-empty", dashes)
        return LogfmtParser(strict, keep_empty, self._extractions(), position)

    def _extractions(self) -> tuple[Extraction, ...]:
        found: list[Extraction] = []
        while self._now.kind == "name":
            name = self._name("of an extraction").text
            path = name
            if self._is("="):
                self._next()
                path = self._string("after =")
            found.append(Extraction(name, path))
            if not self._is(","):
                break
            self._next()
            if self._now.kind != "name":
                raise self._fail(f"expected a label name after a comma, found {self._now.shown}")
        return tuple(found)

    def _label_format(self, position: int) -> LabelFormat:
        found: list[Assignment] = []
        while True:
            name = self._name("in label_format")
            if name.text in (one.label for one in found):
                raise self._fail(f"label_format sets {name.text} twice", name)
            self._expect("=", "after a label of label_format")
            if self._now.kind == "string":
                found.append(Assignment(name.text, self._next().text, True))
            else:
                found.append(Assignment(name.text, self._name("or a template").text, False))
            if not self._is(","):
                return LabelFormat(tuple(found), position)
            self._next()

    def _chosen(self, word: str) -> tuple[Chosen, ...]:
        found: list[Chosen] = []
        while True:
            name = self._name(f"after {word}")
            op = value = ""
            if self._is(*_MATCHES):
                op = self._next().text
                value = self._text_of(op)
            found.append(Chosen(name.text, op, value, name.position))
            if not self._is(","):
                return tuple(found)
            self._next()


def _may_be_empty(matcher: Matcher) -> bool:
    """Whether an absent label passes."""
    empty = matches_empty(matcher.value) if "~" in matcher.op else matcher.value == ""
    return empty == (not matcher.op.startswith("!"))
