"""Filling in a template outside of an evaluation."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from tailrace.alerts.templating.annotator import Annotator, Outside
from tailrace.alerts.templating.template import Template

LABELS = {"instance": "web-1:9090", "job": "api", "host.name": "web-1", "empty": ""}
OUTSIDE = Outside({"region": "eu"}, "https://logs.example.org/tail")
AT_NS = 1_767_225_600_500_000_000
Found = Sequence[tuple[Mapping[str, str], float]]
UP: Found = [({"__name__": "up", "job": "b"}, 1.0), ({"__name__": "up", "job": "a"}, 0.5)]


def expand(text: str, value: float = 5.0, found: Found = UP) -> str:
    """What becomes of `text`; every query finds `found`."""

    async def ask(_query: str) -> Found:
        return found

    annotator = Annotator(AT_NS, OUTSIDE, ask)
    return asyncio.run(annotator.text(Template(text), LABELS, value))
