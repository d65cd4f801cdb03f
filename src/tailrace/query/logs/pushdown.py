"""The stages of a pipeline as SQL, up to the first that SQL cannot say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tailrace.query.binder import Binder
from tailrace.query.labels import LEVEL_NAMES, expression
from tailrace.query.logql.ast import (
    Assignment,
    Conversion,
    Drop,
    JsonParser,
    Keep,
    LabelFilter,
    LabelFormat,
    LineFilter,
    LogfmtParser,
    LogQuery,
    Matcher,
    PatternParser,
    RegexpParser,
    Stage,
    Unpack,
    Unwrap,
    ValueKind,
)
from tailrace.query.logs.columns import ALWAYS, among, base_label
from tailrace.query.logs.condition import Condition, Field, NotExpressible, all_of, any_of
from tailrace.query.logs.extraction import Extract
from tailrace.query.logs.filters import ERROR, label_filter, line_filter, text_test
from tailrace.query.logs.renaming import renamed
from tailrace.query.logs.typed import typed

_PARSERS = (JsonParser, LogfmtParser, RegexpParser, PatternParser, Unpack)
_CONVERSIONS: Mapping[Conversion, ValueKind] = {
    "": "number",
    "bytes": "bytes",
    "duration": "duration",
    "duration_seconds": "duration",
}


@dataclass
class Pushed:
    """What of a query is SQL.

    Rows pass where all `conditions` do; `complete`: every stage is among them. Read `field` for
    labels as they are after the last stage that was pushed.
    """

    tenant: str
    keys: Sequence[str]
    bind: Binder
    conditions: list[Condition] = field(default_factory=list)
    complete: bool = True
    _extract: Extract | None = None
    _dropped: frozenset[str] = frozenset()
    _kept: frozenset[str] | None = None
    _forgiven: bool = False
    # Labels before the last renaming, and its target and source; what else is above came later.
    _before: Pushed | None = None
    _moved: tuple[str, str] = ("", "")

    @property
    def error(self) -> str:
        """SQL that holds where the row has an error, "" for never; of less cost after a label."""
        return self._extract.error if self._extract and not self._forgiven else ""

    @property
    def _unchanged(self) -> bool:
        """Whether the labels are still those of the row, and the parser sees them all."""
        return not (self._extract or self._dropped or self.renames) and self._kept is None

    @property
    def unsure(self) -> str:
        """SQL that holds where SQL cannot tell whether a row passes; "" for never."""
        return any_of(*(one.unsure for one in self.conditions))

    @property
    def may_pass(self) -> list[str]:
        """SQL conditions that all hold for each row that passes, and perhaps for others."""
        return [one.may_pass for one in self.conditions]

    @property
    def parses(self) -> bool:
        """Whether rows have labels that a parser found."""
        return self._extract is not None

    @property
    def renames(self) -> bool:
        """Whether labels of the row may have other names by now."""
        return self._before is not None

    def stays(self, name: str) -> bool:
        """Whether a label of the row is still there after drop, keep and renamings."""
        if name in self._dropped or (self._kept is not None and name not in self._kept):
            return False
        if self._before is None or name == self._moved[0]:
            return True
        return name != self._moved[1] and self._before.stays(name)

    def field(self, name: str) -> Field:
        """A label of a row. Raises NotExpressible."""
        if name.startswith("__") or name.endswith("_extracted"):
            raise NotExpressible(name)
        if not self.stays(name):
            return Field("''")
        if self._before is not None:
            return renamed(name, *self._moved, self._before.field)
        base = base_label(name, self.keys, self.bind)
        if self._extract is None or name in ALWAYS:
            return Field(base, among=among(name, self.keys))
        found = self._extract(name)
        if base == "''":
            return found
        # A label that the row has already keeps its name; the parser's gets another one.
        own = f"{base} = ''"
        return Field(
            f"if({found.text} = '' OR {base} != '', {base}, {found.text})",
            *(
                where and all_of(own, where)
                for where in (found.unsure, found.respelled, found.blank)
            ),
        )

    def push(self, stages: Sequence[Stage]) -> None:
        """Add stages in order until one cannot be said."""
        try:
            for stage in stages:
                self._push(stage)
        except NotExpressible:
            self.complete = False

    def _push(self, stage: Stage) -> None:
        if isinstance(stage, LineFilter):
            self.conditions.append(line_filter(stage, self.bind))
        elif isinstance(stage, LabelFilter):
            self._filter(stage)
        elif isinstance(stage, _PARSERS) and self._unchanged:
            self._extract = Extract(stage, self.bind)
        elif isinstance(stage, Drop | Keep) and not any(one.op for one in stage.chosen):
            self._choose(stage)
        elif isinstance(stage, LabelFormat):
            for one in stage.assignments:
                self._rename(one)
        else:
            raise NotExpressible(type(stage).__name__)

    def _filter(self, stage: LabelFilter) -> None:
        """A row of which an earlier stage was not sure may have an error, which passes."""
        found = label_filter(stage.condition, self.field, lambda: self.error, self.bind)
        self.conditions.append(Condition(found.passes, any_of(self.unsure, found.unsure)))

    def _choose(self, stage: Drop | Keep) -> None:
        names = frozenset(one.name for one in stage.chosen)
        if isinstance(stage, Keep):
            self._kept = names if self._kept is None else self._kept & names
            return
        self._dropped |= names
        if ERROR in names:
            self._forgiven = True

    def _rename(self, one: Assignment) -> None:
        names = {one.label, one.source}
        if one.is_template or one.label in LEVEL_NAMES or names & {ERROR, "__error_details__"}:
            raise NotExpressible(one.label)
        if one.label != one.source:
            self._before, self._moved = replace(self), (one.label, one.source)
            self._dropped, self._kept = frozenset(), None

    def unwrap(self, unwrap: Unwrap) -> str:
        """SQL for the number that a label holds, a Float64; adds what that asks of the rows.

        Raises NotExpressible.
        """
        found = self.field(unwrap.label)
        conversion = _CONVERSIONS[unwrap.conversion]
        number = typed(found.text, conversion)
        unread = f"NOT {number.readable}"
        unsure = any_of(found.unsure, found.blank, unread)
        self.conditions.append(Condition(f"{found.text} != ''", unsure))
        # Filters after it still see the label.
        for one in unwrap.filters:
            self._filter(one)
        self._dropped |= {unwrap.label}
        return f"({number.value} / 1e9)" if conversion == "duration" else number.value


def pushed(query: LogQuery, tenant: str, keys: Sequence[str], bind: Binder) -> Pushed:
    """The query's selector and as many of its stages as SQL can say."""
    found = Pushed(tenant, keys, bind)
    found.conditions += [Condition(selected(one, keys, bind)) for one in query.matchers]
    found.push(query.stages)
    return found


def conditions(query: LogQuery, tenant: str, keys: Iterable[str], bind: Binder) -> list[str]:
    """SQL conditions that all hold for each row that passes, without those of its time. The tenant
    always comes first."""
    rows = pushed(query, tenant, tuple(keys), bind)
    return [f"Tenant = {bind.text(tenant)}", *rows.may_pass]


def selected(matcher: Matcher, keys: Sequence[str], bind: Binder) -> str:
    """SQL for one matcher of a stream selector."""
    value = expression(matcher.name, keys, bind)
    return text_test(value, matcher.op, matcher.value, bind)
