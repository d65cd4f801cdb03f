"""One rule of a file: its fields, as Prometheus' `rulefmt` checks them, and ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias, get_args

from tailrace.alerts.evaluation.confidence import threshold
from tailrace.alerts.rule import Language, Rule
from tailrace.alerts.rules.fields import Fields, labels_of
from tailrace.alerts.rules.language import check, language_of, located
from tailrace.alerts.rules.nodes import Mapping, Node, Scalar
from tailrace.alerts.rules.source import Source
from tailrace.alerts.rules.within import index_within
from tailrace.core.errors import QueryError
from tailrace.core.limits import QUERY_TEXT_BYTES
from tailrace.query.logql.parser import parse_metric

# What is wrong with the text of a template, or None.
TemplateCheck: TypeAlias = Callable[[str], str | None]

LANGUAGES: tuple[Language, ...] = get_args(Language)
FIELDS = (
    "record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations",
    "language", "min_confidence", "offset",
)  # fmt: skip
_OF_ALERTS = ("for", "keep_firing_for", "annotations", "min_confidence")


@dataclass(frozen=True)
class Context:
    """What a rule's group and its reader say of it. `declared`: the group's own language;
    `default`: that of expressions that could be two."""

    source: Source
    check_template: TemplateCheck
    declared: Language | None
    default: Language | None
    offset_ns: int


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
        line=source.place(node.start)[0],
    )
    found = _expression(context, fields)
    if not found:
        return None
    rule = replace(rule, expr=found[0], language=found[1])
    _check_confidence(source, fields, rule)
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


def _check_confidence(source: Source, fields: Fields, rule: Rule) -> None:
    """Samples of metrics are exact, and of SQL nobody knows it."""
    if not rule.min_confidence:
        return
    if rule.language != "logql":
        source.error(fields.key("min_confidence"), "min_confidence is of rules in LogQL")
        return
    try:
        threshold(parse_metric(rule.expr))
    except QueryError as error:
        source.error(fields.key("min_confidence"), str(error))


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
    source = context.source
    declared = read_language(source, fields) or context.declared
    found = fields.scalar("expr")
    if found is None or not found.value.strip():
        if not fields.has("expr") or found is not None:
            source.error(fields.key("expr"), "expr is empty; a rule needs an expression")
        return None
    try:
        if len(found.value.encode()) > QUERY_TEXT_BYTES:
            raise QueryError(f"longer than {QUERY_TEXT_BYTES} bytes (QUERY_TEXT_BYTES)", 0)
        if declared is None:
            return found.value.strip(), language_of(found.value, context.default)
        check(found.value, declared)
    except QueryError as error:
        offset, words = located(error, found.value)
        source.error(index_within(source.text, found, offset), f"expr: {words}")
        return None
    return found.value.strip(), declared
