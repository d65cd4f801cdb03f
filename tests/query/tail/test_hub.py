"""The hub: one reading of the queue for all who follow, exact and bounded."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tail_fakes import ALL, BULK, METRICS, NOW, Place, bodies, row, rows_of
from tests.examples import examples

from tailrace.core import limits
from tailrace.core.errors import Busy, QueryError
from tailrace.core.frame import Frame
from tailrace.query.tail.allowance import BURST_S
from tailrace.query.tail.outlet import Outlet

SECOND = 1_000_000_000


def run(place: Place, body: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await body()
        for outlet in tuple(place.hub._room.outlets):
            place.hub.leave(outlet)
        assert not place.followers

    asyncio.run(whole())


def test_lines_of_one_tenant_come_to_its_followers_alone(place: Place) -> None:
    async def body() -> None:
        mine, other = place.join(), place.join(tenant="u")
        place.accept(place.frame(1, ["a", "b"]), place.frame(2, ["x"], tenant="u"))
        assert await place.lines(mine, "b") == ["a", "b"]
        assert await place.lines(other, "x") == ["x"]

    run(place, body)


def test_followers_of_one_query_share_its_evaluation_and_its_messages(place: Place) -> None:
    async def body() -> None:
        outlets = [place.join() for _ in range(50)]
        outlets.append(place.join('{ service_name =~ ".+" }'))
        place.accept(place.frame(1, ["a"]))
        texts = [await outlet.next(place.clock) for outlet in outlets]
        assert len({id(text) for text in texts}) == 1
        assert len(place.decoded) == 1
        assert place.metric("tailrace_tail_queries 1")
        assert place.metric("tailrace_tail_followers 51")
        assert place.metric("tailrace_tail_rows_total 1")

    run(place, body)


def test_what_queries_do_not_see_is_not_decoded(place: Place) -> None:
    async def body() -> None:
        outlet = place.join()
        place.accept(
            place.frame(1, ["bulk"], lane=BULK),
            place.frame(2, ["metric"], signal=METRICS),
            place.frame(3, ["other"], tenant="u"),
            place.frame(4, ["a"]),
            place.frame(4, ["a"]),
        )
        assert await place.lines(outlet, "a") == ["a"]
        assert [[one.header.seq for one in batch] for batch in place.decoded] == [[4]]

    run(place, body)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('{service_name="web"}', "abcd"),
        ('{service_name="web", zone="z"}', "a"),
        ('{service_name="web", zone!="z"}', "bcd"),
        ('{service_name="web", zone=~".+"}', "ab"),
        ('{service_name="web", zone!~".+"}', "cd"),
        ('{service_name="web", zone=~"Z|y"}', "b"),
        ('{level="error"}', "b"),
        ('{detected_level=~"err.*"}', "b"),
        ('{host="h2"}', "c"),
        ('{trace_id="77"}', "d"),
        ('{service_name=~"we", zone=""}', ""),
        ('{service_name=~"w.*"} |= "a"', "a"),
        ('{service_name=~"w.*"} != "a" !~ "[cd]"', "b"),
        ('{service_name=~"w.*"} |~ "(?i)A"', "a"),
    ],
)
def test_selectors_and_line_filters(place: Place, query: str, found: str) -> None:
    rows = [
        row("a", resource={"zone": "z"}),
        row("b", resource={"k.zone": "x", "zone": "y"}, severity=17),
        row("c", host="h2"),
        row("d", trace="77"),
        row("end", NOW + 1, service="end"),
    ]

    async def body() -> None:
        outlet = place.join(query)
        end = place.join('{service_name="end"}')
        place.accept(place.frame(1, rows))
        await place.lines(end, "end")
        if found:
            assert "".join(bodies(await place.message(outlet))) == found
        outlet.unread("end", 1)
        assert bodies(await place.message(outlet)) == []

    run(place, body)


def test_labels_stand_apart_where_the_client_asks_for_it(place: Place) -> None:
    async def body() -> None:
        plain, apart = place.join(), place.join(categorize=True)
        place.accept(place.frame(1, [row("a", attributes={"u.id": "7"}, trace="9")]))
        assert (await place.message(plain))["streams"] == [
            {
                "stream": {
                    "detected_level": "info", "host_name": "h1", "level": "info",
                    "service_name": "web", "trace_id": "9", "u_id": "7",
                },
                "values": [[str(NOW), "a"]],
            }
        ]  # fmt: skip
        found = await place.message(apart)
        assert list(found) == ["encodingFlags", "streams", "dropped_entries"]
        own = {"detected_level": "info", "trace_id": "9", "u_id": "7"}
        assert found["streams"] == [
            {
                "stream": {"host_name": "h1", "level": "info", "service_name": "web"},
                "values": [[str(NOW), "a", {"structuredMetadata": own, "parsed": {}}]],
            }
        ]

    run(place, body)


def test_it_reads_the_queue_only_while_somebody_follows(place: Place) -> None:
    async def body() -> None:
        assert not place.followers
        first, second = place.join(), place.join(tenant="u")
        assert len(place.followers) == 1
        place.hub.leave(first)
        assert place.hub.running
        place.hub.leave(second)
        place.hub.leave(second)
        assert not place.hub.running
        assert not place.followers
        assert place.metric("tailrace_tail_followers 0")
        again = place.join()
        place.accept(place.frame(1, ["a"]))
        assert await place.lines(again, "a") == ["a"]

    run(place, body)


def test_a_hub_that_is_left_and_joined_in_the_middle_of_a_batch_goes_on(place: Place) -> None:
    async def body() -> None:
        place.gate.clear()
        first = place.join()
        place.accept(place.frame(1, ["a"]))
        while not place.decoded:
            await asyncio.sleep(0)
        place.hub.leave(first)
        second = place.join()
        place.gate.set()
        place.accept(place.frame(2, ["b"]))
        assert await place.lines(second, "b") == ["b"]

    run(place, body)


def test_a_follower_that_does_not_read_loses_the_oldest_lines_and_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TAIL_FOLLOWER_ROWS", 3)

    async def body() -> None:
        slow, quick = place.join(), place.join()
        for n in range(6):
            place.accept(place.frame(n, [row(str(n), NOW + n, service=f"s{n % 2}")]))
            assert await place.lines(quick, str(n)) == [str(n)]
        found = await place.message(slow)
        assert bodies(found) == ["3"]
        assert found["dropped_lines"] == 3
        told = {one["labels"]["service_name"]: one["timestamp"] for one in found["dropped_entries"]}
        assert told == {"s0": str(NOW + 2), "s1": str(NOW + 1)}
        rest = await place.message(slow)
        assert (bodies(rest), rest["dropped_entries"]) == (["4"], [])
        assert place.metric('tailrace_tail_dropped_total{kind="slow"} 3')

    run(place, body)


def test_what_all_followers_hold_is_bounded_and_whoever_holds_most_loses_first(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TAIL_HELD_BYTES", 20_000)

    async def body() -> None:
        idle = [place.join(f'{{service_name="web"}} != "{n}"') for n in range(20)]
        small = place.join('{service_name="small"}')
        place.accept(place.frame(0, [row("kept", service="small")]))
        for n in range(20):
            place.accept(place.frame(n + 1, ["x" * 100, "y" * 100]))
        place.accept(place.frame(99, [row("end", NOW + 1, service="small")]))
        assert await place.lines(small, "end") == ["kept", "end"]
        assert place.hub._room.bytes <= 20_000
        assert place.metrics.render().count('tailrace_tail_dropped_total{kind="slow"}') == 1
        for outlet in idle:
            place.hub.leave(outlet)
        place.hub.leave(small)
        assert place.hub._room.bytes == 0

    run(place, body)


def test_more_than_is_decoded_in_a_second_is_passed_over_and_counted(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [place.frame(n, [str(n)] * 10) for n in range(10)]
    size = frames[0].header.bytes
    assert place.hub._allowance._per_s == limits.TAIL_BYTES_PER_S
    monkeypatch.setattr(place.hub._allowance, "_per_s", 4.0 * size / BURST_S)

    async def body() -> None:
        busy, calm = place.join(), place.join(tenant="u")
        place.accept(*frames, place.frame(1, ["calm"], tenant="u"))
        found = await place.message(busy)
        assert set(bodies(found)) == {"0", "1"}
        assert found["dropped_lines"] == 80
        said = [{"labels": {"reason": "80 lines too many"}, "timestamp": str(NOW)}]
        assert found["dropped_entries"] == said
        assert "dropped_lines" not in await place.message(calm)
        assert place.metric('tailrace_tail_dropped_total{kind="busy"} 80')
        place.clock.advance(1.0)
        place.accept(place.frame(20, ["later"]))
        assert await place.lines(busy, "later") == ["later"]

    run(place, body)


def test_more_lines_than_a_batch_may_have_are_left_out_and_counted(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TAIL_BATCH_ROWS", 5)

    async def body() -> None:
        outlet = place.join()
        place.accept(*(place.frame(n, [f"{n}{m}" for m in range(3)]) for n in range(3)))
        place.accept(place.frame(3, [str(n) for n in range(9)]))
        found = await place.message(outlet)
        assert bodies(found) == ["00", "01", "02", "10", "11"]
        assert found["dropped_lines"] == 1 + 3 + 9

    run(place, body)


def test_the_engine_is_told_what_nobody_can_want(place: Place) -> None:
    async def body() -> None:
        outlet = place.join('{service_name="web", zone="z", level="info"} |= "a\'%" !~ "b" |= "c"')
        place.accept(place.frame(1, [row("a'%c", resource={"zone": "z"})]))
        await place.lines(outlet, "a'%c")
        assert place.condition.count("Body") == 3
        found = re.match(
            r"\(\(Tenant = {(p\d+):String} AND ServiceName = {(p\d+):String}", place.condition
        )
        assert found
        assert "zone" not in place.condition
        assert [place.parameters[name] for name in found.groups()] == ["t", "web"]
        place.join(tenant="u")
        place.accept(place.frame(2, [row("a'%c", resource={"zone": "z"})]))
        await place.lines(outlet, "a'%c")
        assert place.condition.count("Tenant") == 2
        for n in range(20):
            place.join(f'{{service_name="{n}"}}')
        place.accept(place.frame(3, [row("a'%c", resource={"zone": "z"})]))
        await place.lines(outlet, "a'%c")
        assert "Body" not in place.condition
        assert place.condition.count("Tenant") == 2

    run(place, body)


def test_a_frame_that_cannot_be_read_and_an_engine_that_fails_are_counted(place: Place) -> None:
    async def body() -> None:
        outlet = place.join()
        place.broken = {2}
        place.accept(place.frame(1, ["a"]), place.frame(2, ["b", "c"]))
        found = await place.message(outlet)
        assert (bodies(found), found["dropped_lines"]) == (["a"], 2)
        place.broken = {-1}
        place.accept(place.frame(3, ["d"]), place.frame(4, ["e"]))
        found = await place.message(outlet)
        assert (found["streams"], found["dropped_lines"]) == ([], 2)
        place.broken = set()
        place.accept(place.frame(5, ["f"]))
        assert await place.lines(outlet, "f") == ["f"]

    run(place, body)


def test_a_query_that_fails_on_a_row_hurts_no_other(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        bad, good = place.join(ALL + ' |= "a"'), place.join()

        def fails(*_: object) -> None:
            raise ValueError

        group = next(one for one in place.hub._groups.values() if bad in one.outlets)
        monkeypatch.setattr(group.pipeline, "process", fails)
        place.accept(place.frame(1, ["a"]))
        assert await place.lines(good, "a") == ["a"]

    run(place, body)


def test_a_delay_puts_lines_that_come_late_in_order(place: Place) -> None:
    async def body() -> None:
        outlet = place.join(delay_ns=2 * SECOND)
        place.accept(place.frame(1, [row("c", NOW), row("future", NOW + 9 * SECOND)]))
        other = place.join()
        place.accept(place.frame(2, [row("b", NOW - SECOND // 2), row("old", NOW - 9 * SECOND)]))
        await place.lines(other, "old")
        assert bodies(await place.message(outlet)) == ["old"]
        place.clock.advance(1.6)
        place.accept(place.frame(3, [row("d", NOW + 1)]))
        assert bodies(await place.message(outlet)) == ["b"]
        place.clock.advance(0.4)
        place.accept(place.frame(4, [row("d", NOW + 1)]))
        assert bodies(await place.message(outlet)) == ["c", "future"]

    run(place, body)


def test_messages_are_bounded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TAIL_ROWS", 3)
    monkeypatch.setattr(limits, "TAIL_MESSAGE_BYTES", 1000)

    async def body() -> None:
        outlet = place.join()
        lines = [row(str(n), NOW + n) for n in range(4)] + [
            row("x" * 2000, NOW + 9),
            row("end", NOW + 10),
        ]
        place.accept(place.frame(1, lines))
        found = [bodies(await place.message(outlet)) for _ in range(3)]
        assert found == [["0", "1", "2"], ["3", "x" * 2000], ["end"]]

    run(place, body)


def test_followers_and_queries_are_bounded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TAIL_FOLLOWERS", 4)
    monkeypatch.setattr(limits, "TAIL_FOLLOWERS_OF_TENANT", 3)
    monkeypatch.setattr(limits, "TAIL_QUERIES", 2)

    async def body() -> None:
        first = place.join()
        place.join(ALL + ' |= "a"')
        with pytest.raises(Busy, match="TAIL_QUERIES"):
            place.join(ALL + ' |= "b"')
        place.join()
        with pytest.raises(Busy, match="TAIL_FOLLOWERS_OF_TENANT"):
            place.join()
        place.hub.leave(first)
        place.join()

    run(place, body)


def test_followers_of_all_tenants_are_bounded_together(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TAIL_FOLLOWERS", 2)

    async def body() -> None:
        place.join()
        place.join(tenant="u")
        with pytest.raises(Busy, match=r"\(TAIL_FOLLOWERS\)"):
            place.join(tenant="v")

    run(place, body)


@pytest.mark.parametrize("query", ['{a="b"} |~ "("', '{a="b", c=~"("}'])
def test_a_query_that_cannot_be_followed_is_an_error_and_leaves_nothing(
    place: Place, query: str
) -> None:
    async def body() -> None:
        with pytest.raises(QueryError, match="RE2"):
            place.join(query)
        assert not place.hub.running

    run(place, body)


class Follower:
    """One that reads its history at some time, as the websocket does."""

    def __init__(self, place: Place, tenant: str, needle: str, categorize: bool) -> None:
        query = ALL + (f' |= "{needle}"' if needle else "")
        self.tenant, self.needle = tenant, needle
        self.outlet: Outlet = place.join(query, tenant, categorize=categorize)
        self.history: list[str] | None = None

    def read_history(self, place: Place) -> None:
        """What the store has by now, without what comes live."""
        live = self.outlet.live
        assert live is not None
        before = [f for f in place.accepted if f.header.key[1:] not in live]
        self.history = self.wanted(before)
        place.hub.settled(self.outlet)

    def wanted(self, frames: list[Frame]) -> list[str]:
        rows = [r for f in frames if f.header.tenant == self.tenant for r in rows_of(f)]
        return [body for _, body, *_ in rows if self.needle in body]


action = st.one_of(
    st.tuples(
        st.just("join"), st.sampled_from("tu"), st.sampled_from(["", "1", "2"]), st.booleans()
    ),
    st.tuples(st.just("accept"), st.sampled_from("tu"), st.integers(1, 3), st.booleans()),
    st.tuples(st.just("history"), st.integers(0, 5)),
    st.tuples(st.just("leave"), st.integers(0, 5)),
    st.tuples(st.just("turns"), st.integers(1, 40)),
    st.tuples(st.just("gate")),
)


@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(action, max_size=40))
def test_each_line_comes_once_with_the_history_or_live(
    monkeypatch: pytest.MonkeyPatch, actions: list[Any]
) -> None:
    for name in ("GATHER_S", "GATHER_PER_FOLLOWER_S"):
        monkeypatch.setattr(f"tailrace.query.tail.hub.{name}", 0.0)
    place = Place()
    followers: list[Follower] = []

    async def act(kind: str, *what: Any) -> None:
        if kind == "join":
            followers.append(Follower(place, *what))
        elif kind == "accept":
            seq = len(place.accepted)
            made = place.frame(seq, [f"{seq}.{n}" for n in range(what[1])], what[0])
            place.accept(made)
        elif kind == "history" and len(followers) > what[0]:
            if followers[what[0]].history is None:
                followers[what[0]].read_history(place)
        elif kind == "leave" and len(followers) > what[0]:
            place.hub.leave(followers.pop(what[0]).outlet)
        elif kind == "turns":
            for _ in range(what[0]):
                await asyncio.sleep(0)
        elif kind == "gate":
            (place.gate.clear if place.gate.is_set() else place.gate.set)()

    async def body() -> None:
        for one in actions:
            await act(*one)
        place.gate.set()
        for one in followers:
            if one.history is None:
                one.read_history(place)
        for tenant in "tu":
            place.accept(place.frame(1000, ["end12"], tenant))
        for one in followers:
            assert one.history is not None
            live = await place.lines(one.outlet, "end12")
            assert one.history + live == one.wanted(place.accepted)

    run(place, body)


def test_a_follower_with_too_many_frames_before_its_history_is_told_to_come_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TAIL_HISTORY_FRAMES", 3)

    async def body() -> None:
        waiting, settled = place.join(), place.join()
        place.hub.settled(settled)
        place.accept(*(place.frame(n, ["a"]) for n in range(4)))
        assert waiting.overrun
        assert not settled.overrun

    run(place, body)


def test_dropped_lines_are_told_as_json_whatever_their_labels_hold(place: Place) -> None:
    async def body() -> None:
        outlet = place.join()
        place.accept(place.frame(1, [row('"\\\u2028', service='"}],"x":')]))
        text = await outlet.next(place.clock)
        assert json.loads(text)["streams"][0]["stream"]["service_name"] == '"}],"x":'

    run(place, body)


def test_bytes_that_one_follower_holds_are_bounded(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TAIL_FOLLOWER_BYTES", 3_000)

    async def body() -> None:
        slow, quick = place.join(), place.join()
        for n in range(6):
            place.accept(place.frame(n, [row(f"{n}" * 1_000, NOW + n)]))
            assert await place.lines(quick, f"{n}" * 1_000) == [f"{n}" * 1_000]
        assert slow.bytes <= 3_000
        found = await place.message(slow)
        assert found["dropped_lines"] >= 3

    run(place, body)


def test_frames_are_decoded_within_the_bytes_of_a_batch(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [place.frame(n, [str(n)]) for n in range(6)]
    monkeypatch.setattr(limits, "TAIL_BATCH_BYTES", 2 * frames[0].header.bytes)

    async def body() -> None:
        outlet = place.join()
        place.accept(*frames)
        assert await place.lines(outlet, "5") == ["0", "1", "2", "3", "4", "5"]
        assert [len(batch) for batch in place.decoded] == [2, 2, 2]

    run(place, body)


def test_frames_that_wait_to_be_decoded_are_bounded(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TAIL_QUEUED_BYTES", 20_000)

    async def body() -> None:
        outlet = place.join()
        place.accept(*(place.frame(n, ["x" * 1_000]) for n in range(100)))
        found = await place.message(outlet)
        assert found["dropped_lines"] >= 80

    run(place, body)


def test_a_frame_is_known_again_as_long_as_there_is_room_for_its_name(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TAIL_FRAMES_SEEN", 2)

    async def body() -> None:
        outlet = place.join()
        place.accept(place.frame(1, ["1"]), place.frame(2, ["2"]), place.frame(1, ["1"]))
        assert await place.lines(outlet, "2") == ["1", "2"]
        place.accept(place.frame(3, ["3"]), place.frame(1, ["1"]), place.frame(4, ["4"]))
        assert sorted(await place.lines(outlet, "4")) == ["1", "3", "4"]

    run(place, body)


def test_streams_of_dropped_lines_are_named_up_to_a_bound_and_all_lines_counted(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TAIL_FOLLOWER_ROWS", 1)
    monkeypatch.setattr(limits, "TAIL_DROPPED_ENTRIES", 3)

    async def body() -> None:
        slow, quick = place.join(), place.join()
        for n in range(8):
            place.accept(place.frame(n, [row(str(n), NOW + n, service=f"s{n}")]))
            await place.lines(quick, str(n))
        found = await place.message(slow)
        assert found["dropped_lines"] > 3
        assert len(found["dropped_entries"]) == 3

    run(place, body)
