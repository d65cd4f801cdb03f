"""Labels and annotations of alerts: from the series and the rule, with their templates filled in.

As in Prometheus templates see the labels of the series and not those of the rule, and a label that
comes out empty is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from tailrace.alerts.evaluation.expression import Asker, at_step
from tailrace.alerts.evaluation.state import Held, Owner
from tailrace.alerts.evaluation.turn import Seen
from tailrace.alerts.rule import Group, Rule
from tailrace.alerts.templating.annotator import Annotator, Ask, Outside
from tailrace.alerts.templating.template import Template
from tailrace.core.alerting import Labels, fingerprint
from tailrace.core.limits import ALERT_ANNOTATIONS_CHARS, ALERT_LABELS_CHARS
from tailrace.core.metrics import Metrics
from tailrace.query.plan import Grid

NAME = "__name__"
ALERT_NAME = "alertname"
# Rules whose templates are kept compiled; a process has some thousand rules.
_COMPILED = 4_096
Named = tuple[tuple[str, Template], ...]


class Descriptions:
    """A Describe. `query` in a template asks in the rule's own language, as of the slot, and in SQL
    as far back as the rule.

    Texts that could not be made are counted as failures of kind "template".
    """

    def __init__(self, outside: Outside, ask: Asker, metrics: Metrics) -> None:
        self._outside = outside
        self._ask = ask
        self._metrics = metrics

    async def __call__(
        self, owner: Owner, group: Group, slot_ns: int, found: Sequence[Seen]
    ) -> list[Held]:
        """See Describe. Annotations that the next slot would make anew are left out: after an hour
        without evaluations there are hundreds of slots."""
        annotator = Annotator(slot_ns, self._outside, self._asking(owner, group, slot_ns))
        labels = _compiled(tuple({**dict(group.labels), **dict(owner.rule.labels)}.items()))
        annotations = _compiled(owner.rule.annotations)
        # Otherwise the series may be another alert at the next slot.
        stays = not any("{{" in one.text for _, one in labels)
        held = []
        for one in found:
            known = dict(one.labels)
            made = dict(await annotator.texts(labels, known, one.value))
            wanted = () if stays and not one.last else annotations
            texts = await annotator.texts(wanted, known, one.value)
            named = fitting(_labels(owner.rule, known, made), ALERT_LABELS_CHARS)
            said = fitting(tuple(sorted(texts)), ALERT_ANNOTATIONS_CHARS)
            held.append(Held(named, said, one.value))
        if annotator.failed:
            self._metrics.add("tailrace_rule_failures_total", annotator.failed, "template")
        return held

    def _asking(self, owner: Owner, group: Group, slot_ns: int) -> Ask:
        at_ns = slot_ns - owner.rule.offset_ns

        async def ask(query: str) -> list[tuple[Mapping[str, str], float]]:
            rule = Rule(query, owner.rule.language, since_ns=owner.rule.since_ns)
            grid = Grid(at_ns, group.interval_ns, 1)
            found = await self._ask.value(rule, owner.tenant, grid)
            return [(dict(found.labels[row]), value) for row, value in at_step(found, 0)]

        return ask


def _labels(rule: Rule, series: Mapping[str, str], made: Mapping[str, str]) -> Labels:
    joined = {**series, **made, ALERT_NAME: rule.alert}
    return tuple(sorted((k, v) for k, v in joined.items() if v and k != NAME))


def fitting(texts: Labels, most: int) -> Labels:
    """With the longest cut until all have at most `most` characters with their names. A cut one
    ends in a fingerprint of what it was, so that two alerts never become one by it."""
    left = most - sum(len(name) for name, _ in texts)
    if sum(len(text) for _, text in texts) <= left:
        return texts
    longest = 0
    for number, length in enumerate(sorted(len(text) for _, text in texts)):
        longest = left // (len(texts) - number)
        if length > longest:
            break
        left -= length
    return tuple((name, _cut(text, max(longest, 0))) for name, text in texts)


def _cut(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    end = f"...{fingerprint((('', text),))}"
    return (text[: max(longest - len(end), 0)] + end)[:longest]


@lru_cache(maxsize=_COMPILED)
def _compiled(written: Labels) -> Named:
    return tuple((name, Template(text)) for name, text in written)
