"""Leaves that meet at a place are read together, and one that cannot be read spoils no other."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import pytest

from tailrace.alerts.evaluation.kept import Kept
from tailrace.alerts.evaluation.scans import Leaf, Place, Scan, Scans, Share, Slots
from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.errors import QueryError, StoreError
from tailrace.query.matrix.matrix import Matrix, matrix_of
from tailrace.query.plan import Grid

SECOND = 1_000_000_000
STEP = 15 * SECOND
SLOTS = Slots(STEP, 0)


def leaf(*parts: str, tenant: str = "shop", slots: Slots = SLOTS) -> Leaf[str]:
    """Of each part, `shape=value`, a place."""
    pairs = (part.split("=") for part in parts)
    return tuple(Share(Place(tenant, shape, slots), value) for shape, value in pairs)


class Store:
    """Each value has one series, whose number is the length of the value; what was read."""

    def __init__(self, bad: Sequence[str] = (), failure: Exception | None = None) -> None:
        self.bad = bad
        self.failure = failure or QueryError("too many series")
        self.read: list[tuple[str, ...]] = []
        self.slow = 10**6
        self.gate: asyncio.Event | None = None

    async def __call__(self, scan: Scan[str]) -> Mapping[str, Matrix]:
        self.read.append(scan.values)
        if self.gate:
            await self.gate.wait()
        await asyncio.sleep(60 if len(scan.values) >= self.slow else 0)
        if set(scan.values) & set(self.bad):
            raise self.failure
        steps = scan.grid.steps
        return {one: matrix_of({(): [float(len(one))] * steps}, steps) for one in scan.values}


class Play:
    """Leaves of a shape, one of each value."""

    def __init__(self, *values: str, **store: Any) -> None:
        self.store = Store(**store)
        self.clock = ManualClock()
        self.kept = Kept(self.clock)
        self.scans: Scans[str] = Scans(self.store, self.kept, self.clock)
        self.leaves = [leaf(f"lines={value}") for value in values]

    async def load(self) -> None:
        await self.scans.load([one] for one in self.leaves)

    async def value(self, one: Leaf[str], slot: int = 4) -> float | None:
        """None where it is to be asked for alone."""
        share = self.scans.shared(one)
        grid = Grid(slot * STEP, STEP, 1)
        if share is None or (found := await self.scans.series(share, grid)) is None:
            return None
        assert found.labels == [()]
        return float(found.values[0, 0])

    async def all(self, slot: int = 4) -> list[float | None]:
        """One after the other."""
        return [await self.value(one, slot) for one in self.leaves]


def run(play: Play, *slots: int) -> Any:
    async def whole() -> Any:
        await play.load()
        return [await play.all(slot) for slot in slots][-1]

    return asyncio.run(whole())


def test_rules_of_one_shape_are_read_in_one_question() -> None:
    play = Play("a", "bb", "ccc")
    assert run(play, 4) == [1.0, 2.0, 3.0]
    assert play.store.read == [("a", "bb", "ccc")]


def test_rules_that_ask_at_the_same_time_wait_for_one_question() -> None:
    play = Play("a", "bb", "ccc")

    async def whole() -> list[float | None]:
        await play.load()
        return list(await asyncio.gather(*map(play.value, play.leaves)))

    assert asyncio.run(whole()) == [1.0, 2.0, 3.0]
    assert len(play.store.read) == 1


def test_rules_of_other_slots_or_tenants_share_nothing() -> None:
    play = Play("a", "bb", "ccc")
    play.leaves[0] = leaf("lines=a", slots=Slots(STEP, 3 * SECOND))
    play.leaves[1] = leaf("lines=bb", tenant="other")
    assert run(play, 4) == [None] * 3
    assert not play.store.read


def test_fewer_rules_than_are_worth_it_ask_by_themselves() -> None:
    play = Play(*"abcdefgh"[: limits.SCAN_RULES - 1])
    assert run(play, 4) == [None] * len(play.leaves)


def test_rules_that_are_the_same_are_as_many_as_they_are() -> None:
    play = Play(*["aa"] * limits.SCAN_RULES)
    assert run(play, 4) == [2.0] * limits.SCAN_RULES
    assert play.store.read == [("aa",)]


def test_a_rule_that_reads_the_same_twice_is_one() -> None:
    play = Play()

    async def whole() -> Any:
        await play.scans.load([[leaf("lines=a")] * limits.SCAN_RULES])
        return play.scans.shared(leaf("lines=a"))

    assert asyncio.run(whole()) is None


def test_a_leaf_is_read_where_most_others_are() -> None:
    play = Play()
    play.leaves = [leaf(f"a={n % 2}", f"b={n}", f"c{n}=x") for n in range(limits.SCAN_RULES + 1)]
    others = [leaf("a=1", "d=y")] * 2
    play.leaves += others
    run(play, 4)
    assert play.store.read == [("0", "1")]
    shared = [play.scans.shared(one) for one in play.leaves]
    assert {one.place.shape for one in shared if one} == {"a"}


def test_what_was_read_is_kept_for_a_while() -> None:
    play = Play("a", "bb", "ccc")
    run(play, 4, 4)
    assert len(play.store.read) == 1
    play.clock.advance(limits.SCAN_KEPT_S)
    run(play, 4)
    assert len(play.store.read) == 2


def test_as_much_is_kept_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    play = Play("a", "bb", "ccc")
    run(play, 4, 5, 4, 5)
    assert len(play.store.read) == 2
    each = play.kept.bytes // 2
    monkeypatch.setattr(limits, "SCANS_KEPT_BYTES", 4 * each)
    run(play, 6, 7, 8)
    assert play.kept.bytes <= 4 * each
    assert len(play.store.read) == 5
    run(play, 8, 7, 6, 5)
    assert len(play.store.read) == 5
    run(play, 4)
    assert len(play.store.read) == 6


def test_a_question_whose_answer_cannot_be_kept_is_asked_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play = Play("a", "bb", "ccc", "dddd")
    run(play, 4)
    monkeypatch.setattr(limits, "SCANS_KEPT_BYTES", 4 * play.kept.bytes - 4)
    play.store.read.clear()
    assert run(play, 5) == [1.0, 2.0, 3.0, 4.0]
    assert play.store.read == [("a", "bb", "ccc", "dddd"), ("a", "bb"), ("ccc", "dddd")]


def test_so_many_services_are_asked_for_in_one_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SCAN_VALUES", 2)
    play = Play("a", "bb", "ccc")
    run(play, 4)
    assert play.store.read == [("a", "bb"), ("ccc",)]


def test_a_service_that_cannot_be_counted_is_asked_for_apart() -> None:
    play = Play("a", "bb", "ccc", "dddd", "eeeee", bad=["bb"])
    assert run(play, 4) == [1.0, None, 3.0, 4.0, 5.0]
    play.store.read.clear()
    asyncio.run(play.all(5))
    assert play.store.read == [("a",), ("ccc", "dddd", "eeeee")]


def test_what_was_asked_apart_is_asked_together_again_some_time() -> None:
    play = Play("a", "bb", "ccc", bad=["bb"])
    run(play, 4)
    play.store.read.clear()
    play.store.bad = []
    play.clock.advance(limits.SCAN_APART_S)
    asyncio.run(play.all(5))
    assert play.store.read == [("a", "bb", "ccc")]


def test_a_question_that_takes_too_long_is_asked_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SCAN_SHARE", 0.001)
    play = Play("a", "bb", "ccc", "dddd")
    play.store.slow = 3
    assert run(play, 4) == [1.0, 2.0, 3.0, 4.0]
    assert play.store.read == [("a", "bb", "ccc", "dddd"), ("a", "bb"), ("ccc", "dddd")]


def test_a_store_that_fails_is_not_asked_by_each_rule() -> None:
    play = Play("a", "bb", "ccc", bad=["a"], failure=StoreError("closed"))
    with pytest.raises(StoreError):
        run(play, 4)
    assert len(play.store.read) == 1


def test_other_rules_share_from_when_they_are_loaded() -> None:
    play = Play("a", "bb", "ccc")

    async def whole() -> Any:
        await play.load()
        play.leaves, gone = play.leaves[:2], play.leaves[2]
        await play.load()
        return [*await play.all(), await play.value(gone)]

    assert asyncio.run(whole()) == [None] * 3


@pytest.mark.parametrize("bad", [[], ["bb"]])
def test_rules_may_be_others_while_a_question_is_under_way(bad: list[str]) -> None:
    play = Play("a", "bb", "ccc", "dddd", bad=bad)

    async def whole() -> Any:
        play.store.gate = asyncio.Event()
        await play.load()
        waiting = [asyncio.create_task(play.value(one)) for one in play.leaves]
        while not play.store.read:
            await asyncio.sleep(0)
        gone, play.leaves = play.leaves[3], [*play.leaves[:3], leaf("lines=eeeee")]
        await play.load()
        play.store.gate.set()
        assert await play.value(gone, 5) is None
        return [await one for one in waiting], await play.all(5)

    first, then = asyncio.run(whole())
    assert first[:1] + first[2:3] == [1.0, 3.0]
    # What was read together is good for who is gone, too; else it is read alone.
    assert first[3] == (None if bad else 4.0)
    assert then == [1.0, None if bad else 2.0, 3.0, 5.0]


class Several(Play):
    """Leaves of several shapes at the same slots; `open` lets one question end."""

    def __init__(self, *shapes: str, **store: Any) -> None:
        super().__init__(**store)
        self.leaves = [leaf(f"{shape}={value}") for shape in shapes for value in "abc"]
        self.asked: list[tuple[str, int]] = []
        self.open: dict[str, asyncio.Event] = {shape: asyncio.Event() for shape in shapes}
        self.scans = Scans(self._read, self.kept, self.clock)

    async def _read(self, scan: Scan[str]) -> Mapping[str, Matrix]:
        self.asked.append((scan.place.shape, scan.grid.steps))
        await self.open[scan.place.shape].wait()
        return await self.store(scan)

    async def waiting(self, *shapes: str) -> None:
        """Until these were asked for, and no more after that."""
        for _ in range(20):
            await asyncio.sleep(0)
        assert [shape for shape, _ in self.asked] == [*shapes]


def test_the_last_place_is_read_beside_the_first_and_then_the_one_before_it() -> None:
    play = Several(*"vwxyz")

    async def whole() -> list[float | None]:
        await play.load()
        rules = asyncio.create_task(play.all())
        await play.waiting("v", "z")
        play.open["z"].set()
        await play.waiting("v", "z", "y")
        play.open["v"].set()
        await play.waiting("v", "z", "y", "w")
        play.open["y"].set()
        await play.waiting("v", "z", "y", "w", "x")
        for one in play.open.values():
            one.set()
        return await rules

    assert asyncio.run(whole()) == [1.0] * 15
    assert len(play.asked) == 5


def test_what_is_read_ahead_is_of_the_same_tenant_and_slots() -> None:
    play = Several("v")
    others = [leaf(f"x={value}", tenant="other") for value in "abc"]
    later = [leaf(f"y={value}", slots=Slots(STEP, 3 * SECOND)) for value in "abc"]
    weekly = [leaf(f"z={value}", slots=SLOTS._replace(earlier=True)) for value in "abc"]

    async def whole() -> None:
        await play.scans.load([one] for one in [*play.leaves, *others, *later, *weekly])
        rules = asyncio.create_task(play.all())
        await play.waiting("v")
        play.open["v"].set()
        await rules

    asyncio.run(whole())
    assert len(play.asked) == 1


def test_slots_that_are_made_up_for_are_read_as_they_are_asked_for() -> None:
    play = Several("v", "w")

    async def whole() -> None:
        await play.load()
        share = play.scans.shared(play.leaves[0])
        assert share
        series = asyncio.create_task(play.scans.series(share, Grid(4 * STEP, STEP, 3)))
        await play.waiting("v")
        play.open["v"].set()
        await series

    asyncio.run(whole())


@pytest.mark.parametrize(
    ("failure", "asked"),
    [(QueryError("too many series"), 2), (StoreError("closed"), 1)],
)
def test_what_cannot_be_read_ahead_is_told_to_the_rules_that_ask(
    failure: Exception, asked: int
) -> None:
    play = Several("v", "w", "x", bad=["b"], failure=failure)

    async def whole() -> list[float | None]:
        await play.load()
        rules = asyncio.create_task(play.all())
        await play.waiting("v", "x")
        play.open["x"].set()
        await play.waiting(*["v", "x", "w"][: 1 + asked])
        play.open["w"].set()
        play.open["v"].set()
        return await rules

    if isinstance(failure, StoreError):
        with pytest.raises(StoreError):
            asyncio.run(whole())
    else:
        assert asyncio.run(whole()) == [1.0, None, 1.0] * 3
        # Together once, each half once, and the halves of the second.
        assert Counter(shape for shape, _ in play.asked) == {"v": 5, "w": 5, "x": 5}


def test_what_is_read_ahead_has_a_turn_of_its_own() -> None:
    play = Several("v", "w")
    asked = ContextVar("asked", default="nothing")
    seen: dict[str, str] = {}

    async def read(scan: Scan[str]) -> Mapping[str, Matrix]:
        seen[scan.place.shape] = asked.get()
        return await play.store(scan)

    async def whole() -> None:
        play.scans = Scans(read, play.kept, play.clock)
        await play.load()
        asked.set("the question of a rule")
        assert await play.value(play.leaves[0]) == 1.0
        await play.waiting()

    asyncio.run(whole())
    assert seen == {"v": "the question of a rule", "w": "nothing"}
