"""Which errors of a look are new."""

from __future__ import annotations

from tailrace.alerts.streaming.novelty import ids, novelty
from tailrace.core.errorpatterns import Remembered, id_of
from tailrace.query.patterns.errors import Errors, Lines

S = 10**9
DAY = 86_400 * S
NOW = 1_000 * DAY


def known(*some: tuple[str, str], first_ns: int = 0, last_ns: int = NOW) -> dict[str, Remembered]:
    return {
        id_of(*one): Remembered("t", id_of(*one), one[0], first_ns or NOW - 9 * DAY, last_ns)
        for one in some
    }


def errors(*found: tuple[str, str], since_ns: int = NOW - 30 * S) -> Errors:
    services = {service: since_ns for service, _ in found}
    return Errors(services, {one: Lines(1, NOW) for one in found})


def test_what_an_old_service_says_for_the_first_time_is_new_and_remembered() -> None:
    found = novelty("t", errors(("a", "x"), ("a", "y")), known(("a", ""), ("a", "x")), NOW, DAY)
    assert [one.statement for one in found.new] == ["y"]
    assert found.seen == [Remembered("t", id_of("a", "y"), "a", NOW, NOW)]


def test_what_a_service_says_that_is_new_itself_is_only_remembered() -> None:
    found = novelty("t", errors(("a", "x")), {}, NOW, DAY)
    assert found.new == []
    assert {one.id: one.first_ns for one in found.seen} == {
        id_of("a"): NOW - 30 * S,
        id_of("a", "x"): NOW,
    }


def test_learning_ends_so_long_after_the_first_line_of_a_service() -> None:
    for age_ns, new in ((DAY - 1, 0), (DAY, 1)):
        before = known(("a", ""), first_ns=NOW - age_ns)
        assert len(novelty("t", errors(("a", "x")), before, NOW, DAY).new) == new


def test_without_learning_the_first_error_of_all_is_new() -> None:
    assert len(novelty("t", errors(("a", "x")), {}, NOW, 0).new) == 1


def test_a_service_whose_first_line_is_of_the_future_learns_from_now() -> None:
    found = novelty("t", errors(("a", "x"), since_ns=NOW + DAY), {}, NOW, DAY)
    assert {one.first_ns for one in found.seen} == {NOW}


def test_what_another_service_has_said_is_new_of_this_one() -> None:
    before = known(("a", ""), ("b", ""), ("b", "x"))
    assert len(novelty("t", errors(("a", "x")), before, NOW, DAY).new) == 1


def test_one_that_comes_all_the_time_is_written_once_an_hour() -> None:
    for ago_s, written in ((3_599, []), (3_600, [id_of("a"), id_of("a", "x")])):
        before = known(("a", ""), ("a", "x"), last_ns=NOW - ago_s * S)
        found = novelty("t", errors(("a", "x")), before, NOW, DAY)
        assert [one.id for one in found.seen] == written
        assert found.new == []


def test_a_service_that_was_left_out_of_the_list_learns_from_now() -> None:
    only = Errors({}, {("a", "x"): Lines(1, NOW)})
    assert set(ids(only)) == {id_of("a"), id_of("a", "x")}
    found = novelty("t", only, {}, NOW, DAY)
    assert (found.new, len(found.seen)) == ([], 2)
