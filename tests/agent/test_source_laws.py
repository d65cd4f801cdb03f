"""The laws of a Source. An intake and a journal are held to them; add one to `SOURCES`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from journals import WrittenJournal, needed

from tailrace.agent.checkpoints import State
from tailrace.agent.feeds.intake import Batch, Intake
from tailrace.agent.feeds.journal import Journal
from tailrace.agent.inputs import JournalInput, StdinInput
from tailrace.agent.source import Piece, Source
from tailrace.core.frame import Codec


class Flow(NamedTuple):
    """A source, and what makes rows in it that say these words."""

    source: Source
    say: Callable[[str], None]


def intake(_: Path) -> Flow:
    found = Intake(StdinInput(), "x", flush_interval_s=0.0)

    def say(word: str) -> None:
        found.put(Batch(json.dumps({"body": word}).encode() + b"\n", 1, Codec.RECORDS))

    return Flow(found, say)


def journal(folder: Path) -> Flow:
    written = WrittenJournal(folder / "journal")
    written.write("of before")
    source = JournalInput(directory=str(written.directory), start="end")
    return Flow(Journal(source, State("web-1", epoch=1), 0.0), written.write)


SOURCES = [pytest.param(intake, id="intake"), pytest.param(journal, id="journal", marks=needed)]


@pytest.fixture(params=SOURCES)
def flow(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flow]:
    found: Flow = request.param(tmp_path)
    found.source.begin(time.monotonic())
    yield found
    found.source.close()


def piece(source: Source) -> Piece:
    """The next one. A source never waits, so it is asked again."""
    deadline_s = time.monotonic() + 10.0
    while (found := source.read(1 << 20, time.monotonic(), hurry=True)) is None:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    return found


def words(found: Piece) -> list[str]:
    return [json.loads(row)["body"] for row in bytes(found.data).splitlines()]


def test_rows_are_read_once_and_counted(flow: Flow) -> None:
    read = []
    for word in ("one", "two", "three"):
        flow.say(word)
        found = piece(flow.source)
        assert found.rows == 1
        read += words(found)
    assert read == ["one", "two", "three"]
    assert flow.source.read(1 << 20, time.monotonic(), hurry=True) is None


def test_the_mark_is_that_of_what_was_committed_and_not_of_what_was_read(flow: Flow) -> None:
    before = flow.source.mark
    flow.say("one")
    found = piece(flow.source)
    assert flow.source.mark == before
    flow.source.commit(found.after)
    assert flow.source.mark == found.after


def test_what_was_not_committed_is_given_again_after_a_reset(flow: Flow) -> None:
    flow.say("one")
    flow.source.commit(piece(flow.source).after)
    flow.say("two")
    assert words(piece(flow.source)) == ["two"]
    flow.source.reset()
    flow.say("three")
    again: list[str] = []
    while len(again) < 2:
        again += words(piece(flow.source))
    assert again == ["two", "three"]


def test_where_to_begin_is_decided_once(flow: Flow) -> None:
    assert not flow.source.begin(time.monotonic())
