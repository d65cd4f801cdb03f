"""Frames that hold no line which anybody wants: known by their bytes, without the engine.

A query that begins with `|= "text"` wants lines that hold the text. Runs of letters of it stand in
the payload as they stand in the line, whatever form the line came in: of JSON only escapes spell
letters otherwise, so a payload with other escapes than the usual ones is not judged here, nor is
protobuf, of which a line may be made in other words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from tailrace.core import limits
from tailrace.core.errors import TailraceError
from tailrace.core.frame import Codec, Frame
from tailrace.core.payload import expand
from tailrace.query.logql.ast import LineFilter, LogQuery
from tailrace.query.tail.group import Group
from tailrace.query.tail.prefilter import said

# Of each tenant texts of which every line that is wanted holds one.
Texts: TypeAlias = dict[str, frozenset[bytes]]
_RUN = re.compile(r"[A-Za-z_-]+")
# Shorter ones are in nearly every payload.
_LEAST_CHARS = 4
# Bytes of a payload times texts: some 10 ms, for which nothing else of Python runs.
_SEARCHED_BYTES = 64 * 1024 * 1024
# Escapes in JSON that stand for no letter; one that is escaped itself may look like another.
_ESCAPE = re.compile(rb'\\[^"\\/bfnrt]')


def texts(groups: Iterable[Group], most: int) -> Texts:
    """Tenants of which each query names such texts, up to `most` in all."""
    found: dict[str, set[bytes] | None] = {}
    for group in groups:
        known, its = found.setdefault(group.tenant, set()), _texts(group.query)
        found[group.tenant] = None if known is None or its is None else known | its
    return {
        tenant: frozenset(known)
        for tenant, known in found.items()
        if known is not None and len(known) <= most
    }


def _texts(query: LogQuery) -> set[bytes] | None:
    """Those of the filter whose shortest one is longest; None where there is none."""
    filters = (one for one in said(query).stages if isinstance(one, LineFilter) and one.op == "|=")
    runs = [[_longest(needle.value) for needle in one.needles] for one in filters]
    best = max(runs, key=lambda its: min(map(len, its)), default=[""])
    return {run.encode() for run in best} if min(map(len, best)) >= _LEAST_CHARS else None


def _longest(needle: str) -> str:
    return max(_RUN.findall(needle), key=len, default="")


def wanted(frames: Sequence[Frame], known: Texts) -> list[Frame]:
    """Those that may hold a line which is wanted. For a thread of its own."""
    return [frame for frame in frames if _may_hold(frame, known.get(frame.header.tenant))]


def _may_hold(frame: Frame, its: frozenset[bytes] | None) -> bool:
    header = frame.header
    if its is None or header.codec is Codec.OTLP or header.bytes * len(its) > _SEARCHED_BYTES:
        return True
    try:
        payload = expand(frame.payload, limits.BODY_BYTES)
    except TailraceError:
        return True  # whoever decodes it says what is wrong
    escaped = header.codec is not Codec.LINES and _ESCAPE.search(payload)
    return bool(escaped) or any(text in payload for text in its)
