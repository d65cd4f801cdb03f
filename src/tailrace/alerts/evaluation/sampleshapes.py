"""Leaves of PromQL that are alike but for the value of one matcher: one shape.

A leaf of a shape reads series of which a label has one value. Those of many values are read in one
question, and as series keep their labels until they are folded, each goes to the value it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from tailrace.query.logql.ast import Matcher
from tailrace.query.promql.ast import NAME
from tailrace.query.promql.leaf import Leaf


class SampleShape(NamedTuple):
    """A leaf without its matcher `label="..."`. Where there is none to leave out the label is "":
    then leaves of this shape are the same."""

    leaf: Leaf
    label: str


def shaped(leaf: Leaf) -> Iterator[tuple[SampleShape, str]]:
    """Each shape of a leaf, and its value; leaves of a fixed time have none."""
    if leaf.selector.at is not None:
        return
    matchers = sorted(leaf.selector.matchers, key=_order)
    equal = [place for place, one in enumerate(matchers) if _tells_apart(one)]
    for place in equal:
        rest = [*matchers[:place], *matchers[place + 1 :]]
        yield SampleShape(_with(leaf, rest), matchers[place].name), matchers[place].value
    if not equal:
        yield SampleShape(_with(leaf, matchers), ""), ""


def _tells_apart(one: Matcher) -> bool:
    """Whether it may be the matcher that is left out: names are what samples are sorted by, and an
    empty value is that of series without the label."""
    return one.op == "=" and one.name != NAME and bool(one.value)


def _order(one: Matcher) -> tuple[str, str, str]:
    return (one.name, one.op, one.value)


def _with(leaf: Leaf, matchers: list[Matcher]) -> Leaf:
    selector = replace(leaf.selector, matchers=tuple(matchers), quoted=False)
    return replace(leaf, selector=selector)
