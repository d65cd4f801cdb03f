"""Runs of slots against a plain dict of slots."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.alerts.late.memory import Given, Memory, packed, unpacked
from tailrace.core import limits

STEP = 15_000_000_000
BASE = 1_800_000_000_000_000_000
RULE = ("shop", "r")
Known = dict[int, tuple[Given, bool]]
SETS = st.sampled_from([packed(one) for one in ([], [1], [-1, 2])])
PUTS = st.lists(
    st.tuples(st.integers(0, 300), st.lists(SETS, min_size=1, max_size=8), st.booleans()),
    max_size=25,
)


def slot(number: int) -> int:
    return BASE + number * STEP


def put(known: Known, first: int, sets: list[Given], again: bool) -> None:
    known |= {slot(first + n): (one, again) for n, one in enumerate(sets)}


def held(memory: Memory) -> Known:
    return {
        at: (run.given, run.again)
        for run in memory.runs(RULE)
        for at in range(run.first_ns, run.last_ns + 1, STEP)
    }


@given(PUTS)
def test_what_was_put_is_known_and_what_is_too_old_is_not(
    puts: list[tuple[int, list[Given], bool]],
) -> None:
    memory, known = Memory(), Known()
    for first, sets, again in puts:
        memory.put(RULE, slot(first), STEP, sets, again)
        put(known, first, sets, again)
        oldest = max(known) - int(limits.RULE_SAID_S * 1e9)
        found = held(memory)
        assert {at: found.get(at) for at in known if at >= oldest} == {
            at: one for at, one in known.items() if at >= oldest
        }
        assert {at: known.get(at) for at in found} == found
        assert memory.bytes == sum(run.bytes for run in memory.runs(RULE))


@given(PUTS, st.integers(-5, 310), st.integers(0, 310), st.integers(0, STEP - 1))
def test_what_is_open_is_what_was_not_evaluated_again(
    puts: list[tuple[int, list[Given], bool]], first: int, steps: int, odd: int
) -> None:
    memory = Memory()
    for begins, sets, again in puts:
        memory.put(RULE, slot(begins), STEP, sets, again)
    start, end = slot(first) - odd, slot(first + steps) + odd
    found = list(memory.open(RULE, start, end, STEP))
    slots = [at for a, b in found for at in range(a, b + 1, STEP)]
    assert slots == [at for at, (_, again) in sorted(held(memory).items())
                     if not again and start <= at <= end]  # fmt: skip
    assert all(b + STEP < a for (_, b), (a, _) in pairwise(found))


@given(st.sets(st.integers(-(2**63), 2**63 - 1)))
def test_numbers_are_kept_as_they_are(numbers: set[int]) -> None:
    assert unpacked(packed(numbers)) == numbers


def test_slots_that_give_the_same_take_the_room_of_one() -> None:
    memory = Memory()
    for number in range(200):
        memory.put(RULE, slot(number), STEP, [packed([7])])
    assert len(memory.runs(RULE)) == 1


@settings(max_examples=examples(20))
@given(st.lists(st.integers(1, 4_000), min_size=2, max_size=6))
def test_the_rule_that_takes_most_is_forgotten_when_all_take_too_much(sizes: list[int]) -> None:
    memory = Memory(most_bytes=40_000)
    for number, size in enumerate(sizes):
        memory.put(("shop", str(number)), slot(0), STEP, [packed(range(size))])
        assert memory.bytes <= 40_000
    kept = [n for n, _ in enumerate(sizes) if memory.runs(("shop", str(n)))]
    gone = [n for n, _ in enumerate(sizes) if n not in kept]
    assert all(min(sizes[n] for n in gone) >= sizes[kept[0]] for _ in gone[:1] if len(kept) == 1)
    assert bool(gone) == (sum(250 + 8 * size for size in sizes) > 40_000)


def test_rules_that_are_no_more_are_forgotten() -> None:
    memory = Memory()
    memory.put(RULE, slot(0), STEP, [packed([7])])
    memory.retain([("shop", "other")])
    assert (memory.runs(RULE), memory.bytes) == ((), 0)
