"""One rule of a file: its fields, as Prometheus' `rulefmt` checks them, and ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias, get_args

from tailrace.alerts.evaluation.confidence import threshold
from tailrace.alerts.rule import Language, Rule
from tailrace.alerts.rules.durations import read_duration, write_duration
from tailrace.alerts.rules.fields import Fields, labels_of
from tailrace.alerts.rules.language import check, check_stream, language_of, located
from tailrace.alerts.rules.nodes import Mapping, Node, Scalar
from tailrace.alerts.rules.source import Source
from tailrace.alerts.rules.within import index_within
from tailrace.core.errors import QueryError
from tailrace.core.limits import (
    QUERY_TEXT_BYTES,
    RULE_SQL_INTERVALS,
    SQL_RANGE_S,
    STREAM_QUIET_LEAST_S,
)
from tailrace.query.logql.parser import parse_metric
from tailrace.query.times import SECOND_NS

# What is wrong with the text of a template, or None.
TemplateCheck: TypeAlias = Callable[[str], str | None]

LANGUAGES: tuple[Language, ...] = get_args(Language)
FIELDS = (
    "record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations",
    "language", "since", "min_confidence", "offset", "stream", "quiet", "by",
)  # fmt: skip
_OF_ALERTS = ("for", "keep_firing_for", "annotations", "min_confidence", "stream")
_OF_EXPRESSIONS = (
    "expr", "for", "keep_firing_for", "language", "since", "min_confidence", "offset",
)  # fmt: skip
_OF_STREAMS = ("quiet", "by")
QUIET_NS = 300 * SECOND_NS


@dataclass(frozen=True)
class Context:
    """What a rule's group and its reader say of it. `declared`: the group's own language;
    `default`: that of expressions that could be two."""

    source: Source
    check_template: TemplateCheck
    declared: Language | None
    default: Language | None
    offset_ns: int
    interval_ns: int


def read_rule(context: Context, node: Node) -> Rule | None:
    """None when something is wrong that a rule cannot be without; the source knows what."""
    source = context.source
    fields = Fields(source, node, "a rule", FIELDS)
    if not isinstance(node, Mapping):
        return None
    alert, record = fields.text("alert"), fields.text("record")
    _check_name(source, fields, alert, record)
    rule = Rule(
        expr="",
        language="promql",
        alert=alert,
        record=record,
        for_ns=fields.duration("for", 0),
        keep_firing_ns=fields.duration("keep_firing_for", 0),
        labels=_labels(context, fields, bool(alert)),
        annotations=_annotations(context, fields),
        offset_ns=fields.duration("offset", context.offset_ns),
        min_confidence=fields.share("min_confidence"),
        since_ns=fields.duration("since", 0),
        line=source.place(node.start)[0],
    )
    _check_kind(source, fields)
    if fields.has("stream"):
        return _streaming(source, fields, rule)
    found = _expression(context, fields)
    if not found:
        return None
    rule = replace(rule, expr=found[0], language=found[1])
    _check_confidence(source, fields, rule)
    _check_since(context, fields, rule)
    return rule


def read_language(source: Source, fields: Fields) -> Language | None:
    """What `language` says, of a rule or a group."""
    found = fields.scalar("language")
    for language in LANGUAGES:
        if found is not None and found.value == language:
            return language
    if found is not None:
        source.error(found.start, f"language has to be one of {', '.join(LANGUAGES)}")
    return None


def check_templates(
    source: Source, check: TemplateCheck, named: dict[str, tuple[Scalar, Scalar]]
) -> None:
    """The values of labels or annotations of an alert."""
    for name, (_, value) in named.items():
        if wrong := check(value.value):
            source.error(value.start, f"the template of {name[:100]}: {wrong}")


def _check_name(source: Source, fields: Fields, alert: str, record: str) -> None:
    if alert and record:
        source.error(fields.key("record"), "a rule has alert or record, not both")
    elif not alert and not record:
        source.error(fields.start, "a rule needs a name: alert or record")
    if record and ("{" in record or "}" in record):
        message = "record has to be the name of a metric, without braces; labels go to labels"
        source.error(fields.key("record"), message)
    for name in _OF_ALERTS if record and not alert else ():
        if fields.has(name):
            source.error(fields.key(name), f"{name} is of alerts; this rule records")


def _check_kind(source: Source, fields: Fields) -> None:
    """Fields of a rule with the other kind of query."""
    streams = fields.has("stream")
    for name in _OF_EXPRESSIONS if streams else _OF_STREAMS:
        if fields.has(name):
            kind = "expr; this one has stream" if streams else "stream; this one has expr"
            source.error(fields.key(name), f"{name} is of rules with {kind}")


def _streaming(source: Source, fields: Fields, rule: Rule) -> Rule | None:
    found = _text(source, fields, "stream", check_stream)
    quiet_ns = fields.duration("quiet", QUIET_NS)
    if quiet_ns < STREAM_QUIET_LEAST_S * SECOND_NS:
        message = f"quiet has to be at least {STREAM_QUIET_LEAST_S:g}s (STREAM_QUIET_LEAST_S)"
        source.error(fields.key("quiet"), message)
    by = fields.names("by")
    if found is None:
        return None
    # An offset of the group is of what is evaluated.
    return replace(
        rule, expr=found, language="logql", streams=True, quiet_ns=quiet_ns, by=by, offset_ns=0
    )


def _check_confidence(source: Source, fields: Fields, rule: Rule) -> None:
    """Samples of metrics are exact, and of SQL nobody knows it."""
    if not rule.min_confidence or not rule.alert:
        return
    if rule.language != "logql":
        source.error(fields.key("min_confidence"), "min_confidence is of rules in LogQL")
        return
    try:
        threshold(parse_metric(rule.expr))
    except QueryError as error:
        source.error(fields.key("min_confidence"), str(error))


def _check_since(context: Context, fields: Fields, rule: Rule) -> None:
    """Without a bound a statement would read the whole store at each slot."""
    source, most_ns = context.source, RULE_SQL_INTERVALS * context.interval_ns
    if rule.language != "sql":
        if fields.has("since"):
            source.error(fields.key("since"), "since is of rules in SQL; others say it in expr")
    elif read_duration(fields.text("since") or "0") == 0:
        message = "a rule in SQL needs since, how far before its slot it reads, such as since: 5m"
        source.error(fields.key("since" if fields.has("since") else "expr"), message)
    elif rule.since_ns > SQL_RANGE_S * SECOND_NS:
        message = f"since is at most {SQL_RANGE_S // 86_400}d (SQL_RANGE_S)"
        source.error(fields.key("since"), message)
    elif rule.since_ns > most_ns:
        source.error(
            fields.key("since"),
            f"since is at most {RULE_SQL_INTERVALS} times the interval of the group, which is "
            f"{write_duration(context.interval_ns)} (RULE_SQL_INTERVALS): give it a longer one",
        )


def _labels(context: Context, fields: Fields, alerts: bool) -> tuple[tuple[str, str], ...]:
    named = fields.named("labels")
    if alerts:
        check_templates(context.source, context.check_template, named)
    return labels_of(named)


def _annotations(context: Context, fields: Fields) -> tuple[tuple[str, str], ...]:
    named = fields.named("annotations")
    check_templates(context.source, context.check_template, named)
    return labels_of(named)


def _expression(context: Context, fields: Fields) -> tuple[str, Language] | None:
    declared = read_language(context.source, fields) or context.declared
    decided = declared

    def decide(text: str) -> None:
        nonlocal decided
        if declared is None:
            decided = language_of(text, context.default)
        else:
            check(text, declared)

    found = _text(context.source, fields, "expr", decide)
    return None if found is None or decided is None else (found, decided)


def _text(source: Source, fields: Fields, name: str, checked: Callable[[str], None]) -> str | None:
    """The query in a field; None after an error. `checked` raises QueryError."""
    found = fields.scalar(name)
    if found is None or not found.value.strip():
        if not fields.has(name) or found is not None:
            source.error(fields.key(name), f"{name} is empty; a rule needs an expression")
        return None
    try:
        if len(found.value.encode()) > QUERY_TEXT_BYTES:
            raise QueryError(f"longer than {QUERY_TEXT_BYTES} bytes (QUERY_TEXT_BYTES)", 0)
        checked(found.value)
    except QueryError as error:
        offset, words = located(error, found.value)
        source.error(index_within(source.text, found, offset), f"{name}: {words}")
        return None
    return found.value.strip()
