"""What the writer remembers of the frames that are recorded."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tailrace.core import limits
from tailrace.core.contracts import Delivery, Position
from tailrace.core.frame import Frame
from tailrace.writer.batches import Known

from .building import frame
from .fakes import FakeTable, Faults


def delivery(source: str, seq: int) -> Delivery:
    found = frame(seq)
    header = msgspec.structs.replace(found.header, source=source)
    return Delivery(Frame(header, found.payload), Position(1, seq))


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> FakeTable:
    monkeypatch.setattr(limits, "SOURCES_REMEMBERED", 2)
    return FakeTable(Faults())


@pytest.mark.parametrize(("others", "asked"), [("b", 2), ("bc", 4)])
def test_sources_beyond_the_bound_are_asked_for_again(
    table: FakeTable, others: str, asked: int
) -> None:
    known = Known(table)
    for source in ("a", *others, "a"):
        asyncio.run(known.fresh([delivery(source, 1)]))
    assert table.faults.calls["newest"] == asked


def test_what_was_forgotten_within_a_batch_is_not_remembered_anew(table: FakeTable) -> None:
    known = Known(table)
    asyncio.run(table.remember([delivery("a", 7), delivery("a", 9)]))
    batch = [delivery(source, 5) for source in "abc"]
    assert asyncio.run(known.fresh(batch)) == batch
    known.note(batch)
    assert asyncio.run(known.fresh([delivery("a", 7)])) == []
