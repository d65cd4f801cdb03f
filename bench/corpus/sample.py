"""What the corpus is made of: lines, and what is hidden in each.

A Fragment is text under construction with labels; `mapped` writes it in another code (JSON, URL)
and the labels' needles with it, so that a needle always is what stands in the line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from bench.corpus.folding import compact
from tailrace.core.frame import CANONICAL, Codec, Hints, Signal

Form = Literal["formatted", "contextual", "keyed", "adjacent", "bare", "exotic"]
FOREIGN = Hints(foreign=True)
# Frames of lines whose records hold newlines say which character stands for one.
NEWLINE = "\x1e"
MULTILINE = Hints(newline=NEWLINE)


class Label(NamedTuple):
    """A value that must not be left in its line.

    `value` is normalised: digits, or letters and digits in lower case. `needles` are its exact
    texts as they stand in the line. `parts` are pieces of `value`, none of which may be found in
    the folded line afterwards; without parts, because the value is too short to be looked for
    alone, no needle (which then includes the word before it) may be found in the line.
    """

    kind: str
    value: str
    form: Form
    needles: tuple[str, ...]
    parts: tuple[str, ...]


class Value(NamedTuple):
    """A value before it is written down. `text` is its usual writing."""

    kind: str
    text: str
    value: str
    parts: tuple[str, ...]

    def fragment(self, form: Form, text: str = "") -> Fragment:
        """The value as `text`, or in its usual writing, with its label."""
        text = text or self.text
        return Fragment(text, (Label(self.kind, self.value, form, (text,), self.parts),))


class Fragment(NamedTuple):
    """Text with labels of what is in it."""

    text: str
    labels: tuple[Label, ...] = ()

    def mapped(self, encode: Callable[[str], str]) -> Fragment:
        """The text and its needles through `encode`, which must treat each character alone."""
        return Fragment(
            encode(self.text),
            tuple(
                Label(kind, value, form, tuple(map(encode, needles)), parts)
                for kind, value, form, needles, parts in self.labels
            ),
        )

    def within(self, before: str, after: str = "") -> Fragment:
        return Fragment(f"{before}{self.text}{after}", self.labels)

    def into(self, template: str) -> Fragment:
        """`template` with the text at its `{}`; other braces are text."""
        before, _, after = template.partition("{}")
        return Fragment(f"{before}{self.text}{after}", self.labels)


def joined(parts: Iterable[Fragment | str], between: str = "") -> Fragment:
    texts: list[str] = []
    labels: list[Label] = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
        else:
            texts.append(part.text)
            labels += part.labels
    return Fragment(between.join(texts), tuple(labels))


def windows(value: str, size: int) -> tuple[str, ...]:
    """Every piece of `size` characters; `value` itself when it is shorter."""
    return tuple(value[n : n + size] for n in range(max(len(value) - size + 1, 1)))


def ends(text: str, size: int) -> tuple[str, ...]:
    """The first and last `size` letters and digits of `text`: a half that was left is found."""
    whole = compact(text)
    return tuple(dict.fromkeys((whole[:size], whole[-size:])))


@dataclass(frozen=True, slots=True)
class Sample:
    """One line, without its newline. No labels: it is clean and must come back as it is.

    `template` names what made it, for reports. `disputed`: honest people differ about whether it
    holds anything; it counts nowhere.
    """

    codec: Codec
    signal: Signal
    hints: Hints
    data: bytes
    labels: tuple[Label, ...]
    template: str
    disputed: bool = False


def line(fragment: Fragment | str, template: str, disputed: bool = False) -> Sample:
    """A raw text line; a newline within it becomes the character that stands for one."""
    if isinstance(fragment, str):
        fragment = Fragment(fragment)
    hints = CANONICAL
    if "\n" in fragment.text:
        fragment = fragment.mapped(lambda text: text.replace("\n", NEWLINE))
        hints = MULTILINE
    data = fragment.text.encode()
    return Sample(Codec.LINES, Signal.LOGS, hints, data, fragment.labels, template, disputed)


def record(
    fragment: Fragment | str,
    template: str,
    signal: Signal = Signal.LOGS,
    foreign: bool = False,
    disputed: bool = False,
) -> Sample:
    """A line that is a JSON object."""
    if isinstance(fragment, str):
        fragment = Fragment(fragment)
    hints = FOREIGN if foreign else CANONICAL
    data = fragment.text.encode()
    return Sample(Codec.RECORDS, signal, hints, data, fragment.labels, template, disputed)
