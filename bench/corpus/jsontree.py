"""JSON with values hidden in it: a tree of objects, lists and leaves, some of them Fragments."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, TypeAlias

from bench.corpus.chance import Chance
from bench.corpus.forms import JSON_CODES, Encode
from bench.corpus.hidden import needle_of
from bench.corpus.sample import Fragment, Label


class Number(NamedTuple):
    """A Fragment that is written as a number."""

    value: Fragment


# Objects and lists of trees; leaves are Fragments, Numbers, and what JSON has.
Tree: TypeAlias = Any


class Style(NamedTuple):
    """`encode`: how strings are written. `spaced`: with a blank after colons and commas."""

    encode: Encode
    spaced: bool


def style(chance: Chance) -> Style:
    return Style(chance.weighted(JSON_CODES), chance.odds(0.35))


def written(tree: Tree, how: Style) -> Fragment:
    """The text of a tree, and the labels of all that is in it."""
    texts: list[str] = []
    labels: list[Label] = []
    _write(tree, how, texts, labels)
    return Fragment("".join(texts), tuple(labels))


def _write(tree: Tree, how: Style, texts: list[str], labels: list[Label]) -> None:
    if isinstance(tree, Fragment | Number | str):
        found = _leaf(tree, how)
        texts.append(found.text)
        labels += found.labels
    elif isinstance(tree, dict):
        _write_object(tree, how, texts, labels)
    elif isinstance(tree, list):
        for place, one in enumerate(tree):
            texts.append("[" if place == 0 else ", " if how.spaced else ",")
            _write(one, how, texts, labels)
        texts.append("]" if tree else "[]")
    else:
        texts.append(json.dumps(tree))


def _write_object(
    tree: dict[str | Fragment, Tree],
    how: Style,
    texts: list[str],
    labels: list[Label],
) -> None:
    before = "{"
    for key, value in tree.items():
        name = _leaf(key, how)
        labels += name.labels
        start = f"{name.text}: " if how.spaced else f"{name.text}:"
        texts.append(before)
        before = ", " if how.spaced else ","
        if isinstance(value, Fragment | Number):
            # A code such as a CVV is looked for together with its key.
            found = needle_of(_leaf(value, how), start)
            texts.append(found.text)
            labels += found.labels
        else:
            texts.append(start)
            _write(value, how, texts, labels)
    texts.append("}" if tree else "{}")


def _leaf(leaf: Fragment | Number | str, how: Style) -> Fragment:
    if isinstance(leaf, Number):
        return leaf.value
    if isinstance(leaf, str):
        return Fragment(f'"{how.encode(leaf)}"')
    found = leaf.mapped(how.encode)
    return found.within('"', '"')
