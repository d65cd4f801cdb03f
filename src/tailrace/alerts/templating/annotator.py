"""Fills in the templates of one evaluation of a rule.

A template may ask queries, and which ones is known only while it runs. So it runs until it asks for
something that is not known, the query is asked, and it runs again from the beginning: no thread
waits, and what was asked for one alert is known for all others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tailrace.alerts.templating.functions import Sample
from tailrace.alerts.templating.template import Data, Template
from tailrace.core.alerting import Labels
from tailrace.core.errors import TailraceError
from tailrace.core.limits import (
    ALERT_TEMPLATE_QUERIES,
    ALERT_TEMPLATE_QUERY_S,
    ALERT_TEMPLATE_S,
    ALERT_TEMPLATE_SAMPLES,
    ALERT_TEMPLATES_S,
)
from tailrace.query.pipeline.template.values import TemplateError

# Labels and value of each sample of an instant query, at the time of the evaluation. May raise
# TailraceError and TimeoutError.
Ask = Callable[[str], Awaitable[Sequence[tuple[Mapping[str, str], float]]]]

# How long many short texts keep the event loop for themselves.
_HOLDS_S = 0.01


@dataclass(frozen=True)
class Outside:
    """What all alerts of a server have in common: `$externalLabels` and `$externalURL`."""

    labels: Mapping[str, str]
    url: str


class _Unknown(Exception):
    """The template needs what a query finds."""

    def __init__(self, query: str) -> None:
        super().__init__(query)
        self.query = query


class Annotator:
    """For one evaluation, at `at_ns`. `failed` counts texts that could not be made."""

    def __init__(
        self,
        at_ns: int,
        outside: Outside,
        ask: Ask,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.failed = 0
        self._at_ns = at_ns
        self._outside = outside
        self._ask = ask
        self._monotonic = monotonic
        self._left_s = ALERT_TEMPLATES_S
        # When the loop was last free for others.
        self._free_at = monotonic()
        self._query_left_s = ALERT_TEMPLATE_QUERY_S
        self._known: dict[str, list[Sample] | str] = {}

    async def texts(
        self, templates: Iterable[tuple[str, Template]], labels: Mapping[str, str], value: float
    ) -> Labels:
        """Each name with its text, in their order. `labels` and `value` are the sample's."""
        return tuple([(name, await self.text(one, labels, value)) for name, one in templates])

    async def text(self, template: Template, labels: Mapping[str, str], value: float) -> str:
        """What the template makes of a sample; `<error expanding template: ...>` where it fails.

        A text has ALERT_TEMPLATE_S, all of an evaluation ALERT_TEMPLATES_S, and their queries
        ALERT_TEMPLATE_QUERY_S.
        """
        outside = self._outside
        data = Data(labels, value, outside.labels, outside.url, self._at_ns)
        if self._monotonic() - self._free_at > _HOLDS_S:
            await asyncio.sleep(0)
            self._free_at = self._monotonic()
        try:
            while True:
                try:
                    return self._expanded(template, data)
                except _Unknown as unknown:
                    await self._learn(unknown.query)
        except TemplateError as error:
            self.failed += 1
            return f"<error expanding template: {error}>"

    def _expanded(self, template: Template, data: Data) -> str:
        started = self._monotonic()
        ends = started + min(self._left_s, ALERT_TEMPLATE_S)
        try:
            return template.expand(data, self._found, lambda: self._monotonic() > ends)
        finally:
            self._left_s -= self._monotonic() - started

    def _found(self, query: str) -> list[Sample]:
        known = self._known.get(query)
        if known is None:
            raise _Unknown(query)
        if isinstance(known, str):
            raise TemplateError(f"query: {known}")
        return known

    async def _learn(self, query: str) -> None:
        if len(self._known) >= ALERT_TEMPLATE_QUERIES:
            raise TemplateError(f"more than {ALERT_TEMPLATE_QUERIES} queries in one evaluation")
        started = self._monotonic()
        try:
            async with asyncio.timeout(max(0.0, self._query_left_s)):
                found = await self._ask(query)
            self._known[query] = _records(found)
        except TimeoutError:
            self._known[query] = "it takes too long"
        except TailraceError as error:
            self._known[query] = str(error)
        finally:
            self._query_left_s -= self._monotonic() - started


def _records(found: Sequence[tuple[Mapping[str, str], float]]) -> list[Sample] | str:
    if len(found) > ALERT_TEMPLATE_SAMPLES:
        return f"more than {ALERT_TEMPLATE_SAMPLES} samples"
    return [Sample(labels, value) for labels, value in found]
