"""Who asks what, known to everything that works on the answer.

An API says it once, around its handler; turns, bounds, figures and the log of slow queries are then
by it. What no API asks, such as a test, is of the tenant "".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

from tailrace.core.bounds import Used

# The one value of `exact`.
ARCHIVE = "archive"


@dataclass
class Question:
    """`text` is what the client asked; `used` is what was read for it so far. `exact`: ARCHIVE when
    the archive alone is to answer. `remarks`: what is to be told beside the answer, each once, in
    their order."""

    tenant: str = ""
    text: str = ""
    used: Used = field(default_factory=Used)
    exact: str = ""
    remarks: dict[str, None] = field(default_factory=dict)


_asked: ContextVar[Question] = ContextVar("question")


@contextmanager
def asking(question: Question) -> Iterator[Question]:
    """What is done inside, and the tasks that it begins, is done for `question`."""
    token = _asked.set(question)
    try:
        yield question
    finally:
        _asked.reset(token)


def asked() -> Question:
    """The question that is being answered; an empty one outside of `asking`."""
    return _asked.get(None) or Question()


def remark(*texts: str) -> None:
    """Have these told beside the answer."""
    asked().remarks.update(dict.fromkeys(texts))


@contextmanager
def remarking(into: dict[str, None]) -> Iterator[None]:
    """What is remarked inside goes into `into`, and is not told yet."""
    with asking(replace(asked(), remarks=into)):
        yield
