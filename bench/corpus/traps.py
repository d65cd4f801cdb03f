"""Clean lines that look as if they were not: decoys and remarks, wherever values could stand."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

from bench.corpus import cards, jsontree, ordinary, phones, recordlines, textlines
from bench.corpus.carriers import noted
from bench.corpus.chance import ALNUM, Chance, Weighted
from bench.corpus.decoys import DECOYS, Decoy
from bench.corpus.hidden import Pair
from bench.corpus.jsontree import Number, Tree
from bench.corpus.names import PATHS, SERVICES
from bench.corpus.remarks import REMARKS
from bench.corpus.sample import Fragment, Sample, line, record
from tailrace.core.frame import Signal

_DECOYS = tuple(DECOYS.items())
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e-\d+)?")


def _decoy(chance: Chance) -> tuple[str, Decoy]:
    name, make = chance.pick(_DECOYS)
    return name, make(chance)


def _leaf(chance: Chance, value: str) -> Tree:
    """As a number where it could be one."""
    if chance.odds(0.5) and _NUMBER.fullmatch(value):
        return Number(Fragment(value))
    return value


def _json(chance: Chance, whole: Tree) -> Fragment:
    return jsontree.written(whole, jsontree.style(chance))


def _text(chance: Chance) -> Sample:
    name, (key, value) = _decoy(chance)
    _, around = chance.weighted(textlines.AROUND)
    _, found = noted(chance, Pair(key, Fragment(value)))
    template = chance.pick(("done {}", "{}", "{} took 12ms", "message {} sent", "order created {}"))
    return line(around(chance, found.into(template)), f"text: {name}")


def _request(chance: Chance) -> Sample:
    name, (key, value) = _decoy(chance)
    target = f"{chance.pick(PATHS)}?{key}={quote(value, safe='')}&page={chance.below(99)}"
    return line(textlines.access(chance, Fragment(target)), f"access log: {name}")


def _record(chance: Chance) -> Sample:
    name, (key, value) = _decoy(chance)
    other, (second, another) = _decoy(chance)
    whole = recordlines.canonical(chance, ordinary.message(chance))
    whole["attributes"] = recordlines.attributes(chance) | {
        key: _leaf(chance, value),
        second: _leaf(chance, another),
    }
    whole["resource"] = recordlines.resource(chance)
    return record(_json(chance, whole), f"record: {name}, {other}")


def _nested(chance: Chance) -> Sample:
    name, (key, value) = _decoy(chance)
    inner: Tree = {"request": {"items": [{key: _leaf(chance, value)}, {"n": chance.below(9)}]}}
    form, maker = chance.pick(tuple(recordlines.FOREIGN_FORMS.items()))
    whole = maker(chance, ordinary.message(chance))
    if chance.odds(0.5):
        whole["data"] = inner
    else:
        whole["payload"] = _json(chance, inner)
    return record(_json(chance, whole), f"{form}: {name}", foreign=True)


def _span(chance: Chance) -> Sample:
    name, (key, value) = _decoy(chance)
    whole = recordlines.span(chance, f"GET {chance.pick(PATHS)}")
    whole["attributes"] = {key: value, "thread.name": f"exec-{chance.below(99)}"}
    return record(_json(chance, whole), f"span: {name}", Signal.SPANS)


def _sample(chance: Chance) -> Sample:
    """Values that look like cards are values: a metric's numbers stay."""
    name, (key, value) = _decoy(chance)
    whole = recordlines.sample(chance, {"job": "shop", key: value})
    if chance.odds(0.5):
        number = cards.number(chance)
        whole["value"] = Number(Fragment(f"{number}.0" if chance.odds(0.5) else number))
    return record(_json(chance, whole), f"metric: {name}", Signal.METRICS)


def _remark(chance: Chance) -> Sample:
    about, said = chance.pick(tuple(REMARKS.items()))
    text = chance.pick(said)(chance)
    point = chance.random()
    if point < 0.6:
        _, around = chance.weighted(textlines.AROUND)
        return line(around(chance, Fragment(text)), f"text: remark {about}")
    whole = recordlines.canonical(chance, text)
    if point < 0.9:
        return record(_json(chance, whole), f"record: remark {about}")
    form, maker = chance.pick(tuple(recordlines.FOREIGN_FORMS.items()))
    return record(_json(chance, maker(chance, text)), f"{form}: remark {about}", foreign=True)


def disputed(chance: Chance) -> Sample:
    """Lines that some would call a leak and others not; told apart, counted nowhere."""
    text = chance.made(
        (
            lambda: f"GET /bucket/a.png?X-Amz-Signature={chance.hex(64)}&X-Amz-Expires=900",
            lambda: f"Cookie: sessionid={chance.text(32, ALNUM)}; locale=de",
            lambda: f"csrftoken={chance.text(64, ALNUM)}",
            lambda: f"unknown {cards.number(chance)}",
            lambda: f"called from {phones.american(chance)}",
            lambda: f"{textlines.address(chance)} blocked",
            lambda: f"noreply@{chance.pick(SERVICES)}.example.com bounced",
            lambda: f"basic_auth_user=app password_hint={chance.text(8, ALNUM)}",
        )
    )
    _, around = chance.weighted(textlines.AROUND)
    return line(around(chance, Fragment(text)), "disputed", disputed=True)


CARRIERS: Weighted[Callable[[Chance], Sample]] = Weighted(
    (
        (_text, 26), (_request, 8), (_record, 20), (_nested, 12), (_span, 6), (_sample, 5),
        (_remark, 24),
    )
)  # fmt: skip
